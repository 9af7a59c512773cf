// Owns the error of a step that ended with an exit status. Knows no stream.
import { EngineError } from '../base/errors.ts';

/** `code` is the exit status that the client ends with. */
export class BuildError extends EngineError {
  readonly code: number;

  constructor(code: number, message: string) {
    super('internal', message);
    this.code = code;
  }
}
