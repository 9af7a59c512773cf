// --storage-opt size: what a container may write, and who notices when it is full.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../helpers/daemon.ts';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const { engine } = docker;
const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(engine.root));

t.test('values that cannot be meant', async (t) => {
  const refused = async (option: string) =>
    (await docker.run(['create', '--storage-opt', option, 'busybox', 'true'])).stderr;
  t.match(await refused('foo=1G'), 'Unknown option foo');
  t.match(await refused('size=lots'), /invalid size: 'lots'/);
  t.match(await refused('size=1m'), /1m is too small/);
});

if (!(engine instanceof TestDaemon)) {
  t.comment('a real dockerd wants xfs with project quota for the rest');
} else if (!existsSync('/dev/loop-control')) {
  const { code, stderr } = await docker.run(['create', '--storage-opt', 'size=32m', 'busybox', 'true']);
  t.not(code, 0, 'never taken in silence');
  t.match(stderr, /loop/);
} else {
  t.test('the container alone is full', async (t) => {
    const script =
      'dd if=/dev/zero of=/big bs=1M count=200 2>&1; ls -l /big; rm /big; echo small > /kept; df -m / | tail -1';
    await docker.ok('create', '--name', 'sized', '--storage-opt', 'size=64m', 'busybox', 'sh', '-c', script);
    const output = await docker.ok('start', '-a', 'sized');
    t.match(output, /No space left on device/);
    const total = Number(/\s(\d+)\s+\d+\s+\d+\s+\d+%/.exec(output)?.[1]);
    t.ok(total > 32 && total <= 64, `df tells the size (${total} MB)`);
    t.match(
      await docker.ok('run', '--rm', 'busybox', 'sh', '-c', 'dd if=/dev/zero of=/big bs=1M count=100 && echo fine'),
      'fine',
    );
    t.match(await docker.ok('diff', 'sized'), /^A \/kept$/m);
    await docker.ok('cp', 'sized:/kept', join(engine.root, 'kept'));
    t.equal(readFileSync(join(engine.root, 'kept'), 'utf8'), 'small\n');
  });

  t.test('it stays through the death of a daemon, and goes with the container', async (t) => {
    await docker.ok(
      'run',
      '-d',
      '--name',
      'lasting',
      '--storage-opt',
      'size=32m',
      'busybox',
      'sh',
      '-c',
      'echo x > /x; exec sleep 1000',
    );
    await engine.kill('SIGKILL');
    await engine.start();
    t.equal(mounts().length, 2, `mounted once each: ${mounts().join('; ')}`);
    t.equal(await docker.ok('exec', 'lasting', 'cat', '/x'), 'x');
    await docker.ok('restart', '-t', '0', 'lasting');
    t.equal(await docker.ok('exec', 'lasting', 'cat', '/x'), 'x');
    await docker.ok('rm', '-f', 'sized', 'lasting');
    for (let wait = 0; wait < 100 && mounts().length > 0; wait++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    t.same(mounts(), [], 'nothing is left mounted');
    const loops = readdirSync('/sys/block').filter((name) => existsSync(`/sys/block/${name}/loop/backing_file`));
    t.notOk(loops.some((name) => readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').includes(engine.root)));
  });
}
