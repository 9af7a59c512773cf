// Pull and push over connections that break: what was transferred is not transferred again, over a death of the daemon too.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { DockerProcess } from '../../helpers/docker.ts';
import { startProxy, startRegistry } from '../../helpers/registry.ts';
import { layered, load, manifestOf } from './fixture.ts';

const MIB = 1024 * 1024;
const registry = await startRegistry(t);
const proxy = await startProxy(t, registry);
const daemon = await startDaemon(t);
const downloads = (): string[] => readdirSync(join(daemon.dataRoot, 'images/downloads'));

/** Pushes an image with a big second layer past the proxy; gives its name at the proxy and the big layer's digest. */
async function prepare(repository: string): Promise<{ name: string; big: string }> {
  const direct = `${registry.host}/${repository}:v1`;
  await load(daemon, layered([direct], [8 * MIB]));
  await daemon.dockerOk(['push', direct]);
  await daemon.dockerOk(['rmi', direct]);
  const { document } = await manifestOf(registry, repository, 'v1');
  proxy.requests.length = 0;
  return { name: `${proxy.host}/${repository}:v1`, big: document.layers?.[1]?.digest ?? '' };
}

const blobRequests = (digest: string): string[] =>
  proxy.requests.filter((request) => request.startsWith('GET ') && request.includes(digest));

/** Waits for a fact that comes with the daemon's own pace. */
async function until(fact: () => boolean): Promise<void> {
  for (let tries = 0; !fact(); tries++) {
    if (tries > 200) throw new Error('what was waited for did not come');
    await sleep(50);
  }
}

t.afterEach(() => {
  proxy.fault = undefined;
});

t.test('a download that breaks off goes on where it was', async (t) => {
  const { name, big } = await prepare('faults/cut');
  let cuts = 0;
  proxy.fault = async (request, _response, forward) => {
    if (!request.url?.includes(big) || cuts >= 2) return false;
    cuts++;
    await forward({ limit: 3 * MIB });
    return true;
  };
  const pulled = await daemon.dockerOk(['pull', name]);
  t.match(pulled, /: Retrying in 1 second$/m);
  const [first, second, third, ...more] = blobRequests(big);
  t.notMatch(first, 'bytes=');
  t.match(second, /bytes=\d{6,}-$/);
  t.match(third, /bytes=\d{6,}-$/);
  t.strictSame(more, []);
  t.equal(await daemon.dockerOk(['run', '--rm', name, 'stat', '-c', '%s', '/file0']), String(8 * MIB));
  await daemon.dockerOk(['rmi', name]);
});

t.test('a registry that knows no ranges sends all again', async (t) => {
  const { name, big } = await prepare('faults/no-range');
  let requests = 0;
  proxy.fault = async (request, _response, forward) => {
    if (!request.url?.includes(big)) return false;
    await forward(requests++ === 0 ? { limit: 2 * MIB } : { dropRequestHeaders: ['range'] });
    return true;
  };
  await daemon.dockerOk(['pull', name]);
  t.equal(blobRequests(big).length, 2);
  await daemon.dockerOk(['rmi', name]);
});

t.test('a registry that is busy says when to come again', async (t) => {
  const { name, big } = await prepare('faults/busy');
  const refused = new Set<string>();
  proxy.fault = (request, response) => {
    const url = request.url ?? '';
    if ((!url.includes(big) && !url.includes('/manifests/')) || refused.has(url)) return false;
    refused.add(url);
    response.writeHead(429, { 'retry-after': '1' }).end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slowly"}]}');
    return true;
  };
  await daemon.dockerOk(['pull', name]);
  t.equal(refused.size, 2);
  await daemon.dockerOk(['rmi', name]);
  proxy.fault = (_request, response) => {
    response
      .writeHead(429, { 'retry-after': '3600' })
      .end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slowly"}]}');
    return true;
  };
  const answer = await daemon.docker(['pull', name]);
  t.match(answer.stderr, /toomanyrequests: slowly/, 'an hour is too long');
});

t.test('two pulls share a download', async (t) => {
  const { name, big } = await prepare('faults/shared');
  let open: () => void = () => undefined;
  const both = new Promise<void>((resolve) => {
    open = resolve;
  });
  proxy.fault = async (request) => {
    if (request.url?.includes(big)) await both;
    return false;
  };
  const pulls = [daemon.dockerOk(['pull', name]), daemon.dockerOk(['pull', name])];
  await until(() => proxy.requests.filter((request) => request.includes('/manifests/')).length === 2);
  open();
  for (const text of await Promise.all(pulls)) t.match(text, 'Digest: ');
  t.equal(blobRequests(big).length, 1);
  t.strictSame(downloads(), []);
  await daemon.dockerOk(['rmi', name]);
});

/** Pulls until some of the big layer has arrived and nothing more comes. `dropped`: the daemon has let go of the connection. */
async function halfway(name: string, big: string): Promise<{ pulling: DockerProcess; dropped: Promise<void> }> {
  const { promise: dropped, resolve } = Promise.withResolvers<void>();
  proxy.fault = async (request, response, forward) => {
    if (!request.url?.includes(big)) return false;
    response.once('close', resolve);
    await forward({ limit: 3 * MIB, stall: true });
    return true;
  };
  const pulling = new DockerProcess(daemon.dockerEnvironment(), ['pull', name]);
  const file = join(daemon.dataRoot, 'images/downloads', big.replace(':', '-'));
  await until(() => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= 2 * MIB);
  return { pulling, dropped };
}

t.test('a registry that says nothing more holds up nobody else', async (t) => {
  const layers = 6;
  const direct = `${registry.host}/faults/silent:v1`;
  await load(daemon, layered([direct], Array(layers).fill(MIB)));
  await daemon.dockerOk(['push', direct]);
  await daemon.dockerOk(['rmi', direct]);
  const { document } = await manifestOf(registry, 'faults/silent', 'v1');
  // The lowest layer is everyone's: who wants the same layer waits for it.
  const digests = (document.layers ?? []).slice(1).map((layer) => layer.digest);
  proxy.fault = async (request, _response, forward) => {
    if (!digests.some((digest) => request.url?.includes(digest))) return false;
    await forward({ limit: 1000, stall: true });
    return true;
  };
  proxy.requests.length = 0;
  const pulling = new DockerProcess(daemon.dockerEnvironment(), ['pull', `${proxy.host}/faults/silent:v1`]);
  await until(() => digests.filter((digest) => blobRequests(digest).length > 0).length === 3);
  await load(daemon, layered(['beside:v1'], [MIB, MIB, MIB]));
  t.equal(await daemon.dockerOk(['run', '--rm', 'beside:v1', 'stat', '-c', '%s', '/file2']), String(MIB));
  pulling.child.kill('SIGKILL');
  await pulling.done;
});

t.test('a pull goes on after the death of the daemon', async (t) => {
  const { name, big } = await prepare('faults/killed');
  const { pulling } = await halfway(name, big);
  await daemon.kill('SIGKILL');
  t.not((await pulling.done).code, 0);
  await daemon.start();
  t.ok(downloads().includes(big.replace(':', '-')), 'what had arrived is there');
  proxy.fault = undefined;
  proxy.requests.length = 0;
  await daemon.dockerOk(['pull', name]);
  t.match(blobRequests(big), [/bytes=\d{7}-$/]);
  t.notOk(downloads().includes(big.replace(':', '-')));
  await daemon.dockerOk(['rmi', name]);
});

t.test('a pull that its client gave up', async (t) => {
  const { name, big } = await prepare('faults/left');
  const { pulling, dropped } = await halfway(name, big);
  pulling.child.kill('SIGKILL');
  await pulling.done;
  await dropped;
  const file = join(daemon.dataRoot, 'images/downloads', big.replace(':', '-'));
  proxy.fault = undefined;

  t.comment('what lies there may have been damaged by a crash');
  const bytes = readFileSync(file);
  bytes.fill(0, 1000, 5000);
  writeFileSync(file, bytes);
  proxy.requests.length = 0;
  await daemon.dockerOk(['pull', name]);
  const [first, second, ...more] = blobRequests(big);
  t.match(first, /bytes=\d{7}-$/, 'goes on');
  t.notMatch(second ?? '', 'bytes=', 'and begins anew');
  t.strictSame(more, []);
  t.equal(await daemon.dockerOk(['run', '--rm', name, 'stat', '-c', '%s', '/file0']), String(8 * MIB));
  await daemon.dockerOk(['rmi', name]);
});

t.test('bytes that are not the blob are not taken', async (t) => {
  const { name, big } = await prepare('faults/wrong');
  const before = readdirSync(join(daemon.dataRoot, 'layers')).length;
  proxy.fault = (request, response) => {
    if (!request.url?.includes(big)) return false;
    const { length } = readFileSync(
      join(registry.root, 'store/docker/registry/v2/blobs/sha256', big.slice(7, 9), big.slice(7), 'data'),
    );
    response.writeHead(200, { 'content-length': String(length) }).end(Buffer.alloc(length, 'x'));
    return true;
  };
  const pulled = await daemon.docker(['pull', name]);
  t.equal(pulled.code, 1);
  t.match(pulled.stderr, `filesystem layer verification failed for digest ${big}`);
  t.notOk(downloads().includes(big.replace(':', '-')));
  t.equal(readdirSync(join(daemon.dataRoot, 'layers')).length, before, 'nothing is left');
});

t.test('an upload that breaks off goes on where it was', async (t) => {
  const name = `${proxy.host}/faults/upload:v1`;
  await load(daemon, layered([name], [8 * MIB]));
  proxy.requests.length = 0;
  let cut = false;
  proxy.fault = async (request, _response, forward) => {
    if (request.method !== 'PATCH' || cut) return false;
    cut = true;
    await forward({ requestLimit: MIB });
    return true;
  };
  const pushed = await daemon.dockerOk(['push', name]);
  t.match(pushed, /: Retrying in 1 second$/m);
  t.ok(
    proxy.requests.some((request) => request.startsWith('GET /v2/faults/upload/blobs/uploads/')),
    'the registry was asked how much it has',
  );
  await daemon.dockerOk(['rmi', name]);
  t.match(await daemon.dockerOk(['pull', name]), 'Downloaded newer image');
  t.equal(await daemon.dockerOk(['run', '--rm', name, 'stat', '-c', '%s', '/file0']), String(8 * MIB));
});
