// Owns registries under test: Debian's docker-registry on a port of its own (plain or TLS; open, password or token), a token server for it,
// and a proxy in front of it that breaks what a test wants broken.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createPrivateKey, createSign, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Teardown } from './daemon.ts';

/** User and password that registries with a password know, and the htpasswd line for them (bcrypt). */
export const user = { name: 'alice', password: 'open-sesame-7' };
const HTPASSWD = 'alice:$2b$05$abcdefghijklmnopqrstuuYhafDARXY0KToV89BBvM5ig95pRHC2G\n';

export interface RegistryOptions {
  readonly tls?: boolean;
  readonly auth?: 'password' | 'token';
}

export interface TestRegistry {
  /** `127.0.0.1:5000`. */
  readonly host: string;
  readonly url: string;
  readonly root: string;
  /** PEM file of the certificate that signs itself, with TLS. */
  readonly certificate: string;
  /** Requests that the token server has had, as their queries. */
  readonly tokenRequests: readonly string[];
  stop(): Promise<void>;
  /** Starts again on the same port and store. */
  start(): Promise<void>;
}

function makeCertificate(directory: string): { cert: string; key: string } {
  const cert = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  const subject = ['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const form = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...form, ...subject], { stdio: 'ignore' });
  return { cert, key };
}

export const listen = async (server: Server): Promise<number> =>
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

export async function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

const base64url = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url');

function signToken(keyFile: string, certFile: string, service: string, account: string, access: unknown): string {
  const certificate = new X509Certificate(readFileSync(certFile));
  const header = { typ: 'JWT', alg: 'RS256', x5c: [certificate.raw.toString('base64')] };
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now - 10, exp: now + 300 };
  const claims = { iss: 'test', sub: account, aud: service, jti: randomBytes(8).toString('hex'), access, ...times };
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  const signature = createSign('RSA-SHA256')
    .update(text)
    .sign(createPrivateKey(readFileSync(keyFile)));
  return `${text}.${base64url(signature)}`;
}

interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const scopeOf = (text: string): Scope => {
  const [type = '', ...rest] = text.split(':');
  return { type, name: rest.slice(0, -1).join(':'), actions: (rest.at(-1) ?? '').split(',') };
};

/** Everyone may pull below `public/`; the user may do all. A refresh token stands for the user's password. */
function tokenServer(keys: { cert: string; key: string }, requests: string[]): Server {
  const answer = (response: ServerResponse, status: number, value: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  return createServer(async (incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://token');
    let query = url.searchParams;
    let body = '';
    for await (const part of incoming) body += String(part);
    if (incoming.method === 'POST') query = new URLSearchParams(body);
    requests.push(`${incoming.method} ${query.toString()}`);
    const expected = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`;
    const { authorization } = incoming.headers;
    const known = authorization === expected || query.get('refresh_token') === 'refresh-alice';
    if ((authorization !== undefined || incoming.method === 'POST') && !known) {
      answer(response, 401, { details: 'incorrect username or password' });
      return;
    }
    const scopes = query
      .getAll('scope')
      .flatMap((scope) => scope.split(' '))
      .filter((scope) => scope !== '');
    const access = scopes.map(scopeOf).map((scope) => ({
      ...scope,
      actions: known
        ? scope.actions
        : scope.actions.filter((one) => one === 'pull' && scope.name.startsWith('public/')),
    }));
    const token = signToken(keys.key, keys.cert, query.get('service') ?? '', known ? user.name : '', access);
    const refresh = query.get('offline_token') === 'true' && known ? { refresh_token: 'refresh-alice' } : {};
    answer(response, 200, { token, expires_in: 300, ...refresh });
  });
}

/** Starts a registry for the length of a test. */
export async function startRegistry(t: Teardown, options: RegistryOptions = {}): Promise<TestRegistry> {
  const root = mkdtempSync('/tmp/tsd-registry-');
  const keys = options.tls === true || options.auth === 'token' ? makeCertificate(root) : { cert: '', key: '' };
  const tokenRequests: string[] = [];
  const tokens = tokenServer(keys, tokenRequests);
  const realm = options.auth === 'token' ? `http://127.0.0.1:${await listen(tokens)}/token` : '';
  let auth = {};
  if (options.auth === 'password') {
    writeFileSync(join(root, 'htpasswd'), HTPASSWD);
    auth = { auth: { htpasswd: { realm: 'test', path: join(root, 'htpasswd') } } };
  } else if (options.auth === 'token') {
    auth = { auth: { token: { realm, service: 'registry', issuer: 'test', rootcertbundle: keys.cert } } };
  }
  const config = join(root, 'config.json');
  let port = 0;
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const http = {
      addr: `127.0.0.1:${port}`,
      secret: 'test',
      ...(options.tls === true ? { tls: { certificate: keys.cert, key: keys.key } } : {}),
    };
    // YAML takes JSON.
    const storage = { filesystem: { rootdirectory: join(root, 'store') }, delete: { enabled: true } };
    writeFileSync(
      config,
      JSON.stringify({ version: 0.1, log: { accesslog: { disabled: true } }, storage, http, ...auth }),
    );
    const started = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    port = await new Promise<number>((resolve, reject) => {
      let text = '';
      started.once('error', reject);
      started.once('exit', () => reject(new Error(`docker-registry ended: ${text}`)));
      started.stderr.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        const found = /listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (found !== undefined) resolve(Number(found));
      });
    });
  };
  const stop = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  await start();
  t.teardown(async () => {
    await stop();
    if (tokens.listening) await stopServer(tokens);
    rmSync(root, { recursive: true, force: true });
  });
  const host = `127.0.0.1:${port}`;
  const url = `${options.tls === true ? 'https' : 'http'}://${host}`;
  return { host, url, root, certificate: keys.cert, tokenRequests, stop, start };
}

/** What a fault does with a request: nothing when it returns false; else it has answered. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  forward: Forward,
) => boolean | Promise<boolean>;

export interface Change {
  /** The answer's body ends behind so many bytes, by a cut of the connection. */
  readonly limit?: number;
  /** It does not end there, but nothing more comes. */
  readonly stall?: boolean;
  /** The request's body is cut behind so many bytes, and the client's connection with it. */
  readonly requestLimit?: number;
  readonly dropRequestHeaders?: readonly string[];
}

/** Passes the request on, changed if need be. */
export type Forward = (change?: Change) => Promise<void>;

export interface TestProxy {
  readonly host: string;
  /** Requests as `GET /v2/…`, with the Range header behind when there was one. */
  readonly requests: string[];
  fault: Fault | undefined;
}

/** A proxy in front of a plain registry. */
export async function startProxy(t: Teardown, registry: TestRegistry): Promise<TestProxy> {
  const requests: string[] = [];
  const proxy = { host: '', requests, fault: undefined as Fault | undefined };
  const server = createServer(async (incoming, response) => {
    const range = incoming.headers.range;
    requests.push(`${incoming.method} ${incoming.url}${range === undefined ? '' : ` ${range}`}`);
    const forward: Forward = (change = {}) => pass(registry, incoming, response, change);
    if (proxy.fault !== undefined && (await proxy.fault(incoming, response, forward))) return;
    await forward();
  });
  proxy.host = `127.0.0.1:${await listen(server)}`;
  t.teardown(() => stopServer(server));
  return proxy;
}

async function pass(
  registry: TestRegistry,
  incoming: IncomingMessage,
  response: ServerResponse,
  change: Change,
): Promise<void> {
  const headers = { ...incoming.headers };
  for (const name of change.dropRequestHeaders ?? []) delete headers[name];
  await new Promise<void>((resolve) => {
    const upstream = request(`${registry.url}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (change.limit === undefined) {
        answer.pipe(response).on('finish', resolve).on('close', resolve);
        return;
      }
      let left = change.limit;
      answer.on('data', (part: Buffer) => {
        response.write(part.subarray(0, Math.max(0, left)));
        left -= part.length;
        if (left > 0) return;
        answer.destroy();
        // The bytes so far must be on their way before the cut.
        if (change.stall !== true) setImmediate(() => response.socket?.end(() => response.destroy()));
        resolve();
      });
      answer.on('end', resolve);
    });
    upstream.on('error', () => {
      response.destroy();
      resolve();
    });
    if (change.requestLimit === undefined) {
      incoming.pipe(upstream);
      return;
    }
    let left = change.requestLimit;
    incoming.on('data', (part: Buffer) => {
      if (left <= 0) return;
      upstream.write(part.subarray(0, left), () => {
        if (left > 0) return;
        // The registry keeps what it has read; it needs a moment for that.
        setTimeout(() => {
          upstream.destroy();
          incoming.socket.destroy();
          resolve();
        }, 200);
      });
      left -= part.length;
    });
  });
}
