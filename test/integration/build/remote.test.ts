// Contexts from addresses: an archive, a single Dockerfile, a git repository with branch and directory.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { Docker } from '../../helpers/engine.ts';
import { makeTar } from '../../helpers/tar.ts';

const daemon = await startDaemon(t);
const docker = new Docker(daemon);
await daemon.loadBusybox();

const dockerfile = 'FROM busybox\nCOPY f /f\n';
const site = join(daemon.root, 'site');
mkdirSync(site);
writeFileSync(
  join(site, 'context.tar'),
  makeTar([
    { path: 'Dockerfile', data: dockerfile },
    { path: 'f', data: 'tar\n' },
  ]),
);
writeFileSync(join(site, 'Dockerfile.txt'), 'FROM busybox\nRUN echo single > /f\n');
writeFileSync(join(site, 'page.html'), '<html>');

const work = join(daemon.root, 'work');
const git = (...args: string[]): void => {
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  };
  execFileSync('git', args, { cwd: work, env, stdio: 'pipe' });
};
mkdirSync(join(work, 'sub'), { recursive: true });
git('init', '--quiet', '--initial-branch', 'main');
writeFileSync(join(work, 'Dockerfile'), dockerfile);
writeFileSync(join(work, 'f'), 'top\n');
git('add', '.');
git('commit', '--quiet', '-m', 'one');
git('checkout', '--quiet', '-b', 'other');
writeFileSync(join(work, 'sub/Dockerfile'), dockerfile);
writeFileSync(join(work, 'sub/f'), 'sub\n');
git('add', '.');
git('commit', '--quiet', '-m', 'two');
git('checkout', '--quiet', 'main');
git('clone', '--quiet', '--bare', '.', join(site, 'r.git'));
execFileSync('git', ['-C', join(site, 'r.git'), 'update-server-info']);

const server = createServer((request, response) => {
  const path = join(site, new URL(request.url ?? '/', 'http://h').pathname);
  if (!existsSync(path) || !statSync(path).isFile()) response.writeHead(404).end();
  else response.writeHead(200, path.endsWith('.html') ? { 'content-type': 'text/html' } : {}).end(readFileSync(path));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
t.teardown(() => server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const cases: readonly (readonly [name: string, address: string, content: string])[] = [
  ['an archive', `${url}/context.tar`, 'tar'],
  ['a single Dockerfile', `${url}/Dockerfile.txt`, 'single'],
  ['a repository', `${url}/r.git`, 'top'],
  ['a branch and a directory of it', `${url}/r.git#other:sub`, 'sub'],
];
for (const [index, [name, address, content]] of cases.entries()) {
  t.test(name, async (t) => {
    const answer = await daemon.api('POST', `/build?t=remote:${index}&remote=${encodeURIComponent(address)}`);
    t.match(answer.body.toString(), `Successfully tagged remote:${index}`);
    t.equal(await docker.ok('run', '--rm', `remote:${index}`, 'cat', '/f'), content);
  });
}

t.test('what cannot be fetched is said', async (t) => {
  const fails = async (address: string, text: string | RegExp): Promise<void> => {
    const answer = await daemon.api('POST', `/build?remote=${encodeURIComponent(address)}`);
    t.equal(answer.status, 400, address);
    t.match(answer.body.toString(), text);
  };
  await fails(`${url}/none`, 'got status 404');
  await fails(`${url}/page.html`, 'unsupported Content-Type');
  await fails(`${url}/r.git#nope`, "unable to 'git fetch'");
  await fails(`${url}/r.git#other:nope`, 'the directory nope');
  await fails('ftp://h/x', 'expected an http, https or git address');
});
