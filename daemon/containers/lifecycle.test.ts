import t from 'tap';
import { EngineError } from '../base/errors.ts';
import {
  dockerStatus,
  hasProcess,
  isRunning,
  next,
  refusalError,
  sourcesOf,
  states,
  type Trigger,
  triggers,
} from './lifecycle.ts';
import type { ContainerState } from './types.ts';

/** Every cell, written down a second time by trigger: what leads where; all others refuse, for the reason named or `unexpected`. */
const expected: Readonly<Record<Trigger, Partial<Record<ContainerState, string>>>> = {
  start: {
    created: 'starting',
    exited: 'starting',
    starting: '!already-running',
    running: '!already-running',
    stopping: '!already-running',
    restarting: '!already-running',
    paused: '!paused',
    removing: '!removing',
    dead: '!dead',
  },
  'restart-due': { restarting: 'starting', removing: '!removing', dead: '!dead' },
  launched: { starting: 'running' },
  'launch-failed-new': { starting: 'created' },
  'launch-failed-again': { starting: 'exited' },
  stop: {
    running: 'stopping',
    paused: 'stopping',
    stopping: 'stopping',
    restarting: 'exited',
    created: '!not-running',
    starting: '!not-running',
    exited: '!not-running',
    removing: '!not-running',
    dead: '!not-running',
  },
  exit: { running: 'exited', paused: 'exited', stopping: 'exited' },
  'exit-restart': { running: 'restarting', paused: 'restarting', stopping: 'exited' },
  pause: {
    running: 'paused',
    stopping: 'paused',
    paused: '!already-paused',
    restarting: '!restarting',
    created: '!not-running',
    starting: '!not-running',
    exited: '!not-running',
    removing: '!not-running',
    dead: '!not-running',
  },
  unpause: {
    paused: 'running',
    created: '!not-paused',
    starting: '!not-paused',
    running: '!not-paused',
    restarting: '!not-paused',
    stopping: '!not-paused',
    exited: '!not-paused',
    removing: '!not-paused',
    dead: '!not-paused',
  },
  signal: {
    running: 'running',
    paused: 'paused',
    stopping: 'stopping',
    restarting: 'exited',
    created: '!not-running',
    starting: '!not-running',
    exited: '!not-running',
    removing: '!not-running',
    dead: '!not-running',
  },
  attach: {
    created: 'created',
    starting: 'starting',
    running: 'running',
    stopping: 'stopping',
    exited: 'exited',
    paused: '!paused',
    restarting: '!restarting',
    removing: '!removing',
    dead: '!dead',
  },
  exec: {
    running: 'running',
    stopping: 'stopping',
    paused: '!paused',
    restarting: '!restarting',
    created: '!not-running',
    starting: '!not-running',
    exited: '!not-running',
    removing: '!not-running',
    dead: '!not-running',
  },
  rename: {
    created: 'created',
    starting: 'starting',
    running: 'running',
    paused: 'paused',
    restarting: 'restarting',
    stopping: 'stopping',
    exited: 'exited',
    removing: '!removing',
    dead: '!dead',
  },
  remove: {
    created: 'removing',
    exited: 'removing',
    dead: 'removing',
    starting: '!running',
    running: '!running',
    paused: '!running',
    stopping: '!running',
    restarting: '!restarting',
    removing: '!removing',
  },
  'remove-failed': { removing: 'dead' },
};

t.test('every cell of the state machine', async (t) => {
  for (const state of states) {
    for (const trigger of triggers) {
      const verdict = next(state, trigger);
      const cell = verdict.kind === 'go' ? verdict.to : `!${verdict.reason}`;
      t.equal(cell, expected[trigger][state] ?? '!unexpected', `${state} + ${trigger}`);
    }
  }
});

t.test('sources of a trigger are the states that it leads on from', async (t) => {
  t.same(sourcesOf('start'), ['created', 'exited']);
  t.same(sourcesOf('exit'), ['running', 'paused', 'stopping']);
  t.same(sourcesOf('remove'), ['created', 'exited', 'dead']);
});

t.test('no state but removing is a dead end, and each can be reached', async (t) => {
  const reached = new Set<ContainerState>(['created']);
  for (const state of states) {
    for (const trigger of triggers) {
      const verdict = next(state, trigger);
      if (verdict.kind === 'go') reached.add(verdict.to);
    }
  }
  t.same([...reached].sort(), [...states].sort());
});

t.test("Docker's words", async (t) => {
  t.equal(dockerStatus('stopping', true), 'running');
  t.equal(dockerStatus('starting', false), 'created');
  t.equal(dockerStatus('starting', true), 'exited');
  t.equal(dockerStatus('paused', true), 'paused');
  t.ok(isRunning('restarting'));
  t.notOk(hasProcess('restarting'));
  const at = (state: ContainerState) => ({ id: 'ID', name: 'web', state });
  const text = (reason: Parameters<typeof refusalError>[0], trigger: Trigger, state: ContainerState) => {
    const error = refusalError(reason, trigger, at(state));
    t.type(error, EngineError);
    return `${error.kind}: ${error.message}`;
  };
  t.equal(text('paused', 'start', 'paused'), 'conflict: cannot start a paused container, try unpause instead');
  t.equal(text('paused', 'attach', 'paused'), 'conflict: container web is paused, unpause the container before attach');
  t.equal(text('paused', 'exec', 'paused'), 'conflict: Container ID is paused, unpause the container before exec');
  t.equal(text('already-paused', 'pause', 'paused'), 'conflict: Container ID is already paused');
  t.equal(text('not-running', 'pause', 'created'), 'conflict: container ID is not running');
  t.equal(text('not-paused', 'unpause', 'created'), 'internal: Container ID is not paused');
  t.equal(
    text('running', 'remove', 'running'),
    'conflict: cannot remove container "/web": container is running: stop the container before removing or force remove',
  );
  t.equal(
    text('running', 'remove', 'paused'),
    'conflict: cannot remove container "/web": container is paused: unpause and then stop the container before removing or force remove',
  );
  t.equal(text('removing', 'remove', 'removing'), 'conflict: removal of container ID is already in progress');
  t.equal(text('dead', 'start', 'dead'), 'conflict: container is marked for removal and cannot be started');
  t.match(text('unexpected', 'launched', 'created'), /^internal: /);
});
