import t from 'tap';
import type { HealthResult, HealthRow } from '../store/health.ts';
import { checkHealthLabels, goDuration, intervalAt, judge, probeOf, startedHealth, timesOf } from './health-policy.ts';

const SECOND = 1_000_000_000;
const starting: HealthRow = { status: 'starting', failingStreak: 0, log: [] };
const result = (exitCode: number, at = 0): HealthResult => ({
  startNs: BigInt(at),
  endNs: BigInt(at) + 1n,
  exitCode,
  output: '',
});

t.test('what is run', async (t) => {
  const of = (Test: string[], more = {}, labels = {}) => probeOf({ Healthcheck: { Test }, ...more }, labels);
  t.same(of(['CMD', 'curl', '-f']), { kind: 'command', args: ['curl', '-f'] });
  t.same(of(['CMD-SHELL', 'exit 1']), { kind: 'command', args: ['/bin/sh', '-c', 'exit 1'] });
  t.same(of(['CMD-SHELL', 'x'], { Shell: ['/bin/ash', '-ec'] }), { kind: 'command', args: ['/bin/ash', '-ec', 'x'] });
  for (const none of [[], ['NONE'], [''], ['CMD']]) t.equal(of(none), undefined);
  t.equal(probeOf({}, {}), undefined);
  t.same(of(['CMD', 'x'], {}, { 'tsd.health.probe': 'tcp:1' }), { kind: 'tcp', port: 1 });
});

t.test('labels and the rest of the request', async (t) => {
  const label = { 'tsd.health.probe': 'tcp:1' };
  const own = { Healthcheck: { Test: ['CMD', 'x'] } };
  t.throws(() => checkHealthLabels(own, own, label), { message: /give one of the two/ });
  t.doesNotThrow(() => checkHealthLabels({}, own, label), 'the image’s command gives way');
  t.doesNotThrow(() => checkHealthLabels({ Healthcheck: { Test: ['NONE'] } }, {}, label));
  t.throws(() => checkHealthLabels({}, {}, { 'tsd.health.on-failure': 'stop' }), { message: /has no health check/ });
  t.doesNotThrow(() => checkHealthLabels({}, own, { 'tsd.health.on-failure': 'stop' }));
});

t.test('defaults and intervals', async (t) => {
  const times = timesOf({});
  t.same(times, { interval: 30 * SECOND, timeout: 30 * SECOND, startPeriod: 0, startInterval: 5 * SECOND, retries: 3 });
  const warm = timesOf({ Healthcheck: { StartPeriod: 60 * SECOND, StartInterval: SECOND } });
  t.equal(intervalAt(warm, 'starting', 10 * SECOND), SECOND);
  t.equal(intervalAt(warm, 'healthy', 10 * SECOND), 30 * SECOND);
  t.equal(intervalAt(warm, 'starting', 60 * SECOND), 30 * SECOND);
});

t.test('results', async (t) => {
  const times = timesOf({ Healthcheck: { Retries: 2, StartPeriod: 100 } });
  t.match(judge(starting, result(1, 50), times, 0n), { status: 'starting', failingStreak: 0 }, 'in the start period');
  const once = judge(starting, result(1, 150), times, 0n);
  t.match(once, { status: 'starting', failingStreak: 1 });
  t.match(judge(once, result(-1, 150), times, 0n), { status: 'unhealthy', failingStreak: 2 });
  t.match(judge(once, result(0, 150), times, 0n), { status: 'healthy', failingStreak: 0 });
  const healthy: HealthRow = { ...starting, status: 'healthy' };
  t.match(
    judge(healthy, result(1, 50), times, 0n),
    { status: 'healthy', failingStreak: 1 },
    'it had been healthy: it counts',
  );
  let row = starting;
  for (let at = 0; at < 7; at++) row = judge(row, result(0, at), times, 0n);
  t.same(
    row.log.map(({ startNs }) => startNs),
    [2n, 3n, 4n, 5n, 6n],
  );
  t.same(startedHealth(row), { status: 'starting', failingStreak: 0, log: row.log });
  t.same(startedHealth(undefined), starting);
});

t.test('lengths of time as Go prints them', async (t) => {
  for (const [ns, text] of [
    [0, '0s'],
    [500_000_000, '500ms'],
    [1_500_000, '1.5ms'],
    [SECOND, '1s'],
    [1.5 * SECOND, '1.5s'],
    [90 * SECOND, '1m30s'],
    [3600 * SECOND, '1h0m0s'],
  ] as const) {
    t.equal(goDuration(ns), text);
  }
});
