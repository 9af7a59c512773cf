// Owns Docker's words for a failed start: (line of the plan, errno, detail) -> LaunchError. Pure; the words are for people and for clients
// that look for them (the docker CLI takes its exit code 126 or 127 from them), the engine itself reads step, errno and exitCode.
import { getSystemErrorMessage } from 'node:util';
import type { ErrorKind } from '../base/errors.ts';
import { LaunchError } from './launch-error.ts';

const ENOENT = 2;
const ENOEXEC = 8;
const EACCES = 13;
const ENOTDIR = 20;
const EISDIR = 21;
const ELOOP = 40;

/** Words of strerror(3) in lower case, where libuv's differ. */
const texts: Readonly<Record<number, string>> = {
  1: 'operation not permitted',
  2: 'no such file or directory',
  5: 'input/output error',
  7: 'argument list too long',
  8: 'exec format error',
  12: 'cannot allocate memory',
  13: 'permission denied',
  16: 'device or resource busy',
  17: 'file exists',
  20: 'not a directory',
  21: 'is a directory',
  22: 'invalid argument',
  28: 'no space left on device',
  30: 'read-only file system',
  40: 'too many levels of symbolic links',
};

export const errorText = (errno: number): string => texts[errno] ?? getSystemErrorMessage(-errno) ?? `errno ${errno}`;

export interface Failure {
  /** Name of the plan's op. */
  readonly step: string;
  readonly errno: number;
  readonly detail: string;
}

export interface Attempt {
  readonly kind: 'container' | 'exec';
  readonly program: string;
  readonly cwd: string;
}

const prefixes = {
  container:
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ',
  exec: 'OCI runtime exec failed: exec failed: unable to start container process: ',
} as const;

function programError({ errno }: Failure, { program }: Attempt): string {
  const quoted = JSON.stringify(program);
  if (errno !== ENOENT) return `exec: ${quoted}: ${errorText(errno)}`;
  return program.includes('/')
    ? `exec: ${quoted}: stat ${program}: ${errorText(ENOENT)}`
    : `exec: ${quoted}: executable file not found in $PATH`;
}

function sentence(failure: Failure, attempt: Attempt): string {
  const { step, errno, detail } = failure;
  const text = errorText(errno);
  switch (step) {
    case 'exec':
      return programError(failure, attempt);
    case 'working-directory':
      return `chdir to cwd (${JSON.stringify(attempt.cwd)}) set in config.json failed: ${text}`;
    case 'open-tree':
    case 'attach':
    case 'filesystem':
      return `error mounting ${JSON.stringify(detail)} to rootfs: ${text}`;
    case 'sysctl':
      return `write sysctl key ${detail}: ${text}`;
    case 'rlimit':
      return `error setting rlimits: ${detail}: ${text}`;
    case 'oom-score':
      return `can't get final child's PID: write /proc/self/oom_score_adj: ${text}`;
    default:
      return detail === '' ? `${step}: ${text}` : `${step}: ${detail}: ${text}`;
  }
}

/** 127 when there is nothing to execute, 126 when it cannot be executed, 128 for all else. */
function exitCodeOf({ step, errno }: Failure): 126 | 127 | 128 {
  if (step !== 'exec') return 128;
  if (errno === ENOENT || errno === ENOTDIR || errno === ELOOP) return 127;
  return errno === EACCES || errno === EISDIR || errno === ENOEXEC ? 126 : 128;
}

/** The error of a launch that the monitor reported as failed. */
export function launchError(failure: Failure, attempt: Attempt): LaunchError {
  const exitCode = exitCodeOf(failure);
  const kind: ErrorKind = exitCode === 128 ? 'internal' : 'invalid-argument';
  const during = attempt.kind === 'container' ? 'error during container init: ' : '';
  const message = `${prefixes[attempt.kind]}${during}${sentence(failure, attempt)}`;
  return new LaunchError(kind, message, { ...failure, exitCode });
}

/** The error of a monitor that went away without a word. */
export function monitorLost(attempt: Attempt, detail: string): LaunchError {
  return new LaunchError(
    'internal',
    `${prefixes[attempt.kind]}the monitor ended before the process was started: ${detail}`,
    {
      step: 'monitor',
      errno: 0,
      detail,
      exitCode: 128,
    },
  );
}
