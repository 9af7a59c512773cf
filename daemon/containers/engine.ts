// Owns what the steps of this room share: the services they were given and what is known of live containers. A plain object, made once by
// service.ts; what is in here is lost with the daemon and rebuilt by reconcile.ts.
import { conflict, invalidArgument, notFound } from '../base/errors.ts';
import type { Fault } from '../base/fault.ts';
import type { KeyedLock } from '../base/keyed-lock.ts';
import type { Log } from '../base/log.ts';
import type { Images } from '../images/types.ts';
import type { Networks } from '../networks/types.ts';
import type { ContainerProcess, ExecProcess, HostFeatures, LogLoss, Runtime, SpecInput } from '../runtime/types.ts';
import type { ContainerTable } from '../store/containers.ts';
import type { NewEvent } from '../store/events.ts';
import type { ExecTable } from '../store/execs.ts';
import type { HealthTable } from '../store/health.ts';
import type { Cgroups } from '../supervisor/cgroup/cgroup.ts';
import type { Volumes } from '../volumes/types.ts';
import type { PendingAttaches } from './attach.ts';
import type { Background } from './background.ts';
import type { HealthCheck } from './health.ts';
import type { ContainerDefaults } from './host-config.ts';
import { hasProcess } from './lifecycle.ts';
import type { ContainerRecord } from './types.ts';
import type { Waiters } from './wait.ts';

/** What main.ts gives. */
export interface ContainersOptions {
  /** Eight hexadecimal digits, see base/ids.ts instanceOf(). */
  readonly instance: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  readonly table: ContainerTable;
  readonly execs: ExecTable;
  readonly healths: HealthTable;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly runtime: Runtime;
  readonly cgroups: Cgroups;
  readonly host: HostFeatures;
  readonly defaults: ContainerDefaults;
  /** Parent of all control groups unless a container names one; empty: `/tsd-<instance>`. */
  readonly cgroupParent: string;
  readonly log: Log;
  readonly fault?: Fault | undefined;
}

/** A container that has a process. */
export interface Live {
  readonly process: ContainerProcess;
  /** Absent for one that was adopted before its spec could be rebuilt. */
  readonly spec?: SpecInput;
}

export interface Engine extends ContainersOptions {
  /** One key a container. */
  readonly lock: KeyedLock;
  readonly live: Map<string, Live>;
  /** Exec sessions that run or are being started, by exec id. */
  readonly sessions: Map<string, Promise<ExecProcess>>;
  /** Health checks that go on, by container. */
  readonly checks: Map<string, HealthCheck>;
  /** Clients that attached before the start. */
  readonly pending: PendingAttaches;
  readonly waiters: Waiters;
  /** Work behind the answers. */
  readonly background: Background;
  /** Waits of restart policies, with the length of the wait in milliseconds. */
  readonly restarts: Map<string, { readonly delayMs: number; readonly timer?: NodeJS.Timeout }>;
  /** Output of ended containers that could not be logged, by container. */
  readonly logLosses: Map<string, LogLoss>;
  /** Being restarted on request: an exit does not remove them. */
  readonly kept: Set<string>;
  /** Follows a process to its end, see exit.ts watchExit(). */
  readonly watch: (id: string, process: ContainerProcess) => void;
  /** Resolves when reconcile.ts has swept: before that no policy starts anything, or the sweep could take it for a leftover. */
  readonly swept: { readonly promise: Promise<void>; readonly resolve: () => void };
  /** True from the shutdown on: no restart, no state is touched. */
  readonly closing: { value: boolean };
}

/** Docker's event of a container: labels, image and name with every one. */
export function containerEvent(
  record: ContainerRecord,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): NewEvent {
  return {
    type: 'container',
    action,
    actorId: record.id,
    attributes: { ...record.config.Labels, image: record.imageReference, name: record.name, ...attributes },
  };
}

/** By full id, then name, then unique prefix of an id, as Docker. Throws not-found, or invalid-argument when the prefix is ambiguous. */
export function resolve(table: ContainerTable, reference: string): ContainerRecord {
  const name = reference.replace(/^\//, '');
  const exact = name.length === 64 ? table.byId(name) : undefined;
  const found = exact ?? table.byName(name);
  if (found !== undefined) return found;
  const [first, second] = table.byIdPrefix(name);
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) throw invalidArgument(`multiple IDs found with provided prefix: ${reference}`);
  throw notFound(`No such container: ${reference}`);
}

/** The row as it is now. Throws not-found when it went away meanwhile. */
export function current(table: ContainerTable, id: string): ContainerRecord {
  const record = table.byId(id);
  if (record === undefined) throw notFound(`No such container: ${id}`);
  return record;
}

/** A container whose namespace another one wants to join. Throws not-found, or conflict in Docker's words when it has no process. */
export function running(
  table: ContainerTable,
  reference: string,
  namespace: 'network' | 'PID' | 'IPC',
): ContainerRecord {
  const record = resolve(table, reference);
  if (hasProcess(record.state)) return record;
  throw conflict(
    namespace === 'network'
      ? `cannot join network of a non running container: ${record.id}`
      : `failed to join ${namespace} namespace: container ${record.id} is not running`,
  );
}
