// Owns the proof of addresses and prefixes as values.
import t from 'tap';
import {
  addressBytes,
  addressOf,
  contains,
  formatAddress,
  formatMac,
  formatPrefix,
  lastAddress,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
} from './ip-address.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
}

t.test('text and back', async (t) => {
  for (const [text, canonical] of [
    ['0.0.0.0', '0.0.0.0'],
    ['172.17.0.2', '172.17.0.2'],
    ['::', '::'],
    ['::1', '::1'],
    ['fd00::', 'fd00::'],
    ['FD00:0:0:1::2', 'fd00:0:0:1::2'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ] as const) {
    const address = parseAddress(text);
    t.equal(address === undefined ? undefined : formatAddress(address), canonical, text);
    if (address !== undefined) t.same(addressOf(addressBytes(address)), address);
  }
  for (const text of ['', '1.2.3', '256.1.1.1', 'fe80::1%eth0', 'x', '1::2::3'])
    t.equal(parseAddress(text), undefined, text);
  t.equal(addressOf(new Uint8Array(5)), undefined);
});

t.test('prefixes', async (t) => {
  t.equal(formatPrefix(masked(prefix('172.17.5.9/16'))), '172.17.0.0/16');
  t.equal(formatPrefix(prefix('172.17.5.9/16')), '172.17.5.9/16');
  t.equal(formatAddress(lastAddress(prefix('10.0.0.0/30'))), '10.0.0.3');
  for (const text of ['', '10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/x', '::ffff:1.2.3.4/96']) {
    t.equal(parsePrefix(text), undefined, text);
  }
  t.ok(contains(prefix('10.0.0.0/8'), { family: 4, value: 0x0a0000ffn }));
  t.notOk(contains(prefix('::/0'), { family: 4, value: 1n }));
  t.ok(overlaps(prefix('10.0.0.0/8'), prefix('10.1.0.0/16')));
  t.ok(overlaps(prefix('10.1.0.0/16'), prefix('10.0.0.0/8')));
  t.notOk(overlaps(prefix('10.1.0.0/16'), prefix('10.2.0.0/16')));
});

t.test('MAC addresses', async (t) => {
  t.equal(formatMac(parseMac('02-42-AC-11-00-02') ?? new Uint8Array()), '02:42:ac:11:00:02');
  for (const text of ['', '02:42', '02:42:ac:11:00:0g', '02:42-ac:11:00:02']) t.equal(parseMac(text), undefined, text);
});
