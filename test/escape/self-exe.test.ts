// CVE-2019-5736: a container overwrites the program that starts it, by way of /proc/self/exe, and owns the host at the next start.
import t from 'tap';
import { gains, startAttack } from './attack.ts';

const attack = await startAttack(t);

t.test('CVE-2019-5736: /proc/self/exe as the program of the container', async (t) => {
  const before = attack.host();
  for (const flags of [[], ['--init'], ['--privileged']]) {
    const result = await attack.run(['run', '--rm', ...flags, '--entrypoint', '/proc/self/exe', 'attack', 'x', 'y']);
    t.not(result.code, 0, `${flags}`);
    t.notMatch(result.stdout + result.stderr, /launch|plan|usage/i, 'it says nothing and does nothing of its own');
  }
  t.same(attack.host(), before);
});

t.test('CVE-2019-5736: a program of the image that is a link or a script of /proc/self/exe', async (t) => {
  await attack.image('exe-link', [
    { path: 'entry', type: 'symlink', linkTarget: '/proc/self/exe' },
    { path: 'script', data: '#!/proc/self/exe\n', mode: 0o755 },
  ]);
  const before = attack.host();
  for (const program of ['/entry', '/script']) {
    const result = await attack.run(['run', '--rm', '--entrypoint', program, 'exe-link']);
    t.not(result.code, 0, program);
  }
  t.same(attack.host(), before);
});

t.test("CVE-2019-5736: the engine's program is overwritten by a process that watches for it", async (t) => {
  const before = attack.host();
  // With --init the engine's own program is PID 1 for the whole life of the container: the best that an attacker can get.
  for (const flags of [['--init'], ['--init', '--privileged'], ['--init', '--cap-add', 'SYS_PTRACE']]) {
    const output = await attack.output('run', '--rm', ...flags, 'attack', '/attack', 'overwrite', '/proc/1/exe');
    t.same(gains(output), [], `${flags}: ${output}`);
  }
  t.same(attack.host(), before);
  t.equal(await attack.ok('run', '--rm', 'attack', 'echo', 'next'), 'next', 'the next start is as ever');
});

t.test('CVE-2019-5736: a container that shares the pid namespace of the host', async (t) => {
  const before = attack.host();
  const script =
    'for exe in /proc/[0-9]*/exe; do case $(readlink $exe) in *memfd:*) /attack overwrite $exe;; esac; done';
  const output = await attack.output('run', '--rm', '--privileged', '--pid', 'host', 'attack', 'sh', '-c', script);
  t.match(
    output,
    /write: (ETXTBSY|EPERM|EACCES|EROFS)/,
    'a monitor was found, and even a privileged container cannot write',
  );
  t.same(gains(output), []);
  t.same(attack.host(), before);
});
