// Owns the life of a container as one pure function: (state, trigger) -> next state or refusal. No decision about states is made anywhere else.
import { conflict, type EngineError, internal } from '../base/errors.ts';
import type { ContainerState } from './types.ts';

/**
 * What can happen. `start` is a client's wish, `restart-due` the engine's own after the back-off; `launch-failed-new` is a failure of a container
 * that never ran. `exit-restart` is an exit after which the restart policy wants another start. `rename` stands for changes that need
 * a container that is not going away.
 */
export const triggers = [
  'start',
  'restart-due',
  'launched',
  'launch-failed-new',
  'launch-failed-again',
  'stop',
  'exit',
  'exit-restart',
  'pause',
  'unpause',
  'signal',
  'attach',
  'exec',
  'rename',
  'remove',
  'remove-failed',
] as const;
export type Trigger = (typeof triggers)[number];

export const states: readonly ContainerState[] = [
  'created',
  'starting',
  'running',
  'paused',
  'restarting',
  'stopping',
  'exited',
  'removing',
  'dead',
];

export type Refusal =
  | 'already-running'
  | 'not-running'
  | 'paused'
  | 'already-paused'
  | 'not-paused'
  | 'restarting'
  | 'running'
  | 'removing'
  | 'dead'
  /** Cannot happen in a sound engine. */
  | 'unexpected';

export type Verdict =
  | { readonly kind: 'go'; readonly to: ContainerState }
  | { readonly kind: 'refuse'; readonly reason: Refusal };

type Row = Readonly<Record<Trigger, ContainerState | `!${Refusal}`>>;

/** Cells are the next state, or `!` and the reason of the refusal. */
const table: Readonly<Record<ContainerState, Row>> = {
  created: {
    start: 'starting',
    'restart-due': '!unexpected',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: '!not-running',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!not-running',
    unpause: '!not-paused',
    signal: '!not-running',
    attach: 'created',
    exec: '!not-running',
    rename: 'created',
    remove: 'removing',
    'remove-failed': '!unexpected',
  },
  starting: {
    start: '!already-running',
    'restart-due': '!unexpected',
    launched: 'running',
    'launch-failed-new': 'created',
    'launch-failed-again': 'exited',
    stop: '!not-running',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!not-running',
    unpause: '!not-paused',
    signal: '!not-running',
    attach: 'starting',
    exec: '!not-running',
    rename: 'starting',
    remove: '!running',
    'remove-failed': '!unexpected',
  },
  running: {
    start: '!already-running',
    'restart-due': '!unexpected',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: 'stopping',
    exit: 'exited',
    'exit-restart': 'restarting',
    pause: 'paused',
    unpause: '!not-paused',
    signal: 'running',
    attach: 'running',
    exec: 'running',
    rename: 'running',
    remove: '!running',
    'remove-failed': '!unexpected',
  },
  paused: {
    start: '!paused',
    'restart-due': '!unexpected',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: 'stopping',
    exit: 'exited',
    'exit-restart': 'restarting',
    pause: '!already-paused',
    unpause: 'running',
    signal: 'paused',
    attach: '!paused',
    exec: '!paused',
    rename: 'paused',
    remove: '!running',
    'remove-failed': '!unexpected',
  },
  restarting: {
    start: '!already-running',
    'restart-due': 'starting',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: 'exited',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!restarting',
    unpause: '!not-paused',
    signal: 'exited',
    attach: '!restarting',
    exec: '!restarting',
    rename: 'restarting',
    remove: '!restarting',
    'remove-failed': '!unexpected',
  },
  stopping: {
    start: '!already-running',
    'restart-due': '!unexpected',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: 'stopping',
    exit: 'exited',
    'exit-restart': 'exited',
    pause: 'paused',
    unpause: '!not-paused',
    signal: 'stopping',
    attach: 'stopping',
    exec: 'stopping',
    rename: 'stopping',
    remove: '!running',
    'remove-failed': '!unexpected',
  },
  exited: {
    start: 'starting',
    'restart-due': '!unexpected',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: '!not-running',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!not-running',
    unpause: '!not-paused',
    signal: '!not-running',
    attach: 'exited',
    exec: '!not-running',
    rename: 'exited',
    remove: 'removing',
    'remove-failed': '!unexpected',
  },
  removing: {
    start: '!removing',
    'restart-due': '!removing',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: '!not-running',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!not-running',
    unpause: '!not-paused',
    signal: '!not-running',
    attach: '!removing',
    exec: '!not-running',
    rename: '!removing',
    remove: '!removing',
    'remove-failed': 'dead',
  },
  dead: {
    start: '!dead',
    'restart-due': '!dead',
    launched: '!unexpected',
    'launch-failed-new': '!unexpected',
    'launch-failed-again': '!unexpected',
    stop: '!not-running',
    exit: '!unexpected',
    'exit-restart': '!unexpected',
    pause: '!not-running',
    unpause: '!not-paused',
    signal: '!not-running',
    attach: '!dead',
    exec: '!not-running',
    rename: '!dead',
    remove: 'removing',
    'remove-failed': '!unexpected',
  },
};

/** The one function of the state machine. */
export function next(state: ContainerState, trigger: Trigger): Verdict {
  const cell = table[state][trigger];
  return cell.startsWith('!')
    ? { kind: 'refuse', reason: cell.slice(1) as Refusal }
    : { kind: 'go', to: cell as ContainerState };
}

/** States from which a trigger leads on: the `from` of a compare-and-set. */
export const sourcesOf = (trigger: Trigger): readonly ContainerState[] =>
  states.filter((state) => next(state, trigger).kind === 'go');

/** What Docker calls running: the container has a process, or will have one by itself. */
export const isRunning = (state: ContainerState): boolean =>
  state === 'running' || state === 'paused' || state === 'stopping' || state === 'restarting' || state === 'starting';

/** Has a process at this moment. */
export const hasProcess = (state: ContainerState): boolean =>
  state === 'running' || state === 'paused' || state === 'stopping';

/** Docker's word for a state, as inspect and the filter `status` have it. `startedBefore`: it has run at least once. */
export function dockerStatus(state: ContainerState, startedBefore: boolean): string {
  if (state === 'stopping') return 'running';
  if (state === 'starting') return startedBefore ? 'exited' : 'created';
  return state;
}

/** The refusal in Docker's words. */
export function refusalError(
  reason: Refusal,
  trigger: Trigger,
  container: { readonly id: string; readonly name: string; readonly state: ContainerState },
): EngineError {
  const { id, name, state } = container;
  switch (reason) {
    case 'paused':
      if (trigger === 'exec') return conflict(`Container ${id} is paused, unpause the container before exec`);
      return trigger === 'attach'
        ? conflict(`container ${name} is paused, unpause the container before attach`)
        : conflict('cannot start a paused container, try unpause instead');
    case 'already-paused':
      return conflict(`Container ${id} is already paused`);
    case 'not-paused':
      return internal(`Container ${id} is not paused`);
    case 'not-running':
      return conflict(`container ${id} is not running`);
    case 'restarting':
      return restartingError(trigger, container);
    case 'running':
      return conflict(
        `cannot remove container "/${name}": container is ${state === 'paused' ? 'paused: unpause and then' : 'running:'} stop the container before removing or force remove`,
      );
    case 'removing':
      return trigger === 'remove'
        ? conflict(`removal of container ${id} is already in progress`)
        : conflict('container is marked for removal and cannot be started');
    case 'dead':
      return conflict('container is marked for removal and cannot be started');
    case 'already-running':
      return conflict(`container ${id} is already running`);
    case 'unexpected':
      return internal(`container ${id} is ${state}: "${trigger}" cannot happen now`);
  }
}

function restartingError(trigger: Trigger, { id, name }: { readonly id: string; readonly name: string }): EngineError {
  if (trigger === 'remove') {
    return conflict(
      `cannot remove container "/${name}": container is restarting: stop the container before removing or force remove`,
    );
  }
  if (trigger === 'attach') {
    return conflict(`container ${name} is restarting, wait until the container is running`);
  }
  return conflict(`Container ${id} is restarting, wait until the container is running`);
}
