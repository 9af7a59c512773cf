import t from 'tap';
import { encodeRecord, fixedNano, type LogRecord, parseRecord, timeOf } from './log-record.ts';

const record: LogRecord = {
  log: 'hi ü\n',
  stream: 'stderr',
  time: '2026-01-02T03:04:05.6Z',
  attrs: { 'b c': '1', a: 'x&y' },
};
const bytes = (form: Partial<Parameters<typeof encodeRecord>[1]>) => {
  const out: Uint8Array[] = [];
  encodeRecord(record, { timestamps: false, details: false, multiplexed: false, ...form }, out);
  return Buffer.concat(out);
};

t.test('wire forms', async (t) => {
  t.equal(bytes({}).toString(), 'hi ü\n');
  t.equal(bytes({ timestamps: true, details: true }).toString(), '2026-01-02T03:04:05.600000000Z a=x%26y,b+c=1 hi ü\n');
  t.same([...bytes({ multiplexed: true }).subarray(0, 8)], [2, 0, 0, 0, 0, 0, 0, 6]);
});

t.test('parsing', async (t) => {
  t.match(parseRecord('{"log":"x","stream":"stdout","time":"2026-01-02T03:04:05Z"}'), { log: 'x', stream: 'stdout' });
  for (const line of ['', '{', 'null', '{"log":1}', '\0\0'])
    t.equal(parseRecord(line), undefined, JSON.stringify(line));
  t.equal(fixedNano('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05.000000000Z');
  t.equal(timeOf({ ...record, time: '1970-01-01T00:00:01.000000002Z' }), 1_000_000_002n);
  t.equal(timeOf({ ...record, time: 'nonsense' }), 0n);
});
