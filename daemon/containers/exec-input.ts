// Owns what a session's row means for its process: environment, user, directory, and the spec of the container that it joins. Reads the
// container's account files beneath the root of its first process; starts nothing.
import { constants } from 'node:fs';
import { close, openPath, readInRoot } from '../../addon/index.ts';
import { conflict, EngineError, invalidArgument } from '../base/errors.ts';
import type { ContainerProcess, ExecInput, ResolvedUser, SpecInput } from '../runtime/types.ts';
import { MAX_ACCOUNT_FILE, resolveUser } from '../runtime/user.ts';
import type { ExecRow } from '../store/execs.ts';
import { type Engine, resolve } from './engine.ts';
import { networkPlan } from './network-plan.ts';
import { cgroupPath } from './paths.ts';
import { processStartTime } from './process-start.ts';
import { environment, specInput } from './spec-input.ts';
import type { ContainerRecord } from './types.ts';

const O_PATH = 0o10000000;

/**
 * Everything but the clients. Throws in Docker's words: invalid-argument for an environment or a directory that is none, internal for a user
 * who is not there.
 */
export function execInput(
  engine: Engine,
  record: ContainerRecord,
  process: ContainerProcess,
  { id, config }: ExecRow,
  options: { readonly consoleSize?: readonly [number, number]; readonly openStdin: boolean },
): Omit<ExecInput, 'attaches'> {
  const spec = specOf(engine, record);
  for (const variable of config.env) {
    if (variable.startsWith('=')) {
      throw invalidArgument(
        `OCI runtime exec failed: exec failed: unable to start container process: environment variable name can't be empty: ${JSON.stringify(variable)}: unknown`,
      );
    }
  }
  const cwd = config.workingDirectory === '' ? (record.config.WorkingDir ?? '') : config.workingDirectory;
  if (cwd !== '' && !cwd.startsWith('/')) {
    throw new EngineError('internal', 'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown');
  }
  const user = userIn(process, config.user, record.hostConfig.GroupAdd ?? []);
  return {
    execId: id,
    args: config.args,
    env: environment({ Env: [...(record.config.Env ?? []), ...config.env], Tty: config.tty }, spec.hostname, user.home),
    cwd: cwd === '' ? '/' : cwd,
    user,
    tty: config.tty,
    openStdin: options.openStdin,
    privileged: config.privileged,
    consoleSize: config.tty ? (options.consoleSize ?? config.consoleSize) : undefined,
    spec,
  };
}

/** As the container was started; of one that an earlier daemon started, as much as a session needs. */
function specOf(engine: Engine, record: ContainerRecord): SpecInput {
  const known = engine.live.get(record.id)?.spec;
  if (known !== undefined) return known;
  const { hostConfig, config } = record;
  const plan = networkPlan(hostConfig, record.networkingConfig);
  // Only that there is a namespace counts: which one it is, the first process says.
  const joined = (mode: string | undefined): number | undefined => (mode?.startsWith('container:') ? 1 : undefined);
  return specInput(record, {
    user: { uid: 0, gid: 0, additionalGids: [], home: '/', name: '' },
    binds: [],
    cgroupPath: cgroupPath(engine.instance, hostConfig.CgroupParent || engine.cgroupParent, record.id),
    hostname: plan.kind === 'container' ? hostnameOf(engine, plan.reference) : (config.Hostname ?? ''),
    domainname: config.Domainname ?? '',
    network: plan.kind === 'networks' && plan.namespace === 'host' ? 'host' : 'own',
    joinPid: joined(hostConfig.PidMode),
    joinIpc: joined(hostConfig.IpcMode),
    host: engine.host,
  });
}

function hostnameOf(engine: Engine, reference: string): string {
  try {
    return resolve(engine.table, reference).config.Hostname ?? '';
  } catch {
    // The other one has been removed meanwhile.
    return '';
  }
}

/** The user by the account files that the container has now. */
function userIn(process: ContainerProcess, user: string, groupAdd: readonly string[]): ResolvedUser {
  const root = openOfProcess(process, 'root', O_PATH | constants.O_DIRECTORY);
  try {
    const decoder = new TextDecoder();
    const read = (path: string): string | undefined => {
      const bytes = readInRoot(root, path, MAX_ACCOUNT_FILE);
      return bytes === undefined ? undefined : decoder.decode(bytes);
    };
    return resolveUser(user, groupAdd, { passwd: read('etc/passwd'), group: read('etc/group') });
  } finally {
    close(root);
  }
}

/** A descriptor of something below /proc/PID of the container's first process. Throws conflict when that has ended. */
export function openOfProcess(process: ContainerProcess, name: string, flags: number): number {
  const { pid, startTime } = process.started;
  let descriptor: number;
  try {
    descriptor = openPath(`/proc/${pid}/${name}`, flags);
  } catch (error) {
    throw conflict('the container has just ended', error);
  }
  // Asked for afterwards: while the process is the same one, so was what has been opened.
  if (processStartTime(pid) === startTime) return descriptor;
  close(descriptor);
  throw conflict('the container has just ended');
}
