// Pull and push with the stock client and Debian's registry, plain and open: streams, digests, events, mounts, what is kept and what is not.
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { type Compression, imageId, makeOciLayout } from '../../helpers/image.ts';
import { startRegistry } from '../../helpers/registry.ts';
import { layered, linesOf, load, manifestOf } from './fixture.ts';

const registry = await startRegistry(t);
const daemon = await startDaemon(t);
const { host } = registry;
const downloads = (): string[] => readdirSync(join(daemon.dataRoot, 'images/downloads'));

t.test('push, remove, pull: the same image, with its digest', async (t) => {
  const name = `${host}/team/first:v1`;
  const image = layered([name]);
  await load(daemon, image);
  const pushed = await daemon.dockerOk(['push', name]);
  t.match(pushed, /^The push refers to repository \[127\.0\.0\.1:\d+\/team\/first\]$/m);
  t.equal(pushed.match(/: Preparing$/gm)?.length, 3);
  t.equal(pushed.match(/: Pushed$/gm)?.length, 3);
  const { digest, mediaType } = await manifestOf(registry, 'team/first', 'v1');
  t.equal(mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  t.match(pushed, new RegExp(`^v1: digest: ${digest} size: \\d+$`, 'm'));
  const again = await daemon.dockerOk(['push', name]);
  t.equal(again.match(/: Layer already exists$/gm)?.length, 3);
  t.match(again, digest, 'the same manifest');

  await daemon.dockerOk(['rmi', name]);
  const pulled = await daemon.dockerOk(['pull', name]);
  t.match(pulled, /^v1: Pulling from team\/first$/m);
  for (const word of ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete']) {
    t.equal(pulled.match(new RegExp(`: ${word}$`, 'gm'))?.length, 3, word);
  }
  t.match(pulled, new RegExp(`^Digest: ${digest}$`, 'm'));
  t.match(pulled, `Status: Downloaded newer image for ${name}\n${name}`);
  t.equal(await daemon.dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]), imageId(image));
  t.equal(
    await daemon.dockerOk(['image', 'inspect', '--format', '{{join .RepoDigests " "}}', name]),
    `${host}/team/first@${digest}`,
  );
  t.match(await daemon.dockerOk(['images', '--digests']), digest);
  t.equal(await daemon.dockerOk(['run', '--rm', name, 'stat', '-c', '%s', '/file1']), '300000');
  t.strictSame(downloads(), [], 'no download is left');
  t.match(await daemon.dockerOk(['pull', name]), `Status: Image is up to date for ${name}`);

  t.comment('by digest');
  await daemon.dockerOk(['rmi', name]);
  const byDigest = `${host}/team/first@${digest}`;
  t.match(await daemon.dockerOk(['pull', byDigest]), `Status: Downloaded newer image for ${byDigest}`);
  t.equal(await daemon.dockerOk(['image', 'inspect', '--format', '{{len .RepoTags}}', byDigest]), '0');
  await daemon.dockerOk(['rmi', byDigest]);
});

t.test('a second repository takes its layers from the first one', async (t) => {
  const one = `${host}/team/source:v1`;
  const two = `${host}/team/target:v1`;
  await load(daemon, layered([one]));
  await daemon.dockerOk(['push', one]);
  await daemon.dockerOk(['tag', one, two]);
  const pushed = await daemon.dockerOk(['push', two]);
  t.equal(pushed.match(/: Mounted from team\/source$/gm)?.length, 3);
  t.equal(
    (await manifestOf(registry, 'team/target', 'v1')).digest,
    (await manifestOf(registry, 'team/source', 'v1')).digest,
  );
});

t.test('layers that are there, and all tags', async (t) => {
  const name = `${host}/team/base:v1`;
  await load(daemon, layered([name]));
  await daemon.dockerOk(['push', name]);
  const [base = ''] = [(await manifestOf(registry, 'team/base', 'v1')).digest];
  await daemon.dockerOk(['tag', name, `${host}/team/base:v2`]);
  t.match(await daemon.dockerOk(['push', '--all-tags', `${host}/team/base`]), new RegExp(`v2: digest: ${base}`));
  await daemon.dockerOk(['rmi', name]);
  const all = await daemon.dockerOk(['pull', '--all-tags', `${host}/team/base`]);
  t.match(all, `Status: Downloaded newer image for ${host}/team/base`);
  t.equal(await daemon.dockerOk(['images', '--format', '{{.Tag}}', `${host}/team/base`]), 'v1\nv2');

  await daemon.dockerOk(['rmi', name, `${host}/team/base:v2`]);
  await load(daemon, { ...layered([`${host}/team/part:v1`], []) });
  const pulled = await daemon.dockerOk(['pull', name]);
  t.equal(pulled.match(/: Already exists$/gm)?.length, 1, 'the lowest layer came with another image');
  t.equal(pulled.match(/: Pull complete$/gm)?.length, 2);
});

t.test('an image that was committed', async (t) => {
  const base = `${host}/team/committed:base`;
  const name = `${host}/team/committed:v1`;
  await load(daemon, layered([base]));
  await daemon.dockerOk(['push', base]);
  await daemon.dockerOk(['run', '--name', 'committed', base, 'sh', '-c', 'echo changed >/file0; rm /file1']);
  await daemon.dockerOk(['commit', '--change', 'ENV A=1', 'committed', name]);
  await daemon.dockerOk(['rm', 'committed']);
  const pushed = await daemon.dockerOk(['push', name]);
  t.equal(pushed.match(/: Layer already exists$/gm)?.length, 3);
  t.equal(pushed.match(/: Pushed$/gm)?.length, 1);
  const id = await daemon.dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]);
  await daemon.dockerOk(['rmi', name]);
  await daemon.dockerOk(['pull', name]);
  t.equal(await daemon.dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]), id);
  t.equal(
    await daemon.dockerOk(['run', '--rm', name, 'sh', '-c', 'cat /file0; ls / | grep file1; echo $A']),
    'changed\n1',
  );
});

t.test('events are those of Docker', async (t) => {
  const name = `${host}/team/events:v1`;
  const since = String(Date.now() / 1000);
  await load(daemon, layered([name]));
  await daemon.dockerOk(['push', name]);
  await daemon.dockerOk(['rmi', name]);
  await daemon.dockerOk(['pull', name]);
  const until = String(Date.now() / 1000 + 0.001);
  const filters = ['--filter', 'event=pull', '--filter', 'event=push'];
  const text = await daemon.dockerOk([
    'events',
    '--since',
    since,
    '--until',
    until,
    '--format',
    '{{json .}}',
    ...filters,
  ]);
  const events = linesOf(Buffer.from(text)).map(({ Action, Actor }) => ({ Action, Actor }));
  const Actor = { ID: name, Attributes: { name: `${host}/team/events`, origin: 'registry' } };
  t.match(events, [
    { Action: 'push', Actor },
    { Action: 'pull', Actor },
  ]);
});

for (const compression of ['none', 'gzip', 'zstd'] as Compression[]) {
  t.test(`an OCI image with layers in ${compression} keeps its manifest`, async (t) => {
    const image = layered([`example.test/oci:${compression}`]);
    const archive = join(registry.root, `oci-${compression}.tar`);
    writeFileSync(archive, makeOciLayout(image, compression));
    const source = `${host}/oci/${compression}:v1`;
    // skopeo sends the blobs as they are.
    const copy = ['copy', '--insecure-policy', '--preserve-digests', '--dest-tls-verify=false'];
    execFileSync('skopeo', [...copy, `oci-archive:${archive}`, `docker://${source}`], { stdio: 'pipe' });
    const before = await manifestOf(registry, `oci/${compression}`, 'v1');
    await daemon.dockerOk(['pull', source]);
    t.equal(await daemon.dockerOk(['image', 'inspect', '--format', '{{.Id}}', source]), imageId(image));
    t.equal(await daemon.dockerOk(['run', '--rm', source, 'stat', '-c', '%s', '/file0']), '200000');
    const target = `${host}/oci/${compression}-copy:v1`;
    await daemon.dockerOk(['tag', source, target]);
    t.match(await daemon.dockerOk(['push', target]), /Mounted from oci\//);
    const after = await manifestOf(registry, `oci/${compression}-copy`, 'v1');
    t.equal(after.digest, before.digest);
    t.equal(after.mediaType, 'application/vnd.oci.image.manifest.v1+json');
  });
}

t.test('what is pushed can be read by others', async (t) => {
  const name = `${host}/team/others:v1`;
  const image = layered([name]);
  await load(daemon, image);
  await daemon.dockerOk(['push', name]);
  const told = execFileSync('skopeo', ['inspect', '--tls-verify=false', '--config', '--raw', `docker://${name}`]);
  t.equal(`sha256:${(await import('node:crypto')).createHash('sha256').update(told).digest('hex')}`, imageId(image));
  const archive = join(registry.root, 'copied.tar');
  const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', `docker://${name}`];
  execFileSync('skopeo', [...copy, `docker-archive:${archive}:${name}`], { stdio: 'pipe' });
  await daemon.dockerOk(['rmi', name]);
  t.match(await daemon.dockerOk(['load', '-i', archive]), `Loaded image: ${name}`);
  t.equal(await daemon.dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]), imageId(image));
});

t.test('the stream as it is on the wire', async (t) => {
  const name = `${host}/team/wire`;
  await load(daemon, layered([`${name}:v1`]));
  const push = await daemon.api('POST', `/images/${name}/push?tag=v1`, undefined, { 'x-registry-auth': 'e30=' });
  const pushed = linesOf(push.body);
  t.match(pushed.at(-1), { progressDetail: {}, aux: { Tag: 'v1', Digest: /^sha256:/, Size: Number } });
  await daemon.dockerOk(['rmi', `${name}:v1`]);
  const pull = await daemon.api('POST', `/images/create?fromImage=${name}&tag=v1`);
  t.equal(pull.headers['content-type'], 'application/json');
  const lines = linesOf(pull.body);
  t.strictSame(lines[0], { status: 'Pulling from team/wire', id: 'v1' });
  t.match(lines[1], { status: 'Already exists', progressDetail: {}, id: /^[0-9a-f]{12}$/ });
  t.match(lines[2], { status: 'Pulling fs layer', progressDetail: {}, id: /^[0-9a-f]{12}$/ });
  t.match(
    lines.filter((line) => line.status === 'Downloading'),
    [{ progressDetail: { current: Number, total: Number }, progress: /^\[=*> *\]/ }],
  );
  t.ok(lines.some((line) => line.status === 'Extracting'));
  t.match(lines.at(-1), { status: `Status: Downloaded newer image for ${name}:v1` });
});

t.test('platforms', async (t) => {
  const make = (architecture: string) => ({ ...layered([`example.test/many:${architecture}`]), architecture });
  const parts = ['amd64', 'arm64'].map((architecture) => {
    const archive = join(registry.root, `many-${architecture}.tar`);
    writeFileSync(archive, makeOciLayout(make(architecture), 'gzip'));
    const copy = ['copy', '--insecure-policy', '--preserve-digests', '--dest-tls-verify=false'];
    execFileSync('skopeo', [...copy, `oci-archive:${archive}`, `docker://${host}/many:${architecture}`], {
      stdio: 'pipe',
    });
    return architecture;
  });
  const manifests = await Promise.all(
    parts.map(async (architecture) => {
      const { digest, mediaType } = await manifestOf(registry, 'many', architecture);
      const raw = await fetch(`${registry.url}/v2/many/manifests/${digest}`, { headers: { accept: mediaType } });
      return { mediaType, digest, size: (await raw.arrayBuffer()).byteLength, platform: { os: 'linux', architecture } };
    }),
  );
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const put = await fetch(`${registry.url}/v2/many/manifests/all`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: JSON.stringify({ schemaVersion: 2, mediaType, manifests }),
  });
  t.equal(put.status, 201);
  const index = (await manifestOf(registry, 'many', 'all')).digest;
  const architectureOf = (): Promise<string> =>
    daemon.dockerOk(['image', 'inspect', '--format', '{{.Architecture}}', `${host}/many:all`]);
  for (const architecture of parts) {
    const pulled = await daemon.dockerOk(['pull', '--platform', `linux/${architecture}`, `${host}/many:all`]);
    t.match(pulled, `Digest: ${index}`, 'the digest is the index’s');
    t.equal(await architectureOf(), architecture);
  }
  const none = await daemon.docker(['pull', '--platform', 'linux/s390x', `${host}/many:all`]);
  t.match(none.stderr, 'no matching manifest for linux/s390x in the manifest list entries');
  const wrong = await daemon.docker(['pull', '--platform', 'linux/s390x', `${host}/many:amd64`]);
  t.match(
    wrong.stderr,
    /was found but does not match the specified platform: wanted linux\/s390x, actual: linux\/amd64/,
  );
  const told = await daemon.api('GET', `/distribution/${host}/many:all/json`);
  t.match(told.json, {
    Descriptor: { mediaType, digest: index },
    Platforms: [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ],
  });
});

t.test('what is not there is told in Docker’s words', async (t) => {
  const cases: [string, string, number, string][] = [
    [
      'POST',
      `/images/create?fromImage=${host}/team/first&tag=no`,
      404,
      `manifest for ${host}/team/first:no not found: manifest unknown: manifest unknown`,
    ],
    [
      'POST',
      `/images/create?fromImage=${host}/nobody&tag=x`,
      404,
      `manifest for ${host}/nobody:x not found: manifest unknown: manifest unknown`,
    ],
    [
      'POST',
      `/images/create?fromImage=${host}/nobody`,
      404,
      `repository ${host}/nobody not found: name unknown: repository name not known to registry`,
    ],
    [
      'POST',
      '/images/create?fromImage=127.0.0.1:9/x&tag=x',
      500,
      'Get "http://127.0.0.1:9/v2/x/manifests/x": dial tcp 127.0.0.1:9: connect: connection refused',
    ],
    [
      'POST',
      '/images/create?fromImage=Upper&tag=x',
      400,
      'invalid reference format: repository name (library/Upper) must be lowercase',
    ],
    ['GET', `/distribution/${host}/team/first:no/json`, 404, 'manifest unknown: manifest unknown'],
    [
      'GET',
      `/images/search?term=${host}/x`,
      404,
      `registry ${host} offers no search: Get "http://${host}/v1/search?q=x&n=25": 404 Not Found`,
    ],
    ['GET', '/images/search?term=x&limit=101', 400, 'limit 101 is outside the range of [1, 100]'],
    [
      'POST',
      `/images/${host}/team/first/push?tag=v1`,
      400,
      'bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header: EOF',
    ],
  ];
  for (const [method, path, status, message] of cases) {
    const answer = await daemon.api(method, path);
    t.match({ status: answer.status, json: answer.json }, { status, json: { message } }, path);
  }
  const none = await daemon.docker(['push', `${host}/team/never`]);
  t.equal(none.code, 1);
  t.match(none.stderr, `An image does not exist locally with the tag: ${host}/team/never`);
  const tag = await daemon.docker(['push', `${host}/team/wire:never`]);
  t.match(tag.stderr, `tag does not exist: ${host}/team/wire:never`);
});
