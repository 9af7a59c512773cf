// Volumes on the real file system, and copy-up out of a detached overlay root.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { close, removeTree } from '../../../addon/index.ts';
import { silentLog } from '../../../daemon/base/log.ts';
import { Database } from '../../../daemon/store/database.ts';
import { EventTable } from '../../../daemon/store/events.ts';
import { Overlay } from '../../../daemon/supervisor/storage/overlay.ts';
import { VolumeService } from '../../../daemon/volumes/service.ts';

function makeVolumes(t: { teardown(fn: () => Promise<void>): void }) {
  const root = mkdtempSync(join(tmpdir(), 'tsd-volumes-'));
  const database = new Database(join(root, 'tsd.db'));
  const events = new EventTable(database);
  const users = new Map<string, string[]>();
  const usage = { containersOf: (name: string) => users.get(name) ?? [] };
  const volumes = new VolumeService({ database, events, dataRoot: root, usage, log: silentLog });
  t.teardown(async () => {
    database.close();
    await removeTree(root);
  });
  const create = (name: string, labels: Record<string, string> = {}, driver = '') =>
    volumes.create({ name, driver, labels, options: {} });
  return { root, volumes, events, users, create };
}

t.test('create, get, list, remove', async (t) => {
  const { volumes, events, users, create } = makeVolumes(t);
  const made = await create('data', { a: '1' });
  t.equal(lstatSync(made.mountpoint).mode & 0o7777, 0o755);
  t.strictSame(await create('data', { other: 'x' }), made, 'an existing one is answered as it is');
  const anonymous = await create('');
  t.match(anonymous.name, /^[0-9a-f]{64}$/);
  t.ok(anonymous.anonymous);
  t.strictSame(anonymous.labels, { 'com.docker.volume.anonymous': '' });
  t.equal(volumes.list().length, 2);
  t.throws(() => volumes.get('nothing'), { kind: 'not-found', message: 'get nothing: no such volume' });
  users.set('data', ['c1', 'c2']);
  await t.rejects(volumes.remove('data', true), {
    kind: 'conflict',
    message: 'remove data: volume is in use - [c1, c2]',
  });
  users.clear();
  writeFileSync(join(made.mountpoint, 'file'), 'x');
  await volumes.remove('data', false);
  t.notOk(existsSync(made.mountpoint));
  await t.rejects(volumes.remove('data', false), { kind: 'not-found', message: /no such volume/ });
  await volumes.remove('data', true);
  t.strictSame(
    events.after(0, 10).map((event) => [event.action, event.actorId]),
    [
      ['create', 'data'],
      ['create', anonymous.name],
      ['destroy', 'data'],
    ],
  );
});

t.test('bad requests', async (t) => {
  const { create, volumes } = makeVolumes(t);
  for (const name of ['../x', 'a/b', '.hidden', 'a b', '-x']) {
    await t.rejects(create(name), {
      kind: 'invalid-argument',
      message: /includes invalid characters for a local volume/,
    });
  }
  await t.rejects(create('a'), { message: /too short/ });
  await t.rejects(create('data', {}, 'nfs'), { kind: 'not-found', message: /plugin "nfs" not found/ });
  const options = (given: Record<string, string>) =>
    volumes.create({ name: 'data', driver: 'local', labels: {}, options: given });
  await t.rejects(options({ color: 'x' }), { kind: 'invalid-argument', message: /invalid option: "color"/ });
  await t.rejects(options({ type: 'nfs' }), { kind: 'not-implemented', message: /"type"/ });
  t.equal(volumes.list().length, 0);
});

t.test('prune', async (t) => {
  const { create, volumes, users } = makeVolumes(t);
  const anonymous = await create('');
  const used = await create('');
  users.set(used.name, ['c']);
  await create('named', { keep: 'yes' });
  await create('other');
  writeFileSync(join(anonymous.mountpoint, 'f'), '12345');
  t.strictSame(await volumes.prune({}), { deleted: [anonymous.name], reclaimed: 5 });
  t.strictSame(await volumes.prune({ all: ['1'], 'label!': ['keep'] }), { deleted: ['other'], reclaimed: 0 });
  t.strictSame((await volumes.prune({ all: ['true'] })).deleted, ['named']);
  await t.rejects(volumes.prune({ size: ['1'] }), { kind: 'invalid-argument', message: "invalid filter 'size'" });
});

t.test('copy-up keeps owners, modes, attributes, links and holes', async (t) => {
  const { root, create, volumes } = makeVolumes(t);
  const lower = join(root, 'lower');
  const source = join(lower, 'srv/data');
  mkdirSync(join(source, 'sub'), { recursive: true });
  execFileSync('sh', [
    '-ec',
    `cd "$1"
    printf hello > plain; chown 12:34 plain; chmod 4750 plain; ln plain sub/hard; setfattr -n user.k -v v plain
    ln -s /etc/passwd link; mkfifo pipe; mknod null c 1 3; truncate -s 10M hole; printf x >> hole
    chown 5:6 .; chmod 1770 .; touch -d @1000000000 plain sub .`,
    'sh',
    source,
  ]);
  symlinkSync('/srv/data', join(lower, 'alias'));
  const descriptor = new Overlay().mount({ lower: [lower] });
  t.teardown(() => close(descriptor));
  const listing = (directory: string) =>
    execFileSync('find', ['.', '-printf', '%P %y %m %U %G %s %n %l %T@ %i\n'], { cwd: directory, encoding: 'utf8' })
      .split('\n')
      .map((line) => line.replace(/ \d+$/, '').replace(/^( d \d+ \d+ \d+) \d+/, '$1'))
      .sort();
  for (const path of ['/srv/data', 'alias', '../../srv/data']) {
    const volume = await create(`v${path.length}`);
    await volumes.populate(volume.name, descriptor, path);
    t.strictSame(listing(volume.mountpoint), listing(source), path);
    t.equal(lstatSync(join(volume.mountpoint, 'plain')).ino, lstatSync(join(volume.mountpoint, 'sub/hard')).ino);
    t.ok(lstatSync(join(volume.mountpoint, 'hole')).blocks < 100, 'the hole is one');
    t.equal(
      execFileSync('getfattr', ['--only-values', '-n', 'user.k', join(volume.mountpoint, 'plain')]).toString(),
      'v',
    );
    writeFileSync(join(volume.mountpoint, 'plain'), 'changed');
    await volumes.populate(volume.name, descriptor, path);
    t.equal(readFileSync(join(volume.mountpoint, 'plain'), 'utf8'), 'changed', 'a volume with content is left alone');
  }
  const empty = await create('empty');
  await volumes.populate('empty', descriptor, '/missing');
  t.strictSame(readdirSync(empty.mountpoint), []);
});

t.test('what a killed daemon leaves', async (t) => {
  const { root, create, volumes } = makeVolumes(t);
  await create('whole');
  const gone = await create('gone');
  await removeTree(join(gone.mountpoint, '..'));
  mkdirSync(join(root, 'volumes/half/_data'), { recursive: true });
  mkdirSync(join(root, 'volumes/precious/_data'), { recursive: true });
  writeFileSync(join(root, 'volumes/precious/_data/x'), 'x');
  mkdirSync(join(root, 'tmp/volume-1/_data'), { recursive: true });
  await volumes.sweep();
  t.strictSame(
    volumes.list().map((volume) => volume.name),
    ['whole'],
  );
  t.strictSame(readdirSync(join(root, 'volumes')).sort(), ['precious', 'whole']);
  t.strictSame(readdirSync(join(root, 'tmp')), []);
});
