// Owns HTTP to registries: connections kept and closed, TLS by endpoint (certs.d, client certificates), proxies of the environment,
// redirects, time limits. Knows neither credentials nor what a registry is.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import type { Endpoint } from './endpoints.ts';
import { connectionFailure } from './failure.ts';

export interface HttpCall {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent in chunks unless `headers` has its length. */
  readonly body?: Readable | Uint8Array;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
  /** Where the answer came from, behind redirects. */
  readonly url: string;
}

export interface TransportOptions {
  /** dockerd's directory of certificates by registry: <host[:port]>/{ca.crt, *.cert, *.key}. */
  readonly certificates: string;
  readonly userAgent: string;
  /** Of proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const MAX_REDIRECTS = 5;
/** A connection that stays silent for so long is given up. */
const SILENCE_MS = 300_000;
const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

interface Certificates {
  readonly ca: readonly Buffer[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Reads the beginning of a body; the rest is thrown away. */
export async function readText(body: Readable, limit: number): Promise<string> {
  return Buffer.from(await readBytes(body, limit, false)).toString('utf8');
}

/** Reads a whole body. Throws when it is larger than `limit` and `strict`; else the rest is dropped. */
export async function readBytes(body: Readable, limit: number, strict = true): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body as AsyncIterable<Uint8Array>) {
    parts.push(part);
    length += part.length;
    if (length <= limit) continue;
    body.destroy();
    if (strict) throw new Error(`the answer is larger than ${limit} bytes`);
    break;
  }
  return Buffer.concat(parts);
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Follows redirects of GET and HEAD, without credentials towards another host. Throws ConnectionFailure; the signal's reason when aborted. */
  async send(endpoint: Endpoint, call: HttpCall): Promise<HttpAnswer> {
    let url = call.url;
    let headers = call.headers ?? {};
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(endpoint, { ...call, url, headers });
      const target = answer.headers.location;
      const follow = (call.method === 'GET' || call.method === 'HEAD') && isRedirect(answer.status);
      if (!follow || target === undefined) return answer;
      answer.body.resume();
      if (redirects >= MAX_REDIRECTS)
        throw connectionFailure(call.method, call.url, new Error('stopped after 5 redirects'));
      const next = new URL(target, url);
      if (next.origin !== new URL(url).origin) {
        const { authorization: _secret, ...others } = headers;
        headers = others;
      }
      url = next.href;
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #once(endpoint: Endpoint, call: HttpCall): Promise<HttpAnswer> {
    call.signal.throwIfAborted();
    const url = new URL(call.url);
    const agent = this.#agent(endpoint, url);
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const options = {
      method: call.method,
      agent,
      signal: call.signal,
      headers: { 'user-agent': this.#options.userAgent, ...call.headers },
    };
    const request: ClientRequest = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    request.setTimeout(SILENCE_MS, () => {
      request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }));
    });
    request.on('response', (body) => {
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(body.headers)) {
        if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
      }
      resolve({ status: body.statusCode ?? 0, reason: body.statusMessage ?? '', headers, body, url: call.url });
    });
    request.on('error', (error) => {
      reject(call.signal.aborted ? call.signal.reason : connectionFailure(call.method, call.url, error));
    });
    if (call.body instanceof Readable) {
      const { body } = call;
      body.on('error', (error) => request.destroy(error));
      // A registry that refuses in the middle has answered already: the rest of the body is not wanted.
      request.on('close', () => body.destroy());
      body.pipe(request);
    } else {
      request.end(call.body);
    }
    return promise;
  }

  #agent(endpoint: Endpoint, url: URL): HttpAgent | HttpsAgent {
    const loopback = /^(?:localhost|127\..*|\[::1\])$/.test(url.hostname);
    const proxyEnv = loopback ? undefined : this.#options.environment;
    const common = { keepAlive: true, maxFreeSockets: 4, ...(proxyEnv === undefined ? {} : { proxyEnv }) };
    if (url.protocol !== 'https:') {
      return this.#kept(`http ${loopback}`, () => new HttpAgent(common));
    }
    const directory = join(this.#options.certificates, url.host);
    const key = `https ${loopback} ${url.host} ${endpoint.verify} ${endpoint.ca} ${stampOf(directory)}`;
    return this.#kept(key, () => {
      const { ca, ...pair } = certificatesOf(directory);
      const own = endpoint.ca === '' ? ca : [...ca, readFileSync(endpoint.ca)];
      return new HttpsAgent({
        ...common,
        ...pair,
        rejectUnauthorized: endpoint.verify,
        ...(own.length === 0 ? {} : { ca: [...rootCertificates, ...own] }),
      });
    });
  }

  #kept(key: string, make: () => HttpAgent | HttpsAgent): HttpAgent | HttpsAgent {
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const agent = make();
    this.#agents.set(key, agent);
    return agent;
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** Changes when a certificate is put there, so that no restart is needed. */
function stampOf(directory: string): string {
  return names(directory)
    .map((name) => `${name}:${statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0}`)
    .join(',');
}

function certificatesOf(directory: string): Certificates {
  const files = names(directory);
  const read = (name: string): Buffer => readFileSync(join(directory, name));
  const ca = files.filter((name) => name.endsWith('.crt')).map(read);
  const cert = files.find((name) => name.endsWith('.cert'));
  if (cert === undefined) return { ca };
  const key = cert.replace(/\.cert$/, '.key');
  if (!files.includes(key)) {
    throw new Error(
      `missing key ${key} for client certificate ${cert} in ${directory}. CA certificates must use the extension .crt`,
    );
  }
  return { ca, cert: read(cert), key: read(key) };
}
