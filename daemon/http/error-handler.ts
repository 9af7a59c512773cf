// Owns the one table from kinds of errors to status codes, and Docker's shape of an error answer. Decides nothing about errors themselves.
import type { FastifyError } from 'fastify';
import { EngineError, type ErrorKind, messageOf } from '../base/errors.ts';

const statusOf: Readonly<Record<ErrorKind, number>> = {
  'invalid-argument': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  unavailable: 503,
  'not-implemented': 501,
  internal: 500,
};

/** Status and message of anything that was thrown. What has no kind is internal, but for the HTTP library's own refusals. */
export function describeError(error: unknown): { readonly status: number; readonly message: string } {
  const message = messageOf(error);
  if (error instanceof EngineError) return { status: statusOf[error.kind], message };
  const status = (error as Partial<FastifyError> | undefined)?.statusCode;
  return { status: status !== undefined && status >= 400 && status < 500 ? status : 500, message };
}

/** The body of every answer of 400 and above. */
export const errorBody = (message: string): string => `${JSON.stringify({ message })}\n`;

/** The last line of a progress stream that failed after its headers were sent. */
export const errorLine = (
  error: unknown,
): { readonly errorDetail: { readonly message: string }; readonly error: string } => {
  const message = messageOf(error);
  return { errorDetail: { message }, error: message };
};
