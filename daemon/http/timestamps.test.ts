// Checks the forms of time in queries.
import t from 'tap';
import { parseDuration, parseTimestamp } from './timestamps.ts';

const now = 1_700_000_000_000_000_000n;

t.test('forms', async (t) => {
  const at = (text: string) => parseTimestamp('since', text, now);
  t.equal(at(''), undefined);
  t.equal(at('0'), 0n);
  t.equal(at('1'), 1_000_000_000n);
  t.equal(at('1.5'), 1_500_000_000n);
  t.equal(at('1136073600.000000001'), 1_136_073_600_000_000_001n);
  t.equal(at('2006-01-01T00:00:00Z'), 1_136_073_600_000_000_000n);
  t.equal(at('2006-01-01T01:00:00.000000001+01:00'), 1_136_073_600_000_000_001n);
  t.equal(at('10m'), now - 600_000_000_000n);
  t.equal(at('1h30m'), now - 5_400_000_000_000n);
  t.equal(at('-1s'), now + 1_000_000_000n);
  t.throws(() => at('yesterday'), { kind: 'invalid-argument', message: /invalid value for "since": "yesterday"/ });
  t.throws(() => at('2006-13-01'), /expected Unix seconds/);
});

t.test('durations', async (t) => {
  t.equal(parseDuration('1.5s'), 1_500_000_000n);
  t.equal(parseDuration('2us'), 2_000n);
  t.equal(parseDuration('5'), undefined);
  t.equal(parseDuration(''), undefined);
});
