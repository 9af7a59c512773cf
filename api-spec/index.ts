// Owns what the rest of the project sees of the API: the route table, the types, the helpers. Must not hold anything of its own.
import * as containers from './routes/containers.ts';
import * as exec from './routes/exec.ts';
import * as images from './routes/images.ts';
import * as networks from './routes/networks.ts';
import * as system from './routes/system.ts';
import * as tsd from './routes/tsd.ts';
import * as volumes from './routes/volumes.ts';

/** Every endpoint by Docker's operation id. Order matters nowhere: no two entries share method and path. */
export const routes = { ...containers, ...exec, ...images, ...networks, ...volumes, ...system, ...tsd } as const;

export type Routes = typeof routes;

export { buildOpenApi } from './openapi.ts';
export { describeProblems } from './problems.ts';
export type { Filters } from './query.ts';
export type {
  Answer,
  Method,
  RouteAnswer,
  RouteBody,
  RouteParams,
  RouteQuery,
  RouteSpec,
  StreamKind,
} from './route.ts';
export * from './schemas/index.ts';
export { atLeast, compareVersions, DEFAULT_API, MAX_API, MIN_API, versionProblem } from './versions.ts';
