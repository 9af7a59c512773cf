// Registries that lie: each lie is refused in words, and nothing of the image is left.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { noCredentials } from '../../../daemon/images/registry/types.ts';
import type { Progress } from '../../../daemon/images/types.ts';
import { digest } from '../../helpers/image.ts';
import { makeTar } from '../../helpers/tar.ts';
import { makeFixture } from '../images/fixture.ts';
import { startFake } from './fake.ts';

const registry = await startFake(t);
const { images, leftovers } = makeFixture(t);

const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

const tar = makeTar([{ path: 'file', data: 'content\n' }]);
const layer = { mediaType: LAYER, ...registry.blob(gzipSync(tar)) };
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
const config = (diffIds: readonly string[], more: object = {}) => ({
  mediaType: CONFIG,
  ...registry.blob(
    JSON.stringify({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds }, ...more }),
  ),
});
const good = { schemaVersion: 2, mediaType: MANIFEST, config: config([digest(tar)]), layers: [layer] };

async function pull(tag: string, platform = ''): Promise<Progress[]> {
  const lines: Progress[] = [];
  const separator = tag.startsWith('sha256:') ? '@' : ':';
  const reference = `${registry.host}/x${separator}${tag}`;
  const signal = AbortSignal.timeout(30_000);
  await images.registry.pull({ reference, platform, credentials: noCredentials, signal }, (line) => lines.push(line));
  return lines;
}

t.test('the truth', async (t) => {
  registry.manifest('good', good);
  const lines = await pull('good');
  t.match(lines.at(-1), { status: /Downloaded newer image/ });
  await images.remove(`${registry.host}/x:good`, { force: false, prune: true });
  t.strictSame(leftovers(), []);
});

const zeros = (count: number) => `sha256:${String(count).padStart(64, '0')}`;
const wrongBlob = { ...layer, digest: zeros(7) };
registry.blobs.set(zeros(7), gzipSync(tar));
registry.blobs.set(zeros(8), Buffer.from('{}'));
const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
const other = makeTar([{ path: 'other', data: 'other\n' }]);

const lies: [string, unknown, RegExp, string?][] = [
  ['no JSON', '<html>', /invalid manifest: not JSON/],
  ['a list', '[]', /invalid manifest: expected an object/],
  ['neither index nor manifest', { schemaVersion: 2 }, /neither manifests nor config and layers/],
  ['both index and manifest', { ...good, manifests: [] }, /manifests as well as config or layers/],
  ['an unknown media type', { ...good, mediaType: 'text/plain' }, /unknown media type "text\/plain"/],
  ['schema 1', { schemaVersion: 1, fsLayers: [] }, /schema 1 is not supported/],
  ['no digest', { ...good, config: { ...good.config, digest: 'sha256:12' } }, /config\.digest must be a sha256 digest/],
  [
    'another algorithm',
    { ...good, config: { ...good.config, digest: `md5:${'0'.repeat(32)}` } },
    /must be a sha256 digest/,
  ],
  ['a negative size', { ...good, layers: [{ ...layer, size: -1 }] }, /layers\[0\]\.size must be a number of bytes/],
  [
    'a size that is no integer',
    { ...good, layers: [{ ...layer, size: 1e300 }] },
    /layers\[0\]\.size must be a number of bytes/,
  ],
  ['layers that are no list', { ...good, layers: {} }, /layers must be a list/],
  ['10,000 layers', { ...good, layers: Array(10_000).fill(layer) }, /layers has 10000 entries, more than 1000/],
  [
    'an artifact',
    { ...good, config: { ...good.config, mediaType: 'application/vnd.oci.empty.v1+json' } },
    /no container image: its config has the media type/,
  ],
  [
    'a foreign layer',
    { ...good, layers: [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }] },
    /a foreign layer/,
  ],
  [
    'an unknown layer',
    { ...good, layers: [{ ...layer, mediaType: 'application/x-squashfs' }] },
    /layer 0 .* "application\/x-squashfs", which this engine does not understand/,
  ],
  ['too few layers', { ...good, layers: [] }, /layers length mismatch: expected 1, got 0/],
  ['too many layers', { ...good, layers: [layer, layer] }, /layers length mismatch: expected 1, got 2/],
  [
    'a layer of another size',
    { ...good, layers: [{ ...layer, size: layer.size - 1 }] },
    /is larger than the \d+ bytes that its manifest says/,
  ],
  [
    'a layer that ends early',
    { ...good, layers: [{ ...layer, size: layer.size + 1 }] },
    /is smaller than the \d+ bytes that its manifest says/,
  ],
  [
    'a layer of another digest',
    { ...good, layers: [wrongBlob] },
    /filesystem layer verification failed for digest sha256:0+7/,
  ],
  ['a layer that is missing', { ...good, layers: [{ ...layer, digest: zeros(9) }] }, /manifest unknown/],
  [
    'a config of another digest',
    { ...good, config: { mediaType: CONFIG, digest: zeros(8), size: 2 } },
    /blob verification failed for digest sha256:0+8/,
  ],
  [
    'a config that is too large',
    { ...good, config: { ...good.config, size: 2 ** 40 } },
    /the config has \d+ bytes, more than/,
  ],
  ['a config without layers', { ...good, config: { mediaType: CONFIG, ...registry.blob('{}') } }, /no RootFS key/],
  ['another diff id', { ...good, config: config([digest(other)]) }, /invalid diffID for layer 0/],
  [
    'a Windows image',
    { ...good, config: config([digest(tar)], { os: 'windows' }) },
    /operating system "windows" cannot be used/,
  ],
  ['no tar', { ...good, layers: [{ mediaType: LAYER, ...registry.blob(gzipSync('nothing')) }] }, /./],
  ['a bomb', { ...good, layers: [{ mediaType: LAYER, ...registry.blob(bomb) }] }, /./],
  [
    'an index without this platform',
    {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [{ mediaType: MANIFEST, digest: zeros(1), size: 1, platform: { os: 'plan9', architecture: 'mips' } }],
    },
    /no matching manifest for linux\//,
    INDEX,
  ],
];

for (const [name, document, message, type] of lies) {
  t.test(`${name} is refused`, async (t) => {
    registry.manifest('lie', document, type);
    await t.rejects(pull('lie'), { message });
    t.strictSame(leftovers(), []);
    t.throws(() => images.get(`${registry.host}/x:lie`), /No such image/);
  });
}

t.test('an index that names itself', async (t) => {
  const entry = (size: number, name: string) => ({
    mediaType: INDEX,
    digest: name,
    size,
    platform: { os: 'linux', architecture },
  });
  // A chain, because a true loop would need its own digest.
  let inner = registry.manifest('inner', good);
  for (let depth = 0; depth < 6; depth++) {
    const manifests = [entry(inner.size, inner.digest)];
    inner = registry.manifest(`deep${depth}`, { schemaVersion: 2, mediaType: INDEX, manifests }, INDEX);
  }
  await t.rejects(pull('deep5'), { message: /nested too deeply/ });
});

t.test('a manifest that is not what its digest says', async (t) => {
  const asked = `sha256:${createHash('sha256').update('something else').digest('hex')}`;
  registry.manifests.set(asked, { body: JSON.stringify(good), type: MANIFEST });
  await t.rejects(pull(asked), { message: /manifest verification failed for digest/ });
});

t.test('a manifest of 5 MB is not read', async (t) => {
  registry.manifest('large', { ...good, annotations: { x: 'y'.repeat(5_000_000) } });
  await t.rejects(pull('large'), { message: /the answer is larger than 4194304 bytes/ });
});

t.test('after all this the truth still works', async (t) => {
  registry.manifest('good', good);
  t.match((await pull('good')).at(-1), { status: /Downloaded newer image/ });
  await images.remove(`${registry.host}/x:good`, { force: false, prune: true });
  t.strictSame(leftovers(), []);
});
