// Owns the routes of networks. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, idParams, route } from '../route.ts';
import {
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkDisconnectRequest,
  NetworkInspect as NetworkInspectSchema,
  NetworkPruneResponse,
  Network as NetworkSchema,
} from '../schemas/network.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'Network';

export const NetworkList = route({
  method: 'GET',
  path: '/networks',
  summary: 'List networks.',
  tag,
  query: z.object({ filters: q.filters(['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']) }),
  responses: { 200: { description: 'The networks.', schema: z.array(NetworkSchema) }, ...errors(400) },
});

export const NetworkInspect = route({
  method: 'GET',
  path: '/networks/:id',
  summary: 'Everything about one network.',
  tag,
  params: idParams,
  query: z.object({ verbose: q.flag(), scope: q.text() }),
  responses: { 200: { description: 'The network.', schema: NetworkInspectSchema }, ...errors(400, 404) },
});

export const NetworkCreate = route({
  method: 'POST',
  path: '/networks/create',
  summary: 'Create a network.',
  tag,
  body: tolerant(NetworkCreateRequest),
  responses: { 201: { description: 'Created.', schema: NetworkCreateResponse }, ...errors(400, 403, 404, 409) },
});

export const NetworkConnect = route({
  method: 'POST',
  path: '/networks/:id/connect',
  summary: 'Connect a container to a network.',
  tag,
  params: idParams,
  body: tolerant(NetworkConnectRequest),
  responses: { 200: { description: 'Connected.' }, ...errors(400, 403, 404, 409) },
});

export const NetworkDisconnect = route({
  method: 'POST',
  path: '/networks/:id/disconnect',
  summary: 'Disconnect a container from a network.',
  tag,
  params: idParams,
  body: tolerant(NetworkDisconnectRequest),
  responses: { 200: { description: 'Disconnected.' }, ...errors(400, 403, 404, 409) },
});

export const NetworkDelete = route({
  method: 'DELETE',
  path: '/networks/:id',
  summary: 'Remove a network.',
  tag,
  params: idParams,
  responses: { 204: { description: 'Removed.' }, ...errors(403, 404, 409) },
});

export const NetworkPrune = route({
  method: 'POST',
  path: '/networks/prune',
  summary: 'Remove all networks that no container uses.',
  tag,
  query: z.object({ filters: q.filters(['label', 'label!', 'until']) }),
  responses: { 200: { description: 'What was removed.', schema: NetworkPruneResponse }, ...errors(400, 409) },
});
