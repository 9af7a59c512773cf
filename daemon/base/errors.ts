// Owns the one error type of the engine and its kinds. Knows no status code and no wire shape (http/error-handler.ts does).

export type ErrorKind =
  | 'invalid-argument'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'unavailable'
  | 'not-implemented'
  | 'internal';

/** An error with a kind that a caller may act on. The message is for the user; clients match on Docker's wording. */
export class EngineError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EngineError';
    this.kind = kind;
  }
}

export const invalidArgument = (message: string, cause?: unknown): EngineError =>
  new EngineError('invalid-argument', message, cause);
export const notFound = (message: string, cause?: unknown): EngineError => new EngineError('not-found', message, cause);
export const conflict = (message: string, cause?: unknown): EngineError => new EngineError('conflict', message, cause);
export const forbidden = (message: string, cause?: unknown): EngineError =>
  new EngineError('forbidden', message, cause);
export const unavailable = (message: string, cause?: unknown): EngineError =>
  new EngineError('unavailable', message, cause);
export const notImplemented = (message: string, cause?: unknown): EngineError =>
  new EngineError('not-implemented', message, cause);
export const internal = (message: string, cause?: unknown): EngineError => new EngineError('internal', message, cause);

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Prefixes context outward (`start web: attach network bridge: …`); the kind of an EngineError is kept, others become internal. */
export function withContext(context: string, error: unknown): EngineError {
  const kind = error instanceof EngineError ? error.kind : 'internal';
  return new EngineError(kind, `${context}: ${messageOf(error)}`, error);
}
