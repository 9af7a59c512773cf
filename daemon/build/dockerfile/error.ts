// Owns the errors of a Dockerfile's text, in Docker's words. Pure.
import { EngineError } from '../../base/errors.ts';

/** What is wrong, and in which line (from 1). */
export class DockerfileError extends EngineError {
  readonly line: number;

  constructor(line: number, message: string) {
    super('invalid-argument', `dockerfile parse error on line ${line}: ${message}`);
    this.line = line;
  }
}
