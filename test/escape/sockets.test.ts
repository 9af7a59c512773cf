// CVE-2026-31431: AF_ALG writes into the page cache that all containers share; AF_VSOCK reaches the hypervisor. Both also by the system
// calls of the 32-bit table, where the family stands behind a pointer. CVE-2020-15257: abstract sockets of the engine.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

t.test('CVE-2026-31431: AF_ALG and AF_VSOCK by every way in', async (t) => {
  for (const flags of [
    [],
    ['-u', '1000'],
    ['--network', 'host'],
    ['--cap-add', 'NET_ADMIN'],
    ['--security-opt', 'no-new-privileges'],
  ]) {
    const output = await attack.ok('run', '--rm', ...flags, 'attack', '/attack', 'sockets', '38', '40');
    for (const way of ['socket', 'socket32', 'socketcall32']) {
      for (const family of [38, 40])
        t.match(output, new RegExp(`^${way} ${family}: (EPERM|EACCES)$`, 'm'), `${flags} ${way} ${family}`);
    }
  }
});

t.test('CVE-2026-31431: 32-bit programs still have their network', async (t) => {
  t.equal(await attack.ok('run', '--rm', 'attack', '/attack', 'talk32'), 'talk32: hello');
  const output = await attack.ok('run', '--rm', 'attack', '/attack', 'sockets', '1', '2', '10', '16');
  for (const way of ['socket', 'socket32', 'socketcall32']) {
    for (const family of [1, 2, 10]) t.match(output, new RegExp(`^${way} ${family}: ok$`, 'm'), `${way} ${family}`);
  }
});

t.test('CVE-2026-31431: sockets by 32-bit calls are what the caller would have got', async (t) => {
  const raw = (...flags: string[]): Promise<string> => attack.ok('run', '--rm', ...flags, 'attack', '/attack', 'raw32');
  t.match(await raw(), /raw32: ok\nowner: 0\ncloexec: 0 1\nnetwork: own/);
  t.match(
    await raw('-u', '1000:1000'),
    /raw32: EPERM\nowner: 1000\ncloexec: 0 1\nnetwork: own/,
    'no capability, no raw socket',
  );
  t.match(await raw('--cap-drop', 'NET_RAW'), /raw32: EPERM/);
  const bad = await attack.ok('run', '--rm', 'attack', '/attack', 'sockets', '63', '64', '255', '4294967295');
  t.notMatch(bad, /ok$/m, 'families that there are none of');
});

t.test('CVE-2026-31431: the family is read once, whatever another thread does to it', async (t) => {
  const output = await attack.ok('run', '--rm', 'attack', '/attack', 'flip32');
  t.match(output, /^flip32: (?:\d+) of the wanted family, 0 of the other$/m);
});

t.test('CVE-2026-31431: who asks to be unconfined is', async (t) => {
  const flags = ['--security-opt', 'seccomp=unconfined'];
  t.notMatch(await attack.ok('run', '--rm', ...flags, 'attack', '/attack', 'sockets', '40'), /EPERM/);
  t.notMatch(await attack.ok('run', '--rm', '--privileged', 'attack', '/attack', 'sockets', '40'), /EPERM/);
});

t.test('CVE-2020-15257: no socket of the engine is abstract, and those in files are beyond reach', async (t) => {
  const before = attack.host();
  const names = await attack.ok('run', '--rm', '--network', 'host', 'attack', 'cat', '/proc/net/unix');
  const engine = names.split('\n').filter((line) => line.includes('tsd') || line.includes('monitor'));
  for (const line of engine) t.notMatch(line, / @/, line);
  const monitors = engine.filter((line) => line.includes('monitor.sock'));
  t.same(
    monitors.filter((line) => !line.includes('/proc/self/fd/') && !/ \//.test(line) && !/monitor\.sock$/.test(line)),
    [],
  );
  const inside = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => / @.*(tsd|monitor)/.test(line));
  t.same(inside, [], 'on the host itself');
  const own = await attack.ok('run', '--rm', 'attack', 'cat', '/proc/net/unix');
  t.equal(own.trim().split('\n').length, 1, 'a network of its own has no socket at all');
  t.same(attack.host(), before);
});
