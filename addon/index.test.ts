// Owns the checks of the addon's own calls: descriptors, paths inside of a root, detached mounts, seccomp, starting a program.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import * as addon from './index.ts';

const O_RDONLY = 0;
const O_NOFOLLOW = 0o400000;
const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;

const base = mkdtempSync(join(tmpdir(), 'tsd-addon-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));

const failure = (work: () => unknown): addon.SystemError => {
  try {
    work();
  } catch (error) {
    if (error instanceof addon.SystemError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

t.test('a failure says step, number, name and what it was about', async (t) => {
  const error = failure(() => addon.openPath('/no/such/file', O_RDONLY));
  t.match(error, { name: 'SystemError', step: 'open', errno: 2, code: 'ENOENT', detail: '/no/such/file' });
  t.equal(error.message, 'open: ENOENT: /no/such/file');
  t.equal(addon.errorName(9999), 'E9999');
  t.throws(() => addon.openPath('a\0b', O_RDONLY), TypeError);
  t.throws(() => addon.close(-1), TypeError);
  t.equal(failure(() => addon.close(99999)).code, 'EBADF');
});

t.test('descriptors are close-on-exec', async (t) => {
  const fds = [...addon.socketPair(), addon.openPath('/', O_PATH), addon.duplicate(0)];
  for (const fd of fds) {
    const flags = Number.parseInt(/flags:\t(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8);
    t.ok(flags & 0o2000000);
    addon.close(fd);
  }
});

t.test('paths stay inside of the root', async (t) => {
  const root = join(base, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(base, 'secret'), 'outside');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0\n');
  writeFileSync(join(root, 'secret'), 'inside');
  symlinkSync('/secret', join(root, 'absolute'));
  symlinkSync('../../../secret', join(root, 'etc/upwards'));
  symlinkSync('/proc/self/root/etc/hostname', join(root, 'magic'));
  symlinkSync('loop', join(root, 'loop'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const fd = addon.openPath(root, O_PATH | O_DIRECTORY);
  const text = (path: string, limit = 100): string | undefined => {
    const bytes = addon.readInRoot(fd, path, limit);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  };
  t.equal(text('/etc/passwd'), 'root:x:0:0\n');
  t.equal(text('/absolute'), 'inside');
  t.equal(text('/etc/upwards'), 'inside');
  t.equal(text('/../secret'), 'inside');
  t.equal(text('/magic'), undefined);
  t.equal(text('/nothing'), undefined);
  t.equal(failure(() => text('/loop')).code, 'ELOOP');
  t.equal(failure(() => text('/etc')).code, 'EISDIR');
  t.equal(failure(() => text('/fifo')).code, 'EINVAL');
  t.equal(failure(() => text('/etc/passwd', 3)).code, 'E2BIG');
  t.equal(text('/etc/passwd', 11), 'root:x:0:0\n');
  t.match(addon.statInRoot(fd, '/absolute', 0), { size: 6, mode: 0o100644 });
  t.match(addon.statInRoot(fd, '/absolute', O_NOFOLLOW), { size: 7 });
  t.equal(addon.statInRoot(fd, '/nothing', 0), undefined);
  addon.close(addon.openInRoot(fd, '/etc', O_PATH | O_DIRECTORY));
  addon.close(fd);
});

t.test('a detached overlay is in no mount table', async (t) => {
  const [low, high, upper, work] = ['low', 'high', 'upper', 'work'].map((name) => {
    const path = join(base, name);
    mkdirSync(path);
    return path;
  }) as [string, string, string, string];
  writeFileSync(join(low, 'file'), 'low');
  writeFileSync(join(high, 'file'), 'high');
  writeFileSync(join(low, 'only'), 'low');
  const before = readFileSync('/proc/self/mountinfo', 'utf8');
  const read = (fd: number, path: string): string => Buffer.from(addon.readInRoot(fd, path, 100) ?? []).toString();
  const mount = addon.mountOverlay({ lower: [high, low], upper, work });
  t.equal(readFileSync('/proc/self/mountinfo', 'utf8'), before);
  t.equal(read(mount, '/file'), 'high', 'top-most first');
  t.equal(read(mount, '/only'), 'low');
  writeFileSync(`/proc/self/fd/${mount}/new`, 'x');
  t.same(readdirSync(upper), ['new']);
  addon.close(mount);
  const view = addon.mountOverlay({ lower: [high, low], readonly: true });
  t.throws(() => writeFileSync(`/proc/self/fd/${view}/new`, 'x'), { code: 'EROFS' });
  addon.close(view);
  const single = addon.mountOverlay({ lower: [low] });
  t.equal(read(single, '/file'), 'low');
  t.throws(() => writeFileSync(`/proc/self/fd/${single}/new`, 'x'), { code: 'EROFS' });
  addon.close(single);
  const error = failure(() => addon.mountOverlay({ lower: [join(base, 'missing'), low] }));
  t.equal(error.code, 'ENOENT');
  t.match(error.detail, 'missing');
  t.match(
    failure(() => addon.mountOverlay({ lower: [high, low], options: ['no-such-option=1'] })),
    {
      step: 'fsconfig',
      code: 'EINVAL',
    },
  );
  t.match(failure(() => addon.mountOverlay({ lower: [] })).detail, 'no lower directory');
  const many = Array.from({ length: 60 }, (_, i) => {
    const path = join(base, `layer-${i}`);
    mkdirSync(path);
    return path;
  });
  addon.close(addon.mountOverlay({ lower: many, upper, work }));
});

t.test('another file system, a copy of a mount', async (t) => {
  const mount = addon.mountFilesystem('tmpfs', 'tmpfs', ['size=64k', 'mode=700'], 1);
  t.throws(() => writeFileSync(`/proc/self/fd/${mount}/x`, ''), { code: 'EROFS' });
  addon.close(mount);
  t.match(
    failure(() => addon.mountFilesystem('no-such-type', '', [], 0)),
    { step: 'fsopen', code: 'ENODEV' },
  );
  const copy = addon.cloneTree(base, false);
  t.ok(readdirSync(`/proc/self/fd/${copy}`).includes('root'));
  addon.close(copy);
  t.equal(failure(() => addon.unmount(join(base, 'root'), 0)).code, 'EINVAL');
});

t.test('a socket below a path of any length', async (t) => {
  const directory = join(base, 'd'.repeat(120), 'e'.repeat(120));
  mkdirSync(directory, { recursive: true });
  t.equal(failure(() => addon.connectUnix(directory, 's')).code, 'ENOENT');
  const server = createServer((socket) => socket.end('hello'));
  const handle = addon.openPath(directory, O_PATH | O_DIRECTORY);
  await new Promise<void>((resolve) => server.listen(`/proc/self/fd/${handle}/s`, resolve));
  const fd = addon.connectUnix(directory, 's');
  t.match(addon.peerCredentials(fd), { pid: process.pid, uid: 0, gid: 0 });
  addon.close(fd);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  addon.close(handle);
});

t.test('sending waits for room at most a second', async (t) => {
  const [ours, theirs] = addon.socketPair();
  const big = new Uint8Array(4 * 1024 * 1024);
  t.match(
    failure(() => addon.sendFrame(ours, big, [])),
    { step: 'sendmsg', code: 'ETIMEDOUT' },
  );
  addon.close(theirs);
  t.equal(failure(() => addon.sendFrame(ours, Uint8Array.of(1), [])).code, 'EPIPE');
  t.equal(failure(() => addon.sendFrame(ours, Uint8Array.of(1), Array(251).fill(0))).code, 'E2BIG');
  addon.close(ours);
});

t.test('kernel features', async (t) => {
  for (const [name, there] of Object.entries(addon.kernelFeatures())) t.type(there, 'boolean', name);
  t.ok(addon.kernelFeatures().openat2);
  t.ok(addon.boundingSet() & 1n, 'CAP_CHOWN');
});

t.test('seccomp rules become instructions', async (t) => {
  const plain = addon.compileSeccomp({
    defaultAction: ALLOW,
    defaultErrno: 0,
    architectures: [],
    rules: [{ syscalls: ['mkdir', 'no_such_call'], action: ERRNO + 1, args: [] }],
  });
  t.equal(plain.length % 8, 0);
  t.ok(plain.length > 8);
  const conditions = addon.compileSeccomp({
    defaultAction: ERRNO,
    defaultErrno: 1,
    architectures: [0xc000_003e, 0x4000_0003, 0x4000_003e],
    rules: [
      { syscalls: ['read', 'write'], action: ALLOW, args: [] },
      { syscalls: ['personality'], action: ALLOW, args: [{ index: 0, value: 0xffff_ffffn, valueTwo: 0n, op: 4 }] },
      { syscalls: ['clone'], action: ALLOW, args: [{ index: 0, value: 0x7e02_0000n, valueTwo: 0n, op: 7 }] },
      {
        syscalls: ['socket'],
        action: ALLOW,
        args: [
          { index: 0, value: 38n, valueTwo: 0n, op: 1 },
          { index: 0, value: 40n, valueTwo: 0n, op: 1 },
        ],
      },
    ],
  });
  // The last instruction of the lead-in: newer calls are ENOSYS (38).
  const words = new Uint32Array(
    conditions.buffer.slice(conditions.byteOffset, conditions.byteOffset + conditions.length),
  );
  t.ok(words.includes(ERRNO + 38));
  t.match(
    failure(() => addon.compileSeccomp({ defaultAction: ALLOW, defaultErrno: 0, architectures: [1], rules: [] })),
    { step: 'seccomp_arch_add' },
  );
});

t.test('a monitor starts with nothing but its connection', async (t) => {
  const [ours, theirs] = addon.socketPair();
  const pid = addon.spawnMonitor(theirs, 'name');
  addon.close(theirs);
  // Its hello: until then it may still be on its way to the exec.
  await new Promise<void>((resolve) => {
    const look = (): void =>
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'tsd-monitor\n' ? resolve() : void setTimeout(look, 5);
    look();
  });
  t.same(readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0'), ['tsd-monitor', 'name', '']);
  t.match(
    readFileSync(`/proc/${pid}/stat`, 'utf8'),
    new RegExp(`^${pid} \\(tsd-monitor\\) \\S ${process.pid} ${pid} ${pid} `),
  );
  for (const fd of ['0', '1', '2']) t.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null');
  const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  t.equal(
    targets.filter((target) => !/^(\/dev\/null|socket:.*|anon_inode:\[(eventpoll|signalfd)\])$/.test(target)).length,
    0,
    targets.join(' '),
  );
  t.equal(addon.reap(pid), undefined);
  addon.close(ours);
  let ended = addon.reap(pid);
  while (ended === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    ended = addon.reap(pid);
  }
  t.same(ended, { code: 0, signal: 0 });
  t.equal(failure(() => addon.reap(pid)).code, 'ECHILD');
});
