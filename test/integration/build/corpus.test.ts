// Builds the corpus with the stock command and looks at what came of it.
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isDockerd, startDocker } from '../../helpers/engine.ts';
import { type Case, corpus } from './corpus.ts';

const docker = await startDocker(t);
const env = { DOCKER_BUILDKIT: '0' };

function writeContext(one: Case, directory: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), one.dockerfile.endsWith('\n') ? one.dockerfile : `${one.dockerfile}\n`);
  for (const { path, data, type, linkTarget, mode, uid, gid } of one.files ?? []) {
    const target = join(directory, path);
    if (type === 'directory') mkdirSync(target);
    else if (type === 'symlink') symlinkSync(linkTarget ?? '', target);
    else writeFileSync(target, data ?? '');
    if (mode !== undefined) chmodSync(target, mode);
    if (uid !== undefined) chownSync(target, uid, gid ?? 0);
  }
}

for (const [index, one] of corpus.entries()) {
  if (isDockerd && !one.classic) continue;
  t.test(one.name, async (t) => {
    const directory = join(docker.engine.root, `context-${index}`);
    writeContext(one, directory);
    t.teardown(() => rmSync(directory, { recursive: true }));
    const tag = `corpus:${index}`;
    const options = (one.options ?? []).map((option, at, all) =>
      all[at - 1] === '-f' ? join(directory, option) : option,
    );
    const built = await docker.run(['build', '--force-rm', '-t', tag, ...options, directory], { env });
    if (one.error !== undefined) {
      t.equal(built.code, one.code ?? 1, 'exit code');
      t.match(built.stderr.trimEnd(), one.error);
      return;
    }
    t.equal(built.code, 0, `${built.stdout}\n${built.stderr}`);
    t.match(built.stdout, `Successfully tagged ${tag}`);
    if (one.check !== undefined) {
      t.equal(await docker.ok('run', '--rm', '--entrypoint', '/bin/sh', tag, '-c', one.check), one.output);
    }
    if (one.inspect !== undefined) t.equal(await docker.inspect(tag, one.inspect[0]), one.inspect[1]);
  });
}

t.test('failed and finished builds leave no container', async (t) => {
  t.equal(await docker.ok('ps', '--all', '--quiet'), '');
});
