// Owns the routes of the engine itself. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, route } from '../route.ts';
import {
  AuthConfig,
  AuthResponse,
  EventMessage,
  SystemDataUsage as SystemDataUsageSchema,
  SystemInfo as SystemInfoSchema,
  SystemVersion as SystemVersionSchema,
} from '../schemas/system.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'System';

const PING_HEADERS = {
  'Api-Version': 'Newest API version served.',
  'Builder-Version': 'Builder that clients should use by default.',
  'Docker-Experimental': 'true or false.',
  Swarm: 'State of the node in a swarm.',
  'Cache-Control': 'no-cache, no-store, must-revalidate.',
  Pragma: 'no-cache.',
} as const;

export const SystemPing = route({
  method: 'GET',
  path: '/_ping',
  summary: 'Is the engine there?',
  tag,
  responses: { 200: { description: 'OK, as text.', stream: 'raw', headers: PING_HEADERS }, ...errors() },
});

export const SystemPingHead = route({
  method: 'HEAD',
  path: '/_ping',
  summary: 'Is the engine there?',
  tag,
  responses: { 200: { description: 'Yes.', headers: PING_HEADERS }, ...errors() },
});

export const SystemVersion = route({
  method: 'GET',
  path: '/version',
  summary: 'Versions of the engine and its parts.',
  tag,
  responses: { 200: { description: 'The versions.', schema: SystemVersionSchema }, ...errors() },
});

export const SystemInfo = route({
  method: 'GET',
  path: '/info',
  summary: 'The engine and its host.',
  tag,
  responses: { 200: { description: 'The engine.', schema: SystemInfoSchema }, ...errors() },
});

export const SystemAuth = route({
  method: 'POST',
  path: '/auth',
  summary: 'Check credentials with a registry.',
  tag,
  body: tolerant(AuthConfig),
  responses: {
    200: { description: 'They are good.', schema: AuthResponse },
    204: { description: 'They are good.' },
    ...errors(400, 401),
  },
});

export const SystemEvents = route({
  method: 'GET',
  path: '/events',
  summary: 'Events since a time, until a time or for ever.',
  tag,
  query: z.object({ since: q.timestamp(), until: q.timestamp(), filters: q.filters() }),
  responses: {
    200: { description: 'One event a line.', schema: EventMessage, stream: 'json-lines' },
    ...errors(400),
  },
});

export const SystemDataUsage = route({
  method: 'GET',
  path: '/system/df',
  summary: 'Disk usage.',
  tag,
  query: z.object({ type: q.list(), verbose: q.flag() }),
  responses: { 200: { description: 'The usage.', schema: SystemDataUsageSchema }, ...errors(400) },
});

export const Session = route({
  method: 'POST',
  path: '/session',
  summary: "Take over the connection for a builder's session.",
  tag: 'Session',
  since: '1.31',
  hijack: true,
  responses: { 101: { description: 'The connection carries the session.', stream: 'raw' }, ...errors(400, 501) },
});
