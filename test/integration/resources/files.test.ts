// docker cp, export, diff and commit: running, paused, stopped and never started, through volumes, binds and links.
import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const scratch = mkdtempSync(join(tmpdir(), 'tsd-files-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
const local = (name: string): string => join(scratch, name);
const fails = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await docker.run(args);
  return code === 0 ? 'it worked' : stderr;
};

mkdirSync(local('tree/deep'), { recursive: true });
writeFileSync(local('tree/file'), 'one\n');
writeFileSync(local('tree/deep/other'), 'two\n', { mode: 0o640 });
symlinkSync('file', local('tree/link'));
chownSync(local('tree/deep/other'), 12, 34);

t.test('in and out of a container in every state', async (t) => {
  const script = 'mkdir -p /made/deep; echo made > /made/deep/file; ln -s /made/deep /way; echo ready; exec sleep 1000';
  await docker.ok(
    'run',
    '-d',
    '--name',
    'files',
    '-v',
    'kept:/vol',
    '-v',
    `${scratch}:/bound:ro`,
    'busybox',
    'sh',
    '-c',
    script,
  );
  await docker.spawn(['logs', '-f', 'files']).until('ready');
  const states: [string, () => Promise<unknown>][] = [
    ['running', async () => undefined],
    ['paused', () => docker.ok('pause', 'files')],
    ['exited', () => docker.ok('kill', 'files')],
  ];
  for (const [state, enter] of states) {
    await enter();
    t.equal(await docker.inspect('files', '{{.State.Status}}'), state);
    await docker.ok('cp', local('tree'), `files:/in-${state}`);
    await docker.ok('cp', `${local('tree')}/.`, 'files:/vol');
    await docker.ok('cp', `files:/in-${state}`, local(`out-${state}`));
    t.equal(readFileSync(local(`out-${state}/deep/other`), 'utf8'), 'two\n');
    t.equal(lstatSync(local(`out-${state}/link`)).isSymbolicLink(), true);
    t.equal(lstatSync(local(`out-${state}/deep/other`)).mode & 0o777, 0o640);
    await docker.ok('cp', 'files:/vol/deep/other', local(`volume-${state}`));
    t.equal(readFileSync(local(`volume-${state}`), 'utf8'), 'two\n', 'a volume is seen');
    await docker.ok('cp', 'files:/bound/tree/file', local(`bound-${state}`));
    await docker.ok('cp', '-L', 'files:/way', local(`followed-${state}`));
    t.equal(readFileSync(local(`followed-${state}/file`), 'utf8'), 'made\n', 'a link is followed');
    t.match(await fails('cp', local('tree/file'), 'files:/bound/x'), 'mounted volume is marked read-only');
    t.match(await fails('cp', 'files:/missing', local('x')), 'Could not find the file /missing in container files');
    t.match(await fails('cp', local('tree/file'), 'files:/missing/x'), /[Nn]o such|Could not find/);
    t.match(await fails('cp', local('tree'), 'files:/etc/passwd'), /cannot copy directory|not a directory/);
  }
  t.match(await docker.ok('diff', 'files'), /^A \/in-running$/m);
  t.match(
    await docker.ok('events', '--since', '5m', '--until', '0s', '--filter', 'event=archive-path'),
    'archive-path',
  );
  t.match(
    await docker.ok('events', '--since', '5m', '--until', '0s', '--filter', 'event=extract-to-dir'),
    'extract-to-dir',
  );
  await docker.ok('rm', '-f', 'files');
});

t.test('before the first start, and from volumes alone', async (t) => {
  await docker.ok('create', '--name', 'fresh', '-v', 'kept:/new/place', 'busybox', 'cat', '/new/place/added', '/hello');
  await docker.ok('cp', 'fresh:/new/place/file', local('kept'));
  t.equal(readFileSync(local('kept'), 'utf8'), 'one\n');
  writeFileSync(local('added'), 'added\n');
  await docker.ok('cp', local('added'), 'fresh:/new/place/added');
  await docker.ok('cp', local('added'), 'fresh:/hello');
  t.equal(await docker.ok('start', '-a', 'fresh'), 'added\nadded');
  await docker.ok('rm', 'fresh');
  await docker.ok('volume', 'rm', 'kept');
});

t.test('owners', async (t) => {
  await docker.ok('create', '--name', 'owned', '-u', '77:88', 'busybox', 'stat', '-c', '%u:%g', '/plain', '/mine');
  writeFileSync(local('plain'), '');
  chownSync(local('plain'), 12, 34);
  await docker.ok('cp', local('plain'), 'owned:/plain');
  await docker.ok('cp', '-a', local('plain'), 'owned:/mine');
  t.equal(await docker.ok('start', '-a', 'owned'), '12:34\n77:88');
  await docker.ok('rm', 'owned');
});

t.test('a read-only root', async (t) => {
  await docker.ok('create', '--name', 'fixed', '--read-only', '-v', '/open', 'busybox', 'true');
  t.match(await fails('cp', local('plain'), 'fixed:/plain'), 'container rootfs is marked read-only');
  await docker.ok('cp', local('plain'), 'fixed:/open/plain');
  await docker.ok('rm', '-v', 'fixed');
});

t.test('diff tells additions, changes and removals', async (t) => {
  const script =
    'echo x >> /etc/passwd; rm /bin/vi; mkdir -p /a/b; rm -r /var/www 2>/dev/null; rm -rf /root; mkdir /root; touch /root/new';
  await docker.ok('run', '--name', 'changed', 'busybox', 'sh', '-c', script);
  const lines = (await docker.ok('diff', 'changed')).split('\n');
  for (const line of ['C /bin', 'D /bin/vi', 'C /etc/passwd', 'A /a', 'A /a/b', 'A /root/new']) {
    t.ok(lines.includes(line), line);
  }
  t.notOk(
    lines.some((line) => line.includes('/etc/hosts') || line.includes('.dockerenv')),
    'nothing of the engine',
  );
  await docker.ok('rm', 'changed');
});

t.test('export', async (t) => {
  await docker.ok(
    'run',
    '-d',
    '--name',
    'out',
    '-v',
    '/vol',
    'busybox',
    'sh',
    '-c',
    'echo x > /vol/hidden; echo y > /shown; exec sleep 1000',
  );
  for (const state of ['running', 'exited']) {
    if (state === 'exited') await docker.ok('kill', 'out');
    await docker.ok('export', '-o', local(`${state}.tar`), 'out');
    const names = (await docker.run(['tf', local(`${state}.tar`)], { program: 'tar' })).stdout.split('\n');
    t.ok(names.includes('shown') && names.includes('vol/') && names.includes('proc/'), state);
    t.notOk(
      names.some((name) => name === 'vol/hidden' || name.startsWith('proc/self')),
      `${state}: no mounts`,
    );
  }
  await docker.ok('rm', '-v', 'out');
});

t.test('commit', async (t) => {
  await docker.ok(
    'run',
    '-d',
    '--name',
    'base',
    '-e',
    'A=1',
    '-w',
    '/tmp',
    'busybox',
    'sh',
    '-c',
    'echo kept > /file; rm /bin/vi; exec sleep 1000',
  );
  const id = await docker.ok(
    'commit',
    '-a',
    'me',
    '-m',
    'why',
    '-c',
    'ENV B=2',
    '-c',
    'CMD ["cat","/file"]',
    'base',
    'made:v1',
  );
  t.match(id, /^sha256:[0-9a-f]{64}$/);
  t.equal(await docker.ok('exec', 'base', 'echo', 'awake'), 'awake', 'it goes on');
  t.equal(await docker.ok('run', '--rm', 'made:v1'), 'kept');
  t.equal(
    await docker.ok('run', '--rm', 'made:v1', 'sh', '-c', 'pwd; echo $A$B; test -e /bin/vi; echo $?'),
    '/tmp\n12\n1',
  );
  t.match(await docker.ok('history', '--format', '{{.Comment}}|{{.CreatedBy}}', 'made:v1'), /^why\|sh -c echo kept/);
  t.match(await fails('commit', '-c', 'NONSENSE x', 'base'), 'is not a valid change command');
  await docker.ok('rm', '-f', 'base');
  await docker.ok('rmi', 'made:v1');
});
