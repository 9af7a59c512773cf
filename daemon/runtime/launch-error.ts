// Owns the error of a failed launch: where it failed, and Docker's words and exit code for it. Pure.
import { EngineError, type ErrorKind } from '../base/errors.ts';

/** A launch that the monitor reported as failed. `exitCode` is what Docker stores as the container's: 127 not found, 126 not executable, 128 else. */
export class LaunchError extends EngineError {
  /** Name of the plan's op, or `monitor` when the monitor itself was lost. */
  readonly step: string;
  readonly errno: number;
  readonly detail: string;
  readonly exitCode: 126 | 127 | 128;

  constructor(
    kind: ErrorKind,
    message: string,
    at: { readonly step: string; readonly errno: number; readonly detail: string; readonly exitCode: 126 | 127 | 128 },
    cause?: unknown,
  ) {
    super(kind, message, cause);
    this.name = 'LaunchError';
    this.step = at.step;
    this.errno = at.errno;
    this.detail = at.detail;
    this.exitCode = at.exitCode;
  }
}
