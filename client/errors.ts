// Owns the errors of the client library. Must not print or exit.

/** The daemon answered with an error; `message` is its text. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The daemon could not be reached, or went away before its answer. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}
