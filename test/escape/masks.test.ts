// CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: the engine is made to mount or write through names that the attacker exchanges while a
// container starts: /dev/null of a shared /dev, /dev/console, the files below /proc.
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Attack, startAttack } from './attack.ts';

const attack = await startAttack(t);

/** A directory that a racing container changes for as long as `work` takes. */
const whileRacing = async (
  attack: Attack,
  volume: string,
  pairs: readonly string[],
  work: () => Promise<void>,
): Promise<void> => {
  const racer = attack.spawn(['run', '--rm', '-i', '-v', `${volume}:/s`, 'attack', '/attack', 'exchange', ...pairs]);
  try {
    await racer.until('racing');
    await work();
  } finally {
    const running = await attack.ok('ps', '-q', '--filter', 'ancestor=attack');
    for (const id of running.split('\n').filter((line) => line !== '')) await attack.run(['rm', '-f', id]);
    await racer.done;
  }
};

const ROUNDS = 40;
const switches =
  'cat /proc/sys/kernel/core_pattern >/dev/stderr; for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/modprobe; do' +
  ' (echo "|/attacker" >$f) 2>&1; done; head -c 1 /proc/kcore | wc -c; head -c 1 /proc/keys | wc -c';

/** What a container with the attacker's directory as /dev may have got when it started at all. */
const checkInside = (t: Test, { code, stdout, stderr }: { code: number; stdout: string; stderr: string }): boolean => {
  if (code !== 0 && stderr.includes('Error response from daemon')) return false;
  const refusals = stdout.match(/Read-only file system|can't create|nonexistent|Permission denied|No such/g) ?? [];
  t.ok(refusals.length >= 3, `the switches cannot be written: ${stdout}${stderr}`);
  t.notMatch(stdout, /^1$/m, 'masked files give nothing');
  return true;
};

t.test('CVE-2025-31133: /dev/null is a link to a kernel switch while masks are mounted', async (t) => {
  const before = attack.host();
  const volume = attack.shared('dev-null');
  const nodes =
    'cd /s; mknod null c 1 3; mknod zero c 1 5; mknod tty c 5 0; ln -s /proc/sys/kernel/core_pattern link; mkdir pts shm mqueue';
  await attack.ok('run', '--rm', '-v', `${volume}:/s`, 'attack', 'sh', '-c', nodes);
  const plain = await attack.run(['run', '--rm', '-v', `${volume}:/dev`, 'attack', 'sh', '-c', switches]);
  t.ok(checkInside(t, plain), `with a true null device the container starts: ${plain.stderr}`);
  const outcomes = { started: 0, refused: 0 };
  await whileRacing(attack, volume, ['/s/null', '/s/link'], async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const result = await attack.run(['run', '--rm', '-v', `${volume}:/dev`, 'attack', 'sh', '-c', switches]);
      outcomes[checkInside(t, result) ? 'started' : 'refused']++;
    }
  });
  t.comment(JSON.stringify(outcomes));
  t.same(attack.host(), before);
});

t.test('CVE-2025-31133: /dev/null of the image itself', async (t) => {
  const before = attack.host();
  await attack.image('null-link', [{ path: 'dev/null', type: 'symlink', linkTarget: '/proc/sys/kernel/core_pattern' }]);
  t.ok(
    checkInside(t, await attack.run(['run', '--rm', 'null-link', 'sh', '-c', switches])),
    'the image has no say in /dev',
  );
  const volume = attack.shared('dev-link');
  symlinkSync('/proc/sys/kernel/core_pattern', join(volume, 'null'));
  const refused = await attack.run(['run', '--rm', '-v', `${volume}:/dev`, 'attack', 'sh', '-c', switches]);
  t.notOk(checkInside(t, refused), 'refused');
  t.match(refused.stderr, /mask|null/);
  t.same(attack.host(), before);
});

t.test('CVE-2025-52565: /dev/console and /dev/pts lead to a kernel switch', async (t) => {
  const before = attack.host();
  const volume = attack.shared('dev-console');
  const nodes =
    'cd /s; mknod null c 1 3; mknod ptmx c 5 2; mkdir pts shm mqueue; mknod pts/ptmx c 5 2; touch console;' +
    ' ln -s /proc/sys/kernel/core_pattern link; ln -s /proc/sys/kernel plink; ln -s /proc/sysrq-trigger plain';
  await attack.ok('run', '--rm', '-v', `${volume}:/s`, 'attack', 'sh', '-c', nodes);
  const outcomes = { started: 0, refused: 0 };
  const pairs = ['/s/console', '/s/link', '/s/pts', '/s/plink'];
  await whileRacing(attack, volume, pairs, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const result = await attack.run(['run', '--rm', '-t', '-v', `${volume}:/dev`, 'attack', 'sh', '-c', switches]);
      outcomes[checkInside(t, result) ? 'started' : 'refused']++;
    }
  });
  t.comment(JSON.stringify(outcomes));
  await attack.image('console-link', [
    { path: 'dev/console', type: 'symlink', linkTarget: '/proc/sys/kernel/core_pattern' },
    { path: 'dev/pts', type: 'symlink', linkTarget: '/proc/sys/kernel' },
  ]);
  t.ok(checkInside(t, await attack.run(['run', '--rm', '-t', 'console-link', 'sh', '-c', switches])));
  t.same(attack.host(), before);
});

t.test('CVE-2025-52881: what is written below /proc for a container lands in no other file', async (t) => {
  const before = attack.host();
  const volume = attack.shared('proc-like');
  mkdirSync(join(volume, 'sys/net/core'), { recursive: true });
  symlinkSync('/proc/sysrq-trigger', join(volume, 'sys/net/core/somaxconn'));
  symlinkSync('/proc', join(volume, 'link'));
  mkdirSync(join(volume, 'plain'));
  chmodSync(volume, 0o777);
  await attack.image('proc-behind', [{ path: 'way', type: 'symlink', linkTarget: '/proc/sys/net/core' }]);
  const sysctl = ['--sysctl', 'net.core.somaxconn=b'];
  const good = ['--sysctl', 'net.core.somaxconn=77'];
  const read = ['cat', '/proc/sys/net/core/somaxconn'];
  await whileRacing(attack, volume, ['/s/link', '/s/plain'], async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const mounts = ['-v', `${volume}:/v`, '-v', `${volume}/sys:/v/link/sys`];
      const result = await attack.run(['run', '--rm', ...mounts, ...good, 'attack', ...read]);
      if (result.code === 0) t.equal(result.stdout, '77\n', 'the sysctl is the kernel’s own');
      else t.match(result.stderr, /proc|mount|sysctl/, 'or the start is refused');
    }
  });
  const behind = await attack.run([
    'run',
    '--rm',
    '-v',
    `${volume}/sys/net/core:/way`,
    ...good,
    'proc-behind',
    ...read,
  ]);
  t.ok(
    behind.code !== 0 || behind.stdout === '77\n',
    `a mount that a link of the image leads below /proc: ${behind.stderr}`,
  );
  const wrong = await attack.run(['run', '--rm', ...sysctl, 'attack', 'true']);
  t.not(wrong.code, 0, 'a value that the kernel refuses stops the start');
  t.same(attack.host(), before);
});
