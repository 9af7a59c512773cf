import t from 'tap';
import type { Observation } from '../runtime/types.ts';
import { states } from './lifecycle.ts';
import { type Action, decide } from './reconcile.ts';

const kinds: readonly Observation['kind'][] = ['running', 'exited', 'failed', 'gone'];

/** In the order of `kinds`; the last column: gone, and the host was started anew. */
const expected: Readonly<Record<string, readonly Action[]>> = {
  created: ['kill', 'keep', 'keep', 'keep', 'keep'],
  starting: ['settle-start', 'settle-start-and-exit', 'fail-start', 'fail-start', 'fail-start'],
  running: ['adopt', 'exit', 'exit-lost', 'exit-lost', 'exit-rebooted'],
  paused: ['adopt', 'exit', 'exit-lost', 'exit-lost', 'exit-rebooted'],
  restarting: ['kill', 'restart', 'restart', 'restart', 'restart'],
  stopping: ['adopt-and-stop', 'exit', 'exit-lost', 'exit-lost', 'exit-rebooted'],
  exited: ['kill', 'keep', 'keep', 'keep', 'keep'],
  removing: ['finish-removal', 'finish-removal', 'finish-removal', 'finish-removal', 'finish-removal'],
  dead: ['kill', 'keep', 'keep', 'keep', 'keep'],
};

t.test('every cell of what a boot does', async (t) => {
  for (const state of states) {
    const row = { state, bootId: 'this' };
    for (const [index, kind] of kinds.entries()) {
      t.equal(decide(row, kind, 'this'), expected[state]?.[index], `${state} and ${kind}`);
    }
    t.equal(decide(row, 'gone', 'another'), expected[state]?.[4], `${state} after a boot of the host`);
  }
});
