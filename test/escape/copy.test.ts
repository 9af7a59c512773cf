// The escapes by docker cp: CVE-2018-15664 (a link put in place of a directory between look and use), CVE-2019-14271 (libraries of the
// container loaded by the helper), CVE-2026-41567 (a decompressor of the container run by the engine), CVE-2026-41568 (a mount of a copy led
// elsewhere by a link).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { makeTar, type TarEntry } from '../helpers/tar.ts';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** The archive endpoint itself: the stock client looks before it asks, which hides half of the attacks. */
const archive = (method: 'GET' | 'PUT', container: string, path: string, body?: Uint8Array): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: attack.daemon.socket,
        method,
        path: `/v1.47/containers/${container}/archive?path=${encodeURIComponent(path)}`,
        agent: false,
      },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        // What an attacker moved away under the reader ends the connection; what came until then counts.
        answer.on('error', () => undefined);
        answer.on('close', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }));
      },
    );
    call.on('error', reject);
    call.end(body);
  });

const secret = 'of the host';
const evil = makeTar([{ path: 'evil', data: 'from the archive\n' }]);

t.test('links of an image lead nowhere outside of its root', async (t) => {
  const before = attack.host();
  await attack.image('links', [
    { path: 'to-host', type: 'symlink', linkTarget: attack.target },
    { path: 'climb', type: 'symlink', linkTarget: `../../../../../../../..${attack.target}` },
    { path: 'proc-root', type: 'symlink', linkTarget: '/proc/1/root' },
    { path: 'file', type: 'symlink', linkTarget: join(attack.target, 'secret') },
  ]);
  for (const how of ['create', 'run'] as const) {
    const more = how === 'run' ? ['-d'] : [];
    const id = (await attack.ok(how, ...more, 'links', 'sleep', '1000')).trim();
    for (const path of [
      '/to-host/secret',
      '/climb/secret',
      '/proc-root/etc/shadow',
      '/proc-root/root/.ssh',
      '/file/',
    ]) {
      t.match((await archive('GET', id, path)).status, 404, `${how} ${path}`);
    }
    const link = await archive('GET', id, '/file');
    t.notOk(link.body.includes(secret), 'the link itself is given');
    for (const path of ['/to-host', '/climb', '/proc-root/tmp', `/to-host/../../${attack.target}`]) {
      t.match((await archive('PUT', id, path, evil)).status, 404, `${how} into ${path}`);
    }
    await attack.ok('rm', '-f', id);
  }
  t.same(attack.host(), before);
});

t.test('links that an archive brings lead nowhere outside of the root', async (t) => {
  const before = attack.host();
  const id = (await attack.ok('run', '-d', 'attack', 'sh', '-c', `mkdir -p ${attack.target}; exec sleep 1000`)).trim();
  const through: TarEntry[][] = [
    [
      { path: 'l', type: 'symlink', linkTarget: attack.target },
      { path: 'l/evil', data: 'x' },
    ],
    [{ path: '../../../../../../tmp/evil', data: 'x' }],
    [{ path: `..${attack.target}/evil`, data: 'x' }],
    [
      { path: 'h', type: 'hardlink', linkTarget: `../../../..${attack.target}/secret` },
      { path: 'h', data: 'x' },
    ],
    [
      { path: 'd', type: 'symlink', linkTarget: attack.target },
      { path: 'd', type: 'directory', mode: 0o777 },
    ],
    [
      { path: 'p', type: 'symlink', linkTarget: '/proc/self/root' },
      { path: 'p/evil', data: 'x' },
    ],
  ];
  for (const entries of through) {
    for (const path of ['/', '/tmp']) await archive('PUT', id, path, makeTar(entries));
  }
  t.same(attack.host(), before);
  t.equal(
    (await attack.ok('exec', id, 'sh', '-c', `cat ${attack.target}/evil`)).trim(),
    'x',
    'it is the container that has it',
  );
  await attack.ok('rm', '-f', id);
});

t.test('CVE-2018-15664: a link in place of a directory, again and again', async (t) => {
  const before = attack.host();
  const race = `mkdir -p /w/real; echo inside > /w/real/secret; ln -s ${attack.target} /w/link
    while :; do mv /w/real /w/stash; mv /w/link /w/real; mv /w/real /w/link; mv /w/stash /w/real; done`;
  const id = (await attack.ok('run', '-d', 'attack', 'sh', '-c', race)).trim();
  let inside = 0;
  for (let round = 0; round < 150; round++) {
    const [file, directory] = await Promise.all([
      archive('GET', id, '/w/real/secret'),
      archive('GET', id, '/w/real/'),
      archive('PUT', id, '/w/real', evil),
      archive('PUT', id, '/w', makeTar([{ path: 'real/evil', data: 'x' }])),
    ]);
    for (const { body } of [file, directory]) {
      if (body.includes(secret)) t.fail(`round ${round} gave a file of the host`);
      if (body.includes('inside')) inside++;
    }
  }
  t.ok(inside > 0, 'the race was run');
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});

t.test('CVE-2019-14271, CVE-2026-41567: programs and libraries of the container are not touched', async (t) => {
  const before = attack.host();
  const shared = attack.shared('marks');
  writeFileSync(join(shared, 'keep'), '');
  const trap = Buffer.from('#!/bin/sh\ntouch /marks/ran-$(basename $0)\n');
  const programs = ['unpigz', 'pigz', 'gzip', 'xz', 'unxz', 'zstd', 'bzip2', 'tar', 'chroot', 'docker-untar'];
  const traps = ['bin', 'usr/bin', 'usr/sbin', 'sbin', 'usr/local/bin'].flatMap((directory) =>
    programs.map((name): TarEntry => ({ path: `${directory}/${name}`, data: trap, mode: 0o755 })),
  );
  const libraries = ['libnss_files.so.2', 'libnss_dns.so.2', 'gconv/UTF-16.so', 'libc.so.6'].flatMap((name) =>
    ['lib', 'lib64', 'usr/lib', 'lib/x86_64-linux-gnu'].map(
      (directory): TarEntry => ({ path: `${directory}/${name}`, data: 'no library', mode: 0o755 }),
    ),
  );
  await attack.image('traps', [
    ...traps,
    ...libraries,
    { path: 'etc/nsswitch.conf', data: 'passwd: files dns\n' },
    { path: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\nuser:x:77:78::/:/bin/sh\n' },
    { path: 'etc/ld.so.preload', data: '/lib/libnss_files.so.2\n' },
  ]);
  const id = (await attack.ok('create', '-u', 'user', '-v', `${shared}:/marks`, 'traps', 'true')).trim();
  const tar = makeTar([{ path: 'plain', data: 'x' }]);
  for (const body of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
    t.equal((await archive('PUT', id, '/tmp', body)).status, 200);
  }
  t.equal((await archive('GET', id, '/etc')).status, 200);
  await attack.ok('cp', '-a', join(shared, 'keep'), `${id}:/tmp/owned`);
  t.match(
    await attack.ok('export', id).then(
      () => 'exported',
      () => 'refused',
    ),
    /exported|refused/,
  );
  await attack.ok('commit', id, 'traps:again');
  t.same(readdirSync(shared), ['keep'], 'nothing of it ran');
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});

t.test('CVE-2026-41568: the place of a volume behind a link', async (t) => {
  const before = attack.host();
  await attack.image('volume-link', [
    { path: 'data', type: 'symlink', linkTarget: attack.target },
    { path: 'dir', type: 'directory' },
  ]);
  const outer = attack.shared('outer');
  for (const destination of ['/data', '/data/etc', '/dir/../data']) {
    const id = (await attack.ok('create', '-v', `${outer}:${destination}`, 'volume-link', 'true')).trim();
    const answer = await archive('PUT', id, destination, makeTar([{ path: 'evil', data: 'x' }]));
    t.ok([200, 400, 404].includes(answer.status), `${destination}: ${answer.status}`);
    t.notOk((await archive('GET', id, destination)).body.includes(secret), destination);
    await attack.ok('rm', '-f', id);
  }
  t.same(attack.host(), before);
  t.notOk(readFileSync('/proc/self/mountinfo', 'utf8').includes(outer), 'nothing is left mounted');
});
