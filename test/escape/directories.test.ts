// CVE-2021-41091, CVE-2024-25621: directories of the engine that every user of the host may search lead to set-user-ID programs of layers.
import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { busyboxEntries } from '../helpers/image.ts';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

const mode = (path: string): number => lstatSync(path).mode & 0o777;

t.test('CVE-2021-41091: a user of the host finds no way into the engine’s directories', async (t) => {
  const busybox = busyboxEntries().find(({ path }) => path === 'bin/busybox')?.data ?? '';
  await attack.image('setuid', [{ path: 'sh-root', data: busybox, mode: 0o4755 }]);
  const id = await attack.ok(
    'run',
    '-d',
    '-v',
    'volume:/v',
    'setuid',
    'sh',
    '-c',
    'cp /sh-root /v/sh-root; chmod 4755 /v/sh-root; sleep 1000',
  );
  const { dataRoot, execRoot } = attack.daemon;
  t.equal(mode(dataRoot), 0o700, 'data-root');
  t.equal(mode(execRoot), 0o700, 'exec-root');
  // Without the wall of the test's own directory.
  chmodSync(attack.daemon.root, 0o755);
  const user = { uid: 1000, gid: 1000 };
  const find = spawnSync('find', [dataRoot, execRoot, '-perm', '-4000'], { ...user, encoding: 'utf8' });
  t.equal(find.stdout, '', 'nothing is found');
  t.match(find.stderr, /data.*Permission denied[\s\S]*exec.*Permission denied/);
  const setuid = readdirSync(dataRoot, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('/sh-root'),
  );
  t.ok(setuid.length >= 2, `set-user-ID programs are there: ${setuid}`);
  for (const name of setuid) {
    const run = spawnSync(join(dataRoot, name), ['true'], user);
    t.match(run.error, { code: 'EACCES' }, name);
  }
  t.equal(mode(join(execRoot, 'containers', id)), 0o700);
  t.equal(lstatSync(attack.daemon.socket).mode & 0o007, 0, 'the socket is not for everybody');
  await attack.ok('rm', '-f', id);
});

t.test('CVE-2021-41091: what an earlier version left open is closed at the start', async (t) => {
  const { dataRoot, execRoot } = attack.daemon;
  chmodSync(dataRoot, 0o711);
  chmodSync(execRoot, 0o755);
  await attack.daemon.restart('SIGTERM');
  t.equal(mode(dataRoot), 0o700);
  t.equal(mode(execRoot), 0o700);
});
