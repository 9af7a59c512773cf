// Owns the order of a start: intent, what the process will need, launch, outcome; and the way back when a step fails. It calls, orders and
// undoes; each decision is a pure function next door. Runs under the container's lock.
import { mkdirSync } from 'node:fs';
import { close, readInRoot } from '../../addon/index.ts';
import { invalidArgument, messageOf } from '../base/errors.ts';
import { UndoStack } from '../base/undo-stack.ts';
import { LaunchError } from '../runtime/launch-error.ts';
import type { ContainerProcess, ResolvedUser, SpecInput } from '../runtime/types.ts';
import { MAX_ACCOUNT_FILE, resolveUser } from '../runtime/user.ts';
import { prepareBinds } from './binds.ts';
import { containerEvent, current, type Engine, running } from './engine.ts';
import { startChecks } from './health.ts';
import { joinNetworks } from './join-networks.ts';
import { next, refusalError, sourcesOf, type Trigger } from './lifecycle.ts';
import { logOptionsOf } from './log-config.ts';
import { cgroupPath, containerDirectory, runDirectory, stagingDirectory } from './paths.ts';
import { removeUnderLock } from './remove.ts';
import { mountRoot, reopenLayer } from './rootfs.ts';
import { specInput } from './spec-input.ts';
import type { ContainerRecord } from './types.ts';

/** Docker's exit code of a container that could not be started for another reason than its command. */
const EXIT_UNKNOWN = 128;
const SIGKILL = 9;

/**
 * Starts a container that is not running. `start`: a client's wish, which forgets the restarts so far; `restart-due`: the policy's.
 * Throws what failed, in Docker's words; the state is back by then.
 */
export async function startUnderLock(
  engine: Engine,
  id: string,
  trigger: Extract<Trigger, 'start' | 'restart-due'>,
): Promise<'started' | 'already-running'> {
  const before = current(engine.table, id);
  const verdict = next(before.state, trigger);
  if (verdict.kind === 'refuse') {
    if (verdict.reason === 'already-running') return 'already-running';
    throw refusalError(verdict.reason, trigger, before);
  }
  const record = writeIntent(engine, before, trigger);
  const undo = new UndoStack();
  const descriptors: number[] = [];
  try {
    const { process, spec } = await launch(engine, record, undo, descriptors);
    settle(engine, record, process, spec);
    undo.commit();
    return 'started';
  } catch (error) {
    await undo.unwind((name, failure) =>
      engine.log.error({ err: failure, container: id }, `undo ${name}: ${messageOf(failure)}`),
    );
    await giveUp(engine, record, error);
    throw error;
  } finally {
    for (const descriptor of descriptors) close(descriptor);
  }
}

/** Transaction 1. */
function writeIntent(engine: Engine, before: ContainerRecord, trigger: 'start' | 'restart-due'): ContainerRecord {
  const onRequest = trigger === 'start';
  engine.logLosses.delete(before.id);
  if (onRequest) engine.restarts.delete(before.id);
  const record = engine.table.transition(before.id, sourcesOf(trigger), 'starting', {
    bootId: engine.bootId,
    pid: 0,
    ...(onRequest ? { restartCount: 0, manuallyStopped: false } : {}),
  });
  if (record === undefined) throw refusalError('unexpected', trigger, before);
  return record;
}

/** Everything that exists before the process does, then the process. Descriptors of the daemon's own go into `descriptors`. */
async function launch(
  engine: Engine,
  record: ContainerRecord,
  undo: UndoStack,
  descriptors: number[],
): Promise<{ readonly process: ContainerProcess; readonly spec: SpecInput }> {
  const { id, config, hostConfig } = record;
  const joined = joinNetworks(engine, record, undo, descriptors);
  // Awaited below; the networks are made while the root is mounted.
  joined.catch(() => undefined);
  let root: number;
  let user: ResolvedUser;
  let binds: Awaited<ReturnType<typeof prepareBinds>>;
  try {
    engine.fault?.('root');
    reopenLayer(engine, record);
    root = mountRoot(engine, id, engine.images.lowerDirectories(record.imageId));
    descriptors.push(root);
    engine.fault?.('user');
    user = userOf(root, config.User ?? '', hostConfig.GroupAdd ?? []);
    binds = await prepareBinds(engine, record, root, descriptors);
    engine.fault?.('binds');
  } catch (error) {
    // Its undo has to be on the stack before that is unwound.
    await joined.catch(() => undefined);
    throw error;
  }
  const network = await joined;
  const path = cgroupPath(engine.instance, hostConfig.CgroupParent || engine.cgroupParent, id);
  undo.push('control group', () => engine.cgroups.remove(path));
  const spec = specInput(record, {
    user,
    binds: [...network.files, ...binds],
    cgroupPath: path,
    hostname: network.hostname,
    domainname: network.domainname,
    network: network.namespace,
    joinPid: pidOf(engine, hostConfig.PidMode, 'PID'),
    joinIpc: pidOf(engine, hostConfig.IpcMode, 'IPC'),
    host: engine.host,
  });
  const run = runDirectory(engine, id);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  engine.fault?.('run-directory');
  const [rows = 0, columns = 0] = hostConfig.ConsoleSize ?? [];
  const process = await engine.runtime.launch({
    spec,
    rootDescriptor: root,
    networkNamespace: network.descriptor,
    runDirectory: run,
    logDirectory: containerDirectory(engine, id),
    stagingDirectory: stagingDirectory(engine),
    log: logOptionsOf(hostConfig.LogConfig, config, record),
    consoleSize: rows > 0 && columns > 0 ? [rows, columns] : undefined,
    // The runtime closes their connections, whatever comes of the launch.
    attaches: engine.pending.take(id),
  });
  undo.push('process', async () => {
    process.signal(SIGKILL);
    await process.exited;
  });
  engine.fault?.('hold');
  if (network.sockets.length > 0) process.hold(network.sockets);
  return { process, spec };
}

/** The user of the image's own files, read beneath the container's root. */
export function userOf(root: number, user: string, groupAdd: readonly string[]): ResolvedUser {
  const decoder = new TextDecoder();
  const read = (path: string): string | undefined => {
    const bytes = readInRoot(root, path, MAX_ACCOUNT_FILE);
    return bytes === undefined ? undefined : decoder.decode(bytes);
  };
  return resolveUser(user, groupAdd, { passwd: read('etc/passwd'), group: read('etc/group') });
}

/** PID 1 of the container that `container:REF` names; undefined for other modes. */
function pidOf(engine: Engine, mode: string | undefined, namespace: 'PID' | 'IPC'): number | undefined {
  if (mode === undefined || !mode.startsWith('container:')) return undefined;
  const other = running(engine.table, mode.slice('container:'.length), namespace);
  if (namespace === 'IPC' && ['private', 'none'].includes(other.hostConfig.IpcMode ?? '')) {
    throw invalidArgument(
      `failed to join IPC namespace: container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return other.pid;
}

/** Transaction 2, and the watch for the end. */
function settle(engine: Engine, record: ContainerRecord, process: ContainerProcess, spec: SpecInput): void {
  engine.fault?.('settle');
  const { pid, startTime, startedAt } = process.started;
  engine.live.set(record.id, { process, spec });
  const started = engine.table.transition(
    record.id,
    sourcesOf('launched'),
    'running',
    { pid, startTime, startedNs: startedAt, exitCode: 0, oomKilled: false, error: '' },
    [containerEvent(record, 'start')],
  );
  if (started === undefined) throw refusalError('unexpected', 'launched', record);
  engine.watch(record.id, process);
  startChecks(engine, started);
}

/** The state goes back, with the error's text and Docker's exit code. */
async function giveUp(engine: Engine, record: ContainerRecord, error: unknown): Promise<void> {
  engine.live.delete(record.id);
  engine.pending.drop(record.id);
  engine.restarts.delete(record.id);
  const startedBefore = record.startedNs !== 0n;
  const trigger: Trigger = startedBefore ? 'launch-failed-again' : 'launch-failed-new';
  const exitCode = error instanceof LaunchError ? error.exitCode : EXIT_UNKNOWN;
  engine.table.transition(record.id, sourcesOf(trigger), startedBefore ? 'exited' : 'created', {
    error: messageOf(error),
    exitCode,
    pid: 0,
  });
  engine.log.error({ err: error, container: record.id }, `start ${record.name}: ${messageOf(error)}`);
  if (record.autoRemove && !engine.kept.has(record.id)) {
    await removeUnderLock(engine, record.id, { volumes: true, exitCode });
  }
}
