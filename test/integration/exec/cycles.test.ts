// Many exec sessions, with clients that go away: descriptors, sessions and rows stay flat. TSD_LONG=1 runs ten thousand.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { RawClient, startRequest } from './raw-client.ts';

const CYCLES = process.env.TSD_LONG === '1' ? 10_000 : 300;
const PARALLEL = 4;

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
const anonymous = (pid: number): number =>
  Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

t.test(`${CYCLES} sessions`, { timeout: CYCLES * 200 }, async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'web', 'busybox', 'sleep', '100000']);
  const { Id } = (await daemon.api('GET', '/v1.47/containers/web/json')).json as { Id: string };
  const first = Number(/^(\d+)/.exec(readFileSync(join(daemon.execRoot, 'containers', Id, 'pid'), 'utf8'))?.[1]);
  const monitor = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${first}/status`, 'utf8'))?.[1]);
  const own = daemon.pid ?? 0;

  /** A session whose client reads its end, or one whose client goes away while it runs. */
  const cycle = async (number: number): Promise<void> => {
    const leaves = number % 2 === 1;
    const Cmd = leaves ? ['sh', '-c', 'echo up; cat >/dev/null'] : ['echo', 'up'];
    const { json } = await daemon.api('POST', '/v1.47/containers/web/exec', {
      Cmd,
      AttachStdin: leaves,
      AttachStdout: true,
    });
    const client = new RawClient(daemon.socket);
    const { head, body } = startRequest((json as { Id: string }).Id, '{}', true);
    await client.write(head + body);
    await client.until('up');
    if (leaves) client.socket.destroy();
    else await client.untilEnd();
  };
  const run = async (count: number): Promise<void> => {
    let next = 0;
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        while (next < count) await cycle(next++);
      }),
    );
    // Those whose client went end by themselves.
    for (;;) {
      const { json } = await daemon.api('GET', '/v1.47/containers/web/json');
      if ((json as { ExecIDs: string[] | null }).ExecIDs === null) return;
    }
  };

  await run(20);
  const before = { daemon: descriptors(own), monitor: descriptors(monitor), memory: anonymous(monitor) };
  await run(CYCLES);
  t.ok(descriptors(own) <= before.daemon + 2, `daemon: ${before.daemon} -> ${descriptors(own)} descriptors`);
  t.equal(descriptors(monitor), before.monitor, 'descriptors of the monitor');
  t.ok(anonymous(monitor) <= before.memory + 256, `monitor: ${before.memory} -> ${anonymous(monitor)} kB`);
  const records = readdirSync(join(daemon.execRoot, 'containers', Id)).filter((name) => name.startsWith('exec-'));
  t.same(records, []);
  t.equal((await daemon.dockerOk(['exec', 'web', 'ps'])).split('\n').length, 3, 'no process is left in the container');
});
