// Owns the putting together of the API: application, upgrade seam and all route files. main.ts makes the servers with it.
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { Hijacks } from './hijack.ts';
import type { AnyServer } from './listeners.ts';
import type { HttpServices } from './ports.ts';
import { attachRoutes } from './routes/attach.ts';
import { buildRoutes } from './routes/build.ts';
import { containerFileRoutes } from './routes/container-files.ts';
import { containerResourceRoutes } from './routes/container-resources.ts';
import { containerRoutes } from './routes/containers.ts';
import { routeContext } from './routes/context.ts';
import { execRoutes } from './routes/exec.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { registryRoutes } from './routes/registry.ts';
import { systemRoutes } from './routes/system.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { type ApplicationOptions, createApplication, createHttpServer, type ServerTls } from './server.ts';

export interface ApiOptions extends ApplicationOptions {
  /** Logs answers that differ from the route table. */
  readonly checkAnswers: boolean;
}

export interface Api {
  /** A server for one more socket, with TLS when given. */
  makeServer(tls?: ServerTls): AnyServer;
  /** Ends waits and streams (events, logs, statistics) at once; ordinary requests go on. */
  endStreams(): void;
  /** Ends WebSockets and the framework; servers are closed by their owner. */
  close(): Promise<void>;
}

/** Builds the API over the services. */
export async function createApi(services: HttpServices, options: ApiOptions): Promise<Api> {
  const application = createApplication(options);
  const { app, headers } = application;
  const websockets = new EventEmitter();
  const hijacks = new Hijacks(services.descriptors, headers, websockets, options.log);
  const stopping = new AbortController();
  const context = routeContext(app, services, { checkAnswers: options.checkAnswers, stopping: stopping.signal });
  containerRoutes(context);
  containerResourceRoutes(context);
  containerFileRoutes(context);
  imageRoutes(context);
  buildRoutes(context);
  registryRoutes(context);
  networkRoutes(context);
  volumeRoutes(context);
  systemRoutes(context);
  execRoutes(context, app, hijacks);
  await attachRoutes(app, hijacks, websockets, services);
  await app.ready();
  return {
    makeServer: (tls) => {
      const server = createHttpServer(application, (request) => hijacks.isUpgrade(request), tls);
      hijacks.listen(server as Server);
      return server;
    },
    endStreams: () => stopping.abort(new Error('the daemon stops')),
    close: () => app.close(),
  };
}
