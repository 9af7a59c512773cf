// Owns the sockets of the API: unix sockets with mode and group, tcp with and without TLS, sockets from systemd. Knows no route.
import { chownSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { connect } from 'node:net';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import type { ListenAddress } from '../config.ts';

export type AnyServer = Server | TlsServer;

interface ListenLog {
  info(text: string): void;
  warn(text: string): void;
}

export interface ListenOptions {
  readonly group: string;
  readonly makeServer: (secure: boolean) => AnyServer;
  readonly tls: boolean;
  readonly log: ListenLog;
}

/** Everything that listens. */
export class Listeners {
  readonly #servers: { readonly server: AnyServer; readonly path?: string }[] = [];
  readonly #options: ListenOptions;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  /** Listens at one address. Throws an EngineError that names it. */
  async listen(address: ListenAddress): Promise<void> {
    const { log, makeServer } = this.#options;
    if (address.kind === 'unix') {
      await this.#listenUnix(address.path);
      log.info(`API listen on ${address.path}`);
      return;
    }
    if (address.kind === 'fd') {
      for (const descriptor of activatedDescriptors())
        await this.#start(makeServer(false), { fd: descriptor }, 'fd://');
      log.info('API listen on the sockets of systemd');
      return;
    }
    const name = `tcp://${address.host}:${address.port}`;
    if (!this.#options.tls) {
      log.warn(`${name} is open: everyone who reaches it has root on this host. Protect it with --tlsverify`);
    }
    const server = makeServer(this.#options.tls);
    await this.#start(server, { host: address.host, port: address.port }, name);
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
    log.info(`API listen on ${address.host}:${port}`);
  }

  async #listenUnix(path: string): Promise<void> {
    await removeStale(path);
    await this.#start(this.#options.makeServer(false), { path }, `unix://${path}`, path);
    const gid = groupId(this.#options.group);
    if (gid !== undefined) chownSync(path, 0, gid);
    else if (this.#options.group !== '' && this.#options.group !== 'docker') {
      throw invalidArgument(`group: there is no group "${this.#options.group}" on this host`);
    }
  }

  async #start(server: AnyServer, at: object, name: string, path?: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    // A unix socket is bound within this call, so that it never exists with a wider mode.
    const mask = path === undefined ? undefined : process.umask(0o117);
    server.listen(at, resolve);
    if (mask !== undefined) process.umask(mask);
    try {
      await promise;
    } catch (error) {
      throw new EngineError('internal', `failed to listen on ${name}: ${messageOf(error)}`, error);
    }
    server.off('error', reject);
    this.#servers.push({ server, path });
  }

  /** Takes no new connections; resolves when the requests under way have ended or after `seconds` (-1: without bound), then cuts. */
  async close(seconds: number): Promise<void> {
    const closing = this.#servers.map(({ server }) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeIdleConnections();
      return promise;
    });
    const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = seconds < 0 ? undefined : setTimeout(giveUp, seconds * 1000);
    await Promise.race([Promise.all(closing), late]);
    clearTimeout(timer);
    for (const { server, path } of this.#servers) {
      server.closeAllConnections();
      if (path !== undefined) rmSync(path, { force: true });
    }
  }
}

/**
 * Checks an address before anything of the host is touched. Throws conflict for a path that another process serves, invalid-argument for
 * sockets of systemd that were not handed over.
 */
export async function checkAddress(address: ListenAddress): Promise<void> {
  if (address.kind === 'unix') await removeStale(address.path);
  if (address.kind === 'fd') activatedDescriptors();
}

/** Removes a unix socket that nobody serves. */
async function removeStale(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect({ path });
  probe
    .once('connect', () => resolve(true))
    .once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED'));
  const served = await promise;
  probe.destroy();
  if (served)
    throw new EngineError(
      'conflict',
      `failed to listen on unix://${path}: the path is in use by another process; stop it or choose another -H`,
    );
  rmSync(path, { force: true });
}

/** The number of a group by name or number; undefined when there is none. */
export function groupId(name: string, groups = () => readFileSync('/etc/group', 'utf8')): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = groups()
    .split('\n')
    .find((one) => one.split(':', 1)[0] === name);
  const gid = line?.split(':')[2];
  return name === '' || gid === undefined ? undefined : Number(gid);
}

/** Descriptors handed over by systemd (sd_listen_fds). Throws invalid-argument when there are none. */
function activatedDescriptors(): readonly number[] {
  const count = Number(process.env.LISTEN_PID) === process.pid ? Number(process.env.LISTEN_FDS) : 0;
  if (!Number.isInteger(count) || count < 1) {
    throw invalidArgument('hosts: fd:// needs a socket from systemd (a tsd.socket unit); none was handed over');
  }
  return Array.from({ length: count }, (_, index) => 3 + index);
}
