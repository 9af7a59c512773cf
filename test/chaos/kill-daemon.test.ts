// `kill -9` of the daemon: what runs goes on, and the next daemon adopts it as if nothing had been. First in single steps, then
// at random moments of create, start, stop and rm (TSD_CHAOS_ROUNDS and TSD_CHAOS_SEED repeat a run).
import { existsSync } from 'node:fs';
import t from 'tap';
import { type ApiAnswer, type Teardown, TestDaemon } from '../helpers/daemon.ts';
import { Docker } from '../helpers/engine.ts';

t.setTimeout(600_000);

const start = async (t: Teardown): Promise<[TestDaemon, Docker]> => {
  const daemon = new TestDaemon();
  t.teardown(() => daemon.cleanup());
  await daemon.start();
  await daemon.loadBusybox();
  return [daemon, new Docker(daemon)];
};

t.test('a container that writes loses no line', async (t) => {
  const [daemon, docker] = await start(t);
  await docker.ok(
    'run',
    '-d',
    '--name',
    'writer',
    'busybox',
    'sh',
    '-c',
    'n=0; until [ -e /stop ]; do n=$((n+1)); echo line $n; sleep 0.01; done; exit 11',
  );
  const pid = await docker.inspect('writer', '{{.State.Pid}}');
  await docker.spawn(['logs', '-f', 'writer']).until('line 5\n');
  await daemon.kill('SIGKILL');
  t.ok(existsSync(`/proc/${pid}`), 'it goes on without a daemon');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await daemon.start();
  t.equal(await docker.inspect('writer', '{{.State.Running}} {{.State.Pid}}'), `true ${pid}`);
  const follow = docker.spawn(['logs', '-f', 'writer']);
  await follow.until('line 20\n');
  const attach = docker.spawn(['attach', '--no-stdin', 'writer']);
  await attach.until('line ');
  await docker.ok('stop', '-t', '0', 'writer');
  const lines = (await follow.done).stdout.trimEnd().split('\n');
  t.ok(
    lines.every((line, index) => line === `line ${index + 1}`),
    `${lines.length} lines, none missing and none twice`,
  );
  t.equal((await attach.done).code, 137);
  t.equal(await docker.ok('logs', 'writer'), lines.join('\n'));
});

t.test('one that ends while no daemon runs', async (t) => {
  const [daemon, docker] = await start(t);
  for (const [name, code] of [
    ['ends', 7],
    ['fine', 0],
  ] as const) {
    await docker.ok('run', '-d', '-i', '--name', name, 'busybox', 'sh', '-c', `sleep 1; echo last; exit ${code}`);
  }
  const removed = await docker.ok('run', '-d', '--rm', '--name', 'gone', 'busybox', 'sleep', '1');
  const pids = await Promise.all(['ends', 'fine', 'gone'].map((name) => docker.inspect(name, '{{.State.Pid}}')));
  await daemon.kill('SIGKILL');
  while (pids.some((pid) => existsSync(`/proc/${pid}`))) await new Promise((resolve) => setTimeout(resolve, 50));
  await daemon.start();
  t.equal(await docker.ok('wait', 'ends'), '7');
  t.equal(await docker.inspect('ends', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 7');
  t.equal(await docker.ok('logs', 'ends'), 'last');
  t.equal(await docker.inspect('fine', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 0');
  const events = await docker.ok(
    'events',
    '--since',
    '1h',
    '--until',
    String(Math.ceil(Date.now() / 1000)),
    '--filter',
    'event=die',
    '--format',
    '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}',
  );
  t.ok(events.split('\n').includes('ends 7'), 'the event is told late, not never');
  const gone = await docker.run(['inspect', removed]);
  t.match(gone.stderr, /[Nn]o such object/, '--rm is kept');
});

t.test('a client that waits across the death of the daemon fails, and the next wait is right', async (t) => {
  const [daemon, docker] = await start(t);
  await docker.ok('run', '-d', '--name', 'long', 'busybox', 'sleep', '1000');
  const waiting = docker.spawn(['wait', 'long']);
  const following = docker.spawn(['logs', '-f', 'long']);
  await daemon.restart('SIGKILL');
  t.not((await waiting.done).code, 0);
  await following.done;
  const again = docker.spawn(['wait', 'long']);
  await docker.ok('kill', '-s', 'KILL', 'long');
  t.equal((await again.done).stdout, '137\n');
});

t.test('an orderly end leaves all running as well', async (t) => {
  const [daemon, docker] = await start(t);
  await docker.ok('run', '-d', '--name', 'stays', 'busybox', 'sleep', '1000');
  const pid = await docker.inspect('stays', '{{.State.Pid}}');
  t.equal(await daemon.kill('SIGTERM'), 'exit code 0');
  await daemon.start();
  t.equal(await docker.inspect('stays', '{{.State.Pid}}'), pid);
  await docker.ok('restart', '-t', '0', 'stays');
  t.not(await docker.inspect('stays', '{{.State.Pid}}'), pid);
});

/** mulberry32: small, and the same numbers for the same seed everywhere. */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
};

const quietly = async (call: Promise<ApiAnswer>): Promise<ApiAnswer | undefined> => {
  try {
    return await call;
  } catch {
    return undefined; // the daemon died under it
  }
};

t.test('at random moments of create, start, stop and rm', async (t) => {
  const seed = Number(process.env.TSD_CHAOS_SEED ?? Date.now() % 1_000_000);
  const rounds = Number(process.env.TSD_CHAOS_ROUNDS ?? 12);
  t.comment(`TSD_CHAOS_SEED=${seed}`);
  const next = random(seed);
  const [daemon, docker] = await start(t);
  await docker.ok(
    'run',
    '-d',
    '--name',
    'witness',
    'busybox',
    'sh',
    '-c',
    'n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done',
  );
  const witness = await docker.inspect('witness', '{{.State.Pid}}');

  const life = async (name: string): Promise<void> => {
    await quietly(daemon.api('POST', `/containers/create?name=${name}`, { Image: 'busybox', Cmd: ['sleep', '1000'] }));
    await quietly(daemon.api('POST', `/containers/${name}/start`));
    await quietly(daemon.api('POST', `/containers/${name}/stop?t=0`));
    await quietly(daemon.api('DELETE', `/containers/${name}`));
  };
  for (let round = 0; round < rounds; round++) {
    const lives = Promise.all([0, 1, 2].map((index) => life(`life-${round}-${index}`)));
    await new Promise((resolve) => setTimeout(resolve, next() * 250));
    await daemon.kill('SIGKILL');
    await lives;
    await daemon.start();

    const all = (await daemon.api('GET', '/containers/json?all=1')).json as {
      Id: string;
      Names: string[];
      State: string;
    }[];
    for (const { Id, Names, State } of all) {
      t.ok(['created', 'running', 'exited'].includes(State), `round ${round}: ${Names[0]} is ${State}`);
      const found = (await daemon.api('GET', `/containers/${Id}/json`)).json as {
        State: { Running: boolean; Pid: number };
      };
      if (found.State.Running)
        t.ok(existsSync(`/proc/${found.State.Pid}`), `${Names[0]} runs as process ${found.State.Pid}`);
      if (Names[0] === '/witness') continue;
      const removed = await daemon.api('DELETE', `/containers/${Id}?force=1`);
      t.equal(removed.status, 204, `${Names[0]} (${State}) can be removed: ${removed.body.toString()}`);
    }
    t.equal(await docker.inspect('witness', '{{.State.Running}} {{.State.Pid}}'), `true ${witness}`);
    t.equal(await docker.ok('run', '--rm', 'busybox', 'echo', 'works'), 'works');
  }
  const lines = (await docker.ok('logs', 'witness')).split('\n');
  t.ok(
    lines.every((line, index) => line === String(index + 1)),
    `${lines.length} lines, none missing and none twice`,
  );
  await docker.ok('rm', '-f', 'witness');
  t.same(await daemon.leftovers(), []);
});
