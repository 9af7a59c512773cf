// Exec sessions and the death of the daemon: the process, its client and its exit code go on.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon, type TestDaemon } from '../../helpers/daemon.ts';
import { bodyOf, framesOf, RawClient, startRequest } from './raw-client.ts';

const prepare = async (daemon: TestDaemon, body: Record<string, unknown>): Promise<string> =>
  ((await daemon.api('POST', '/v1.47/containers/web/exec', body)).json as { Id: string }).Id;
const inspect = async (daemon: TestDaemon, id: string) =>
  (await daemon.api('GET', `/v1.47/exec/${id}/json`)).json as {
    Running: boolean;
    ExitCode: number | null;
    Pid: number;
  };

/** Waits for an end that comes by itself. */
async function untilGone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 20));
}

t.test('the daemon is killed in the middle of sessions', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'web', '-e', 'A=kept', '-u', '1000', 'busybox', 'sleep', '1000']);
  const attached = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
  const script = 'while read line; do echo "got $line"; test "$line" = end && exit 7; done';
  const held = await prepare(daemon, { Cmd: ['sh', '-c', script], ...attached });
  const client = new RawClient(daemon.socket);
  const { head, body } = startRequest(held, '{}', true);
  await client.write(`${head}${body}one\n`);
  await client.until('got one');
  const ending = await prepare(daemon, { Cmd: ['sh', '-c', 'while [ ! -e /tmp/end ]; do sleep 0.02; done; exit 5'] });
  await daemon.api('POST', `/v1.47/exec/${ending}/start`, { Detach: true });
  const created = await prepare(daemon, { Cmd: ['sh', '-c', 'exit 3'] });
  const { Pid: pid } = await inspect(daemon, ending);
  const container = (await daemon.api('GET', '/v1.47/containers/web/json')).json as {
    Id: string;
    State: { Pid: number };
  };

  await daemon.kill('SIGKILL');
  await client.write('two\n');
  await client.until('got two');
  t.pass('the attached client goes on while there is no daemon');
  writeFileSync(`/proc/${container.State.Pid}/root/tmp/end`, '');
  // As a daemon leaves it that dies between the row and the record.
  writeFileSync(join(daemon.execRoot, 'containers', container.Id, `exec-${'0'.repeat(64)}`), 'code 0\nsignal 0\n');
  await untilGone(pid);
  await daemon.start();

  t.match(
    await inspect(daemon, ending),
    { Running: false, ExitCode: 5, Pid: pid },
    'ended meanwhile: its code is known',
  );
  const still = await inspect(daemon, held);
  t.match(still, { Running: true, ExitCode: null });
  t.ok(existsSync(`/proc/${still.Pid}`));
  await client.write('three\nend\n');
  const answer = framesOf(bodyOf(await client.untilEnd()));
  t.same(answer, { 1: 'got one\ngot two\ngot three\ngot end\n' });
  t.match(await inspect(daemon, held), { Running: false, ExitCode: 7 }, 'and so is the exit code right after the end');
  await daemon.api('POST', `/v1.47/exec/${created}/start`, { Detach: true });
  t.equal(await daemon.dockerOk(['exec', 'web', 'sh', '-c', 'echo $A; id -u']), 'kept\n1000', 'new ones as before');
  const died = await daemon.dockerOk([
    'events',
    '--since',
    '1h',
    '--until',
    String(Math.ceil(Date.now() / 1000) + 1),
    '--filter',
    'event=exec_die',
    '--format',
    '{{.Actor.Attributes.exitCode}}',
  ]);
  t.same(died.split('\n').sort(), ['0', '3', '5', '7'], 'each end was told once');
  const records = readdirSync(join(daemon.execRoot, 'containers', container.Id)).filter((name) =>
    name.startsWith('exec-'),
  );
  t.same(records, [], 'no record is left behind');
});

t.test('the container ends with its sessions while there is no daemon', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'web', 'busybox', 'sleep', '1000']);
  const id = await prepare(daemon, { Cmd: ['sleep', '1000'] });
  await daemon.api('POST', `/v1.47/exec/${id}/start`, { Detach: true });
  const { State } = (await daemon.api('GET', '/v1.47/containers/web/json')).json as { State: { Pid: number } };
  await daemon.kill('SIGKILL');
  process.kill(State.Pid, 'SIGKILL');
  await untilGone(State.Pid);
  await daemon.start();
  t.match(await inspect(daemon, id), { Running: false, ExitCode: 137 });
  t.equal(await daemon.dockerOk(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'web']), 'exited 137');
});

t.test('killed at random moments of many sessions', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'web', 'busybox', 'sleep', '100000']);
  const rounds = process.env.TSD_LONG === '1' ? 200 : 8;
  for (let round = 0; round < rounds; round++) {
    /** Sessions whose start was acknowledged, with the code that they end with. */
    const acknowledged = new Map<string, number>();
    const clients: { readonly client: RawClient; readonly id: string; readonly code: number }[] = [];
    const work = (async () => {
      for (let number = 1; ; number++) {
        const code = (number * 7 + round) % 100;
        const pause = (number % 5) / 10;
        const id = await prepare(daemon, {
          Cmd: ['sh', '-c', `sleep ${pause}; echo ${code}; exit ${code}`],
          AttachStdout: true,
        });
        if (number % 2 === 0) {
          const started = await daemon.api('POST', `/v1.47/exec/${id}/start`, { Detach: true });
          if (started.status === 200) acknowledged.set(id, code);
        } else {
          const client = new RawClient(daemon.socket);
          const { head, body } = startRequest(id, '{}', true);
          await client.write(head + body);
          await client.until('101 UPGRADED');
          clients.push({ client, id, code });
        }
      }
    })().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 400));
    await daemon.kill('SIGKILL');
    await work;
    await daemon.start();
    const ended = async (id: string): Promise<number | null> => {
      for (;;) {
        const state = await inspect(daemon, id);
        if (!state.Running) return state.ExitCode;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const found = await Promise.all([...acknowledged].map(async ([id, code]) => [id, code, await ended(id)] as const));
    t.same(
      found.filter(([, code, exit]) => code !== exit),
      [],
      `round ${round}: ${found.length} detached sessions`,
    );
    for (const { client, id, code } of clients) {
      const frames = framesOf(bodyOf(await client.untilEnd()));
      const exit = await ended(id);
      // The answer comes before the start: a session that had not been handed to its monitor yet never ran.
      if (frames[1] === undefined) t.equal(exit, 126, 'never ran');
      else t.same([frames[1], exit], [`${code}\n`, code]);
    }
  }
  const list = (await daemon.api('GET', '/v1.47/containers/web/json')).json as { Id: string; ExecIDs: string[] | null };
  const records = readdirSync(join(daemon.execRoot, 'containers', list.Id)).filter((name) => name.startsWith('exec-'));
  t.same(records, []);
  t.equal((await daemon.dockerOk(['exec', 'web', 'ps'])).split('\n').length, 3, 'no process is left in the container');
});
