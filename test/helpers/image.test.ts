// The archives that tests rely on: read by our own reader and by the tar of the host.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { busyboxImage, busyboxTar, digest, imageId, makeDockerArchive, makeOciLayout } from './image.ts';
import { makeTar, readTar } from './tar.ts';

t.test('an archive reads back as it was written', async (t) => {
  const long = `${'d/'.repeat(80)}name`;
  const archive = makeTar([
    { path: 'a', type: 'directory', mode: 0o700 },
    { path: long, data: 'text' },
    { path: 'link', type: 'symlink', linkTarget: `/${long}` },
    { path: 'null', type: 'character', major: 1, minor: 3, mode: 0o666 },
    { path: 'capable', data: '', xattrs: { 'user.note': 'x=y' } },
  ]);
  const entries = readTar(archive);
  t.same(
    entries.map((entry) => [entry.flag, entry.path]),
    [
      ['5', 'a/'],
      ['0', long],
      ['2', 'link'],
      ['3', 'null'],
      ['0', 'capable'],
    ],
  );
  t.equal(entries[1]?.data.toString(), 'text');
  t.equal(entries[2]?.linkTarget, `/${long}`);
  const listed = execFileSync('tar', ['-tvf', '-'], { input: archive, encoding: 'utf8' });
  t.match(listed, /crw-rw-rw- 0\/0 +1,3 .* null/);
  t.match(listed, new RegExp(`${long}\n`));
});

t.test('the busybox archive holds its applets as hard links', async (t) => {
  const archive = busyboxTar([{ path: 'extra', data: 'x' }]);
  const entries = readTar(archive);
  t.equal(entries.find((entry) => entry.path === 'bin/sh')?.linkTarget, 'bin/busybox');
  t.ok(entries.some((entry) => entry.path === 'extra'));
  t.equal(digest(archive), digest(busyboxTar([{ path: 'extra', data: 'x' }])), 'the same bytes each time');
});

t.test('both image forms name the same configuration', async (t) => {
  const image = busyboxImage();
  const docker = readTar(makeDockerArchive(image));
  const manifest = JSON.parse(docker.find((entry) => entry.path === 'manifest.json')?.data.toString() ?? '');
  t.equal(manifest[0].Config, `${imageId(image).slice(7)}.json`);
  t.same(manifest[0].RepoTags, ['busybox:latest']);
  const oci = readTar(makeOciLayout(image, 'zstd'));
  const index = JSON.parse(oci.find((entry) => entry.path === 'index.json')?.data.toString() ?? '');
  t.equal(index.manifests[0].annotations['io.containerd.image.name'], 'docker.io/library/busybox:latest');
  for (const entry of oci.filter((blob) => blob.path.startsWith('blobs/sha256/') && blob.flag === '0')) {
    t.equal(digest(entry.data), `sha256:${entry.path.slice('blobs/sha256/'.length)}`);
  }
});
