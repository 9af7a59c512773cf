// Counts of tap's output: what a subtest's own line, a skip, a diagnostic and an early exit add up to.
import t from 'tap';
import { countAssertions } from './test-report.ts';

const count = (text: string) => countAssertions(text.split('\n'));

t.test('assertions count, the line of a subtest does not', async (t) => {
  t.same(count('    ok 1 - a\n    # Subtest: s\n        ok 1 - b\n        1..1\n    ok 2 - s # time=1ms\n    1..2'), {
    passed: 2,
    failed: 0,
    skipped: 0,
  });
});

t.test('a failure counts once, at the assertion', async (t) => {
  t.same(
    count('    # Subtest: s\n        not ok 1 - b\n          ---\n          diff: x\n          ...\n    not ok 1 - s'),
    {
      passed: 0,
      failed: 1,
      skipped: 0,
    },
  );
});

t.test('a subtest that failed with nothing failed inside counts itself', async (t) => {
  t.same(count('    # Subtest: s\n        ok 1 - b\n    not ok 1 - s # time=1ms'), {
    passed: 1,
    failed: 1,
    skipped: 0,
  });
});

t.test('skipped assertions and subtests', async (t) => {
  t.same(count('    not ok 1 - x # SKIP no\n    ok 2 - y # SKIP why'), { passed: 0, failed: 0, skipped: 2 });
});

t.test('text inside diagnostics is not counted', async (t) => {
  t.same(
    count('    ok 1 - x\n      ---\n      a: |\n        ok 3 - fake\n        ...\n        not ok 4 - fake\n      ...'),
    {
      passed: 1,
      failed: 0,
      skipped: 0,
    },
  );
});
