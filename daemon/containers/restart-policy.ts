// Owns the decision whether a container that ended is started again, and after which wait. Pure: no clock, no timer.
import type { RestartPolicy } from '../../api-spec/index.ts';

/** Docker's back-off: the first wait, doubled each time, up to a minute; forgotten when a run took ten seconds. */
export const FIRST_DELAY_MS = 100;
export const LONGEST_DELAY_MS = 60_000;
export const GOOD_RUN_NS = 10_000_000_000n;

export interface RestartQuestion {
  readonly policy: RestartPolicy | undefined;
  readonly exitCode: number;
  /** Stopped or signalled on request. */
  readonly manuallyStopped: boolean;
  /** Restarts by the policy since the last start on request. */
  readonly restartCount: number;
  /** Nanoseconds from start to end. */
  readonly ranNs: bigint;
  /** Wait before the restart that led to this run, milliseconds; 0: it was started on request. */
  readonly lastDelayMs: number;
}

export type RestartDecision = { readonly restart: false } | { readonly restart: true; readonly delayMs: number };

function wants({ policy, exitCode, restartCount }: RestartQuestion): boolean {
  switch (policy?.Name ?? 'no') {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const most = policy?.MaximumRetryCount ?? 0;
      return exitCode !== 0 && (most === 0 || restartCount < most);
    }
    default:
      return false;
  }
}

/** After an exit that the daemon saw. */
export function decideRestart(question: RestartQuestion): RestartDecision {
  if (question.manuallyStopped || !wants(question)) return { restart: false };
  const previous = question.ranNs >= GOOD_RUN_NS ? 0 : question.lastDelayMs;
  return { restart: true, delayMs: previous === 0 ? FIRST_DELAY_MS : Math.min(previous * 2, LONGEST_DELAY_MS) };
}

/** When the daemon starts: `always` comes back even after a stop on request, the others do not. */
export function decideAtBoot(question: RestartQuestion): boolean {
  const always = question.policy?.Name === 'always';
  return (always || !question.manuallyStopped) && wants(question);
}
