// Owns the handlers that talk to registries: push, search, distribution, credentials; and the answer of a pull for routes/images.ts.
// Each parses, calls the service once and presents.
import type { IncomingHttpHeaders } from 'node:http';
import { routes } from '../../../api-spec/index.ts';
import type { JsonLines } from '../json-stream.ts';
import type { HttpServices } from '../ports.ts';
import { credentialsOf, pullCredentials, pushCredentials } from '../registry-auth.ts';
import type { RouteContext } from './context.ts';

export interface PullQuery {
  readonly reference: string;
  readonly platform: string;
}

/** The answer of a pull: a stream of lines. */
export function pullAnswer(
  services: HttpServices,
  query: PullQuery,
  request: { readonly headers: IncomingHttpHeaders; readonly gone: AbortSignal },
): { readonly status: 200; readonly lines: (lines: JsonLines) => Promise<void> } {
  const credentials = pullCredentials(request.headers);
  const signal = request.gone;
  return {
    status: 200,
    lines: (lines) => services.registry.pull({ ...query, credentials, signal }, (line) => void lines.push(line)),
  };
}

export function registryRoutes({ services, on }: RouteContext): void {
  const { registry } = services;

  on(routes.ImagePush, ({ params, query, headers, gone: signal }) => {
    const credentials = pushCredentials(headers);
    const reference = query.tag ? `${params.name}:${query.tag}` : params.name;
    const platform = query.platform ?? '';
    return {
      status: 200,
      lines: (lines) => registry.push({ reference, platform, credentials, signal }, (line) => void lines.push(line)),
    };
  });

  on(routes.ImageSearch, async ({ query, headers }) => {
    const found = await registry.search({
      term: query.term ?? '',
      limit: query.limit ?? 0,
      filters: query.filters,
      credentials: pullCredentials(headers),
    });
    return {
      status: 200,
      body: found.map(({ name, description, isOfficial, isAutomated, starCount }) => ({
        star_count: starCount,
        is_official: isOfficial,
        name,
        is_automated: isAutomated,
        description,
      })),
    };
  });

  on(routes.DistributionInspect, async ({ params, headers }) => {
    const { mediaType, digest, size, platforms } = await registry.inspect(params.name, pullCredentials(headers));
    return {
      status: 200,
      body: { Descriptor: { mediaType, digest, size }, Platforms: platforms.map((platform) => ({ ...platform })) },
    };
  });

  on(routes.SystemAuth, async ({ body }) => {
    const IdentityToken = await registry.login(credentialsOf(body));
    return { status: 200, body: { IdentityToken, Status: 'Login Succeeded' } };
  });
}
