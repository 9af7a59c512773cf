import t from 'tap';
import { parseDuration, parseRfc3339, parseTimestamp } from './timestamp.ts';

t.test('durations are Go durations', async (t) => {
  t.equal(parseDuration('1h30m'), 5_400_000_000_000n);
  t.equal(parseDuration('1.5s'), 1_500_000_000n);
  t.equal(parseDuration('-5m'), -300_000_000_000n);
  t.equal(parseDuration('0'), 0n);
  for (const bad of ['', '5', '1d', 'h', '1h x']) t.equal(parseDuration(bad), undefined, bad);
});

t.test('RFC 3339', async (t) => {
  t.equal(parseRfc3339('1970-01-01T00:00:01.000000002Z'), 1_000_000_002n);
  t.equal(parseRfc3339('1970-01-01T01:00:00+01:00'), 0n);
  t.equal(parseRfc3339('0001-01-01T00:00:00Z'), 0n);
  for (const bad of ['', '1970-01-01', '1970-13-01T00:00:00Z']) t.equal(parseRfc3339(bad), undefined, bad);
});

t.test('what clients give', async (t) => {
  const now = 1_000_000_000_000n;
  t.equal(parseTimestamp('10s', now), now - 10_000_000_000n);
  t.equal(parseTimestamp('12', now), 12_000_000_000n);
  t.equal(parseTimestamp('12.5', now), 12_500_000_000n);
  t.equal(parseTimestamp('1970-01-02T00:00:00Z', now), 86_400_000_000_000n);
  t.equal(parseTimestamp('1970-01-02Z', now), 86_400_000_000_000n);
  t.throws(() => parseTimestamp('soon', now), { kind: 'invalid-argument', message: /"soon": invalid syntax/ });
});
