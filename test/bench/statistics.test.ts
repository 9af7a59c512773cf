// Medians, ratios and the table of the benchmark.
import t from 'tap';
import { median, quantile, ratio, table } from './statistics.ts';

t.equal(median([3, 1, 2]), 2);
t.equal(median([4, 1, 2, 3]), 2.5);
t.ok(Number.isNaN(median([])));
t.equal(quantile([0, 10], 0.9), 9);
const row = { name: 'cycle', unit: 'ms', samples: { tsd: [10, 12, 14], dockerd: [120], floor: [] } };
t.equal(ratio(row, 'tsd', 'dockerd'), 0.1);
t.equal(ratio(row, 'tsd', 'floor'), undefined);
t.equal(
  table([row], ['tsd', 'dockerd', 'floor']),
  [
    '             tsd  dockerd  floor  tsd / dockerd  tsd / floor',
    'cycle (ms)  12.0      120      -           0.10            -',
  ].join('\n'),
);
