// What a build does beside making an image: the cache, stages side by side, clients that go away, fetched files, pruning.
import { chmodSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { Docker } from '../../helpers/engine.ts';
import { busyboxImage, compress, digest, makeDockerArchive } from '../../helpers/image.ts';
import { makeTar } from '../../helpers/tar.ts';

const daemon = await startDaemon(t);
const docker = new Docker(daemon);
await docker.run(['load', '--quiet'], { input: makeDockerArchive(busyboxImage()) });
const env = { DOCKER_BUILDKIT: '0' };

function context(name: string, dockerfile: string, files: Readonly<Record<string, string | Buffer>> = {}): string {
  const directory = join(daemon.root, name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), dockerfile);
  for (const [path, data] of Object.entries(files)) writeFileSync(join(directory, path), data);
  return directory;
}

const build = (directory: string, ...options: string[]) => docker.run(['build', ...options, directory], { env });
/** How many steps came from the cache. */
const hits = (stdout: string): number => stdout.split(' ---> Using cache').length - 1;

t.test('the cache goes by content', async (t) => {
  const text = 'FROM busybox\nARG A\nARG B\nCOPY f /f\nRUN echo $A > /a\n';
  const directory = context('cache', text, { f: 'one' });
  const first = await build(directory, '--build-arg', 'A=1');
  t.equal(hits(first.stdout), 0);
  const id = /Successfully built (\w+)/.exec(first.stdout)?.[1];
  utimesSync(join(directory, 'f'), 1, 1);
  const again = await build(directory, '--build-arg', 'A=1');
  t.equal(hits(again.stdout), 4, 'another time of a file is no other content');
  t.match(again.stdout, `Successfully built ${id}`);
  t.equal(hits((await build(directory, '--build-arg', 'A=2')).stdout), 3, 'an argument matters where it is used');
  chmodSync(join(directory, 'f'), 0o755);
  t.equal(hits((await build(directory, '--build-arg', 'A=1')).stdout), 2, 'a mode is content');
  writeFileSync(join(directory, 'f'), 'two');
  t.equal(hits((await build(directory, '--build-arg', 'A=1')).stdout), 2, 'what is in a file is content');
  t.equal(hits((await build(directory, '--no-cache')).stdout), 0);
});

t.test('what stands in another stage is content', async (t) => {
  const text = (word: string) =>
    `FROM busybox AS a\nRUN echo ${word} > /x\nFROM busybox\nCOPY --from=a /x /x\nRUN echo end > /e\n`;
  await build(context('stages', text('one')));
  t.equal(hits((await build(context('stages', text('one')))).stdout), 3);
  t.equal(hits((await build(context('stages', text('two')))).stdout), 0);
});

t.test('an image from elsewhere is no hit', async (t) => {
  // As in CVE-2024-24557: history alone could be anybody's.
  const directory = context('poison', 'FROM busybox\nRUN echo right > /x\n');
  const image = { ...busyboxImage(['poison:1']), config: { Cmd: ['/bin/sh', '-c', 'echo right > /x'] } };
  await docker.run(['load', '--quiet'], { input: makeDockerArchive(image) });
  t.equal(hits((await build(directory)).stdout), 0);
});

t.test('stages that do not need each other run side by side', async (t) => {
  // Each waits for the other one's sign in a shared cache mount: one after the other they would never end.
  const wait = (own: string, other: string) =>
    `RUN --mount=type=cache,target=/c touch /c/${own} && i=0 && until [ -e /c/${other} ]; do i=$((i+1)); [ $i -lt 600 ] || exit 1; sleep 0.1; done && touch /${own}`;
  const text = `FROM busybox AS a\n${wait('a', 'b')}\nFROM busybox AS b\n${wait('b', 'a')}\nFROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n`;
  const built = await build(context('parallel', text), '-t', 'parallel');
  t.equal(built.code, 0, built.stderr);
  const order = [...built.stdout.matchAll(/^Step (\d+)\//gm)].map((match) => Number(match[1]));
  t.same(order, [1, 2, 3, 4, 5, 6, 7], 'and speak one after another');
});

t.test('the first failure stops the other stages', async (t) => {
  const text =
    'FROM busybox AS a\nRUN sleep 1000\nFROM busybox AS b\nRUN exit 5\nFROM busybox\nCOPY --from=a / /\nCOPY --from=b / /\n';
  const built = await build(context('failure', text), '--force-rm');
  t.equal(built.code, 5);
  t.match(built.stderr, "The command '/bin/sh -c exit 5' returned a non-zero code: 5");
  t.equal(await docker.ok('ps', '--all', '--quiet'), '');
});

t.test('a client that goes away stops the build and leaves nothing', async (t) => {
  const running = docker.spawn(['build', context('gone', 'FROM busybox\nRUN echo begun && sleep 1000\n')], { env });
  await running.until('begun');
  running.child.kill('SIGKILL');
  await running.done;
  for (let tries = 0; tries < 300 && (await docker.ok('ps', '--all', '--quiet')) !== ''; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.equal(await docker.ok('ps', '--all', '--quiet'), '');
  const left = (): string[] => readdirSync(join(daemon.dataRoot, 'tmp')).filter((name) => name.startsWith('build-'));
  for (let tries = 0; tries < 300 && left().length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  t.same(left(), []);
});

t.test('a daemon that is killed removes the steps of its builds when it comes back', async (t) => {
  const running = docker.spawn(['build', context('killed', 'FROM busybox\nRUN echo begun && sleep 1000\n')], { env });
  await running.until('begun');
  await daemon.restart('SIGKILL');
  t.equal(await docker.ok('ps', '--all', '--quiet'), '');
  t.same(
    readdirSync(join(daemon.dataRoot, 'tmp')).filter((name) => name.startsWith('build-')),
    [],
  );
  await running.done;
});

t.test('ADD unpacks archives with their owners', async (t) => {
  const archive = makeTar([
    { path: 'd/', type: 'directory', mode: 0o750, uid: 3, gid: 4 },
    { path: 'd/f', data: 'in the archive\n', uid: 5, gid: 6 },
  ]);
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    const directory = context(`add-${compression}`, 'FROM busybox\nADD a.tar /to\n', {
      'a.tar': compress(archive, compression),
    });
    const built = await build(directory, '-t', 'added');
    t.equal(built.code, 0, built.stderr);
    t.equal(
      await docker.ok('run', '--rm', 'added', 'sh', '-c', 'cat /to/d/f; stat -c "%a %u:%g" /to/d /to/d/f'),
      'in the archive\n750 3:4\n644 5:6',
    );
  }
});

t.test('an archive that leads out is refused', async (t) => {
  const archive = makeTar([{ path: '../../up', data: 'x' }]);
  const built = await build(context('add-out', 'FROM busybox\nADD a.tar /to\n', { 'a.tar': archive }));
  t.equal(built.code, 1);
  t.match(built.stderr, 'cannot unpack a.tar: "../../up" is outside of the layer');
  // The stock command packs no such context; other clients may.
  const sent = await daemon.api('POST', '/build', archive);
  t.equal(sent.status, 400);
  t.match(sent.body.toString(), 'cannot read the build context');
});

t.test('ADD fetches addresses and checks them', async (t) => {
  const data = Buffer.from('from the net\n');
  const server = createServer((request, response) => {
    if (request.url === '/f.txt') response.end(data);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const good = await build(
    context('url', `FROM busybox\nADD --checksum=${digest(data)} ${url}/f.txt /d/\n`),
    '-t',
    'fetched',
  );
  t.equal(good.code, 0, good.stderr);
  t.equal(
    await docker.ok('run', '--rm', 'fetched', 'sh', '-c', 'cat /d/f.txt; stat -c %a /d/f.txt'),
    'from the net\n600',
  );
  const bad = await build(context('url', `FROM busybox\nADD --checksum=sha256:${'0'.repeat(64)} ${url}/f.txt /\n`));
  t.match(bad.stderr, `digest mismatch ${digest(data)}: expected sha256:${'0'.repeat(64)}`);
  const missing = await build(context('url', `FROM busybox\nADD ${url}/none /\n`));
  t.match(missing.stderr, `Error getting ${url}/none: got status 404 Not Found`);
});

t.test('ONBUILD runs in the next build', async (t) => {
  await build(context('trigger', 'FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f /f > /g\n'), '-t', 'trigger');
  const built = await build(context('triggered', 'FROM trigger\n', { f: 'x' }), '-t', 'triggered');
  t.match(built.stdout, '# Executing 2 build triggers');
  t.equal(await docker.ok('run', '--rm', 'triggered', 'cat', '/g'), 'xx');
  t.equal(await docker.inspect('triggered', '{{json .Config.OnBuild}}'), 'null');
});

t.test('quiet builds say the id alone, unless they fail', async (t) => {
  const good = await build(context('quiet', 'FROM busybox\nRUN echo noise\n'), '-q', '-t', 'quiet');
  t.match(good.stdout.trim(), /^sha256:[0-9a-f]{64}$/);
  const bad = await build(context('quiet', 'FROM busybox\nRUN echo said && exit 3\n'), '-q');
  t.equal(bad.code, 3);
  t.match(`${bad.stdout}${bad.stderr}`, 'said');
});

t.test('a Dockerfile from standard input', async (t) => {
  const built = await docker.run(['build', '-t', 'stdin', '-'], { env, input: 'FROM busybox\nRUN echo in > /x\n' });
  t.equal(built.code, 0, built.stderr);
  t.equal(await docker.ok('run', '--rm', 'stdin', 'cat', '/x'), 'in');
});

t.test('BuildKit is refused with what to do', async (t) => {
  const answer = await daemon.api('POST', '/build?version=2');
  t.equal(answer.status, 501);
  t.match(answer.body.toString(), 'DOCKER_BUILDKIT=0');
});

t.test('prune removes what nobody has named', async (t) => {
  await build(context('kept', 'FROM busybox\nRUN echo kept > /k\nRUN echo kept > /l\n'), '-t', 'kept');
  t.match(await docker.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}'), /Build Cache [1-9]/);
  t.match(await docker.ok('builder', 'prune', '--force'), /Total/);
  t.match(await docker.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}'), 'Build Cache 0');
  t.equal(await docker.ok('run', '--rm', 'kept', 'cat', '/k', '/l'), 'kept\nkept');
  t.equal(hits((await build(join(daemon.root, 'kept'))).stdout), 0);
});
