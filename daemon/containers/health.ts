// Owns the running of health checks: one timer a container, one probe at a time, its result into the row. What a result means is
// health-policy.ts's. Timers are of this daemon; the state is a row, and the next daemon goes on with it.
import { constants } from 'node:fs';
import { Socket } from 'node:net';
import { socketPair } from '../../addon/index.ts';
import { messageOf } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import type { ContainerProcess } from '../runtime/types.ts';
import type { HealthResult } from '../store/health.ts';
import { containerEvent, type Engine } from './engine.ts';
import { runProbe } from './exec.ts';
import { openOfProcess } from './exec-input.ts';
import { failureAction } from './extensions.ts';
import {
  goDuration,
  type HealthTimes,
  intervalAt,
  judge,
  MAX_OUTPUT,
  type Probe,
  probeOf,
  startedHealth,
  timesOf,
} from './health-policy.ts';
import { nativeCheck } from './native-probe.ts';
import { restartContainer, stopContainer } from './stop.ts';
import type { ContainerRecord } from './types.ts';

const SIGKILL = 9;
/** Docker's exit code of a check that gave none. */
const NO_CODE = -1;
const MILLISECOND = 1_000_000;
/** The longest delay that a timer takes, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

export interface HealthCheck {
  timer?: NodeJS.Timeout;
  /** Aborted when the checks end: a result that comes later is nobody's. */
  readonly ended: AbortController;
}

/** After a start: the state begins anew. Containers without a check have none. */
export function startChecks(engine: Engine, record: ContainerRecord): void {
  if (probeOf(record.config, record.extensions) === undefined) return;
  engine.healths.save(record.id, startedHealth(engine.healths.of(record.id)));
  resumeChecks(engine, record.id);
}

/** Goes on with the state as it is: after an unpause, or with a container of an earlier daemon. */
export function resumeChecks(engine: Engine, id: string): void {
  const record = engine.table.byId(id);
  if (record === undefined || (record.state !== 'running' && record.state !== 'stopping')) return;
  const probe = probeOf(record.config, record.extensions);
  if (probe === undefined || engine.checks.has(id)) return;
  if (engine.healths.of(id) === undefined) engine.healths.save(id, startedHealth(undefined));
  const check: HealthCheck = { ended: new AbortController() };
  engine.checks.set(id, check);
  schedule(engine, record, probe, check);
}

/** After an exit or a pause. As Docker: what is not checked any more is not healthy. */
export function endChecks(engine: Engine, record: ContainerRecord): void {
  stopChecks(engine, record.id);
  const health = engine.healths.of(record.id);
  if (health !== undefined) engine.healths.save(record.id, { ...health, status: 'unhealthy' });
}

function stopChecks(engine: Engine, id: string): void {
  const check = engine.checks.get(id);
  if (check === undefined) return;
  clearTimeout(check.timer);
  check.ended.abort();
  engine.checks.delete(id);
}

/** At the shutdown of the daemon; no state changes. */
export function stopAllChecks(engine: Engine): void {
  for (const id of [...engine.checks.keys()]) stopChecks(engine, id);
}

function schedule(engine: Engine, record: ContainerRecord, probe: Probe, check: HealthCheck): void {
  const health = engine.healths.of(record.id);
  if (health === undefined || check.ended.signal.aborted) return;
  const now = nowNs();
  const interval = intervalAt(timesOf(record.config), health.status, Number(now - record.startedNs));
  // From the end of the last probe of this run; the log may go back to the run before.
  const last = health.log.at(-1)?.endNs ?? 0n;
  const since = Number(now - (last > record.startedNs ? last : record.startedNs));
  const delay = Math.max(0, Math.ceil((interval - Math.max(0, since)) / MILLISECOND));
  check.timer = setTimeout(
    () => engine.background.run('health check', record.id, () => checkOnce(engine, record, probe, check)),
    Math.min(delay, LONGEST),
  );
}

async function checkOnce(engine: Engine, record: ContainerRecord, probe: Probe, check: HealthCheck): Promise<void> {
  const times = timesOf(record.config);
  const startNs = nowNs();
  const { exitCode, output } = await run(engine, record, probe, times, check.ended.signal).catch((error: unknown) => ({
    exitCode: NO_CODE,
    output: messageOf(error),
  }));
  if (check.ended.signal.aborted || engine.closing.value) return;
  take(engine, record, times, { startNs, endNs: nowNs(), exitCode, output });
  schedule(engine, record, probe, check);
}

type Outcome = Pick<HealthResult, 'exitCode' | 'output'>;

function take(engine: Engine, record: ContainerRecord, times: HealthTimes, result: HealthResult): void {
  const before = engine.healths.of(record.id);
  // The name may have changed since the start.
  const now = engine.table.byId(record.id);
  if (before === undefined || now === undefined) return;
  const after = judge(before, result, times, record.startedNs);
  const changed = before.status !== after.status;
  const events = changed ? [containerEvent(now, `health_status: ${after.status}`)] : [];
  engine.healths.save(record.id, after, events);
  if (changed && after.status === 'unhealthy') act(engine, now);
}

/** What the client asked for by `tsd.health.on-failure`. */
function act(engine: Engine, record: ContainerRecord): void {
  const { id } = record;
  const action = failureAction(record.extensions);
  if (action === 'none') return;
  engine.log.info({ container: id }, `${record.name} is unhealthy: ${action}`);
  engine.background.run(`${action} of an unhealthy container`, id, async () => {
    if (action === 'restart') await restartContainer(engine, id, {});
    else if (action === 'stop') await stopContainer(engine, id, {});
    else {
      // No kill on request: the restart policy decides what comes next.
      engine.live.get(id)?.process.signal(SIGKILL);
      engine.table.tell(containerEvent(record, 'kill', { signal: String(SIGKILL) }));
    }
  });
}

/** One probe. Rejects with what says why there was no result. */
function run(
  engine: Engine,
  record: ContainerRecord,
  probe: Probe,
  times: HealthTimes,
  ended: AbortSignal,
): Promise<Outcome> {
  if (probe.kind === 'command') return runCommand(engine, record, probe.args, times, ended);
  const live = engine.live.get(record.id);
  if (live === undefined) throw new Error('the container does not run');
  return runNative(live.process, probe, times, ended);
}

async function runNative(
  process: ContainerProcess,
  probe: Exclude<Probe, { kind: 'command' }>,
  times: HealthTimes,
  ended: AbortSignal,
): Promise<Outcome> {
  const namespace = openOfProcess(process, 'ns/net', constants.O_RDONLY);
  const timeoutMs = Math.min(Math.ceil(times.timeout / MILLISECOND), LONGEST);
  return nativeCheck(namespace, probe, { timeoutMs, timeoutText: goDuration(times.timeout), ended });
}

async function runCommand(
  engine: Engine,
  record: ContainerRecord,
  args: readonly string[],
  times: HealthTimes,
  ended: AbortSignal,
): Promise<Outcome> {
  const [own, theirs] = socketPair();
  const output = collect(own);
  const session = await runProbe(
    engine,
    record,
    {
      args,
      env: [],
      user: record.config.User ?? '',
      workingDirectory: '',
      tty: false,
      privileged: false,
      stdin: false,
      stdout: true,
      stderr: true,
      detachKeys: '',
      killOnDisconnect: false,
    },
    theirs,
  ).catch((error: unknown) => {
    output.drop();
    throw error;
  });
  let late = false;
  const kill = (): void => session.signal(SIGKILL);
  const timer = setTimeout(
    () => {
      late = true;
      kill();
    },
    Math.min(Math.ceil(times.timeout / MILLISECOND), LONGEST),
  );
  ended.addEventListener('abort', kill, { once: true });
  const { code } = await session.exited;
  clearTimeout(timer);
  ended.removeEventListener('abort', kill);
  const text = await output.text;
  if (!late) return { exitCode: code, output: text };
  return {
    exitCode: NO_CODE,
    output: `Health check exceeded timeout (${goDuration(times.timeout)})${text === '' ? '' : `: ${text}`}`,
  };
}

/** Reads a probe's output to its end and keeps the first MAX_OUTPUT bytes. */
function collect(descriptor: number): { readonly text: Promise<string>; drop(): void } {
  const parts: Buffer[] = [];
  let kept = 0;
  let more = false;
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  socket.on('data', (part: Buffer) => {
    const room = part.subarray(0, MAX_OUTPUT - kept);
    more ||= room.length < part.length;
    kept += room.length;
    if (room.length > 0) parts.push(room);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(`${Buffer.concat(parts).toString('utf8')}${more ? '...' : ''}`));
  return { text: promise, drop: () => socket.destroy() };
}
