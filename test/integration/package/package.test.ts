// The packed tarball, installed elsewhere on this machine: both commands run from there, with the pinned Node, the emitted
// JavaScript and the carried native parts, and a container starts.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../helpers/daemon.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';
import { plain } from '../../helpers/plain.ts';

const checkout = join(import.meta.dirname, '../../..');
// npm is the host's and runs on the host's Node: without the pinned one in front, as a person would install.
const path = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');
const npmEnvironment = { ...process.env, PATH: path, npm_config_audit: 'false', npm_config_fund: 'false' };

t.setTimeout(600_000);

t.test('install the tarball and run from it', async (t) => {
  const work = realpathSync(mkdtempSync('/tmp/tsd-package-'));
  t.teardown(() => rmSync(work, { recursive: true, force: true }));
  execFileSync(...plain('npm', ['pack', '--pack-destination', work, '--loglevel=error']), {
    cwd: checkout,
    env: npmEnvironment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '';
  t.match(tarball, /^tsd-\d+\.\d+\.\d+\.tgz$/);

  const carried = execFileSync('tar', ['-tzf', join(work, tarball)], { encoding: 'utf8' });
  for (const file of [
    'daemon/tsd',
    'client/tsdctl',
    'dist/daemon/main.js',
    'addon/build/Release/tsd.node',
    'addon/build/Release/tsd-monitor',
    'LICENSE',
    'README.md',
  ]) {
    t.ok(carried.split('\n').includes(`package/${file}`), `the tarball carries ${file}`);
  }
  t.notMatch(carried, /\.test\.|package\/(test|scripts|node_modules)\//, 'and no tests, scripts or node_modules');

  const prefix = join(work, 'prefix');
  execFileSync(...plain('npm', ['install', '--global', '--prefix', prefix, '--loglevel=error', join(work, tarball)]), {
    cwd: work,
    env: npmEnvironment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tsd = join(prefix, 'bin/tsd');
  const tsdctl = join(prefix, 'bin/tsdctl');
  t.ok(existsSync(tsd) && existsSync(tsdctl), 'both commands are linked');

  const { version } = JSON.parse(
    execFileSync('tar', ['-xzOf', join(work, tarball), 'package/package.json'], { encoding: 'utf8' }),
  );
  t.match(execFileSync(...plain(tsd, ['--version']), { encoding: 'utf8', env: npmEnvironment }), new RegExp(version));

  const daemon = new TestDaemon({ program: tsd });
  t.teardown(() => daemon.cleanup());
  await daemon.start();
  const client = {
    encoding: 'utf8',
    env: { ...npmEnvironment, DOCKER_HOST: daemon.host, TSD_HOST: daemon.host },
  } as const;
  t.match(execFileSync(...plain(tsdctl, ['version']), client), new RegExp(version));
  execFileSync(...plain(tsdctl, ['load']), { ...client, input: makeDockerArchive(busyboxImage()) });
  t.equal(execFileSync(...plain(tsdctl, ['run', '--rm', 'busybox', 'echo', 'installed']), client), 'installed\n');
});

t.test('the launchers say what is wrong with the Node that they find', async (t) => {
  const work = realpathSync(mkdtempSync('/tmp/tsd-launcher-'));
  t.teardown(() => rmSync(work, { recursive: true, force: true }));
  for (const [launcher, name] of [
    ['daemon/tsd', 'tsd'],
    ['client/tsdctl', 'tsdctl'],
  ] as const) {
    const folder = join(work, launcher.split('/')[0] ?? '');
    mkdirSync(folder, { recursive: true });
    execFileSync('cp', [join(checkout, launcher), folder]);
    const bin = join(work, 'bin');
    const run = () =>
      spawnSync('/bin/sh', [join(work, launcher), '--version'], {
        encoding: 'utf8',
        env: { PATH: `${bin}:/usr/bin:/bin` },
      });
    rmSync(bin, { recursive: true, force: true });
    mkdirSync(bin);
    writeFileSync(join(bin, 'node'), '#!/bin/sh\necho v20.20.2\n');
    chmodSync(join(bin, 'node'), 0o755);
    const old = run();
    t.equal(old.status, 1);
    t.match(old.stderr, `${name}: needs Node.js 24 or newer, but ${bin}/node is v20.20.2: run "npm ci" in ${work}`);

    const only = join(work, 'only');
    rmSync(only, { recursive: true, force: true });
    mkdirSync(only);
    for (const tool of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${tool}`, join(only, tool));
    const none = spawnSync('/bin/sh', [join(work, launcher)], { encoding: 'utf8', env: { PATH: only } });
    t.equal(none.status, 1);
    t.match(none.stderr, `${name}: no Node.js found: run "npm ci" in ${work}`);
  }
});
