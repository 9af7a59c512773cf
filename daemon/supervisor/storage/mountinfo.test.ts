import { readFileSync } from 'node:fs';
import t from 'tap';
import { mountOf, parseMountInfo, parseMountInfoLine } from './mountinfo.ts';

t.test('a line', async (t) => {
  const line = '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue';
  t.strictSame(parseMountInfoLine(line), {
    id: 36,
    parent: 35,
    device: '98:0',
    root: '/mnt1',
    mountPoint: '/mnt 2',
    options: ['rw', 'noatime'],
    propagation: ['master:1', 'shared:7'],
    type: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'errors=continue'],
  });
  t.equal(parseMountInfoLine(''), undefined);
  t.equal(parseMountInfoLine('36 35 98:0 / /x rw'), undefined);
});

t.test('the mount of a path', async (t) => {
  const mounts = parseMountInfo(
    ['1 0 0:1 / / rw - ext4 a rw', '2 1 0:2 / /a rw - tmpfs b rw', '3 2 0:3 / /a rw - tmpfs c rw', ''].join('\n'),
  );
  t.equal(mountOf(mounts, '/ab')?.id, 1);
  t.equal(mountOf(mounts, '/a/b')?.id, 3);
  t.equal(mountOf([], '/'), undefined);
  t.ok(mountOf(parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')), '/proc/self'));
});
