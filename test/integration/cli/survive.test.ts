// The daemon is killed with SIGKILL while containers run, write, end, start, stop and go. Nothing that was acknowledged is lost.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { DockerProcess } from '../../helpers/docker.ts';
import { Pty } from '../../helpers/pty.ts';

t.test('containers outlive the daemon', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (args: string[]) => daemon.docker(args);
  const writer = 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.02; done';
  await docker(['run', '-d', '--name', 'writes', 'busybox', 'sh', '-c', writer]);
  await docker(['run', '-d', '--name', 'ends', 'busybox', 'sh', '-c', 'echo before; sleep 1.5; echo after; exit 42']);
  await docker(['run', '-d', '-it', '--name', 'terminal', 'busybox', 'sh']);
  const pid = (await docker(['inspect', '-f', '{{.State.Pid}}', 'writes'])).stdout;
  await daemon.kill('SIGKILL');
  await delay(2000);
  await daemon.start();

  t.match(await docker(['inspect', '-f', '{{.State.Pid}} {{.State.Status}}', 'writes']), {
    stdout: `${pid.trim()} running\n`,
  });
  t.match(await docker(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'ends']), { stdout: 'exited 42\n' });
  t.match(await docker(['wait', 'ends']), { stdout: '42\n' });
  t.match(await docker(['logs', 'ends']), { stdout: 'before\nafter\n' });
  const died = await docker([
    'events',
    '--since',
    '1h',
    '--until',
    String(Math.ceil(Date.now() / 1000)),
    '--filter',
    'event=die',
    '--format',
    '{{.Actor.Attributes.exitCode}}',
  ]);
  t.match(died.stdout, /^42$/m);

  const follower = new DockerProcess(daemon.dockerEnvironment(), ['logs', '-f', 'writes']);
  await follower.until(/line \d+/);
  await docker(['stop', '-t', '1', 'writes']);
  await follower.done;
  const lines = (await docker(['logs', 'writes'])).stdout.trimEnd().split('\n');
  t.ok(lines.length > 80, 'it went on writing while there was no daemon');
  t.same(
    lines,
    lines.map((_, index) => `line ${index}`),
    'no line is missing or twice',
  );
  t.equal(follower.stdout, `${lines.join('\n')}\n`, 'logs -f had all of them');
  t.match(await docker(['inspect', '-f', '{{.State.ExitCode}}', 'writes']), { stdout: '137\n' });

  const session = new Pty(['docker', 'attach', 'terminal'], { env: daemon.dockerEnvironment() });
  session.type('echo still $((40+2)); exit 5\n');
  await session.expect(/still 42/);
  t.equal(await session.exit, 5);
  t.match(await docker(['wait', 'terminal']), { stdout: '5\n' });
});

t.test('killed at random moments of create, start, stop and rm', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (args: string[]) => daemon.docker(args);
  const rounds = 25;
  for (let round = 0; round < rounds; round++) {
    const name = `round${round}`;
    const acknowledged = new Set<string>();
    const client = (async () => {
      const steps: [string, string[]][] = [
        [
          'create',
          [
            'create',
            '--name',
            name,
            'busybox',
            'sh',
            '-c',
            'echo started; trap "exit 3" TERM; while :; do sleep 0.05; done',
          ],
        ],
        ['start', ['start', name]],
        ['stop', ['stop', '-t', '5', name]],
        ['rm', ['rm', name]],
      ];
      for (const [step, args] of steps) {
        if ((await docker(args)).code !== 0) return;
        acknowledged.add(step);
      }
    })();
    await delay(Math.random() * 700);
    await daemon.kill('SIGKILL');
    await client;
    await daemon.start();
    const state = await docker(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name]);
    const seen = state.code === 0 ? state.stdout.trim() : 'absent';
    const done = ['rm', 'stop', 'start', 'create'].find((step) => acknowledged.has(step)) ?? 'nothing';
    const allowed: Record<string, RegExp> = {
      nothing: /^(absent|created 0)$/,
      create: /^(created 0|running 0|exited \d+)$/,
      start: /^(running 0|exited (3|137))$/,
      stop: /^(exited (3|137)|absent)$/,
      rm: /^absent$/,
    };
    t.match(seen, allowed[done], `round ${round}: after ${done} was acknowledged the container is ${seen}`);
    if (seen.startsWith('running')) {
      const follower = new DockerProcess(daemon.dockerEnvironment(), ['logs', '-f', name]);
      await follower.until(/started/);
      follower.child.kill('SIGKILL');
      await follower.done;
    }
    t.match(await docker(['rm', '-f', name]), seen === 'absent' ? {} : { code: 0 });
  }
  t.match(await docker(['ps', '-aq']), { stdout: '' });
  t.same(await daemon.leftovers(), [], 'no cgroup, link, mount, directory or process without a row');
});

t.test('a monitor that is killed takes its container along, and the daemon says why', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'orphan', 'busybox', 'sleep', '1000']);
  const pid = Number((await daemon.docker(['inspect', '-f', '{{.State.Pid}}', 'orphan'])).stdout);
  const monitor = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  process.kill(monitor, 'SIGKILL');
  t.match(await daemon.docker(['wait', 'orphan']), { stdout: '137\n' });
  t.match(await daemon.docker(['inspect', '-f', '{{.State.Error}}', 'orphan']), { stdout: /monitor/ });
  let state = 'gone';
  try {
    state = /^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'gone';
  } catch {
    // no such process
  }
  t.match(state, /^(Z|gone)$/, 'ended; init reaps it when it likes');
});
