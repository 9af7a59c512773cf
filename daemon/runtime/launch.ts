// Owns the start of a container: cgroup, monitor process, plan; and the adoption of one that an earlier daemon started. What a container
// may do is decided in spec.ts, in which order in plan.ts. The caller owns root, network namespace, directories and the cgroup's end.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  close,
  compileSeccomp,
  connectUnix,
  openPath,
  peerCredentials,
  reap,
  SystemError,
  sendFrame,
  socketPair,
  spawnMonitor,
} from '../../addon/index.ts';
import { internal, messageOf } from '../base/errors.ts';
import type { Fault } from '../base/fault.ts';
import { nowNs } from '../base/time.ts';
import type { Cgroups } from '../supervisor/cgroup/cgroup.ts';
import { capabilityMask, containerCapabilities, namesOfMask } from './capabilities.ts';
import { buildExecPlan } from './exec-plan.ts';
import { type HostLookup, hostLookup } from './host-lookup.ts';
import type { Attempt } from './launch-message.ts';
import { type ExecLaunch, MonitorClient } from './monitor-client.ts';
import { closeAll, MonitorConnection } from './monitor-connection.ts';
import { awaitHello } from './monitor-hello.ts';
import { MonitorReaper } from './monitor-reaper.ts';
import type { OciSpec } from './oci-spec.ts';
import { buildPlan } from './plan.ts';
import type { CgroupView } from './plan-mounts.ts';
import { encodePlan, ops, type Plan } from './plan-ops.ts';
import { messageType, monitorState } from './protocol.ts';
import { readExitRecord, readPidRecord } from './run-directory.ts';
import { type SeccompFilter, SeccompFilters } from './seccomp-filters.ts';
import { parseSecurityOptions } from './security-options.ts';
import { buildSpec } from './spec.ts';
import type { ContainerProcess, ExecInput, LaunchInput, Observation, Runtime, SpecInput } from './types.ts';

const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;
/** Slots that the launch message fills. */
const ROOT_SLOT = 0;
const NETWORK_SLOT = 1;
const SIGKILL = 9;
/** One that the monitor does not have. */
const FAULT_SLOT = 60_000;

export interface RuntimeOptions {
  readonly dataRoot: string;
  readonly cgroups: Cgroups;
  /** Failures of work behind the answer. */
  readonly report: (what: string, error: unknown) => void;
  /** Absent: this host. */
  readonly lookup?: HostLookup;
  readonly fault?: Fault | undefined;
}

export function createRuntime(options: RuntimeOptions): Runtime {
  return new MonitorRuntime(options);
}

class MonitorRuntime implements Runtime {
  readonly #cgroups: Cgroups;
  readonly #report: RuntimeOptions['report'];
  readonly #lookup: HostLookup;
  readonly #filters: SeccompFilters;
  readonly #reaper = new MonitorReaper(reap);
  readonly #fault: Fault | undefined;

  constructor({ dataRoot, cgroups, report, lookup = hostLookup(), fault }: RuntimeOptions) {
    this.#fault = fault;
    this.#cgroups = cgroups;
    this.#report = report;
    this.#lookup = lookup;
    this.#filters = new SeccompFilters(join(dataRoot, 'seccomp'), (input) =>
      compileSeccomp({ ...input, defaultErrno: 0 }),
    );
  }

  validate(input: SpecInput): void {
    const spec = buildSpec(input, this.#lookup);
    this.#filter(input, spec);
  }

  warnings(input: SpecInput): readonly string[] {
    return this.#cgroups.unsupported(buildSpec(input, this.#lookup).linux.resources);
  }

  update(input: SpecInput): void {
    const { devices: _, pids = { limit: -1 }, ...limits } = buildSpec(input, this.#lookup).linux.resources;
    this.#cgroups.update(input.cgroupPath, { ...limits, pids });
  }

  async launch(input: LaunchInput): Promise<ContainerProcess> {
    const waiting = input.attaches.map(({ descriptor }) => descriptor);
    const { cgroupPath } = input.spec;
    let madeCgroup = false;
    try {
      const spec = buildSpec(input.spec, this.#lookup);
      this.#fault?.('plan');
      const plan = encodePlan(this.#withFault(this.#plan(input, spec)));
      this.#cgroups.create(cgroupPath, spec.linux.resources);
      madeCgroup = true;
      this.#fault?.('cgroup');
      const client = this.#spawn(input, attemptOf('container', spec), plan, waiting);
      await client.untilStarted();
      return client;
    } catch (error) {
      closeAll(waiting);
      if (madeCgroup) {
        this.#cgroups.remove(cgroupPath).catch((failure) => this.#report(`remove cgroup ${cgroupPath}`, failure));
      }
      throw error;
    }
  }

  async observe(runDirectory: string, id: string): Promise<Observation> {
    const connection = this.#connect(runDirectory);
    const hello = connection === undefined ? undefined : await awaitHello(connection, id);
    if (connection === undefined || hello === undefined || hello.state !== monitorState.running) {
      connection?.close();
      return ended(runDirectory);
    }
    const client = this.#client(connection, runDirectory, hello.monitorPid, {
      kind: 'container',
      program: '',
      cwd: '/',
    });
    client.adopt(hello.started, hello.execs, hello.held);
    return { kind: 'running', process: client };
  }

  #plan(input: LaunchInput, spec: OciSpec): ReturnType<typeof buildPlan> {
    return buildPlan({
      spec,
      root: ROOT_SLOT,
      network: input.networkNamespace === undefined ? undefined : NETWORK_SLOT,
      staging: input.stagingDirectory,
      cgroup: this.#view(input.spec, spec),
      files: bindFiles(spec),
      trees: treeSlots(input),
      seccomp: this.#filter(input.spec, spec),
      init: input.spec.hostConfig.Init === true,
      consoleSize: input.consoleSize,
    });
  }

  /** A line that fails before the one that is to fail: the monitor's own steps, one after another (`plan.0`, `plan.1`, …). */
  #withFault(plan: Plan): Plan {
    if (this.#fault === undefined) return plan;
    const clone = plan.findIndex(({ op }) => op === 'clone');
    for (const index of plan.keys()) {
      try {
        this.#fault(`plan.${index}`);
      } catch {
        const failing = index <= clone ? ops.open(FAULT_SLOT, '/a/fault', 0) : ops.write(FAULT_SLOT, 'a fault');
        return plan.toSpliced(index, 0, failing);
      }
    }
    return plan;
  }

  /** `waiting` loses the descriptors of attaches that have been handed over. */
  #spawn(input: LaunchInput, attempt: Attempt, plan: Uint8Array, waiting: number[]): MonitorClient {
    const [ours, theirs] = socketPair();
    let monitorPid: number;
    try {
      this.#fault?.('monitor');
      monitorPid = spawnMonitor(theirs, input.spec.id);
    } catch (error) {
      closeAll([ours]);
      throw internal(`cannot start the monitor: ${messageOf(error)}`, error);
    } finally {
      closeAll([theirs]);
    }
    this.#reaper.add(monitorPid);
    const connection = new MonitorConnection(ours, sendFrame);
    const client = this.#client(connection, input.runDirectory, monitorPid, attempt);
    const directories: number[] = [];
    try {
      for (const path of [input.runDirectory, input.logDirectory])
        directories.push(openPath(path, O_PATH | O_DIRECTORY));
      const descriptors = [
        ...directories,
        input.rootDescriptor,
        ...(input.networkNamespace === undefined ? [] : [input.networkNamespace]),
        ...treeSlots(input).keys(),
      ];
      this.#fault?.('launch');
      connection.send(messageType.launch, launchFields(input, plan), descriptors);
      for (const request of input.attaches) {
        waiting.shift();
        client.attach(request);
      }
      this.#fault?.('go');
      connection.send(messageType.go);
    } catch (error) {
      // A launch that fails early closes the socket before it is told to go on; why is still to be read from it.
      if (error instanceof SystemError && error.code === 'EPIPE') return client;
      // Without `go` the monitor undoes what it has done, and leaves.
      connection.close();
      throw internal(`cannot reach the monitor: ${messageOf(error)}`, error);
    } finally {
      closeAll(directories);
    }
    return client;
  }

  #client(connection: MonitorConnection, runDirectory: string, monitorPid: number, attempt: Attempt): MonitorClient {
    const planExec = (input: ExecInput): ExecLaunch => this.#planExec(input);
    return new MonitorClient({ connection, runDirectory, monitorPid, planExec, now: nowNs }, attempt);
  }

  #planExec(input: ExecInput): ExecLaunch {
    const spec = execSpec(input, buildSpec(input.spec, this.#lookup));
    const plan = buildExecPlan({
      spec,
      cgroup: this.#view(input.spec, spec),
      seccomp: this.#filter(input.spec, spec),
      consoleSize: input.consoleSize,
    });
    return { plan: encodePlan(plan), attempt: attemptOf('exec', spec) };
  }

  #view(input: SpecInput, spec: OciSpec): CgroupView {
    return {
      mode: this.#cgroups.mode,
      entries: this.#cgroups.entries(input.cgroupPath),
      isPrivate: spec.linux.namespaces.some(({ type }) => type === 'cgroup'),
    };
  }

  #filter(input: SpecInput, spec: OciSpec): SeccompFilter | undefined {
    const rules = spec.linux.seccomp;
    if (rules === undefined) return undefined;
    const profile = parseSecurityOptions(input.hostConfig.SecurityOpt ?? []).seccomp ?? '';
    const { CapAdd: add = [], CapDrop: drop = [], Privileged: privileged = false } = input.hostConfig;
    const mask = capabilityMask(containerCapabilities({ add, drop, privileged }, input.host.boundingSet));
    return this.#filters.filter(`${mask} ${profile}`, rules);
  }

  /** A monitor's second way in; undefined when nobody listens there. */
  #connect(runDirectory: string): MonitorConnection | undefined {
    let fd: number;
    try {
      fd = connectUnix(runDirectory, 'monitor.sock');
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
    // The directory is ours alone; a listener of somebody else in it would be a sign of worse.
    if (peerCredentials(fd).uid !== 0) {
      close(fd);
      throw internal(`${join(runDirectory, 'monitor.sock')} is not root's`);
    }
    return new MonitorConnection(fd, sendFrame);
  }
}

const attemptOf = (kind: Attempt['kind'], { process }: OciSpec): Attempt => ({
  kind,
  program: process.args[0] ?? '',
  cwd: process.cwd,
});

function launchFields({ spec, log }: LaunchInput, plan: Uint8Array): Parameters<MonitorConnection['send']>[1] {
  const { config } = spec;
  return {
    id: spec.id,
    plan,
    tty: config.Tty === true,
    openStdin: config.OpenStdin === true,
    stdinOnce: config.StdinOnce === true,
    logDriver: log.driver,
    logMaxSize: log.maxSize,
    logMaxFile: log.maxFile,
    logAttrs: Object.keys(log.attrs).length === 0 ? undefined : JSON.stringify(log.attrs),
  };
}

/** Slots of the trees that mounts bring along: behind the root's and the network's, in the order of the descriptors that are sent. */
function treeSlots({ spec, networkNamespace }: LaunchInput): ReadonlyMap<number, number> {
  const first = networkNamespace === undefined ? ROOT_SLOT + 1 : NETWORK_SLOT + 1;
  const trees = spec.binds.flatMap(({ tree }) => (tree === undefined ? [] : [tree.descriptor]));
  return new Map(trees.map((descriptor, index) => [descriptor, first + index]));
}

/** Sources of binds that are no directories: their targets are made as files. A missing one is the monitor's to report. */
function bindFiles({ mounts }: OciSpec): ReadonlySet<string> {
  const files = new Set<string>();
  for (const { type, source, tree } of mounts) {
    if (type !== 'bind' || tree !== undefined) continue;
    const stat = statSync(source, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory()) files.add(source);
  }
  return files;
}

/** The container's spec with the session's process in it. `--privileged` gives every capability, as in Docker, and nothing else. */
function execSpec(input: ExecInput, spec: OciSpec): OciSpec {
  const all = namesOfMask(input.spec.host.boundingSet);
  const capabilities = input.privileged
    ? { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] }
    : spec.process.capabilities;
  const { uid, gid, additionalGids } = input.user;
  return {
    ...spec,
    process: {
      ...spec.process,
      terminal: input.tty,
      user: { uid, gid, additionalGids, umask: spec.process.user.umask },
      args: input.args,
      env: input.env,
      cwd: input.cwd === '' ? spec.process.cwd : input.cwd,
      capabilities,
    },
  };
}

/** What is left of a container whose monitor is gone (or is about to go). */
function ended(runDirectory: string): Observation {
  const exit = readExitRecord(runDirectory);
  if (exit !== undefined) return { kind: 'exited', ...exit };
  const started = readPidRecord(runDirectory);
  if (started === undefined) return { kind: 'gone' };
  // It ran and nobody saw its end: the monitor died and took it along.
  const { pid, startedAt } = started;
  return {
    kind: 'exited',
    startedAt,
    record: { code: 128 + SIGKILL, signal: SIGKILL, finishedAt: nowNs(), pid, monitorLost: true },
  };
}
