// CVE-2022-29162, CVE-2022-24769: inheritable capabilities; CVE-2024-40635: user ids that wrap; CVE-2022-36109: supplementary groups.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);
const status = 'grep -E "^Cap(Inh|Amb|Eff)" /proc/self/status | tr -d "\\t" | tr "\\n" " "';

t.test('CVE-2022-29162, CVE-2022-24769: inheritable and ambient sets are empty', async (t) => {
  const forms = [
    [],
    ['-u', '1000'],
    ['-u', 'nobody', '--cap-add', 'NET_ADMIN'],
    ['--privileged'],
    ['--privileged', '-u', '1000'],
    ['--cap-add', 'ALL'],
    ['--init'],
  ];
  for (const flags of forms) {
    const output = await attack.ok('run', '--rm', ...flags, 'attack', 'sh', '-c', status);
    t.match(output, /CapInh:0{16} .*CapAmb:0{16} /, `${flags}`);
    if (flags.includes('-u')) t.match(output, /CapEff:0{16} /, `${flags}: no capability is effective for a user`);
  }
});

t.test('CVE-2022-29162: a file with inheritable capabilities gives a user nothing', async (t) => {
  // VFS_CAP_REVISION_2, no effective bit; permitted none, inheritable all of the default set.
  const value = Buffer.from([0, 0, 0, 2, 0, 0, 0, 0, 0xfb, 0x25, 0x04, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0]);
  const busybox = readFileSync('/bin/busybox');
  await attack.image('file-caps', [
    { path: 'caps/grep', data: busybox, mode: 0o755, xattrs: { 'security.capability': value } },
  ]);
  const output = await attack.ok(
    'run',
    '--rm',
    '-u',
    '1000',
    'file-caps',
    '/caps/grep',
    '-E',
    'CapPrm|CapEff',
    '/proc/self/status',
  );
  t.match(output, /CapPrm:\s0{16}\nCapEff:\s0{16}/);
});

t.test('CVE-2024-40635: user and group ids that would wrap', async (t) => {
  const bad = [
    '2147483648',
    '4294967295',
    '4294967296',
    '4294967297',
    '18446744073709551616',
    '-1',
    '+1',
    '0x0',
    '1e3',
    '1000:2147483648',
    '1000:4294967296',
    '1000:-1',
    '1 ',
    ' 0',
    '0:0:0',
    '1000:+5',
    '1000 : 5',
  ];
  for (const user of bad) {
    const result = await attack.run(['run', '--rm', `--user=${user}`, 'attack', 'id', '-u']);
    t.not(result.code, 0, `${JSON.stringify(user)}: ${result.stdout}`);
    t.notMatch(result.stdout, /^0$/m, JSON.stringify(user));
    await attack.image('user-config', [], { User: user });
    t.not((await attack.run(['run', '--rm', 'user-config', 'id'])).code, 0, `USER ${JSON.stringify(user)} of an image`);
  }
  t.equal(
    await attack.ok('run', '--rm', '-u', '2147483647:2147483647', 'attack', 'sh', '-c', 'echo $(id -u):$(id -g)'),
    '2147483647:2147483647',
  );
  const lines = [
    'big:x:4294967296:0::/:',
    'minus:x:-1:0::/:',
    'none:x::0::/:',
    'plus:x:+0:0::/:',
    'biggid:x:5:4294967296::/:',
  ];
  await attack.image('user-file', [{ path: 'etc/passwd', data: `${lines.join('\n')}\n` }]);
  for (const line of lines) {
    const name = line.split(':')[0] ?? '';
    const result = await attack.run(['run', '--rm', '-u', name, 'user-file', 'id']);
    t.not(result.code, 0, `${line}: ${result.stdout}`);
  }
  for (const group of ['4294967296', '-1', '2147483648']) {
    t.not((await attack.run(['run', '--rm', `--group-add=${group}`, 'attack', 'id'])).code, 0, `--group-add ${group}`);
  }
});

t.test(
  "CVE-2022-36109: supplementary groups are the image's and --group-add's, the primary group among them",
  async (t) => {
    await attack.image('groups', [
      { path: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' },
      { path: 'etc/group', data: 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\nmore:x:3000:other,user\nshut:x:4000:\n' },
    ]);
    const groups = async (...flags: string[]): Promise<string> =>
      (await attack.ok('run', '--rm', ...flags, 'groups', 'grep', 'Groups', '/proc/self/status'))
        .replace(/\s+/g, ' ')
        .trim();
    t.equal(await groups(), 'Groups: 0');
    t.equal(await groups('-u', 'user'), 'Groups: 1000 2000 3000');
    t.equal(await groups('-u', '1000'), 'Groups: 1000 2000 3000');
    t.equal(await groups('-u', 'user:extra'), 'Groups: 2000');
    t.equal(await groups('-u', '1000:5'), 'Groups: 5');
    t.equal(await groups('-u', '4242'), 'Groups: 0');
    t.equal(await groups('-u', 'user', '--group-add', 'shut', '--group-add', '77'), 'Groups: 77 1000 2000 3000 4000');
  },
);
