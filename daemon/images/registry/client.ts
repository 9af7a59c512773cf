// Owns the requests to one repository at one endpoint, by the OCI distribution specification: manifests, tags, blobs, uploads. Answers the
// registry's challenges, waits when it says so, and verifies manifests; what is made of the answers is pull's and push's.

import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { internal } from '../../base/errors.ts';
import { sha256 } from '../../base/ids.ts';
import { isDigest } from '../reference.ts';
import { retryAfter } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { failureOf } from './failure.ts';
import { MAX_MANIFEST } from './manifest.ts';
import { acceptedManifests } from './media-types.ts';
import type { Authorizer } from './tokens.ts';
import { type HttpAnswer, type HttpCall, readBytes, readText, type Transport } from './transport.ts';

export interface RepositoryOptions {
  readonly transport: Transport;
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  /** `library/busybox`. */
  readonly path: string;
  /** `pull` or `pull,push`. */
  readonly actions: string;
  readonly signal: AbortSignal;
}

export interface RemoteManifest {
  readonly bytes: Uint8Array;
  /** As the registry names it. */
  readonly mediaType: string;
  readonly digest: string;
}

const MAX_ERROR_BODY = 64 * 1024;
/** A registry that wants a longer pause gets an error that says so. */
const MAX_WAIT_MS = 60_000;
const MAX_WAITS = 5;

type Call = Omit<HttpCall, 'signal'> & { readonly scopes?: readonly string[]; readonly signal?: AbortSignal };

export class RepositoryClient {
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly #options: RepositoryOptions;
  readonly #scope: string;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    this.endpoint = options.endpoint;
    this.path = options.path;
    this.#scope = `repository:${options.path}:${options.actions}`;
  }

  /** The same repository for work that another signal ends. */
  with(signal: AbortSignal): RepositoryClient {
    return new RepositoryClient({ ...this.#options, signal });
  }

  /** Digest of a tag without its content; undefined when the registry does not tell. */
  async resolve(tag: string): Promise<string | undefined> {
    const answer = await this.#expect([200], {
      method: 'HEAD',
      url: this.#url(`manifests/${tag}`),
      headers: { accept: acceptedManifests },
    });
    answer.body.resume();
    const digest = answer.headers['docker-content-digest'];
    return digest !== undefined && isDigest(digest) ? digest : undefined;
  }

  /** By tag or digest. What was asked for by digest, or is named by the registry's header, has that digest. */
  async manifest(reference: string): Promise<RemoteManifest> {
    const url = this.#url(`manifests/${reference}`);
    const answer = await this.#expect([200], { method: 'GET', url, headers: { accept: acceptedManifests } });
    const bytes = await readBytes(answer.body, MAX_MANIFEST).catch((error: unknown) => {
      throw internal(`Get "${url}": ${error instanceof Error ? error.message : error}`, error);
    });
    const digest = sha256(bytes);
    const expected = isDigest(reference) ? reference : answer.headers['docker-content-digest'];
    if (expected !== undefined && isDigest(expected) && expected !== digest) {
      throw internal(`Get "${url}": manifest verification failed for digest ${expected}: received ${digest}`);
    }
    return { bytes, mediaType: answer.headers['content-type'] ?? '', digest };
  }

  async putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    const answer = await this.#expect([201], {
      method: 'PUT',
      url: this.#url(`manifests/${reference}`),
      headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
      body: bytes,
    });
    answer.body.resume();
  }

  /** All tags, over as many pages as there are. */
  async tags(): Promise<string[]> {
    const tags: string[] = [];
    let url: string | undefined = this.#url('tags/list');
    for (let page = 0; url !== undefined && page < 1000; page++) {
      const answer: HttpAnswer = await this.#expect([200], { method: 'GET', url });
      const text = await readText(answer.body, MAX_MANIFEST);
      const { tags: found } = JSON.parse(text) as { tags?: unknown };
      if (Array.isArray(found)) tags.push(...found.filter((tag): tag is string => typeof tag === 'string'));
      const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(answer.headers.link ?? '')?.[1];
      url = next === undefined ? undefined : new URL(next, url).href;
    }
    return tags;
  }

  /** The blob from `offset` on; status 206, or 200 when the registry gives it from its beginning. */
  async blob(digest: string, offset: number): Promise<HttpAnswer> {
    return this.#expect([200, 206], {
      method: 'GET',
      url: this.#url(`blobs/${digest}`),
      headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    });
  }

  /** A small blob, verified. */
  async blobBytes(digest: string, size: number): Promise<Uint8Array> {
    const answer = await this.blob(digest, 0);
    const bytes = await readBytes(answer.body, size);
    const found = sha256(bytes);
    if (found !== digest || bytes.length !== size) {
      throw internal(
        `Get "${answer.url}": blob verification failed for digest ${digest}: received ${found}, ${bytes.length} bytes of ${size}`,
      );
    }
    return bytes;
  }

  /** Size of a blob of this repository; undefined when it has none. */
  async blobSize(digest: string): Promise<number | undefined> {
    const answer = await this.#expect([200, 404], { method: 'HEAD', url: this.#url(`blobs/${digest}`) });
    answer.body.resume();
    return answer.status === 404 ? undefined : Number(answer.headers['content-length'] ?? 0);
  }

  /** Takes a blob over from another repository of this registry. False when the registry will not; no upload stays open. */
  async mount(digest: string, from: string): Promise<boolean> {
    const url = new URL(this.#url('blobs/uploads/'));
    url.searchParams.set('mount', digest);
    url.searchParams.set('from', from);
    const answer = await this.#expect([201, 202, 404, 403, 401], {
      method: 'POST',
      url: url.href,
      headers: { 'content-length': '0' },
      scopes: [this.#scope, `repository:${from}:pull`],
    });
    answer.body.resume();
    const { location } = answer.headers;
    if (answer.status === 202 && location !== undefined) await this.cancelUpload(new URL(location, url).href);
    return answer.status === 201;
  }

  /** Resolves with the place to send to. */
  async startUpload(): Promise<string> {
    const url = this.#url('blobs/uploads/');
    const answer = await this.#expect([202], { method: 'POST', url, headers: { 'content-length': '0' } });
    answer.body.resume();
    return locationOf(answer, url);
  }

  /** Sends bytes that begin at `offset`; `length` undefined: in chunks until the stream ends. Resolves with the next place. */
  async sendUpload(location: string, body: Readable, offset: number, length?: number): Promise<string> {
    const range: Record<string, string> =
      length === undefined
        ? {}
        : { 'content-length': String(length), 'content-range': `${offset}-${offset + length - 1}` };
    const answer = await this.#expect([202, 204], {
      method: 'PATCH',
      url: location,
      headers: { 'content-type': 'application/octet-stream', ...range },
      body,
    });
    answer.body.resume();
    return locationOf(answer, location);
  }

  /** How many bytes of an upload have arrived, and where to go on. */
  async uploadStatus(location: string): Promise<{ readonly received: number; readonly location: string }> {
    const answer = await this.#expect([204], { method: 'GET', url: location });
    answer.body.resume();
    const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.range ?? '')?.[1];
    // "0-0" is what registries say of an empty upload; of one of a single byte too, which then is sent again from the beginning.
    const received = last === undefined || last === '0' ? 0 : Number(last) + 1;
    return { received, location: locationOf(answer, location) };
  }

  async finishUpload(location: string, digest: string, body?: Uint8Array): Promise<void> {
    const url = new URL(location);
    url.searchParams.set('digest', digest);
    const answer = await this.#expect([201, 204], {
      method: 'PUT',
      url: url.href,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(body?.length ?? 0) },
      ...(body === undefined ? {} : { body }),
    });
    answer.body.resume();
  }

  async cancelUpload(location: string): Promise<void> {
    const answer = await this.#send({ method: 'DELETE', url: location });
    answer.body.resume();
  }

  #url(rest: string): string {
    const { url, namespace } = this.endpoint;
    return `${url}/v2/${this.path}/${rest}${namespace === '' ? '' : `?ns=${encodeURIComponent(namespace)}`}`;
  }

  async #expect(statuses: readonly number[], call: Call): Promise<HttpAnswer> {
    const answer = await this.#send(call);
    if (statuses.includes(answer.status)) return answer;
    const text = await readText(answer.body, MAX_ERROR_BODY);
    throw failureOf(answer.status, answer.reason, text, requestOf(call));
  }

  /** Sends with credentials; a stream as body is sent once only, because it cannot be read again. */
  async #send(call: Call): Promise<HttpAnswer> {
    const { transport, endpoint, authorizer, signal } = this.#options;
    const scopes = call.scopes ?? [this.#scope];
    let challenged = false;
    for (let waits = 0; ; ) {
      const authorization = await this.#authorization(call, scopes);
      const headers = { ...call.headers, ...(authorization === '' ? {} : { authorization }) };
      const answer = await transport.send(endpoint, { ...call, headers, signal });
      const repeatable = call.body === undefined || call.body instanceof Uint8Array;
      if (answer.status === 401 && !challenged && repeatable) {
        challenged = true;
        const challenge = answer.headers['www-authenticate'] ?? '';
        if (!authorizer.accept(challenge, scopes, authorization, requestOf(call))) return answer;
        answer.body.resume();
        continue;
      }
      const wait = pauseOf(answer);
      if (wait === undefined || waits >= MAX_WAITS || !repeatable) return answer;
      answer.body.resume();
      waits++;
      await sleep(wait, undefined, { signal });
    }
  }

  /** Credentials go to the registry alone, wherever an upload is sent to. */
  async #authorization(call: Call, scopes: readonly string[]): Promise<string> {
    const { endpoint, authorizer, signal } = this.#options;
    const own = new URL(call.url).host === new URL(endpoint.url).host;
    return own ? await authorizer.header(endpoint, scopes, signal) : '';
  }
}

/** Milliseconds that a busy registry asks for; undefined when it does not, or wants too much patience. */
function pauseOf(answer: HttpAnswer): number | undefined {
  if (answer.status !== 429 && answer.status !== 503) return undefined;
  const wait = retryAfter(answer.headers['retry-after'], Date.now());
  return wait === undefined || wait > MAX_WAIT_MS ? undefined : wait;
}

/** `Head "https://registry/v2/…"`, as errors begin. */
const requestOf = (call: Call): string => `${call.method.charAt(0)}${call.method.slice(1).toLowerCase()} "${call.url}"`;

function locationOf(answer: HttpAnswer, base: string): string {
  const { location } = answer.headers;
  if (location === undefined)
    throw internal(`${base}: the registry did not say where the upload goes on (no Location)`);
  return new URL(location, base).href;
}
