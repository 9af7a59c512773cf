// Owns the checking of what a request brings: JSON bodies in Docker's terms, and parameters against the route table.
import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { describeProblems } from '../../api-spec/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';

/** Bytes of a JSON body. */
export const MAX_JSON_BODY = 16 * 1024 * 1024;

/** Checks a value against its schema. Throws invalid-argument with the field's path and what was expected. */
export function validate(schema: z.ZodType | undefined, value: unknown, where: 'path' | 'query' | 'body'): unknown {
  if (schema === undefined) return where === 'body' ? undefined : {};
  const result = schema.safeParse(value);
  if (!result.success) throw invalidArgument(describeProblems(result.error, where));
  return result.data;
}

/** A JSON body's value; undefined when there is none. Throws invalid-argument in Docker's words. */
export function parseJsonBody(contentType: string | undefined, bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (contentType === undefined || contentType === '') {
    throw invalidArgument('malformed Content-Type header (): mime: no media type');
  }
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') {
    throw invalidArgument(`unsupported Content-Type header (${contentType}): must be 'application/json'`);
  }
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (error) {
    const text = messageOf(error);
    if (/unexpected end/i.test(text)) throw invalidArgument('invalid JSON: unexpected EOF');
    if (/after JSON/.test(text)) throw invalidArgument('unexpected content after JSON');
    throw invalidArgument(`invalid JSON: ${text}`);
  }
}

/** Checks a parsed body. No body where one is needed is Docker's own message. */
export function validateBody(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  if (value === undefined && !schema.safeParse(undefined).success) {
    throw invalidArgument('invalid JSON: got EOF while reading request body');
  }
  return validate(schema, value, 'body');
}

/** Reads an ordinary request's body whole. Throws invalid-argument above the limit. */
export async function readBody(request: IncomingMessage, limit = MAX_JSON_BODY): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limit)
      throw new EngineError('invalid-argument', `http: request body too large: expected at most ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
