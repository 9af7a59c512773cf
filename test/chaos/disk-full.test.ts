// A data-root on a small file system that fills up: errors are clear, no container is held up, what is lost of its output is counted, and
// service returns with the space.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { instanceOf } from '../../daemon/base/ids.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { Docker } from '../helpers/engine.ts';
import { removeInstance } from '../helpers/leftovers.ts';

t.setTimeout(300_000);

const place = realpathSync(mkdtempSync('/tmp/tsd-full-'));
const dataRoot = join(place, 'data');
mkdirSync(dataRoot, { mode: 0o700 });
execFileSync('truncate', ['-s', '48M', join(place, 'disk')]);
execFileSync('mkfs.ext4', ['-q', '-m', '0', join(place, 'disk')]);
execFileSync('mount', ['-o', 'loop', join(place, 'disk'), dataRoot]);
// The kernel file system's own, which would make the data-root a foreign directory.
rmSync(join(dataRoot, 'lost+found'), { recursive: true });
execFileSync('chmod', ['700', dataRoot]);

const daemon = new TestDaemon({ flags: [`--data-root=${dataRoot}`] });
const docker = new Docker(daemon);
t.teardown(async () => {
  rmSync(join(dataRoot, 'filler'), { force: true });
  if (daemon.pid === undefined) await daemon.start();
  await docker.run(['rm', '-f', 'talker', 'later']);
  await daemon.kill('SIGTERM');
  removeInstance({ instance: instanceOf(dataRoot), root: place, bridge: daemon.bridge });
  await daemon.cleanup();
  execFileSync('umount', [dataRoot]);
  rmSync(place, { recursive: true });
});
await daemon.start();
await daemon.loadBusybox();

/** Asks again until the answer is as wished. */
async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not seen: ${what}`);
}

function fill(): void {
  const filler = join(dataRoot, 'filler');
  for (const size of [1024 * 1024, 4096, 512]) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

interface Loss {
  readonly LogLoss?: { readonly Bytes: number; readonly Error: string };
  readonly State: { readonly Running: boolean };
}
const inspect = async (): Promise<Loss> => (await daemon.api('GET', '/containers/talker/json')).json as Loss;

t.test('a container that talks', async (t) => {
  const script =
    'n=0; while :; do n=$((n+1)); echo line $n of a text that is long enough to fill a block soon; usleep 1000; done';
  await docker.ok('run', '-d', '--name', 'talker', '--network', 'none', 'busybox', 'sh', '-c', script);
  await until('its first lines', async () => (await docker.ok('logs', '-n', '1', 'talker')).includes('line'));
  t.equal((await inspect()).LogLoss, undefined);
  fill();
  await until('the count of what is lost', async () => (await inspect()).LogLoss !== undefined);
  const lossThen = (await inspect()).LogLoss;
  t.match(lossThen, { Error: 'ENOSPC' });
  t.equal((await inspect()).State.Running, true);
  await until(
    'more lost: the container goes on',
    async () => ((await inspect()).LogLoss?.Bytes ?? 0) > (lossThen?.Bytes ?? 0),
  );

  const { code, stderr } = await docker.run(['create', '--name', 'later', '--network', 'none', 'busybox', 'true']);
  t.equal(code, 1);
  t.match(stderr, /no space left on device|database or disk is full/i, 'the error says why');

  const lastBefore = Number(/line (\d+)/.exec(await docker.ok('logs', '-n', '1', 'talker'))?.[1]);
  rmSync(join(dataRoot, 'filler'));
  await until(
    'logging again',
    async () => Number(/line (\d+)/.exec(await docker.ok('logs', '-n', '1', 'talker'))?.[1]) > lastBefore,
  );
  const lines = (await docker.ok('logs', 'talker')).split('\n');
  t.ok(
    lines.every((line) => /^line \d+ of a text that is long enough to fill a block soon$/.test(line)),
    'every line is whole',
  );
  const numbers = lines.map((line) => Number(line.split(' ')[1]));
  const gaps = numbers.filter((number, index) => index > 0 && number !== (numbers[index - 1] ?? 0) + 1);
  t.ok(gaps.length > 0, 'the gap is where the disk was full');
  await docker.ok('create', '--name', 'later', '--network', 'none', 'busybox', 'true');

  await daemon.restart('SIGKILL');
  await until(
    'the count, by a new daemon',
    async () => ((await inspect()).LogLoss?.Bytes ?? 0) >= (lossThen?.Bytes ?? 0),
  );
  await docker.ok('kill', 'talker');
  await docker.run(['wait', 'talker']);
  t.match((await inspect()).LogLoss, { Error: 'ENOSPC' }, 'also after the end');
  t.same(((await daemon.api('GET', '/tsd/leaks')).json as { Leaks: unknown[] }).Leaks, []);
});
