import t from 'tap';
import { storageSize } from './storage-size.ts';

t.test('--storage-opt size', async (t) => {
  const size = (text: string) => storageSize({ StorageOpt: { size: text } });
  t.equal(storageSize({}), undefined);
  t.equal(size('0'), undefined, 'no bound');
  t.equal(size('16m'), 16 << 20);
  t.equal(size('1.5G'), 1.5 * 2 ** 30);
  t.equal(size('20GiB'), 20 * 2 ** 30);
  t.equal(size('67108864'), 64 << 20);
  for (const bad of ['', 'x', '-1g', '1g1', '1m']) t.throws(() => size(bad), { message: /^storage-opt size: / }, bad);
  t.throws(() => storageSize({ StorageOpt: { foo: '1g' } }), { message: 'Unknown option foo' });
});
