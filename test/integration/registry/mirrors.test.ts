// Mirrors: of the default registry as dockerd has them, and of any registry by `registries` in daemon.json.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon, TestDaemon } from '../../helpers/daemon.ts';
import { busyboxTar } from '../../helpers/image.ts';
import { listen, startProxy, startRegistry, stopServer } from '../../helpers/registry.ts';
import { layered, load } from './fixture.ts';

const origin = await startRegistry(t);
const mirror = await startProxy(t, origin);
const second = await startProxy(t, origin);

t.test('of Docker Hub', async (t) => {
  const pushed = `${origin.host}/library/tsd-mirrored:v1`;
  const daemon = await startDaemon(t, {
    config: { 'registry-mirrors': ['http://127.0.0.1:9', `http://${mirror.host}/`] },
  });
  await load(daemon, layered([pushed]));
  await daemon.dockerOk(['push', pushed]);
  await daemon.dockerOk(['rmi', pushed]);
  const pulled = await daemon.dockerOk(['pull', 'tsd-mirrored:v1']);
  t.match(pulled, 'v1: Pulling from library/tsd-mirrored');
  t.match(pulled, 'docker.io/library/tsd-mirrored:v1');
  t.ok(mirror.requests.some((request) => request.startsWith('GET /v2/library/tsd-mirrored/blobs/')));
  t.match(daemon.log(), 'a mirror is passed over', 'the one that is down');
  t.match(await daemon.dockerOk(['info']), `http://${mirror.host}/`);
  t.match(await daemon.dockerOk(['images', '--digests', 'tsd-mirrored']), /sha256:/);
});

t.test('of any registry, in order, with capabilities', async (t) => {
  const name = `${origin.host}/team/mirrored:v1`;
  const daemon = await startDaemon(t, {
    config: {
      registries: {
        [origin.host]: {
          mirrors: [{ url: `http://${mirror.host}`, capabilities: ['pull'] }, `http://${second.host}`],
        },
      },
    },
  });
  await load(daemon, layered([name]));
  await daemon.dockerOk(['push', name]);
  t.strictSame(
    [...mirror.requests, ...second.requests].filter((request) => request.includes('/team/mirrored/')),
    [],
    'a push goes to the registry itself',
  );
  await daemon.dockerOk(['rmi', name]);
  mirror.requests.length = 0;
  second.requests.length = 0;
  await daemon.dockerOk(['pull', name]);
  const namespace = `ns=${encodeURIComponent(origin.host)}`;
  const tags = (requests: readonly string[]) => requests.filter((request) => request.includes('/manifests/v1'));
  t.strictSame(tags(mirror.requests), [], 'the first one does not say what a tag means');
  t.strictSame(tags(second.requests), [`GET /v2/team/mirrored/manifests/v1?${namespace}`]);
  t.ok(
    mirror.requests.some((request) => request.startsWith('GET /v2/team/mirrored/blobs/')),
    'but has the blobs',
  );

  t.comment('a mirror that has lost a blob is passed over');
  await daemon.dockerOk(['rmi', name]);
  mirror.fault = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false;
    response.writeHead(404).end();
    return true;
  };
  await daemon.dockerOk(['pull', name]);
  t.ok(second.requests.some((request) => request.startsWith('GET /v2/team/mirrored/blobs/')));

  t.comment('the setting can be changed while the daemon runs');
  await daemon.dockerOk(['rmi', name]);
  second.requests.length = 0;
  writeFileSync(join(daemon.root, 'daemon.json'), JSON.stringify({ registries: {} }));
  process.kill(daemon.pid ?? 0, 'SIGHUP');
  for (let tries = 0; !daemon.log().includes('configuration reloaded') && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await daemon.dockerOk(['pull', name]);
  t.strictSame(second.requests, []);
});

t.test('import from a URL', async (t) => {
  const daemon = await startDaemon(t);
  const server = createServer((request, response) => {
    if (request.url === '/root.tar') response.end(busyboxTar([{ path: 'mark', data: 'fetched\n' }]));
    else response.writeHead(404).end('no');
  });
  const port = await listen(server);
  t.teardown(() => stopServer(server));
  const url = `http://127.0.0.1:${port}`;
  t.match(await daemon.dockerOk(['import', `${url}/root.tar`, 'fetched:v1']), `Downloading from ${url}/root.tar`);
  t.equal(await daemon.dockerOk(['run', '--rm', 'fetched:v1', 'cat', '/mark']), 'fetched');
  t.equal(
    await daemon.dockerOk(['image', 'inspect', '-f', '{{.Comment}}', 'fetched:v1']),
    `Imported from ${url}/root.tar`,
  );
  t.match((await daemon.docker(['import', `${url}/none.tar`])).stderr, '404 Not Found');
});

t.test('a wrong setting is named', async (t) => {
  const wrong: [unknown, RegExp][] = [
    [{ 'a b': {} }, /registries\.a b: expected a registry's host/],
    [{ 'a.b': { mirror: [] } }, /registries\.a\.b: unknown key "mirror": expected mirrors, insecure, ca/],
    [{ 'a.b': { mirrors: ['ftp://x'] } }, /registries\.a\.b\.mirrors\[0\]: expected a URL such as/],
    [
      { 'a.b': { mirrors: [{ url: 'https://x', capabilities: ['push'] }] } },
      /capabilities: expected a list of pull and resolve/,
    ],
  ];
  for (const [registries, message] of wrong) {
    const daemon = new TestDaemon({ config: { registries } });
    t.teardown(() => daemon.cleanup());
    await t.rejects(daemon.start(), message);
  }
});
