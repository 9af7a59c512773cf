// CVE-2019-16884: a volume over /proc gives the engine false kernel files, and labels and limits are written into the attacker's.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

t.test('CVE-2019-16884: volumes over /proc and below it', async (t) => {
  const before = attack.host();
  const volume = attack.shared('proc');
  for (const name of ['self/attr', '1/attr', 'sys/net/core']) mkdirSync(join(volume, name), { recursive: true });
  writeFileSync(join(volume, 'self/attr/exec'), '');
  for (const target of [
    '/proc',
    '/proc/self',
    '/proc/self/attr',
    '/proc/sys',
    '/proc/1',
    '/proc//self/../sys',
    '/x/../proc',
  ]) {
    const result = await attack.run(['run', '--rm', '-v', `${volume}:${target}`, 'attack', 'true']);
    t.equal(result.code, 125, target);
    t.match(result.stderr, /cannot be mounted because it is inside \/proc/, target);
    const tmpfs = await attack.run(['run', '--rm', '--tmpfs', target, 'attack', 'true']);
    t.not(tmpfs.code, 0, `tmpfs at ${target}`);
  }
  t.same(attack.host(), before);
});

t.test('CVE-2019-16884: the VOLUME of an image', async (t) => {
  const before = attack.host();
  for (const path of ['/proc', '/proc/self/attr', 'proc/sys']) {
    await attack.image('proc-volume', [], { Volumes: { [path]: {} } });
    const result = await attack.run(['run', '--rm', 'proc-volume', 'true']);
    t.not(result.code, 0, path);
  }
  await attack.image('proc-behind-link', [{ path: 'data', type: 'symlink', linkTarget: '/proc' }], {
    Volumes: { '/data': {}, '/data/sys/kernel': {} },
  });
  t.not((await attack.run(['run', '--rm', 'proc-behind-link', 'true'])).code, 0, 'behind a link of the image');
  t.same(attack.host(), before);
});

t.test('what Docker allows there still works', async (t) => {
  const file = join(attack.shared('files'), 'uptime');
  writeFileSync(file, '1.00 2.00\n');
  t.equal(await attack.ok('run', '--rm', '-v', `${file}:/proc/uptime`, 'attack', 'cat', '/proc/uptime'), '1.00 2.00');
  t.match(await attack.ok('run', '--rm', '-v', '/proc:/host/proc:ro', 'attack', 'ls', '/host/proc/1/comm'), 'comm');
});
