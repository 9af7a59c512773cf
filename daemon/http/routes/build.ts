// Owns the handlers of builds. Each parses, calls the service once and presents.
import { type HostConfig, routes } from '../../../api-spec/index.ts';
import { invalidArgument, messageOf, notImplemented } from '../../base/errors.ts';
import { BuildError } from '../../build/build-error.ts';
import type { BuildRequest } from '../../build/types.ts';
import { type Credentials, noCredentials } from '../../images/registry/types.ts';
import { errorLine } from '../error-handler.ts';
import { buildCredentials } from '../registry-auth.ts';
import type { RouteContext } from './context.ts';

/** A JSON value of a query. Throws invalid-argument that names the parameter. */
function json(name: string, text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidArgument(`invalid value for "${name}": expected JSON: ${messageOf(error)}`, error);
  }
}

function textMap(name: string, text: string | undefined, nullable: boolean): Record<string, string | null> {
  const value = json(name, text) ?? {};
  const fits = (item: unknown): boolean => typeof item === 'string' || (nullable && item === null);
  if (typeof value !== 'object' || Array.isArray(value) || !Object.values(value).every(fits)) {
    throw invalidArgument(`invalid value for "${name}": expected an object of strings`);
  }
  return value as Record<string, string | null>;
}

function textList(name: string, text: string | undefined): string[] {
  const value = json(name, text) ?? [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw invalidArgument(`invalid value for "${name}": expected a list of strings`);
  }
  return value as string[];
}

function ulimits(text: string | undefined): HostConfig['Ulimits'] {
  const value = json('ulimits', text) ?? [];
  const fits = (item: unknown): boolean => {
    const { Name, Soft, Hard } = (item ?? {}) as Record<string, unknown>;
    return typeof Name === 'string' && typeof Soft === 'number' && typeof Hard === 'number';
  };
  if (!Array.isArray(value) || !value.every(fits)) {
    throw invalidArgument('invalid value for "ulimits": expected a list of {Name, Soft, Hard}');
  }
  return value as HostConfig['Ulimits'];
}

/** Without what is absent, 0 or empty: the defaults of a container hold then. */
function given<T extends object>(limits: T): Partial<T> {
  const empty = (value: unknown): boolean =>
    value === undefined || value === 0 || value === '' || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => !empty(value))) as Partial<T>;
}

const HUB = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'];

/** Clients send the registries' names as they log in to them. */
function byDomain(all: ReadonlyMap<string, Credentials>): (domain: string) => Credentials {
  return (domain) => {
    const names = domain === 'docker.io' ? HUB : [domain, `https://${domain}`, `http://${domain}`];
    return names.map((name) => all.get(name)).find((one) => one !== undefined) ?? noCredentials;
  };
}

export function buildRoutes({ services, on }: RouteContext): void {
  const { builds } = services;

  on(routes.ImageBuild, ({ query, content, headers, gone }) => {
    if (query.version === '2' || (query.outputs ?? '') !== '') {
      throw notImplemented(
        'BuildKit is not part of this engine: it builds Dockerfiles itself; set DOCKER_BUILDKIT=0 for the docker command',
      );
    }
    if (query.squash) throw invalidArgument('squash is not supported by this engine');
    if (query.isolation !== undefined && query.isolation !== '' && query.isolation !== 'default') {
      throw invalidArgument(`unsupported isolation: ${query.isolation}`);
    }
    const credentialsFor = byDomain(buildCredentials(headers));
    const request: BuildRequest = {
      body: content,
      remote: query.remote === 'client-session' ? '' : (query.remote ?? ''),
      dockerfile: query.dockerfile ?? '',
      tags: query.t,
      args: textMap('buildargs', query.buildargs, true),
      labels: textMap('labels', query.labels, false) as Record<string, string>,
      target: query.target ?? '',
      platform: query.platform ?? '',
      noCache: query.nocache,
      pull: query.pull,
      cacheFrom: textList('cachefrom', query.cachefrom),
      remove: query.rm,
      forceRemove: query.forcerm,
      quiet: query.q,
      buildId: query.buildid ?? '',
      credentialsFor,
      limits: given({
        Memory: query.memory,
        MemorySwap: query.memswap,
        CpuShares: query.cpushares,
        CpusetCpus: query.cpusetcpus,
        CpusetMems: query.cpusetmems,
        CpuPeriod: query.cpuperiod,
        CpuQuota: query.cpuquota,
        CgroupParent: query.cgroupparent,
        ShmSize: query.shmsize,
        Ulimits: ulimits(query.ulimits),
        NetworkMode: query.networkmode,
        ExtraHosts: query.extrahosts,
        SecurityOpt: textList('securityopt', query.securityopt),
      }),
    };
    return {
      status: 200,
      lines: async (lines) => {
        try {
          await builds.build(request, (line) => void lines.push(line), gone);
        } catch (error) {
          if (!(error instanceof BuildError) || !lines.opened) throw error;
          const line = errorLine(error);
          lines.push({ errorDetail: { code: error.code, message: line.error }, error: line.error });
        }
      },
    };
  });

  on(routes.BuildCancel, ({ query }) => {
    if (query.id === undefined || query.id === '') throw invalidArgument('build ID not provided');
    builds.cancel(query.id);
    return { status: 204 };
  });

  on(routes.BuildPrune, async ({ query }) => {
    const keepBytes = query['reserved-space'] ?? query['keep-storage'] ?? 0;
    const { deleted, reclaimed } = await builds.prune({ all: query.all, filters: query.filters, keepBytes });
    return {
      status: 200,
      body: { CachesDeleted: deleted.length === 0 ? null : [...deleted], SpaceReclaimed: reclaimed },
    };
  });
}
