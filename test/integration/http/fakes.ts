// Owns an API over made-up services on a real socket: for tests of HTTP alone. Every service method that a test does not give throws.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { close, duplicate, socketPair, writeAll } from '../../../addon/index.ts';
import type { Builds } from '../../../daemon/build/types.ts';
import type { Containers } from '../../../daemon/containers/types.ts';
import { createApi } from '../../../daemon/http/api.ts';
import type { EventSource, HttpServices } from '../../../daemon/http/ports.ts';
import type { Registry } from '../../../daemon/images/registry/types.ts';
import type { Images } from '../../../daemon/images/types.ts';
import type { Networks } from '../../../daemon/networks/types.ts';
import type { System } from '../../../daemon/system/types.ts';
import type { Volumes } from '../../../daemon/volumes/types.ts';

const missing = (room: string): object =>
  new Proxy(
    {},
    {
      get: (_target, name) =>
        name === 'then'
          ? undefined
          : () => {
              throw new Error(`${room}.${String(name)} is not part of this test`);
            },
    },
  );

const fake = <T extends object>(room: string, part: Partial<T> = {}): T =>
  new Proxy(part, {
    get: (target, name) => Reflect.get(target, name) ?? Reflect.get(missing(room), name),
  }) as T;

export interface FakeParts {
  readonly containers?: Partial<Containers>;
  readonly images?: Partial<Images>;
  readonly registry?: Partial<Registry>;
  readonly networks?: Partial<Networks>;
  readonly volumes?: Partial<Volumes>;
  readonly builds?: Partial<Builds>;
  readonly system?: Partial<System>;
  readonly events?: EventSource;
}

export interface FakeApi {
  readonly socket: string;
  connect(): Socket;
  /** Sends a request as text and resolves with everything until the connection ends. */
  exchange(text: string): Promise<string>;
}

export async function serve(t: { teardown(work: () => unknown): unknown }, parts: FakeParts): Promise<FakeApi> {
  const directory = mkdtempSync('/tmp/tsd-http-');
  const socket = join(directory, 'api.sock');
  const services: HttpServices = {
    containers: fake<Containers>('containers', parts.containers),
    images: fake<Images>('images', parts.images),
    registry: fake<Registry>('registry', parts.registry),
    builds: fake<Builds>('builds', parts.builds),
    networks: fake<Networks>('networks', parts.networks),
    volumes: fake<Volumes>('volumes', parts.volumes),
    system: fake<System>('system', parts.system),
    events: parts.events ?? fake<EventSource>('events'),
    descriptors: { duplicate, writeAll, close, socketPair },
  };
  const api = await createApi(services, {
    version: '0.0.0-test',
    experimental: false,
    checkAnswers: true,
    log: pino({ level: process.env.TSD_TEST_LOG ?? 'silent' }),
  });
  const server = api.makeServer();
  await new Promise<void>((resolve) => server.listen({ path: socket }, resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await api.close();
    rmSync(directory, { recursive: true });
  });
  return {
    socket,
    connect: () => connect({ path: socket, allowHalfOpen: true }),
    exchange: (text) =>
      new Promise((resolve, reject) => {
        const client = connect({ path: socket });
        const parts: Buffer[] = [];
        client.on('data', (part) => parts.push(part));
        client.on('end', () => resolve(Buffer.concat(parts).toString()));
        client.on('error', reject);
        client.write(text);
      }),
  };
}
