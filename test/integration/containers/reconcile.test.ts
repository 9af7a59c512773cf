// What a daemon finds at boot and makes of it, on the real kernel. The death of the daemon is played by an engine that is let go of in the
// middle of things, and by rows that say what a killed one would have left.
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { ContainerTable } from '../../../daemon/store/containers.ts';
import { Database } from '../../../daemon/store/database.ts';
import { EventTable } from '../../../daemon/store/events.ts';
import { demultiplex, logsOf, never, startEngine } from './harness.ts';

const engine = await startEngine(t);

/** Changes rows while no daemon runs. */
const edit = (change: (table: ContainerTable) => void): void => {
  const database = new Database(join(engine.root, 'data/tsd.db'));
  change(new ContainerTable(database, new EventTable(database)));
  database.close();
};

const monitorOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

t.test('running ones are adopted: log, stop, exit code, attach', async (t) => {
  const id = await engine.run('trap "exit 6" TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done');
  const typed = await engine.run('while read x; do echo "got $x"; [ "$x" = end ] && exit 4; done', { OpenStdin: true });
  const paused = await engine.run('sleep 100');
  await engine.containers.pause(paused);
  const { pid } = await engine.record(id);
  await engine.stop();
  await engine.start();
  t.match(await engine.record(id), { state: 'running', pid });
  t.match(await engine.record(paused), { state: 'paused' });
  const { stream } = engine.containers.logs(id, { ...logsOf, follow: true });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    if (chunks.length === 1) void engine.containers.stop(id, {});
  }
  const lines = demultiplex(Buffer.concat(chunks)).stdout.trimEnd().split('\n');
  t.same(
    lines,
    lines.map((_, index) => String(index)),
    'every line once, the ones without a daemon too',
  );
  t.match(await engine.record(id), { state: 'exited', exitCode: 6 });
  const client = await engine.attach(typed, { stdin: true });
  client.socket.write('end\n');
  t.equal(demultiplex((await client.ended).subarray(6)).stdout, 'got end\n');
  t.equal(await engine.exitCode(typed), 4);
  await engine.containers.unpause(paused);
  await engine.containers.remove(paused, { force: true, volumes: false });
});

t.test('ends that nobody saw', async (t) => {
  const gate = join(engine.root, 'gate');
  mkdirSync(gate);
  const waits = 'while [ ! -e /gate/open ]; do sleep 0.02; done; echo last; exit 9';
  const host = { Binds: [`${gate}:/gate`] };
  const ended = await engine.run(waits, { host });
  const always = await engine.run(`[ -e /gate/open ] && sleep 100; ${waits}`, {
    host: { ...host, RestartPolicy: { Name: 'always' } },
  });
  const removes = await engine.run(waits, { host: { ...host, AutoRemove: true } });
  const lost = await engine.run('sleep 100');
  const monitor = monitorOf((await engine.record(lost)).pid);
  await engine.stop();
  writeFileSync(join(gate, 'open'), '');
  process.kill(monitor, 'SIGKILL');
  for (const id of [ended, always, removes]) {
    // The exit record is the sign that the monitor has seen the end.
    await t.resolves(untilFile(join(engine.root, 'exec/containers', id, 'exit')));
  }
  await engine.start();
  t.match(await engine.record(ended), { state: 'exited', exitCode: 9 });
  t.equal(await engine.logs(ended), 'last\n');
  t.match(await engine.containers.wait(ended, 'not-running', never), { statusCode: 9 });
  const died = (await engine.events(ended)).filter(({ action }) => action === 'die');
  t.match(died, [{ attributes: { exitCode: '9' } }], 'told once');
  t.match(await engine.record(lost), { state: 'exited', exitCode: 137, error: /monitor/ });
  await engine.settled();
  await t.rejects(engine.record(removes), { kind: 'not-found', message: /No such container/ });
  if ((await engine.record(always)).state === 'restarting') await engine.nextEvent(always, 'start');
  t.match(await engine.record(always), { state: 'running', restartCount: 1 });
  await engine.containers.remove(always, { force: true, volumes: false });
});

t.test('states in doubt are settled', async (t) => {
  const interrupted = await engine.create({ Cmd: ['true'] });
  const settled = await engine.run('sleep 100');
  const endedUnseen = await engine.run('exit 5');
  await engine.exitCode(endedUnseen);
  const stopping = await engine.run('sleep 100');
  const removing = await engine.create({ Cmd: ['true'] });
  const rebooted = await engine.run('exit 0');
  await engine.exitCode(rebooted);
  const waiting = await engine.create({ Cmd: ['sleep', '100'], host: { RestartPolicy: { Name: 'always' } } });
  await engine.stop();
  edit((table) => {
    table.transition(interrupted, ['created'], 'starting', {});
    table.transition(settled, ['running'], 'starting', { pid: 0, startedNs: 0n });
    table.transition(endedUnseen, ['exited'], 'starting', { pid: 0, startedNs: 0n, exitCode: 0 });
    table.transition(stopping, ['running'], 'stopping', { manuallyStopped: true });
    table.transition(removing, ['created'], 'removing', {});
    table.transition(rebooted, ['exited'], 'running', { bootId: 'another', exitCode: 0 });
    table.transition(waiting, ['created'], 'restarting', { restartCount: 1 });
  });
  // The run directory of a host that was started anew is empty.
  rmSync(join(engine.root, 'exec/containers', rebooted), { recursive: true });
  await engine.start();
  t.match(await engine.record(interrupted), { state: 'created', exitCode: 0, error: /the engine ended/ });
  t.match(await engine.record(settled), { state: 'running' });
  t.ok((await engine.record(settled)).pid > 0);
  t.match(await engine.record(endedUnseen), { state: 'exited', exitCode: 5 });
  await t.rejects(engine.record(removing), { kind: 'not-found', message: /No such container/ });
  t.match(await engine.record(rebooted), { state: 'exited', exitCode: 255 });
  await engine.containers.wait(stopping, 'not-running', never);
  t.match(await engine.record(stopping), { state: 'exited', manuallyStopped: true });
  if ((await engine.record(waiting)).state !== 'running') await engine.nextEvent(waiting, 'start');
  t.match(await engine.record(waiting), { state: 'running', restartCount: 1 });
  t.equal(await engine.containers.start(interrupted), 'started');
});

t.test('policies at boot', async (t) => {
  const script = 'exit 1';
  const run = async (policy: string): Promise<string> => {
    const id = await engine.create({ Cmd: ['sh', '-c', script], host: { RestartPolicy: { Name: policy } } });
    await engine.containers.start(id);
    await engine.containers.stop(id, {});
    return id;
  };
  const [always, unless] = [await run('always'), await run('unless-stopped')];
  const fresh = await engine.create({ Cmd: ['true'], host: { RestartPolicy: { Name: 'always' } } });
  await engine.stop();
  await engine.start();
  const starts = async (id: string): Promise<number> =>
    (await engine.events(id)).filter(({ action }) => action === 'start').length;
  await engine.settled();
  t.ok((await starts(always)) >= 2, 'always comes back although it was stopped');
  t.equal((await engine.record(unless)).state, 'exited', 'unless-stopped does not');
  t.equal((await engine.record(fresh)).state, 'created', 'one that was never started is left alone');
  await engine.containers.remove(always, { force: true, volumes: false });
});

t.test('what has no row is swept', async (t) => {
  const id = await engine.run('sleep 100', { host: { NetworkMode: 'bridge' } });
  const other = 'f'.repeat(64);
  await engine.stop();
  for (const path of ['data/rw', 'data/containers', 'exec/containers']) {
    mkdirSync(join(engine.root, path, other, 'diff'), { recursive: true });
  }
  const database = new Database(join(engine.root, 'data/tsd.db'));
  database.handle.prepare('DELETE FROM containers WHERE id = ?').run(id);
  database.close();
  await engine.start();
  await engine.settled();
  for (const { record } of await engine.containers.list({ all: true, limit: 0, size: false, filters: {} })) {
    await engine.containers.remove(record.id, { force: true, volumes: true });
  }
  await engine.settled();
  t.same(engine.leftovers(), []);
});

/** Waits for a file by the directory's notices. */
async function untilFile(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(dirname(path), () => {
    if (existsSync(path)) resolve();
  });
  if (existsSync(path)) resolve();
  await promise;
  watcher.close();
}
