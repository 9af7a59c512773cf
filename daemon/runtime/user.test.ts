import t from 'tap';
import { resolveUser } from './user.ts';

const passwd = [
  'root:x:0:0:root:/root:/bin/sh',
  'www:x:33:33:web:/var/www:/bin/false',
  '# a comment',
  '',
  'broken:x::x:::',
  'numeric:x:1000:1000::/home/n:/bin/sh',
  '500:x:77:78::/home/five:/bin/sh',
  'huge:x:4294967296:0::/:/bin/sh',
  'wrap:x:2147483648:0::/:/bin/sh',
].join('\n');
const group = ['root:x:0:', 'www:x:33:', 'wheel:x:10:root,numeric', 'audio:x:29:numeric , www', 'bad:x:-1:root'].join(
  '\n',
);
const resolve = (user: string, add: readonly string[] = []) => resolveUser(user, add, { passwd, group });

t.test('forms of user', async (t) => {
  t.same(resolve(''), { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root', name: 'root' });
  t.same(resolve('www'), { uid: 33, gid: 33, additionalGids: [33, 29], home: '/var/www', name: 'www' });
  t.same(resolve('1000'), { uid: 1000, gid: 1000, additionalGids: [1000, 10, 29], home: '/home/n', name: 'numeric' });
  t.same(resolve('4711'), { uid: 4711, gid: 0, additionalGids: [0], home: '/', name: '' });
  t.same(resolve('4711:4712'), { uid: 4711, gid: 4712, additionalGids: [4712], home: '/', name: '' });
  t.same(resolve('www:audio').additionalGids, [29], 'a group that was asked for replaces those of the files');
  t.same(resolve('numeric:').additionalGids, [1000, 10, 29]);
  t.match(resolve(':audio'), { uid: 0, gid: 29 });
  t.match(resolve('500'), { uid: 500, gid: 0 }, 'digits are an id, never a name');
});

t.test('groups to add', async (t) => {
  t.same(resolve('4711', ['audio', '99', '29', '0']).additionalGids, [0, 29, 99]);
  t.throws(() => resolve('', ['nope']), { message: 'Unable to find group nope' });
});

t.test('without files', async (t) => {
  t.same(resolveUser('', [], {}), { uid: 0, gid: 0, additionalGids: [0], home: '/', name: '' });
  t.throws(() => resolveUser('www', [], {}), {
    message: 'unable to find user www: no matching entries in passwd file',
  });
});

t.test('what is nobody', async (t) => {
  t.throws(() => resolve('nope'), { message: 'unable to find user nope: no matching entries in passwd file' });
  t.throws(() => resolve('www:nope'), { message: 'unable to find group nope: no matching entries in group file' });
  t.throws(() => resolve('broken'), /unable to find user broken/);
  t.throws(() => resolve('huge'), /unable to find|in range/);
});

t.test('ids out of range, signs, blanks', async (t) => {
  for (const user of ['2147483648', '4294967296', '-1', '+1', '1:2147483648', '1:-5', '99999999999999999999', 'wrap']) {
    t.throws(
      () => resolve(user),
      { kind: 'invalid-argument', message: 'uids and gids must be in range 0-2147483647' },
      user,
    );
  }
  for (const user of [' 1', '1 ', '1 :2', 'a\tb', '1\n', 'a:b:c', '\u0000', '1\u0000']) {
    t.throws(() => resolve(user), { kind: 'invalid-argument', message: /expected NAME\|UID/ }, JSON.stringify(user));
  }
  t.throws(() => resolve('', ['2147483648']), /in range/);
});
