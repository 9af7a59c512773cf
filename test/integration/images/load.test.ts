// Loading, importing and saving against real archives: own ones, skopeo's and umoci's.
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import t from 'tap';
import { removeTree } from '../../../addon/index.ts';
import {
  busyboxImage,
  busyboxTar,
  type Compression,
  compress,
  imageId,
  makeDockerArchive,
  makeOciLayout,
} from '../../helpers/image.ts';
import { makeTar, readTar } from '../../helpers/tar.ts';
import { collect, makeFixture, streams } from './fixture.ts';

const compressions: Compression[] = ['none', 'gzip', 'zstd'];
const image = busyboxImage();
const small = {
  layers: [
    makeTar([{ path: 'a', data: 'a' }]),
    makeTar([
      { path: '.wh.a', data: '' },
      { path: 'b', data: 'b' },
    ]),
  ],
  tags: ['small:1', 'example.com/small:2'],
};

t.test('docker-archive and OCI layout in every compression give the same image', async (t) => {
  const id = imageId(image);
  for (const outer of compressions) {
    const fixture = makeFixture(t);
    const lines = await fixture.load(makeDockerArchive(image, outer));
    t.equal(streams(lines), 'Loaded image: busybox:latest\n', `docker-archive, ${outer}`);
    t.equal(fixture.images.get('busybox').id, id);
    t.strictSame(fixture.images.get('busybox').repoTags, ['busybox:latest']);
    for (const inner of compressions) {
      const other = makeFixture(t);
      const said = await other.load(makeOciLayout(image, inner, outer));
      t.equal(streams(said), 'Loaded image: busybox:latest\n', `OCI layout, layers ${inner}, whole ${outer}`);
      t.equal(other.images.get('busybox').id, id);
    }
  }
});

t.test('the layers on the disk', async (t) => {
  const { images, load } = makeFixture(t);
  await load(makeDockerArchive(image));
  const [lower] = images.lowerDirectories(imageId(image));
  t.ok(lower);
  const root = lower ?? '';
  t.equal(lstatSync(root).mode & 0o7777, 0o755, 'the root is open to all');
  t.equal(lstatSync(join(root, 'root')).mode & 0o7777, 0o700);
  t.equal(lstatSync(join(root, 'tmp')).mode & 0o7777, 0o1777);
  t.equal(lstatSync(join(root, 'bin/busybox')).ino, lstatSync(join(root, 'bin/sh')).ino, 'applets are hard links');
  t.same(readFileSync(join(root, 'bin/busybox')), readFileSync('/bin/busybox'));
  await load(makeDockerArchive(small));
  const directories = images.lowerDirectories(imageId(small));
  t.equal(directories.length, 2, 'top-most first');
  const whiteout = lstatSync(join(directories[0] ?? '', 'a'));
  t.ok(whiteout.isCharacterDevice() && whiteout.rdev === 0, 'a whiteout');
  t.equal(readFileSync(join(directories[1] ?? '', 'a'), 'utf8'), 'a');
});

t.test('names, second loads and events', async (t) => {
  const { images, load, events } = makeFixture(t);
  t.equal(streams(await load(makeDockerArchive(small))), 'Loaded image: small:1\nLoaded image: example.com/small:2\n');
  t.equal(streams(await load(makeDockerArchive({ ...small, tags: [] }))), `Loaded image ID: ${imageId(small)}\n`);
  const other = { layers: small.layers.slice(0, 1), tags: ['small:1'] };
  t.equal(
    streams(await load(makeDockerArchive(other))),
    `The image small:1 already exists, renaming the old one with ID ${imageId(small)} to empty string\nLoaded image: small:1\n`,
  );
  t.strictSame(images.get(imageId(small)).repoTags, ['example.com/small:2']);
  t.equal(images.get('small:1').id, imageId(other));
  t.strictSame(
    events.after(0, 10).map((event) => event.action),
    ['load', 'load', 'load'],
  );
  t.throws(() => images.get('nothing'), { kind: 'not-found', message: 'No such image: nothing:latest' });
  t.throws(() => images.get('Nothing'), { kind: 'invalid-argument', message: /./ });
  t.equal(images.get(imageId(small).slice(7, 19)).id, imageId(small), 'by the beginning of the id');
  t.equal(images.get(imageId(small).slice(0, 19)).id, imageId(small));
});

t.test('an image of another platform is refused when one is asked for', async (t) => {
  const { load } = makeFixture(t);
  await t.rejects(load(makeDockerArchive(small), 'linux/s390x'), {
    kind: 'invalid-argument',
    message: 'image with reference small:1 was found but does not provide the specified platform (linux/s390x)',
  });
  await load(makeDockerArchive({ ...small, architecture: 's390x' }), 'linux/s390x');
});

t.test('parallel loads of one image share its layers', async (t) => {
  const { images, load, leftovers } = makeFixture(t);
  const archive = makeDockerArchive(image);
  await Promise.all([load(archive), load(archive), load(makeOciLayout(image, 'zstd'))]);
  t.equal(images.list().length, 1);
  t.equal(leftovers().length, 1);
});

t.test('what is broken leaves nothing behind', async (t) => {
  const { images, load, leftovers } = makeFixture(t);
  const good = makeOciLayout(image, 'gzip');
  const layer = image.layers[0] ?? Buffer.alloc(0);
  const truncatedLayer = layer.subarray(0, layer.length - 100_000);
  const tampered = Buffer.from(layer);
  tampered[700] = (tampered[700] ?? 0) ^ 1;
  const parts = (layers: Buffer[]) => {
    const config = JSON.parse(
      readTar(makeDockerArchive(image))
        .find((entry) => /^[0-9a-f]{64}\.json$/.test(entry.path))
        ?.data.toString() ?? '',
    ) as object;
    return makeTar([
      ...layers.map((data, index) => ({ path: `l${index}.tar`, data })),
      { path: 'c.json', data: JSON.stringify(config) },
      {
        path: 'manifest.json',
        data: JSON.stringify([{ Config: 'c.json', RepoTags: ['x:1'], Layers: layers.map((_, i) => `l${i}.tar`) }]),
      },
    ]);
  };
  const cases: [string, Uint8Array, RegExp][] = [
    ['no archive', Buffer.from('hello, this is no archive'.repeat(100)), /invalid tar header/],
    ['nothing', Buffer.alloc(0), /neither manifest.json nor index.json/],
    ['cut in the middle', good.subarray(0, good.length >> 1), /unexpected EOF/],
    ['cut gzip', compress(good, 'gzip').subarray(0, 200_000), /unexpected EOF/],
    ['cut zstd', compress(good, 'zstd').subarray(0, 200_000), /unexpected EOF|zstd/i],
    ['wrong diff id', parts([tampered]), /invalid tar header|invalid diffID for layer 0: expected "sha256:/],
    ['cut layer', parts([truncatedLayer]), /unexpected EOF/],
    ['a layer too many', parts([layer, layer]), /layers length mismatch: expected 1, got 2/],
    ['missing layer', makeTar([{ path: 'manifest.json', data: '[{"Config":"c","Layers":["x"]}]' }]), /c is missing/],
    ['manifest no JSON', makeTar([{ path: 'manifest.json', data: '{' }]), /manifest.json is not JSON/],
    ['bad name', makeDockerArchive({ ...small, tags: ['Bad:1'] }), /must be lowercase/],
    ['blob of another digest', retarred(good, 'config'), /digest mismatch/],
    [
      'layer of another digest',
      retarred(good, 'layer'),
      /digest mismatch|invalid tar header|unexpected EOF|decompress|inflate/i,
    ],
  ];
  for (const [name, archive, message] of cases) {
    await t.rejects(load(archive), { kind: 'invalid-argument', message }, name);
    t.strictSame(leftovers(), [], name);
    t.equal(images.list().length, 0, name);
  }
});

/** The layout with one byte of a blob changed and its name kept. */
function retarred(layout: Buffer, which: 'config' | 'layer'): Buffer {
  return makeTar(
    readTar(layout).map((entry) => {
      const data = Buffer.from(entry.data);
      const isConfig = data.toString('latin1').includes('"rootfs"');
      const isLayer = data.length > 100_000;
      if (which === 'config' && isConfig) data.write('LINUX', data.indexOf('"linux"') + 1);
      if (which === 'layer' && isLayer) data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 0xff;
      return { path: entry.path, data, type: entry.path.endsWith('/') ? ('directory' as const) : ('file' as const) };
    }),
  );
}

t.test('an upload that breaks off', async (t) => {
  const { images, leftovers } = makeFixture(t);
  const tar = busyboxTar();
  for (const part of [0.1, 0.5, 1]) {
    const body = new PassThrough();
    const done = images.import({ body, reference: 'x:1', message: '', changes: [], platform: '' }, () => undefined);
    body.write(tar.subarray(0, Math.floor(tar.length * part)));
    setImmediate(() => body.destroy(new Error('connection reset')));
    await t.rejects(done, { kind: 'invalid-argument', message: /upload ended early/ });
    t.strictSame(leftovers(), []);
    t.equal(images.list().length, 0);
  }
});

t.test('a refused upload is still read to its end, so that the answer can be heard', async (t) => {
  const { images } = makeFixture(t);
  let read = 0;
  const body = Readable.from(
    (function* () {
      for (let index = 0; index < 200; index++) {
        read++;
        yield Buffer.alloc(65536, 'x');
      }
    })(),
  );
  await t.rejects(images.load(body, { quiet: true, platform: '' }, () => undefined));
  if (!body.readableEnded) await new Promise((resolve) => body.once('end', resolve));
  t.equal(read, 200);
});

t.test('import', async (t) => {
  const fixture = makeFixture(t);
  const tar = busyboxTar();
  const id = await fixture.import(compress(tar, 'gzip'), 'box', ['CMD ["sh"]', 'ENV A=1', 'LABEL l=1']);
  const found = fixture.images.get('box');
  t.equal(found.id, id);
  t.strictSame(found.config, { Cmd: ['sh'], Env: ['A=1'], Labels: { l: '1' } });
  t.strictSame(found.repoTags, ['box:latest']);
  t.equal(found.comment, 'Imported from -');
  t.strictSame(
    fixture.events.after(0, 10).map((event) => [event.action, event.attributes]),
    [
      ['tag', { l: '1', name: 'box:latest' }],
      ['import', { l: '1', name: id }],
    ],
  );
  await t.rejects(fixture.import(tar, 'Box'), { kind: 'invalid-argument', message: /./ });
  await t.rejects(fixture.import(tar, 'x', ['RUN y']), { message: 'run is not a valid change command' });
});

t.test('save gives back what was loaded, digest by digest', async (t) => {
  const { images, load } = makeFixture(t);
  const both = { ...image, tags: ['busybox:latest', 'busybox:two'] };
  await load(makeDockerArchive(both));
  await load(makeOciLayout(small, 'gzip'));
  const saved = await collect(images.save(['busybox', 'small:1'], ''));
  const other = makeFixture(t);
  t.equal(
    streams(await other.load(saved)),
    'Loaded image: busybox:latest\nLoaded image: busybox:two\nLoaded image: small:1\n',
  );
  t.strictSame(
    other.images
      .list()
      .map((entry) => entry.id)
      .sort(),
    [imageId(image), imageId(small)].sort(),
  );
  t.same(await collect(other.images.save(['busybox', 'small:1'], '')), saved, 'and the archive is the same');
  t.throws(() => images.save(['nothing'], ''), { kind: 'not-found', message: /./ });
  t.throws(() => images.save(['busybox'], 'linux/s390x'), { kind: 'not-found', message: /./ });
});

t.test('archives of skopeo and umoci', async (t) => {
  const work = mkdtempSync(join(tmpdir(), 'tsd-skopeo-'));
  t.teardown(() => removeTree(work));
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: work, stdio: 'pipe' });
  writeFileSync(join(work, 'in.tar'), makeDockerArchive(image));
  const skopeo = (from: string, to: string) => run('skopeo', '--insecure-policy', 'copy', from, to);
  skopeo('docker-archive:in.tar', 'docker-archive:docker.tar:busybox:latest');
  skopeo('docker-archive:in.tar', 'oci-archive:oci.tar:busybox:latest');
  skopeo('docker-archive:in.tar', 'oci:layout:busybox:latest');
  const tree = (root: string): string[] =>
    execFileSync('find', ['.', '-printf', '%P %y %m %U %G %s %n %l %T@\n'], { cwd: root, encoding: 'utf8' })
      .split('\n')
      .sort();
  const trees: string[][] = [];
  for (const name of ['docker.tar', 'oci.tar']) {
    const { images, load } = makeFixture(t);
    t.equal(streams(await load(readFileSync(join(work, name)))), 'Loaded image: busybox:latest\n', name);
    const found = images.get('busybox');
    trees.push(tree(images.lowerDirectories(found.id)[0] ?? ''));
  }
  const inner = (lines: readonly string[] | undefined) => lines?.filter((line) => !line.startsWith(' '));
  t.strictSame(inner(trees[0]), inner(trees[1]), 'docker-archive and oci-archive hold the same files');
  run('umoci', 'unpack', '--image', 'layout:busybox:latest', 'bundle');
  t.strictSame(inner(trees[0]), inner(tree(join(work, 'bundle/rootfs'))), 'the tree is the one that umoci unpacks');
  // And the way back: what tsd saves, skopeo reads.
  const { images, load } = makeFixture(t);
  await load(readFileSync(join(work, 'docker.tar')));
  writeFileSync(join(work, 'saved.tar'), await collect(images.save(['busybox'], '')));
  const inspect = (from: string) =>
    JSON.parse(run('skopeo', 'inspect', '--config', from).toString()) as { rootfs: unknown };
  t.same(inspect('docker-archive:saved.tar').rootfs, inspect('docker-archive:docker.tar').rootfs);
  skopeo('oci-archive:saved.tar', 'oci:again:busybox:latest');
  t.ok(readdirSync(join(work, 'again/blobs/sha256')).length > 0);
});

t.test('an old archive with links in place of layers', async (t) => {
  const { load, images } = makeFixture(t);
  const layer = makeTar([{ path: 'x', data: 'x' }]);
  const parts = { layers: [layer, layer], tags: ['twice:1'] };
  const archive = readTar(makeDockerArchive(parts)).filter((entry) => entry.path !== 'manifest.json');
  const config = archive.find((entry) => entry.path.endsWith('.json'))?.path ?? '';
  const rewritten = makeTar([
    { path: 'one/layer.tar', data: layer },
    { path: 'two/layer.tar', type: 'symlink', linkTarget: '../one/layer.tar' },
    { path: config, data: archive.find((entry) => entry.path === config)?.data ?? '' },
    {
      path: 'manifest.json',
      data: JSON.stringify([{ Config: config, RepoTags: ['twice:1'], Layers: ['one/layer.tar', 'two/layer.tar'] }]),
    },
  ]);
  await load(rewritten);
  t.equal(images.lowerDirectories(imageId(parts)).length, 2);
});

t.test(
  'a layer whose archive holds a file twice is saved as it came, or packed anew when it came as a stream',
  async (t) => {
    const twice = makeTar([
      { path: 'x', data: 'one' },
      { path: 'd', type: 'directory' },
      { path: 'd/y', data: 'y', xattrs: { 'user.k': 'v' } },
      { path: 'x', data: 'two' },
      { path: '.wh.z' },
    ]);
    const parts = { layers: [twice], tags: ['twice:1'] };
    const { images, load, import: importTar } = makeFixture(t);
    await load(makeDockerArchive(parts));
    const imported = await importTar(twice, 'imported:1');
    const other = makeFixture(t);
    await other.load(await collect(images.save(['twice:1', 'imported:1'], '')));
    t.equal(other.images.get('twice:1').id, imageId(parts));
    t.equal(other.images.get('imported:1').id, imported);
    for (const name of ['twice:1', 'imported:1']) {
      const [root = ''] = other.images.lowerDirectories(other.images.get(name).id);
      t.equal(readFileSync(join(root, 'x'), 'utf8'), 'two');
      t.ok(lstatSync(join(root, 'z')).isCharacterDevice());
    }
  },
);
