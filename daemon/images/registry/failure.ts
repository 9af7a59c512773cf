// Owns what went wrong with a registry: its own error answers, and connections that failed, in the words that Docker's clients know.
import { EngineError, internal, messageOf, notFound } from '../../base/errors.ts';
import { familiarName, familiarRepository, type Reference } from '../reference.ts';

/** An answer of a registry with a status of 400 or more. The message is `code in words: message`. */
export class RegistryFailure extends Error {
  readonly status: number;
  /** `MANIFEST_UNKNOWN`, `DENIED`, …; empty when the body had none. */
  readonly code: string;
  /** Method and URL of the request. */
  readonly request: string;

  constructor(status: number, code: string, message: string, request: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.request = request;
  }
}

/** A connection that could not be made, or that broke. */
export class ConnectionFailure extends Error {}

/** `MANIFEST_UNKNOWN` as `manifest unknown`; an old spelling of rate limits too. */
const words = (code: string): string => code.toLowerCase().replaceAll('_', ' ');

interface ErrorItem {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly detail?: unknown;
}

function firstError(body: string): ErrorItem | undefined {
  try {
    const value = JSON.parse(body) as { errors?: unknown; details?: unknown };
    if (Array.isArray(value.errors) && value.errors.length > 0) return (value.errors[0] ?? {}) as ErrorItem;
    // Token servers answer {"details": "…"}.
    if (typeof value.details === 'string') return { message: value.details };
  } catch {
    // No JSON: said in other words below.
  }
  return undefined;
}

const codeOfStatus: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  429: 'TOOMANYREQUESTS',
};

/** The failure that an answer tells of; `body` is the beginning of it. */
export function failureOf(status: number, reason: string, body: string, request: string): RegistryFailure {
  const item = firstError(body);
  const code = typeof item?.code === 'string' ? item.code : (codeOfStatus[status] ?? '');
  if (code === 'TOOMANYREQUESTS') {
    const said = typeof item?.message === 'string' ? item.message : `${status} ${reason}`;
    return new RegistryFailure(status, code, `toomanyrequests: ${said}`, request);
  }
  if (typeof item?.code === 'string') {
    const said = typeof item.message === 'string' && item.message !== '' ? item.message : words(code);
    return new RegistryFailure(status, code, `${words(code)}: ${said}`, request);
  }
  if (typeof item?.message === 'string') {
    return new RegistryFailure(status, code, `${words(code) || 'error'}: ${item.message}`, request);
  }
  const shown = body.trim().slice(0, 200);
  const text = `received unexpected HTTP status: ${status} ${reason}${shown === '' || shown.startsWith('<') ? '' : `: ${shown}`}`;
  return new RegistryFailure(status, code, code === '' ? text : `${words(code)}: ${text}`, request);
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
  ECONNRESET: 'read: connection reset by peer',
  EPIPE: 'write: broken pipe',
};

const tlsReasons: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'x509: certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'x509: certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'x509: certificate signed by unknown authority',
  CERT_HAS_EXPIRED: 'x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'x509: certificate has expired or is not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'x509: certificate is not valid for this name',
};

interface NetworkError {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
  readonly errors?: readonly NetworkError[];
}

/** Wraps an error of a socket in Go's words, which is what people search for. */
export function connectionFailure(method: string, url: string, error: unknown): ConnectionFailure {
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const begin = `${verb} "${url}": `;
  // Several addresses were tried: the first one stands for all.
  const found = error as NetworkError;
  const first = found.errors?.[0] ?? found;
  const code = first.code ?? found.code ?? '';
  const where = first.address === undefined ? new URL(url).host : `${bracketed(first.address)}:${first.port ?? ''}`;
  const tls = tlsReasons[code];
  if (tls !== undefined) return fail(`${begin}tls: failed to verify certificate: ${tls}`, error);
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return fail(`${begin}http: server gave HTTP response to HTTPS client`, error);
  }
  if (code === 'ENOTFOUND') return fail(`${begin}dial tcp: lookup ${found.hostname ?? where}: no such host`, error);
  if (code === 'EAI_AGAIN') {
    return fail(`${begin}dial tcp: lookup ${found.hostname ?? where}: Temporary failure in name resolution`, error);
  }
  const reason = reasons[code];
  if (reason === undefined) return fail(`${begin}${messageOf(error)}`, error);
  return fail(`${begin}dial tcp ${where}: ${reason}`, error);
}

const fail = (text: string, cause: unknown): ConnectionFailure => new ConnectionFailure(text, { cause });
const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** The error of a pull as dockerd answers it: not-found for what the registry does not have or does not show. */
export function pullError(reference: Reference, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (!(error instanceof RegistryFailure)) return internal(messageOf(error), error);
  const name = familiarRepository(reference);
  const text = error.message;
  switch (error.code) {
    case 'DENIED':
      return notFound(
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${text}`,
        error,
      );
    case 'MANIFEST_UNKNOWN':
    case 'NOT_FOUND':
      return notFound(`manifest for ${familiarName(reference)} not found: ${text}`, error);
    case 'NAME_UNKNOWN':
      return notFound(`repository ${name} not found: ${text}`, error);
    default:
      break;
  }
  if (error.status === 404) {
    const what = error.request.includes('/manifests/')
      ? `manifest for ${familiarName(reference)} not found`
      : error.request;
    return notFound(`${what}: ${text}`, error);
  }
  // Not unauthorized: at a 401 the docker command would ask for a password, in scripts too.
  return internal(`${error.request}: ${text}`, error);
}

/** The error of any other request; its message names the request, which names the registry. */
export function registryError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (!(error instanceof RegistryFailure)) return internal(messageOf(error), error);
  if (error.code === 'MANIFEST_UNKNOWN' || error.code === 'NAME_UNKNOWN' || error.status === 404) {
    return notFound(error.message, error);
  }
  const kind = error.code === 'UNAUTHORIZED' ? 'unauthorized' : error.code === 'DENIED' ? 'forbidden' : 'internal';
  if (error.code === 'DENIED') return new EngineError(kind, error.message, error);
  return new EngineError(kind, `${error.request}: ${error.message}`, error);
}
