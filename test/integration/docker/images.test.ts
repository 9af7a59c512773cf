// Images without a registry: import, load in every form, list, inspect, tag and remove; and archives that are no archives.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isDockerd, startDocker } from '../../helpers/engine.ts';
import {
  busyboxImage,
  busyboxTar,
  type Compression,
  compress,
  type ImageParts,
  imageId,
  makeDockerArchive,
  makeOciLayout,
} from '../../helpers/image.ts';
import { makeTar } from '../../helpers/tar.ts';

const docker = await startDocker(t);
const runs = async (image: string): Promise<string> => await docker.ok('run', '--rm', image, 'cat', '/mark');
const marked = (mark: string, tags: readonly string[]): ImageParts => ({
  layers: [busyboxTar(), makeTar([{ path: 'mark', data: `${mark}\n` }])],
  tags,
  config: { Cmd: ['cat', '/mark'], Env: ['PATH=/bin:/usr/bin', 'FROM_IMAGE=1'], Labels: { origin: mark } },
});

t.test('import from standard input and from a file', async (t) => {
  const archive = busyboxTar([{ path: 'mark', data: 'imported\n' }]);
  const stdin = await docker.run(
    ['import', '--change', 'CMD ["cat","/mark"]', '--message', 'said', '-', 'imported:one'],
    { input: archive },
  );
  t.equal(stdin.code, 0, stdin.stderr);
  t.match(stdin.stdout, /^sha256:[0-9a-f]{64}\n$/);
  t.equal(await docker.ok('run', '--rm', 'imported:one'), 'imported');
  for (const compression of ['none', 'gzip', ...(isDockerd ? [] : ['zstd'])] as Compression[]) {
    const file = join(docker.engine.root, `import-${compression}.tar`);
    writeFileSync(file, compress(archive, compression));
    await docker.ok('import', file, `imported:${compression}`);
    t.equal(await runs(`imported:${compression}`), 'imported', compression);
  }
});

// dockerd 20.10 reads no OCI layout and no zstd.
const forms: [string, (parts: ImageParts) => Buffer][] = [
  ['docker archive', (parts) => makeDockerArchive(parts)],
  ['docker archive, gzip', (parts) => makeDockerArchive(parts, 'gzip')],
  ...(isDockerd
    ? []
    : ([
        ['docker archive, zstd', (parts) => makeDockerArchive(parts, 'zstd')],
        ['OCI layout, plain layers', (parts) => makeOciLayout(parts, 'none')],
        ['OCI layout, gzip layers', (parts) => makeOciLayout(parts, 'gzip')],
        ['OCI layout, zstd layers', (parts) => makeOciLayout(parts, 'zstd')],
        ['OCI layout, gzip whole', (parts) => makeOciLayout(parts, 'gzip', 'gzip')],
        ['OCI layout, zstd whole', (parts) => makeOciLayout(parts, 'none', 'zstd')],
      ] as [string, (parts: ImageParts) => Buffer][])),
];
for (const [index, [name, make]] of forms.entries()) {
  t.test(`load: ${name}`, async (t) => {
    const tag = `example.test/team/loaded:v${index}`;
    const image = marked(`form ${index}`, [tag]);
    const loaded = await docker.run(['load'], { input: make(image) });
    t.equal(loaded.code, 0, loaded.stderr);
    t.equal(loaded.stdout.trim(), `Loaded image: ${tag}`);
    t.equal(await runs(tag), `form ${index}`);
    t.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', tag), imageId(image));
  });
}

t.test('load from a file, several tags, and one without a tag', async (t) => {
  const file = join(docker.engine.root, 'several.tar');
  writeFileSync(file, makeDockerArchive(marked('several', ['several:a', 'several:b'])));
  t.equal(await docker.ok('load', '-i', file), 'Loaded image: several:a\nLoaded image: several:b');
  const bare = marked('bare', []);
  const loaded = await docker.run(['load'], { input: makeDockerArchive(bare) });
  t.equal(loaded.stdout.trim(), `Loaded image ID: ${imageId(bare)}`);
  t.equal(await runs(imageId(bare).slice(7, 19)), 'bare');
});

t.test('inspect, images, tag, rmi', async (t) => {
  const [env, labels, layers] = (
    await docker.ok(
      'image',
      'inspect',
      '--format',
      '{{json .Config.Env}}|{{json .Config.Labels}}|{{len .RootFS.Layers}}',
      'several:a',
    )
  ).split('|');
  t.equal(env, '["PATH=/bin:/usr/bin","FROM_IMAGE=1"]');
  t.equal(labels, '{"origin":"several"}');
  t.equal(layers, '2');
  await docker.ok('tag', 'several:a', 'other.test/renamed:x');
  t.equal(
    await docker.ok('images', '--format', '{{.Repository}}:{{.Tag}}', '--filter', 'reference=other.test/*'),
    'other.test/renamed:x',
  );
  const list = await docker.ok('images', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}');
  const id = imageId(marked('several', [])).slice(7, 19);
  for (const name of ['several:a', 'several:b', 'other.test/renamed:x'])
    t.ok(list.split('\n').includes(`${name} ${id}`), name);
  t.equal(await docker.ok('rmi', 'several:b'), 'Untagged: several:b');
  t.match(
    await docker.ok('rmi', 'several:a', 'other.test/renamed:x'),
    /Untagged: several:a\nUntagged: other.test\/renamed:x\nDeleted: sha256:[0-9a-f]{64}/,
  );
  const missing = await docker.run(['rmi', 'several:a']);
  t.equal(missing.code, 1);
  t.match(missing.stderr, 'No such image: several:a');
  t.match((await docker.run(['image', 'inspect', 'several:a'])).stderr, 'No such image: several:a');
});

t.test('an image that a container uses stays', async (t) => {
  const image = marked('used', ['used:1']);
  await docker.run(['load'], { input: makeDockerArchive(image) });
  const container = await docker.ok('create', 'used:1');
  const refused = await docker.run(['rmi', 'used:1']);
  t.equal(refused.code, 1);
  t.match(
    refused.stderr,
    /conflict: unable to remove repository reference "used:1" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
  );
  t.match(await docker.ok('rmi', '-f', 'used:1'), /^Untagged: used:1/);
  await docker.ok('rm', container);
});

const countFiles = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    try {
      return statSync(join(folder, name)).isFile();
    } catch {
      return false;
    }
  }).length;

t.test(
  'broken archives are refused and leave nothing',
  { skip: isDockerd ? 'the files of tsd are looked at' : false },
  async (t) => {
    const good = makeDockerArchive(marked('broken', ['broken:1']));
    // A layer that the engine does not hold yet, or it would not be read at all.
    const fresh = makeTar([{ path: 'noise', data: randomBytes(100_000) }]);
    const wrongDigest = makeOciLayout({ layers: [fresh], tags: ['broken:1'] }, 'gzip');
    const inLayer = wrongDigest.indexOf(Buffer.from([0x1f, 0x8b, 0x08])) + 600;
    wrongDigest[inLayer] = (wrongDigest[inLayer] ?? 0) ^ 0xff;
    const traversal: ImageParts = {
      layers: [makeTar([{ path: '../../../../../../tmp/tsd-escaped', data: 'x' }])],
      tags: ['broken:2'],
    };
    const before = countFiles(join(docker.engine.root, 'data'));
    const images = await docker.ok('images', '-aq');
    for (const [name, input] of [
      ['no archive', Buffer.from('this is no archive, only text that goes on for a while\n'.repeat(40))],
      ['empty', Buffer.alloc(0)],
      ['cut in a layer', good.subarray(0, Math.floor(good.length / 2))],
      ['cut gzip', compress(good, 'gzip').subarray(0, 100_000)],
      ['no manifest', makeTar([{ path: 'x', data: 'y' }])],
      ['manifest is no JSON', makeTar([{ path: 'manifest.json', data: '[{' }])],
      [
        'layer missing',
        makeTar([
          { path: 'manifest.json', data: '[{"Config":"c.json","Layers":["l.tar"]}]' },
          { path: 'c.json', data: '{}' },
        ]),
      ],
      ['wrong digest', wrongDigest],
    ] as const) {
      const result = await docker.run(['load', '-q'], { input });
      t.equal(result.code, 1, name);
      t.not(result.stderr.trim(), '', `${name}: ${result.stderr.trim()}`);
    }
    await docker.run(['load', '-q'], { input: makeDockerArchive(traversal) });
    t.throws(() => readFileSync('/tmp/tsd-escaped'), { code: 'ENOENT' });
    await docker.run(['rmi', '-f', 'broken:2']);
    const badImport = await docker.run(['import', '-', 'broken:3'], { input: busyboxTar().subarray(0, 1_000_000) });
    t.equal(badImport.code, 1);
    t.equal(await docker.ok('images', '-aq'), images);
    t.equal(countFiles(join(docker.engine.root, 'data')), before, 'no file more than before');
  },
);

t.test('busybox is what it was', async (t) => {
  t.equal(
    await docker.ok('image', 'inspect', '--format', '{{.Id}} {{.Os}}', 'busybox'),
    `${imageId(busyboxImage())} linux`,
  );
});
