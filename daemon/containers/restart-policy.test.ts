import t from 'tap';
import { decideAtBoot, decideRestart, type RestartQuestion } from './restart-policy.ts';

const question = (name: string, more: Partial<RestartQuestion> = {}, most = 0): RestartQuestion => ({
  policy: { Name: name, MaximumRetryCount: most },
  exitCode: 1,
  manuallyStopped: false,
  restartCount: 0,
  ranNs: 0n,
  lastDelayMs: 0,
  ...more,
});

t.test('each policy after an exit', async (t) => {
  const restarts = (q: RestartQuestion) => decideRestart(q).restart;
  t.notOk(restarts(question('no')));
  t.notOk(restarts(question('')));
  t.notOk(decideRestart({ ...question('no'), policy: undefined }).restart);
  t.ok(restarts(question('always', { exitCode: 0 })));
  t.ok(restarts(question('unless-stopped', { exitCode: 0 })));
  t.ok(restarts(question('on-failure')));
  t.notOk(restarts(question('on-failure', { exitCode: 0 })));
  t.ok(restarts(question('on-failure', { restartCount: 2 }, 3)));
  t.notOk(restarts(question('on-failure', { restartCount: 3 }, 3)));
  for (const name of ['always', 'unless-stopped', 'on-failure']) {
    t.notOk(restarts(question(name, { manuallyStopped: true })), `${name} leaves a stopped one alone`);
  }
});

t.test('the wait doubles from 100 ms to a minute and is forgotten after a good run', async (t) => {
  const delays: number[] = [];
  let lastDelayMs = 0;
  for (let run = 0; run < 12; run++) {
    const decision = decideRestart(question('always', { lastDelayMs }));
    if (!decision.restart) break;
    lastDelayMs = decision.delayMs;
    delays.push(lastDelayMs);
  }
  t.same(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  t.same(decideRestart(question('always', { lastDelayMs: 60_000, ranNs: 10_000_000_000n })), {
    restart: true,
    delayMs: 100,
  });
  t.same(decideRestart(question('always', { lastDelayMs: 100, ranNs: 9_999_999_999n })), {
    restart: true,
    delayMs: 200,
  });
});

t.test('at boot always comes back even when it was stopped', async (t) => {
  t.ok(decideAtBoot(question('always', { manuallyStopped: true, exitCode: 0 })));
  t.notOk(decideAtBoot(question('unless-stopped', { manuallyStopped: true })));
  t.ok(decideAtBoot(question('unless-stopped')));
  t.ok(decideAtBoot(question('on-failure')));
  t.notOk(decideAtBoot(question('on-failure', { exitCode: 0 })));
  t.notOk(decideAtBoot(question('no')));
});
