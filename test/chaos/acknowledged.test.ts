// What was acknowledged before the daemon is killed holds after it: state by state, at random moments of one container's life. And the
// other death: a monitor's.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startDaemon } from '../helpers/daemon.ts';
import { DockerProcess } from '../helpers/docker.ts';

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
