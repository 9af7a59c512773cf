// Owns what every route file gets: the application, the services, and a shorter way to bind. Knows no endpoint.
import type { FastifyInstance } from 'fastify';
import type { RouteSpec } from '../../../api-spec/index.ts';
import { EngineError, withContext } from '../../base/errors.ts';
import { nowNs } from '../../base/time.ts';
import { parseTimestamp } from '../../base/timestamp.ts';
import { type BindOptions, bind, type Handler } from '../bind.ts';
import type { HttpServices } from '../ports.ts';
import type { NetworkNames } from '../presenters/network-settings.ts';

export interface RouteContext {
  readonly services: HttpServices;
  /** Binds a route of the table. */
  readonly on: <R extends RouteSpec>(spec: R, handler: Handler<R>) => void;
}

export function routeContext(app: FastifyInstance, services: HttpServices, options: BindOptions): RouteContext {
  return { services, on: (spec, handler) => bind(app, spec, handler, options) };
}

/** Names and ids of networks for presenters, read once for an answer. */
export function networkNames(services: HttpServices): NetworkNames {
  const networks = services.networks.list();
  const byId = new Map(networks.map((network) => [network.id, network.name]));
  const byName = new Map(networks.map((network) => [network.name, network.id]));
  return { nameOf: (id) => byId.get(id), idOf: (name) => byName.get(name) };
}

/** The value of a lookup, undefined when there is no such object. */
export function orUndefined<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof EngineError && (error.kind === 'not-found' || error.kind === 'invalid-argument'))
      return undefined;
    throw error;
  }
}

/** Shows an image's name in a list only while it still means that image; otherwise the id. */
export function imageNamer(services: HttpServices): (reference: string, id: string) => string {
  const known = new Map<string, string | undefined>();
  return (reference, id) => {
    if (!known.has(reference)) known.set(reference, orUndefined(() => services.images.get(reference))?.id);
    return known.get(reference) === id ? reference : id;
  };
}

/** Nanoseconds since 1970 of a query's time; undefined when it is absent or empty. Throws invalid-argument that names the parameter. */
export function timeOf(name: string, text: string | undefined, now: bigint): bigint | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return parseTimestamp(text, now);
  } catch (error) {
    throw withContext(`invalid value for "${name}"`, error);
  }
}

export { nowNs };
