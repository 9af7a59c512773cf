// Unit tests of the small pure files of this room.
import t from 'tap';
import { parseChallenges, retryAfter } from './challenge.ts';
import { connectionFailure, failureOf, pullError, registryError } from './failure.ts';
import { Gate } from './gate.ts';
import { domainOf } from './login.ts';
import { choosePlatform, makeManifest, parseDocument } from './manifest.ts';
import { compressionOf, layerKind } from './media-types.ts';
import { LayerProgress, progressBar } from './progress.ts';

t.test('challenges', async (t) => {
  t.strictSame(
    parseChallenges('Bearer realm="https://a/t",service="r, s",scope="repository:x:pull,push",error=invalid'),
    [
      {
        scheme: 'bearer',
        parameters: { realm: 'https://a/t', service: 'r, s', scope: 'repository:x:pull,push', error: 'invalid' },
      },
    ],
  );
  t.strictSame(parseChallenges('Basic realm="a \\"b\\"", Bearer realm="c"'), [
    { scheme: 'basic', parameters: { realm: 'a "b"' } },
    { scheme: 'bearer', parameters: { realm: 'c' } },
  ]);
  t.strictSame(parseChallenges('Negotiate'), [{ scheme: 'negotiate', parameters: {} }]);
  t.strictSame(parseChallenges(''), []);
  t.strictSame(parseChallenges('"'), []);
  t.equal(retryAfter('7', 0), 7000);
  t.equal(retryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 1000), 8000);
  t.equal(retryAfter('soon', 0), undefined);
  t.equal(retryAfter(undefined, 0), undefined);
});

t.test('failures', async (t) => {
  const request = 'Get "https://r/v2/x/manifests/v1"';
  const body = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });
  const reference = { domain: 'docker.io', path: 'library/x', tag: 'v1', digest: '' };
  const cases: [number, string, string, string][] = [
    [
      404,
      body('MANIFEST_UNKNOWN', 'manifest unknown'),
      'not-found',
      'manifest for x:v1 not found: manifest unknown: manifest unknown',
    ],
    [404, body('NAME_UNKNOWN', 'no'), 'not-found', 'repository x not found: name unknown: no'],
    [404, '<html>', 'not-found', 'manifest for x:v1 not found: received unexpected HTTP status: 404 R'],
    [
      403,
      body('DENIED', 'requested access to the resource is denied'),
      'not-found',
      "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    ],
    [
      401,
      body('UNAUTHORIZED', 'authentication required'),
      'internal',
      `${request}: unauthorized: authentication required`,
    ],
    [429, body('TOOMANYREQUESTS', 'rate limit'), 'internal', `${request}: toomanyrequests: rate limit`],
    [500, 'oops', 'internal', `${request}: received unexpected HTTP status: 500 R: oops`],
    [502, '', 'internal', `${request}: received unexpected HTTP status: 502 R`],
  ];
  for (const [status, text, kind, message] of cases) {
    t.match(pullError(reference, failureOf(status, 'R', text, request)), { kind, message }, `${status} ${text}`);
  }
  t.match(pullError(reference, failureOf(404, 'R', body('BLOB_UNKNOWN', 'no blob'), 'Get "https://r/v2/x/blobs/y"')), {
    kind: 'not-found',
    message: 'Get "https://r/v2/x/blobs/y": blob unknown: no blob',
  });
  t.match(registryError(failureOf(401, 'R', '{"details":"bad password"}', request)), {
    kind: 'unauthorized',
    message: /unauthorized: bad password/,
  });
  t.match(registryError(failureOf(403, 'R', body('DENIED', 'no'), request)), {
    kind: 'forbidden',
    message: 'denied: no',
  });
  const url = 'https://r.test/v2/';
  const network = (code: string, more: object = {}) =>
    connectionFailure('GET', url, Object.assign(new Error('raw'), { code, ...more })).message;
  t.equal(
    network('ECONNREFUSED', { address: '192.0.2.1', port: 443 }),
    `Get "${url}": dial tcp 192.0.2.1:443: connect: connection refused`,
  );
  t.equal(
    network('ECONNREFUSED', { errors: [{ code: 'ECONNREFUSED', address: '::1', port: 5 }] }),
    `Get "${url}": dial tcp [::1]:5: connect: connection refused`,
  );
  t.equal(network('ENOTFOUND', { hostname: 'r.test' }), `Get "${url}": dial tcp: lookup r.test: no such host`);
  t.match(network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'x509: certificate signed by unknown authority');
  t.equal(network('EOTHER'), `Get "${url}": raw`);
});

t.test('media types', async (t) => {
  t.equal(layerKind('application/vnd.oci.image.layer.v1.tar+zstd'), 'layer');
  t.equal(layerKind('application/vnd.docker.image.rootfs.diff.tar.gzip'), 'layer');
  t.equal(layerKind('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'), 'foreign');
  t.equal(layerKind('application/vnd.oci.image.layer.v1.tar+gzip+encrypted'), 'unknown');
  t.equal(compressionOf('application/vnd.oci.image.layer.v1.tar'), 'none');
});

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

t.test('manifests', async (t) => {
  const layers = [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('b'), size: 2 }];
  const docker = makeManifest({ digest: digest('a'), size: 1 }, layers);
  t.equal(docker.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  t.match(parseDocument(docker.bytes, ''), {
    kind: 'manifest',
    config: { digest: digest('a'), size: 1, mediaType: 'application/vnd.docker.container.image.v1+json' },
    layers: [{ digest: digest('b'), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }],
  });
  const zstd = makeManifest({ digest: digest('a'), size: 1 }, [
    ...layers,
    { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', digest: digest('c'), size: 3 },
  ]);
  t.equal(zstd.mediaType, 'application/vnd.oci.image.manifest.v1+json');
  const bare = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }));
  t.equal(
    parseDocument(bare, 'application/vnd.docker.distribution.manifest.list.v2+json; charset=utf-8').mediaType,
    'application/vnd.docker.distribution.manifest.list.v2+json',
  );
  t.equal(parseDocument(bare, 'application/json').mediaType, 'application/vnd.oci.image.index.v1+json');
});

t.test('platforms', async (t) => {
  const entry = (architecture: string, variant: string, letter: string, attestation = false) => ({
    mediaType: '',
    digest: digest(letter),
    size: 1,
    platform: architecture === '' ? undefined : { os: 'linux', architecture, variant },
    attestation,
  });
  const arm = [
    entry('arm', 'v5', 'a'),
    entry('arm', 'v7', 'b'),
    entry('amd64', '', 'c'),
    entry('unknown', '', 'd', true),
  ];
  const wanted = (architecture: string, variant = '') => ({ os: 'linux', architecture, variant });
  t.equal(choosePlatform(arm, wanted('arm', 'v7'))?.digest, digest('b'));
  t.equal(choosePlatform(arm, wanted('arm', 'v6'))?.digest, digest('a'), 'an older one runs');
  t.equal(choosePlatform(arm, wanted('s390x')), undefined);
  t.equal(choosePlatform([entry('', '', 'e'), entry('unknown', '', 'd', true)], wanted('amd64'))?.digest, digest('e'));
});

t.test('progress', async (t) => {
  t.equal(progressBar(36_445, 1_069_248), `[=>${' '.repeat(49)}]  36.45kB/1.069MB`);
  t.equal(progressBar(3_001_856, 3_000_000), `[${'='.repeat(50)}>]  3.002MB`);
  t.equal(progressBar(1_069_248, 1_069_248), `[${'='.repeat(50)}>]  1.069MB/1.069MB`);
  t.equal(progressBar(5, 0), '      5B');
  t.equal(progressBar(0, 0), '');
  const lines: unknown[] = [];
  const one = new LayerProgress('abc', (line) => lines.push(line));
  for (let step = 0; step <= 1000; step++) one.amount('Downloading', step, 1000);
  t.ok(lines.length < 100, 'not every step is told');
  t.match(lines.at(-1), { status: 'Downloading', progressDetail: { current: 1000, total: 1000 }, id: 'abc' });
});

t.test('server addresses of logins', async (t) => {
  t.equal(domainOf('https://index.docker.io/v1/'), 'docker.io');
  t.equal(domainOf(''), 'docker.io');
  t.equal(domainOf('http://127.0.0.1:5000/v2/'), '127.0.0.1:5000');
  t.equal(domainOf('registry.test'), 'registry.test');
});

t.test('a gate lets so many through, in order, and its limit may change', async (t) => {
  let limit = 1;
  const gate = new Gate(() => limit);
  const { signal } = new AbortController();
  const running: number[] = [];
  const ends: (() => void)[] = [];
  const start = (id: number, by = signal) =>
    gate.run(by, async () => {
      running.push(id);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
  const stop = new AbortController();
  const all = [start(0), start(1), start(2, stop.signal), start(3)];
  await new Promise(setImmediate);
  t.strictSame(running, [0]);
  stop.abort(new Error('no more'));
  await t.rejects(all[2] ?? Promise.resolve(), /no more/);
  limit = 2;
  ends[0]?.();
  await new Promise(setImmediate);
  t.strictSame(running, [0, 1, 3]);
  for (const end of ends) end();
  await Promise.all([all[0], all[1], all[3]]);
  await t.rejects(start(4, stop.signal), /no more/);
});
