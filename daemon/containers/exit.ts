// Owns the one door by which exits come in: seen live, found by reconcile.ts, or the loss of a monitor. State and event first, then the
// networks, those who wait, the restart policy, the removal.
import { messageOf } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import type { ContainerProcess, ExitRecord } from '../runtime/types.ts';
import type { NewEvent } from '../store/events.ts';
import { containerEvent, type Engine } from './engine.ts';
import { endSessions } from './exec.ts';
import { endChecks } from './health.ts';
import { hasProcess, next, sourcesOf } from './lifecycle.ts';
import { oomAttributes, takeOomReport } from './oom.ts';
import { cgroupPath } from './paths.ts';
import { removeUnderLock } from './remove.ts';
import { decideRestart, type RestartDecision } from './restart-policy.ts';
import { scheduleRestart } from './restarts.ts';
import { startUnderLock } from './start.ts';
import type { ContainerRecord } from './types.ts';

const SECOND = 1_000_000_000n;

/** Follows a process to its end. Call it once for each. */
export function watchExit(engine: Engine, id: string, process: ContainerProcess): void {
  void process.exited.then((exit) => {
    if (engine.closing.value) return;
    engine.background.run('exit', id, () => engine.lock.run(id, () => exitUnderLock(engine, id, exit)));
  });
}

/** What Docker says of a container whose end nobody could see. */
const LOST = 'the monitor process of the container was lost';

/** Takes an exit in. Runs under the container's lock; harmless when the row has moved on. */
export async function exitUnderLock(engine: Engine, id: string, exit: ExitRecord): Promise<void> {
  const record = engine.table.byId(id);
  const loss = engine.live.get(id)?.process.logLoss;
  if (loss !== undefined) {
    engine.logLosses.set(id, loss);
    engine.log.warn({ container: id, ...loss }, 'output of a container could not be written to its log');
  }
  engine.live.delete(id);
  if (record === undefined || !hasProcess(record.state)) return;
  const finishedNs = exit.finishedAt > 0n ? exit.finishedAt : nowNs();
  const cgroup = cgroupPath(engine.instance, record.hostConfig.CgroupParent || engine.cgroupParent, id);
  const oomKilled = outOfMemory(engine, cgroup);
  if (exit.monitorLost) await endOrphans(engine, cgroup);
  const decision = restartDecision(engine, record, exit.code, finishedNs);
  const trigger = decision.restart ? 'exit-restart' : 'exit';
  const verdict = next(record.state, trigger);
  if (verdict.kind === 'refuse') return;
  const ran = record.startedNs === 0n ? 0n : finishedNs - record.startedNs;
  const events: NewEvent[] = [
    ...(oomKilled ? [containerEvent(record, 'oom', oomAttributes(takeOomReport(engine, id, cgroup)))] : []),
    containerEvent(record, 'die', {
      exitCode: String(exit.code),
      execDuration: String(ran > 0n ? ran / SECOND : 0n),
    }),
  ];
  const ended = engine.table.transition(
    id,
    sourcesOf(trigger),
    verdict.to,
    {
      pid: 0,
      startTime: 0n,
      exitCode: exit.code,
      finishedNs,
      oomKilled,
      error: exit.monitorLost ? LOST : '',
      ...(decision.restart ? { restartCount: record.restartCount + 1 } : {}),
    },
    events,
  );
  if (ended === undefined) return;
  endChecks(engine, ended);
  endSessions(engine, ended);
  await leave(engine, ended, record.state === 'stopping');
  engine.waiters.exited(id, { statusCode: exit.code, error: exit.monitorLost ? LOST : undefined });
  engine.background.run('remove control group', id, () => engine.cgroups.remove(cgroup));
  if (verdict.to === 'restarting' && decision.restart) restartLater(engine, id, decision.delayMs);
  else await autoRemove(engine, ended);
}

/** Networks are free before anyone hears of the end, so that what comes next can use them. */
async function leave(engine: Engine, record: ContainerRecord, stopped: boolean): Promise<void> {
  try {
    await engine.networks.detach(record.id);
  } catch (error) {
    engine.log.error({ err: error, container: record.id }, `leave the networks: ${messageOf(error)}`);
  }
  if (stopped) engine.table.tell(containerEvent(record, 'stop'));
}

/** Milliseconds that processes get to follow their monitor. */
const ORPHANS_TIMEOUT = 5000;

/** With the monitor gone its death signal is on the way to PID 1; the container has ended when no process of it is left. */
async function endOrphans(engine: Engine, cgroup: string): Promise<void> {
  if (!engine.cgroups.exists(cgroup)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ORPHANS_TIMEOUT);
  try {
    engine.cgroups.killAll(cgroup);
    await Promise.race([engine.cgroups.remove(cgroup), promise]);
  } catch (error) {
    engine.log.warn({ err: error, cgroup }, `end the processes of a lost monitor: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

function outOfMemory(engine: Engine, cgroup: string): boolean {
  try {
    return engine.cgroups.oomKills(cgroup) > 0;
  } catch {
    return false;
  }
}

function restartDecision(
  engine: Engine,
  record: ContainerRecord,
  exitCode: number,
  finishedNs: bigint,
): RestartDecision {
  if (engine.kept.has(record.id)) return { restart: false };
  return decideRestart({
    policy: record.hostConfig.RestartPolicy,
    exitCode,
    manuallyStopped: record.manuallyStopped,
    restartCount: record.restartCount,
    ranNs: record.startedNs === 0n ? 0n : finishedNs - record.startedNs,
    lastDelayMs: engine.restarts.get(record.id)?.delayMs ?? 0,
  });
}

/** The next start by the policy, after its wait. */
export function restartLater(engine: Engine, id: string, delayMs: number): void {
  scheduleRestart(engine, id, delayMs, async () => {
    if (engine.table.byId(id)?.state === 'restarting') await startUnderLock(engine, id, 'restart-due');
  });
}

async function autoRemove(engine: Engine, record: ContainerRecord): Promise<void> {
  if (!record.autoRemove || engine.kept.has(record.id)) return;
  await removeUnderLock(engine, record.id, { volumes: true, exitCode: record.exitCode });
}
