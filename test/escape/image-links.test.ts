// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc or /sys of the image is a link, and what the engine mounts and masks lands elsewhere.
// CVE-2026-41579: /dev of the image is a link, and device nodes are made outside of the root.
import { join } from 'node:path';
import t from 'tap';
import type { TarEntry } from '../helpers/tar.ts';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

const link = (path: string, linkTarget: string): TarEntry => ({ path, type: 'symlink', linkTarget });

t.test('CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc or /sys is a link', async (t) => {
  const before = attack.host();
  const upwards = `../../../../../..${attack.target}`;
  const images: Readonly<Record<string, readonly TarEntry[]>> = {
    'proc-inside': [
      link('proc', '/evil'),
      { path: 'evil', type: 'directory' },
      { path: 'evil/self', type: 'directory' },
    ],
    'proc-host': [link('proc', attack.target)],
    'proc-upwards': [link('proc', upwards)],
    'proc-tmp': [link('proc', 'tmp'), { path: 'tmp', type: 'directory' }],
    'sys-host': [link('sys', attack.target)],
    'sys-inside': [link('sys', '/evil'), { path: 'evil', type: 'directory' }],
    'sys-proc': [link('sys', '/proc')],
  };
  for (const [tag, entries] of Object.entries(images)) {
    await attack.bareImage(tag, entries);
    const result = await attack.run(['run', '--rm', tag, 'true']);
    t.not(result.code, 0, tag);
    t.match(result.stderr, /error mounting .*\/(proc|sys)/, `${tag}: ${result.stderr}`);
  }
  await attack.bareImage('proc-file', [{ path: 'proc', data: 'a file' }]);
  t.match(await attack.output('run', '--rm', 'proc-file', 'true'), /not a directory/);
  await attack.bareImage('proc-missing', []);
  t.match(await attack.ok('run', '--rm', 'proc-missing', 'ls', '-d', '/proc/1', '/sys/fs/cgroup'), '/proc/1');
  t.same(attack.host(), before);
});

t.test('CVE-2026-41579: /dev or a directory in it is a link', async (t) => {
  const before = attack.host();
  const entries: Readonly<Record<string, readonly TarEntry[]>> = {
    'dev-host': [link('dev', attack.target)],
    'dev-upwards': [link('dev', `../../../../../..${attack.target}`)],
    'dev-descriptor': [link('dev', '/proc/self/fd/5')],
    'dev-root': [link('dev', '/proc/1/root/dev')],
    'etc-host': [link('etc', attack.target)],
    'etc-files': [
      { path: 'etc', type: 'directory' },
      link('etc/hosts', join(attack.target, 'hosts')),
      link('etc/hostname', join(attack.target, 'secret')),
      link('etc/resolv.conf', `../../../../../..${join(attack.target, 'etc/made')}`),
    ],
  };
  for (const [tag, list] of Object.entries(entries)) {
    await attack.bareImage(tag, list);
    const result = await attack.run(['run', '--rm', '-t', tag, '/bin/ls', '-l', '/dev/']);
    if (result.code === 0) t.match(result.stdout, /null/, `${tag}: its own /dev`);
    else t.match(result.stderr, /Error response from daemon/, tag);
    t.same(attack.host().target, before.target, tag);
  }
  t.same(attack.host(), before);
});

t.test('CVE-2026-41579: a device asked for lands inside of the root whatever the image says', async (t) => {
  const before = attack.host();
  await attack.image('device-link', [
    link('made', attack.target),
    link('up', `../../../../../..${attack.target}`),
    { path: 'plain', type: 'directory' },
  ]);
  for (const path of ['/made/zero', '/up/zero', '/plain/../../../zero', '/proc/self/root/zero']) {
    await attack.run(['run', '--rm', '--device', `/dev/zero:${path}`, 'device-link', 'ls', '-l', path]);
    t.same(attack.host(), before, path);
  }
});

t.test('mount targets, working directory and user files behind links of the image', async (t) => {
  const before = attack.host();
  const secret = join(attack.target, 'secret');
  await attack.image('many-links', [
    link('data', attack.target),
    link('deep', '/data/new'),
    link('file', secret),
    link('work', join(attack.target, 'made')),
    link('loop', 'loop'),
    link('proc-link', '/proc'),
    link('sys-link', '/proc/sys/kernel'),
  ]);
  const volume = attack.shared('volume');
  await attack.run([
    'run',
    '--rm',
    '-v',
    `${volume}:/data/x/y`,
    '-v',
    `${volume}:/deep/z`,
    'many-links',
    'touch',
    '/data/x/y/f',
  ]);
  await attack.run(['run', '--rm', '-w', '/work/a/b', '--tmpfs', '/data/tmp', 'many-links', 'touch', 'here']);
  await attack.run(['run', '--rm', '-v', `${volume}/f:/file`, 'many-links', 'sh', '-c', 'echo x >/file']);
  t.match(
    await attack.output('run', '--rm', '-v', `${volume}:/loop/x`, 'many-links', 'true'),
    /too many levels|symbolic/,
  );
  t.same(attack.host(), before);
  for (const target of ['/proc-link', '/sys-link', '/proc-link/sys']) {
    const result = await attack.run(['run', '--rm', '-v', `${volume}:${target}`, 'many-links', 'ls', target]);
    t.not(result.code, 0, `${target}: a volume over a part of /proc by way of a link`);
    t.match(result.stderr, /inside \/proc|procfs|proc/, target);
  }
  await attack.image('user-links', [link('etc/passwd.real', '/etc/passwd'), { path: 'fifo', type: 'fifo' }]);
  t.same(attack.host(), before);
});

t.test('passwd and group of the image are a link out, a pipe, a device or far too long', async (t) => {
  const before = attack.host();
  const bad: Readonly<Record<string, TarEntry>> = {
    'passwd-host': link('etc/passwd', '/../../../../../../etc/shadow'),
    'passwd-fifo': { path: 'etc/passwd', type: 'fifo' },
    'passwd-device': { path: 'etc/passwd', type: 'character', major: 1, minor: 5 },
    'passwd-self': link('etc/passwd', '/proc/self/environ'),
    'passwd-long': { path: 'etc/passwd', data: Buffer.alloc(9 * 1024 * 1024, 'root:x:1000:1000::/:\n') },
  };
  for (const [tag, entry] of Object.entries(bad)) {
    await attack.bareImage(tag, [{ path: 'etc', type: 'directory' }, entry]);
    const result = await attack.run(['run', '--rm', '-u', 'somebody', tag, 'id'], { timeout: 20_000 });
    t.not(result.code, 0, tag);
    t.not(result.code, 124, `${tag} does not hang`);
    t.match(result.stderr, /unable to find user|passwd|too large|regular|permitted/i, `${tag}: ${result.stderr}`);
  }
  t.same(attack.host(), before);
});
