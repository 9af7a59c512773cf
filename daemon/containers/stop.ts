// Owns the ways to make a running container do something: stop, kill, restart, pause, resize. Holds the lock only for a step, never while it
// waits for a process, so that a kill can overtake a stop.
import { conflict, EngineError, internal, invalidArgument, messageOf } from '../base/errors.ts';
import { containerEvent, current, type Engine, type Live, resolve } from './engine.ts';
import { endChecks, resumeChecks } from './health.ts';
import { hasProcess, isRunning, next, refusalError, sourcesOf } from './lifecycle.ts';
import { cgroupPath } from './paths.ts';
import { cancelRestart } from './restarts.ts';
import { parseSignal } from './signals.ts';
import { startUnderLock } from './start.ts';
import type { ContainerRecord } from './types.ts';
import type { WaitResult } from './wait.ts';

const SIGTERM = 15;
const SIGKILL = 9;
/** Seconds that Docker gives a container to end by itself. */
const STOP_TIMEOUT = 10;
/** Seconds until a killed process must be gone. */
const KILL_TIMEOUT = 10;

const groupOf = (engine: Engine, record: ContainerRecord): string =>
  cgroupPath(engine.instance, record.hostConfig.CgroupParent || engine.cgroupParent, record.id);

/** Signals PID 1; one that is just ending is no error. The event's attribute is the number, as Docker's. */
async function send(engine: Engine, record: ContainerRecord, live: Live, signal: number): Promise<void> {
  try {
    live.process.signal(signal);
  } catch (error) {
    engine.log.debug({ err: error, container: record.id }, `signal ${signal}: ${messageOf(error)}`);
  }
  engine.table.tell(containerEvent(record, 'kill', { signal: String(signal) }));
  if (record.state === 'paused') await engine.cgroups.thaw(groupOf(engine, record));
}

/** True when it ended within the time; `seconds` negative: no bound. */
async function endedWithin(exited: Promise<WaitResult>, seconds: number): Promise<boolean> {
  if (seconds < 0) {
    await exited;
    return true;
  }
  const { promise, resolve: late } = Promise.withResolvers<false>();
  const timer = setTimeout(() => late(false), seconds * 1000);
  try {
    return (await Promise.race([exited, promise])) !== false;
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when what belongs to the exit (networks, automatic removal) has been done too. */
const exitHandled = (engine: Engine, id: string): Promise<void> => engine.lock.run(id, () => undefined);

/** SIGKILL, and the wait for the end. Throws internal when the kernel does not deliver it in time. */
async function killAndWait(engine: Engine, id: string, exited: Promise<WaitResult>): Promise<void> {
  await engine.lock.run(id, async () => {
    const record = engine.table.byId(id);
    const live = engine.live.get(id);
    if (record === undefined || live === undefined || !hasProcess(record.state)) return;
    await send(engine, record, live, SIGKILL);
  });
  if (!(await endedWithin(exited, KILL_TIMEOUT))) {
    throw internal(`tried to kill container, but did not receive an exit event (container ${id})`);
  }
}

/** `docker stop`: the stop signal, then after `timeout` seconds SIGKILL. */
export async function stopContainer(
  engine: Engine,
  id: string,
  options: { readonly timeout?: number; readonly signal?: string },
): Promise<'stopped' | 'not-running'> {
  const before = current(engine.table, id);
  const signal = stopSignal(before, options.signal);
  const timeout = options.timeout ?? before.config.StopTimeout ?? STOP_TIMEOUT;
  const begun = await engine.lock.run(id, () => beginStop(engine, id, signal));
  if (begun === 'not-running' || begun === 'stopped') return begun;
  if (!(await endedWithin(begun.exited, timeout))) await killAndWait(engine, id, begun.exited);
  await exitHandled(engine, id);
  return 'stopped';
}

const stopSignal = (record: ContainerRecord, asked: string | undefined): number => {
  if (asked !== undefined && asked !== '') return parseSignal(asked);
  const configured = record.config.StopSignal ?? '';
  return configured === '' ? SIGTERM : parseSignal(configured);
};

async function beginStop(
  engine: Engine,
  id: string,
  signal: number,
): Promise<'not-running' | 'stopped' | { readonly exited: Promise<WaitResult> }> {
  const record = engine.table.byId(id);
  if (record === undefined) return 'not-running';
  const verdict = next(record.state, 'stop');
  if (verdict.kind === 'refuse') return 'not-running';
  if (record.state === 'restarting') {
    endRestarting(engine, record, [containerEvent(record, 'stop')]);
    return 'stopped';
  }
  const live = engine.live.get(id);
  if (live === undefined) throw internal(`container ${id} is ${record.state} without a process`);
  const exited = engine.waiters.add(id, 'next-exit');
  engine.table.transition(id, sourcesOf('stop'), verdict.to, { manuallyStopped: true });
  await send(engine, record, live, signal);
  return { exited };
}

/** Ends the wait of the restart policy: the container is exited from here on. */
function endRestarting(engine: Engine, record: ContainerRecord, events: ReturnType<typeof containerEvent>[]): void {
  cancelRestart(engine, record.id);
  engine.table.transition(record.id, ['restarting'], 'exited', { manuallyStopped: true }, events);
  engine.waiters.exited(record.id, { statusCode: record.exitCode });
}

/** `docker kill`. Waits for the end after SIGKILL, as Docker does. */
export async function killContainer(engine: Engine, reference: string, text: string): Promise<void> {
  const { id, name } = resolve(engine.table, reference);
  const failed = (error: unknown): EngineError =>
    new EngineError(
      error instanceof EngineError ? error.kind : 'internal',
      `cannot kill container: ${reference}: ${messageOf(error)}`,
      error,
    );
  let signal: number;
  try {
    signal = text === '' ? SIGKILL : parseSignal(text);
  } catch (error) {
    throw failed(error);
  }
  const exited = await engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    const verdict = next(record.state, 'signal');
    if (verdict.kind === 'refuse') throw failed(refusalError(verdict.reason, 'signal', record));
    if (record.state === 'restarting') {
      endRestarting(engine, record, []);
      return undefined;
    }
    const live = engine.live.get(id);
    if (live === undefined) throw internal(`container ${name} is ${record.state} without a process`);
    const ends = signal === SIGKILL ? engine.waiters.add(id, 'next-exit') : undefined;
    // As Docker: any signal is a stop on request, unless the container names another one for that.
    if (signal === SIGKILL || signal === stopSignal(record, undefined) || (record.config.StopSignal ?? '') === '') {
      engine.table.update(id, { manuallyStopped: true });
    }
    await send(engine, record, live, signal);
    if (record.state === 'paused' && signal !== SIGKILL) {
      engine.table.transition(id, ['paused'], 'running', {}, [containerEvent(record, 'unpause')]);
      resumeChecks(engine, id);
    }
    // In an object: a promise would be waited for under the lock.
    return ends === undefined ? undefined : { ends };
  });
  if (exited === undefined) return;
  if (!(await endedWithin(exited.ends, KILL_TIMEOUT))) {
    throw internal(`cannot kill container: ${reference}: tried to kill container, but did not receive an exit event`);
  }
  await exitHandled(engine, id);
}

/** Before `rm -f`: nothing of it runs, and nothing will by itself. */
export async function killForRemoval(engine: Engine, id: string): Promise<void> {
  const exited = await engine.lock.run(id, () => {
    const record = engine.table.byId(id);
    if (record === undefined) return undefined;
    if (record.state === 'restarting') endRestarting(engine, record, []);
    if (!hasProcess(record.state)) return undefined;
    engine.table.update(id, { manuallyStopped: true });
    return { ends: engine.waiters.add(id, 'next-exit') };
  });
  if (exited === undefined) return;
  await killAndWait(engine, id, exited.ends);
  await exitHandled(engine, id);
}

/** `docker restart`: a container that removes itself at its end is kept. */
export async function restartContainer(
  engine: Engine,
  reference: string,
  options: { readonly timeout?: number; readonly signal?: string },
): Promise<void> {
  const { id } = resolve(engine.table, reference);
  engine.kept.add(id);
  try {
    if (isRunning(current(engine.table, id).state)) await stopContainer(engine, id, options);
    await engine.lock.run(id, () => startUnderLock(engine, id, 'start'));
  } finally {
    engine.kept.delete(id);
  }
  engine.table.tell(containerEvent(current(engine.table, id), 'restart'));
}

export function pauseContainer(engine: Engine, reference: string): Promise<void> {
  const { id } = resolve(engine.table, reference);
  return engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    const verdict = next(record.state, 'pause');
    if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'pause', record);
    await engine.cgroups.freeze(groupOf(engine, record));
    engine.table.transition(id, sourcesOf('pause'), verdict.to, {}, [containerEvent(record, 'pause')]);
    endChecks(engine, record);
  });
}

export function unpauseContainer(engine: Engine, reference: string): Promise<void> {
  const { id } = resolve(engine.table, reference);
  return engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    const verdict = next(record.state, 'unpause');
    if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'unpause', record);
    await engine.cgroups.thaw(groupOf(engine, record));
    engine.table.transition(id, sourcesOf('unpause'), verdict.to, {}, [containerEvent(record, 'unpause')]);
    resumeChecks(engine, id);
  });
}

/** The size of the terminal. Throws conflict when the container does not run, invalid-argument for sizes that are none. */
export async function resizeContainer(engine: Engine, reference: string, rows: number, columns: number): Promise<void> {
  for (const [name, value] of [
    ['h', rows],
    ['w', columns],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > 65_535) {
      throw invalidArgument(`invalid terminal size: ${name} is ${value}, expected 0 to 65535`);
    }
  }
  const record = resolve(engine.table, reference);
  const live = engine.live.get(record.id);
  if (live === undefined || !hasProcess(record.state)) throw conflict(`container ${record.id} is not running`);
  live.process.resize(rows, columns);
  engine.table.tell(containerEvent(record, 'resize', { height: String(rows), width: String(columns) }));
}
