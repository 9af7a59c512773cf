// Owns the form of an entry of the route table and the types that follow from it. Must not know any endpoint, transport or framework.
import { z } from 'zod';
import { ErrorResponse } from './schemas/common.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/**
 * How a body travels when it is not one JSON value: `json-lines` one JSON value a line, `raw` bytes as they are, `tar` a tar archive,
 * `multiplexed` Docker's frames of stdout and stderr (raw when the container has a terminal).
 */
export type StreamKind = 'json-lines' | 'raw' | 'tar' | 'multiplexed';

/** One possible answer of a route. Without `schema` and `stream` it has no body. With `json-lines` the schema describes one line. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly stream?: StreamKind;
  /** Headers that belong to the answer, name to meaning. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteSpec {
  readonly method: Method;
  /** Without version prefix; parameters as `:name`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  /** Schema of a JSON body. */
  readonly body?: z.ZodType;
  /** Content type of a body that is no JSON and is read as a stream. */
  readonly requestContentType?: string;
  readonly responses: { readonly [status: number]: Answer };
  /** The connection is taken over by a byte stream after the answer (101 when the client asked for an upgrade, 200 otherwise). */
  readonly hijack?: boolean;
  /** API version that brought the endpoint; absent: always there. */
  readonly since?: string;
  /** Parameters that may hold slashes (image references). */
  readonly slashes?: readonly string[];
}

/** Names the literal type of a route; changes nothing. */
export function route<const R extends RouteSpec>(spec: R): R {
  return spec;
}

type Output<S> = S extends z.ZodType ? z.output<S> : undefined;

export type RouteParams<R extends RouteSpec> = R extends { readonly params: infer S }
  ? Output<S>
  : Record<never, never>;
export type RouteQuery<R extends RouteSpec> = R extends { readonly query: infer S } ? Output<S> : Record<never, never>;
export type RouteBody<R extends RouteSpec> = R extends { readonly body: infer S } ? Output<S> : undefined;
/** Body of the answer with status `S` (for `json-lines`: of one line). */
export type RouteAnswer<R extends RouteSpec, S extends keyof R['responses']> = R['responses'][S] extends {
  readonly schema: infer Z;
}
  ? Output<Z>
  : undefined;

const ERROR_TEXT = {
  400: 'The request is not valid.',
  401: 'The registry refused the credentials.',
  403: 'The operation is not allowed for this object.',
  404: 'There is no such object.',
  409: 'The state of the object does not allow it.',
  501: 'This engine does not do this.',
  503: 'The engine is not in a state to do this.',
} as const;

type ErrorStatus = keyof typeof ERROR_TEXT;
interface ErrorAnswer {
  readonly description: string;
  readonly schema: typeof ErrorResponse;
}

/** The error answers of a route: the given statuses and 500. */
export function errors<const S extends readonly ErrorStatus[]>(
  ...statuses: S
): { readonly [K in S[number] | 500]: ErrorAnswer } {
  const answers = Object.fromEntries(
    statuses.map((status) => [status, { description: ERROR_TEXT[status], schema: ErrorResponse }]),
  );
  return {
    ...answers,
    500: { description: 'The engine failed.', schema: ErrorResponse },
  } as { readonly [K in S[number] | 500]: ErrorAnswer };
}

/** Path parameter `id`: id, name or unique prefix of an id. */
export const idParams = z.object({ id: z.string().min(1) });
/** Path parameter `name`. */
export const nameParams = z.object({ name: z.string().min(1) });
