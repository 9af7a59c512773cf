// Owns what a daemon does at boot with the containers of the one before: what should be (rows) is compared with what is (observations) by
// one pure function, and made to agree; then what has no row is swept.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Leak } from '../base/leak.ts';
import type { ExitRecord, Observation } from '../runtime/types.ts';
import { containerEvent, type Engine } from './engine.ts';
import { adoptSessions } from './exec.ts';
import { exitUnderLock, restartLater } from './exit.ts';
import { resumeChecks } from './health.ts';
import { findLeaks, lookForLeaks } from './leaks.ts';
import { sourcesOf } from './lifecycle.ts';
import { resumeNames } from './networks-live.ts';
import { cgroupPath, runDirectory } from './paths.ts';
import { finishRemoval, removeUnderLock } from './remove.ts';
import { decideAtBoot } from './restart-policy.ts';
import { prepareBase, reopenLayer } from './rootfs.ts';
import { startUnderLock } from './start.ts';
import { stopContainer } from './stop.ts';
import type { ContainerRecord } from './types.ts';

export type Action =
  /** Row and kernel agree. */
  | 'keep'
  /** It runs: take it over. */
  | 'adopt'
  /** It runs, and was about to be stopped. */
  | 'adopt-and-stop'
  /** It had been started before the daemon could write so, and runs. */
  | 'settle-start'
  /** It had been started before the daemon could write so, and has ended. */
  | 'settle-start-and-exit'
  | 'fail-start'
  /** Its end was recorded. */
  | 'exit'
  /** Its end nobody saw: the monitor died. */
  | 'exit-lost'
  /** Its end nobody saw: the host was started anew. */
  | 'exit-rebooted'
  | 'restart'
  | 'finish-removal'
  /** A process that no row wants. */
  | 'kill';

/** What is to be done with one container. Pure. */
export function decide(
  row: Pick<ContainerRecord, 'state' | 'bootId'>,
  observation: Observation['kind'],
  bootId: string,
): Action {
  const running = observation === 'running';
  switch (row.state) {
    case 'created':
    case 'exited':
    case 'dead':
      return running ? 'kill' : 'keep';
    case 'removing':
      return 'finish-removal';
    case 'starting':
      if (running) return 'settle-start';
      return observation === 'exited' ? 'settle-start-and-exit' : 'fail-start';
    case 'restarting':
      return running ? 'kill' : 'restart';
    case 'running':
    case 'paused':
    case 'stopping':
      if (running) return row.state === 'stopping' ? 'adopt-and-stop' : 'adopt';
      if (observation === 'exited') return 'exit';
      return row.bootId === bootId ? 'exit-lost' : 'exit-rebooted';
  }
}

/** Docker's exit code of a container that died with its host. */
const EXIT_REBOOTED = 255;
const EXIT_KILLED = 137;
/** Docker's exit code of a container that could not be started. */
const EXIT_UNKNOWN = 128;

const lost = (code: number, monitorLost: boolean): ExitRecord => ({
  code,
  signal: monitorLost ? 9 : 0,
  finishedAt: 0n,
  pid: 0,
  monitorLost,
});

/** Boot: observe, decide, apply for each container, sweep, and start what the restart policies want. */
export async function reconcile(engine: Engine): Promise<void> {
  prepareBase(engine);
  for (const directory of ['containers', 'staging']) {
    mkdirSync(join(engine.execRoot, directory), { recursive: true, mode: 0o700 });
  }
  const rows = engine.table.all();
  await Promise.all(rows.map((row) => engine.lock.run(row.id, () => settleOne(engine, row))));
  await sweep(engine);
  engine.swept.resolve();
  for (const row of engine.table.all()) startByPolicy(engine, row);
}

async function settleOne(engine: Engine, row: ContainerRecord): Promise<void> {
  try {
    if (row.state !== 'removing') reopenLayer(engine, row);
  } catch (error) {
    engine.log.error({ err: error, container: row.id }, `open the layer of ${row.name}: ${messageOf(error)}`);
  }
  try {
    const observation = await observe(engine, row);
    const action = decide(row, observation.kind, engine.bootId);
    if (action !== 'keep') engine.log.info({ container: row.id, state: row.state }, `reconcile ${row.name}: ${action}`);
    await apply(engine, row, observation, action);
  } catch (error) {
    // One container that cannot be settled must not keep the daemon from serving the others.
    engine.log.error({ err: error, container: row.id }, `reconcile ${row.name}: ${messageOf(error)}`);
  }
}

/** Containers that have ended and left no run directory are not looked at: there are thousands of them on some hosts. */
async function observe(engine: Engine, row: ContainerRecord): Promise<Observation> {
  const directory = runDirectory(engine, row.id);
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return { kind: 'gone' };
  return engine.runtime.observe(directory, row.id);
}

async function apply(engine: Engine, row: ContainerRecord, observation: Observation, action: Action): Promise<void> {
  switch (action) {
    case 'keep':
      return;
    case 'settle-start':
    case 'settle-start-and-exit':
      return settleStart(engine, row, observation);
    case 'adopt':
      await settleFreezer(engine, row);
      adopt(engine, row, observation);
      return;
    case 'adopt-and-stop':
      adopt(engine, row, observation);
      engine.background.run('stop', row.id, () => stopContainer(engine, row.id, {}));
      return;
    case 'exit':
      if (observation.kind === 'exited') await exitUnderLock(engine, row.id, observation.record);
      return;
    case 'exit-lost':
      killGroup(engine, row);
      return exitUnderLock(engine, row.id, lost(EXIT_KILLED, true));
    case 'exit-rebooted':
      return exitUnderLock(engine, row.id, lost(EXIT_REBOOTED, false));
    case 'fail-start':
      return failStart(engine, row, observation);
    case 'restart':
      restartLater(engine, row.id, 0);
      return;
    case 'kill':
      killGroup(engine, row);
      if (row.state === 'restarting') restartLater(engine, row.id, 0);
      return;
    case 'finish-removal':
      killGroup(engine, row);
      return finishRemoval(engine, row, { volumes: row.autoRemove, exitCode: row.exitCode });
  }
}

/** A daemon that died in a pause, or while a commit let the processes rest, left them other than the row says. */
async function settleFreezer(engine: Engine, row: ContainerRecord): Promise<void> {
  const path = groupOf(engine, row);
  if (!engine.cgroups.exists(path)) return;
  if (row.state === 'paused') await engine.cgroups.freeze(path);
  else if (row.state === 'running') await engine.cgroups.thaw(path);
}

function adopt(engine: Engine, row: ContainerRecord, observation: Observation): void {
  if (observation.kind !== 'running') return;
  engine.live.set(row.id, { process: observation.process });
  adoptSessions(engine, row, observation.process);
  engine.background.run('resume the resolver', row.id, () => resumeNames(engine, engine.table.byId(row.id) ?? row));
  engine.watch(row.id, observation.process);
  resumeChecks(engine, row.id);
}

/** The second transaction of a start, in the place of the daemon that could not write it. */
async function settleStart(engine: Engine, row: ContainerRecord, observation: Observation): Promise<void> {
  if (observation.kind !== 'running' && observation.kind !== 'exited') return;
  const started =
    observation.kind === 'running'
      ? observation.process.started
      : { pid: observation.record.pid, startTime: 0n, startedAt: observation.startedAt };
  engine.table.transition(
    row.id,
    sourcesOf('launched'),
    'running',
    {
      pid: started.pid,
      startTime: started.startTime,
      startedNs: started.startedAt,
      exitCode: 0,
      oomKilled: false,
      error: '',
    },
    [containerEvent(row, 'start')],
  );
  if (observation.kind === 'running') adopt(engine, row, observation);
  else await exitUnderLock(engine, row.id, observation.record);
}

async function failStart(engine: Engine, row: ContainerRecord, observation: Observation): Promise<void> {
  killGroup(engine, row);
  const startedBefore = row.startedNs !== 0n;
  await engine.networks.detach(row.id);
  engine.table.transition(
    row.id,
    sourcesOf(startedBefore ? 'launch-failed-again' : 'launch-failed-new'),
    startedBefore ? 'exited' : 'created',
    observation.kind === 'failed'
      ? { error: observation.message, exitCode: EXIT_UNKNOWN, pid: 0 }
      : { error: 'the engine ended while the container was started', pid: 0 },
  );
  if (row.autoRemove) await removeUnderLock(engine, row.id, { volumes: true, exitCode: EXIT_UNKNOWN });
}

const groupOf = (engine: Engine, row: ContainerRecord): string =>
  cgroupPath(engine.instance, row.hostConfig.CgroupParent || engine.cgroupParent, row.id);

/** Whatever still runs of it, and the group itself behind. */
function killGroup(engine: Engine, row: ContainerRecord): void {
  const path = groupOf(engine, row);
  if (!engine.cgroups.exists(path)) return;
  engine.cgroups.killAll(path);
  engine.background.run('remove control group', row.id, () => engine.cgroups.remove(path));
}

/** What the policies want after the boot: `always` in every case, the others unless they were stopped on request. */
function startByPolicy(engine: Engine, row: ContainerRecord): void {
  if (row.state === 'exited' && row.autoRemove) {
    engine.background.run('remove', row.id, () =>
      engine.lock.run(row.id, () => removeUnderLock(engine, row.id, { volumes: true, exitCode: row.exitCode })),
    );
    return;
  }
  if (row.state !== 'exited' || row.startedNs === 0n) return;
  const wanted = decideAtBoot({
    policy: row.hostConfig.RestartPolicy,
    exitCode: row.exitCode,
    manuallyStopped: row.manuallyStopped,
    restartCount: row.restartCount,
    ranNs: 0n,
    lastDelayMs: 0,
  });
  if (!wanted) return;
  engine.background.run('start by policy', row.id, () =>
    engine.lock.run(row.id, () => startUnderLock(engine, row.id, 'start')),
  );
}

/** What is amiss with containers, once the work under way has ended. */
export const findContainerLeaks = (engine: Engine): Promise<readonly Leak[]> =>
  findLeaks(engine, (row) => settleOne(engine, row));

/** Heals what the look finds: nothing is under way yet, so one look does. What takes its time goes behind. */
async function sweep(engine: Engine): Promise<void> {
  for (const { kind, name, owner = '', problem, heal } of await lookForLeaks(engine, (row) => settleOne(engine, row))) {
    engine.log.info({ kind, name, owner }, `sweep: ${problem}`);
    if (heal === undefined) continue;
    // Addresses and ports have to be free before anything is started; groups and trees may take their time.
    if (kind === 'row' || kind === 'link' || kind === 'rule') await heal();
    else engine.background.run(`sweep ${kind} ${name}`, owner, heal);
  }
}
