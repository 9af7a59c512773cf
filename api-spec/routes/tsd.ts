// Owns the routes that Docker does not have. Must not know how they are served.
import { z } from 'zod';
import { errors, route } from '../route.ts';
import { Leaks } from '../schemas/system.ts';

export const OpenApi = route({
  method: 'GET',
  path: '/openapi.json',
  summary: 'This definition.',
  tag: 'tsd',
  responses: { 200: { description: 'OpenAPI 3.1.', schema: z.record(z.string(), z.unknown()) }, ...errors() },
});

export const TsdLeaks = route({
  method: 'GET',
  path: '/tsd/leaks',
  summary: 'What this instance has in the kernel and on disk without a record of it. Empty in good order.',
  tag: 'tsd',
  responses: { 200: { description: 'The leaks.', schema: Leaks }, ...errors() },
});

export const TsdLeaksHeal = route({
  method: 'POST',
  path: '/tsd/leaks/heal',
  summary: 'Searches for leaks and removes what can be removed. The answer tells of each what came of it.',
  tag: 'tsd',
  responses: { 200: { description: 'What was found.', schema: Leaks }, ...errors() },
});
