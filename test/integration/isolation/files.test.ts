// What a container sees as files, asked from inside: devices, mounts with their options, shared memory, names and addresses.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const { root } = docker.engine;

const inside = (flags: readonly string[], script: string): Promise<string> =>
  docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const all = async (flags: readonly string[], script: string): Promise<string> => {
  const { stdout, stderr } = await docker.run(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
  return stdout + stderr;
};
const refused = async (pattern: RegExp, ...flags: string[]): Promise<void> => {
  const result = await docker.run(['run', '--rm', ...flags, 'busybox', 'true']);
  t.ok(result.code >= 125, `${flags}: ${result.stdout}`);
  t.match(result.stderr, pattern, `${flags}`);
};
const options = (path: string): string => `grep " ${path} " /proc/self/mountinfo | tail -1 | cut -d" " -f6`;

t.test('--device', async (t) => {
  t.match(
    await inside(['--device', '/dev/loop0'], 'ls -l /dev/loop0; head -c 1 /dev/loop0 | wc -c'),
    /^b.* 7, +0 .*\n0$/,
  );
  t.match(
    await all(['--device', '/dev/loop0:/dev/mine:r'], 'echo x >/dev/mine; head -c1 /dev/mine && echo read'),
    /not permitted[\s\S]*|read/,
  );
  t.match(await all(['--device', '/dev/loop0:/dev/mine:w'], 'head -c 1 /dev/mine'), /not permitted/);
  t.match(await all([], 'mknod /tmp/l b 7 0; head -c 1 /tmp/l'), /not permitted/);
  t.match(
    await inside(['--device', '/dev/net:/dev/there'], 'ls -l /dev/there/tun'),
    / 10, 200 /,
    'a directory of devices',
  );
  t.match(await inside(['--device', '/dev/fuse:/a/b/fuse'], 'ls -l /a/b/fuse'), / 10, 229 /, 'anywhere');
  await refused(
    /error gathering device information while adding custom device "\/dev\/missing": no such file or directory/,
    '--device',
    '/dev/missing',
  );
  await refused(/not a device node/, '--device', '/etc/passwd');
  t.equal((await docker.run(['run', '--rm', '--device', '/dev/null:/dev/x:q', 'busybox', 'true'])).code, 125);
});

t.test('--device-cgroup-rule', async (t) => {
  t.match(
    await inside(['--device-cgroup-rule', 'b 7:* r'], 'mknod /tmp/l b 7 0; head -c 1 /tmp/l && echo read'),
    'read',
  );
  t.match(await all(['--device-cgroup-rule', 'b 7:1 r'], 'mknod /tmp/l b 7 0; head -c 1 /tmp/l'), /not permitted/);
  await refused(/invalid device cgroup (rule|format)/, '--device-cgroup-rule', 'x 1:2 r');
});

t.test('--read-only', async (t) => {
  const output = await all(
    ['--read-only', '--tmpfs', '/run', '-v', 'ro-volume:/data'],
    'touch /x /etc/hosts /etc/x; touch /run/x /data/x /dev/shm/x && echo written',
  );
  t.match(output, /\/x: Read-only/);
  t.match(output, /\/etc\/hosts: Read-only/);
  t.match(output, 'written');
  await docker.ok('volume', 'rm', 'ro-volume');
});

t.test('--tmpfs and --mount type=tmpfs', async (t) => {
  t.equal(await inside(['--tmpfs', '/t'], options('/t')), 'rw,nosuid,nodev,noexec,relatime');
  t.equal(await inside(['--tmpfs', '/t:exec,ro'], options('/t')), 'ro,nosuid,nodev,relatime');
  const sized = await inside(
    ['--tmpfs', '/t:size=1m,mode=700,uid=5,gid=6,nr_inodes=100'],
    'stat -c "%a %u %g" /t; grep " /t " /proc/self/mountinfo; dd if=/dev/zero of=/t/f bs=1k count=2000 2>&1; true',
  );
  t.match(sized, /700 5 6/);
  t.match(sized, /size=1024k/);
  t.match(sized, /nr_inodes=100/);
  t.match(sized, /No space left/);
  t.match(
    await inside(
      ['--mount', 'type=tmpfs,dst=/t,tmpfs-size=2097152,tmpfs-mode=0711'],
      'stat -c %a /t; grep " /t " /proc/self/mountinfo',
    ),
    /^711[\s\S]*size=2048k/,
  );
  await refused(/[Ii]nvalid tmpfs option/, '--tmpfs', '/t:nonsense');
  t.match(await inside(['--tmpfs', '/bin/../t2/deep'], options('/t2/deep')), /noexec/);
});

t.test('--shm-size', async (t) => {
  t.match(await inside(['--shm-size', '8m'], 'df -k /dev/shm | tail -1'), / 8192 /);
  t.match(await inside([], 'df -k /dev/shm | tail -1'), / 65536 /);
  await refused(/SHM size|shm/i, '--shm-size', '-1');
});

t.test('binds: read-only, recursive, missing sources', async (t) => {
  const source = join(root, 'bind');
  mkdirSync(join(source, 'below'), { recursive: true });
  writeFileSync(join(source, 'file'), 'content\n');
  execFileSync('mount', ['-t', 'tmpfs', 'below', join(source, 'below')]);
  t.teardown(() => execFileSync('umount', [join(source, 'below')]));
  const touch = 'touch /s/x /s/below/x && echo written';
  t.match(await all(['-v', `${source}:/s`], touch), 'written');
  t.match(
    await all(['-v', `${source}:/s:ro`], 'touch /s/x; touch /s/below/x'),
    /\/s\/x: Read-only[\s\S]*\/s\/below\/x: Read-only/,
    'what is mounted below, too',
  );
  t.match(
    await all(
      ['--mount', `type=bind,src=${source},dst=/s,readonly,bind-recursive=writable`],
      'touch /s/x; touch /s/below/x && echo below',
    ),
    /\/s\/x: Read-only[\s\S]*|below/,
  );
  t.equal(
    await inside(['--mount', `type=bind,src=${source},dst=/s,bind-recursive=disabled`], 'ls -A /s/below'),
    '',
    'nothing below comes along',
  );
  t.equal(await inside(['-v', `${source}/file:/etc/thing`], 'cat /etc/thing'), 'content', 'a file');
  await refused(
    /invalid mount config for type "bind": bind source path does not exist: \/missing\/source/,
    '--mount',
    'type=bind,src=/missing/source,dst=/s',
  );
  await refused(/Duplicate mount point: \/s/, '-v', `${source}:/s`, '-v', `${root}:/s`);
  await refused(/mount path must be absolute/, '-v', `${source}:relative`);
  await refused(/destination can't be '\/'/, '-v', `${source}:/`);
  symlinkSync('file', join(source, 'link'));
  t.equal(await inside(['-v', `${source}/link:/f`], 'cat /f'), 'content', 'a source that is a link of the host');
});

t.test('propagation', async (t) => {
  const source = join(root, 'shared');
  mkdirSync(join(source, 'sub'), { recursive: true });
  execFileSync('mount', ['--bind', source, source]);
  execFileSync('mount', ['--make-shared', source]);
  t.teardown(() => execFileSync('umount', ['-R', source]));
  const field = (mode: string): Promise<string> =>
    inside(['-v', `${source}:/s:${mode}`], 'grep " /s " /proc/self/mountinfo | cut -d" " -f7- | sed "s/ - .*//"');
  t.match(await field('rshared'), /^shared:\d+$/);
  t.match(await field('shared'), /^shared:\d+$/);
  t.match(await field('rslave'), /^master:\d+$/);
  t.match(await field('slave'), /^master:\d+$/);
  t.match(await field('rprivate'), /^- /);
  t.match(await field('private'), /^- /);
  const running = async (mode: string): Promise<string> => {
    const id = await docker.ok('run', '-d', '-v', `${source}:/s:${mode}`, 'busybox', 'sleep', '1000');
    execFileSync('mount', ['-t', 'tmpfs', 'later', join(source, 'sub')]);
    const seen = await docker.ok('exec', id, 'sh', '-c', 'grep -c " /s/sub " /proc/self/mountinfo; true');
    execFileSync('umount', [join(source, 'sub')]);
    await docker.ok('rm', '-f', id);
    return seen;
  };
  t.equal(await running('rslave'), '1', 'what the host mounts later is seen');
  t.equal(await running('rprivate'), '0');
  const before = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
  await docker.ok(
    'run',
    '--rm',
    '--cap-add',
    'SYS_ADMIN',
    '-v',
    `${source}:/s:rshared`,
    'busybox',
    'sh',
    '-c',
    'mount -t tmpfs inside /s/sub',
  );
  t.equal(
    readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
    before + 1,
    'what the container mounts reaches the host',
  );
  execFileSync('umount', [join(source, 'sub')]);
  await docker.ok(
    'run',
    '--rm',
    '--cap-add',
    'SYS_ADMIN',
    '-v',
    `${source}:/s:rslave`,
    'busybox',
    'sh',
    '-c',
    'mount -t tmpfs inside /s/sub',
  );
  t.equal(readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length, before, 'and not as a slave');
  const lone = join(root, 'private');
  mkdirSync(lone);
  execFileSync('mount', ['-t', 'tmpfs', '--make-private', 'lone', lone]);
  await refused(/is mounted on .* but it is not a shared mount/, '-v', `${lone}:/s:rshared`);
  await refused(/is mounted on .* but it is not a shared or slave mount/, '-v', `${lone}:/s:rslave`);
  execFileSync('umount', [lone]);
  await refused(/invalid (propagation )?mode|propagation/i, '-v', `${source}:/s:rsomething`);
});

t.test('volumes: copy-up, nocopy, subpath, --volumes-from', async (t) => {
  t.match(await inside(['-v', 'copied:/etc'], 'cat /etc/passwd | head -1'), /^root/, 'the image’s files');
  t.equal(await inside(['-v', 'empty:/etc/foo:nocopy', '-v', 'plain:/bin2'], 'ls -A /bin2'), '');
  t.equal(await inside(['-v', 'not-copied:/home:nocopy'], 'ls -A /home'), '');
  await inside(
    ['-v', 'deep:/v'],
    'mkdir -p /v/a/b; echo deep >/v/a/b/f; ln -s /etc /v/out; ln -s ../../../../../.. /v/up; echo file >/v/one',
  );
  t.equal(await inside(['--mount', 'type=volume,src=deep,dst=/x,volume-subpath=a/b'], 'cat /x/f'), 'deep');
  t.equal(await inside(['--mount', 'type=volume,src=deep,dst=/x/one,volume-subpath=one'], 'cat /x/one'), 'file');
  await refused(
    /cannot access path|no such file|does not exist/,
    '--mount',
    'type=volume,src=deep,dst=/x,volume-subpath=missing',
  );
  await refused(
    /subpath must be a relative path|invalid|not local/,
    '--mount',
    'type=volume,src=deep,dst=/x,volume-subpath=../x',
  );
  await refused(/subpath|relative/, '--mount', 'type=volume,src=deep,dst=/x,volume-subpath=/a');
  for (const way of ['out', 'up', 'up/etc']) {
    const result = await docker.run([
      'run',
      '--rm',
      '--mount',
      `type=volume,src=deep,dst=/x,volume-subpath=${way}`,
      'busybox',
      'ls',
      '/x',
    ]);
    t.notMatch(
      result.stdout,
      /shadow|hostname|boot/,
      `a subpath by a link of the volume (${way}) shows nothing of the host: ${result.stderr}`,
    );
  }
  await docker.ok('create', '--name', 'from', '-v', 'deep:/v', '-v', '/anonymous', '-v', `${root}:/host:ro`, 'busybox');
  t.equal(await inside(['--volumes-from', 'from'], 'cat /v/a/b/f; ls -d /anonymous /host'), 'deep\n/anonymous\n/host');
  t.match(await all(['--volumes-from', 'from:ro'], 'touch /v/x'), /Read-only/);
  t.match(await all(['--volumes-from', 'from'], 'touch /host/x'), /Read-only/, 'what was read-only stays so');
  await refused(/No such container: nobody/, '--volumes-from', 'nobody');
  await docker.ok('rm', '-v', 'from');
});

t.test('--mount type=image', async (t) => {
  t.match(
    await inside(['--mount', 'type=image,src=busybox,dst=/image'], 'ls /image; cat /image/etc/passwd | head -1'),
    /bin\n[\s\S]*root:/,
  );
  t.match(await all(['--mount', 'type=image,src=busybox,dst=/image'], 'touch /image/x'), /Read-only/);
  t.match(
    await inside(['--mount', 'type=image,src=busybox,dst=/e,image-subpath=etc'], 'cat /e/passwd | head -1'),
    /^root/,
  );
  await refused(/No such image/i, '--mount', 'type=image,src=missing,dst=/image');
});

t.test('names and addresses', async (t) => {
  t.equal(
    await inside(
      ['--hostname', 'box', '--domainname', 'example.org'],
      'hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname; grep -c "box.example.org box" /etc/hosts',
    ),
    'box\nexample.org\nbox\n1',
  );
  t.match(
    await inside(
      ['--add-host', 'other:10.1.2.3', '--add-host', 'six:::1', '--add-host', 'gw:host-gateway'],
      'cat /etc/hosts',
    ),
    /10\.1\.2\.3\tother\n::1\tsix\n\d+\.\d+\.\d+\.\d+\tgw/,
  );
  const resolver = await inside(
    ['--dns', '10.9.8.7', '--dns-search', 'example.org', '--dns-option', 'ndots:3'],
    'cat /etc/resolv.conf',
  );
  t.match(resolver, /nameserver 10\.9\.8\.7/);
  t.match(resolver, /search example\.org/);
  t.match(resolver, /options ndots:3/);
  await refused(/bad format for add-host|invalid/, '--add-host', 'nothing');
  t.equal((await docker.run(['run', '--rm', '--dns', 'notanip', 'busybox', 'true'])).code, 125);
});

t.test('--init', async (t) => {
  t.match(await inside(['--init'], 'cat /proc/1/comm'), /docker-init|tini/);
});
