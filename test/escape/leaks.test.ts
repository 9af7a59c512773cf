// What a container could learn of the host and of the engine without any attack: descriptors, mounts, environment, arguments, memory.
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);
const forms = [
  [],
  ['-i'],
  ['-t'],
  ['--init'],
  ['--privileged'],
  ['--network', 'host'],
  ['--pid', 'host'],
  ['-u', '1000'],
];

t.test('no descriptor above 2', async (t) => {
  for (const flags of forms) {
    const output = await attack.output('run', '--rm', ...flags, 'attack', '/attack', 'descriptors');
    t.equal(output.trim(), '0 1 2', `${flags}`);
  }
  const init = await attack.output('run', '--rm', '--init', 'attack', 'sh', '-c', 'ls /proc/1/fd | tr "\\n" " "');
  t.equal(init, '0 1 2 ', "of the engine's own first process");
});

t.test("mountinfo shows what Docker's shows of the host and no more", async (t) => {
  const mountinfo = await attack.ok('run', '--rm', 'attack', 'cat', '/proc/self/mountinfo');
  const naming = mountinfo.split('\n').filter((line) => line.includes(attack.daemon.root));
  const targets = naming.map((line) => line.split(' ')[4]).sort();
  t.same(targets, ['/', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf']);
  t.notMatch(mountinfo, /staging|exec\//);
  const first = await attack.ok('run', '--rm', 'attack', 'sh', '-c', 'cat /proc/1/mounts; cat /proc/1/mountstats');
  t.notMatch(first, /staging|\/(node_modules|addon)\//);
});

t.test("neither the daemon's environment nor its arguments are seen", async (t) => {
  const environment = await attack.ok('run', '--rm', '-e', 'A=1', 'attack', 'sh', '-c', 'cat /proc/1/environ; true');
  t.same(
    environment
      .split('\0')
      .filter((variable) => variable !== '')
      .map((line) => line.split('=')[0])
      .sort(),
    ['A', 'HOME', 'HOSTNAME', 'PATH'],
  );
  const init = await attack.ok(
    'run',
    '--rm',
    '--init',
    'attack',
    'sh',
    '-c',
    'cat /proc/1/environ; tr "\\0" " " </proc/1/cmdline; cat /proc/1/comm',
  );
  t.match(init, /^\/sbin\/docker-init -- sh -c/);
  t.notMatch(init, /tsd-monitor|data-root|exec-root/);
});

t.test('the memory of the engine is closed, also to a tracer', async (t) => {
  const script = 'cat /proc/1/maps /proc/1/auxv 2>&1 | head -c 200; dd if=/proc/1/mem bs=1 count=1 2>&1';
  const output = await attack.output('run', '--rm', '--init', '-u', '1000', 'attack', 'sh', '-c', script);
  t.notMatch(output, /memfd|\[heap\]/);
});

t.test('nothing of one container is left in the next', async (t) => {
  await attack.ok('run', '--rm', '-e', 'SECRET=swordfish', 'attack', 'true');
  const output = await attack.ok(
    'run',
    '--rm',
    'attack',
    'sh',
    '-c',
    'env; cat /proc/1/environ; cat /proc/self/mountinfo',
  );
  t.notMatch(output, /swordfish/);
});

t.test('raw devices stay closed, made nodes or not', async (t) => {
  t.equal(await attack.output('run', '--rm', 'attack', '/attack', 'devices'), 'looked\n');
});
