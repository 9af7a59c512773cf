// Owns the routes of volumes. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, nameParams, route } from '../route.ts';
import {
  VolumeCreateRequest,
  VolumeList as VolumeListSchema,
  VolumePruneResponse,
  Volume as VolumeSchema,
  VolumeUpdateRequest,
} from '../schemas/volume.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'Volume';

export const VolumeList = route({
  method: 'GET',
  path: '/volumes',
  summary: 'List volumes.',
  tag,
  query: z.object({ filters: q.filters(['dangling', 'driver', 'label', 'name']) }),
  responses: { 200: { description: 'The volumes.', schema: VolumeListSchema }, ...errors(400) },
});

export const VolumeCreate = route({
  method: 'POST',
  path: '/volumes/create',
  summary: 'Create a volume; one that exists is answered as it is.',
  tag,
  body: tolerant(VolumeCreateRequest),
  responses: { 201: { description: 'The volume.', schema: VolumeSchema }, ...errors(400, 409) },
});

export const VolumeInspect = route({
  method: 'GET',
  path: '/volumes/:name',
  summary: 'One volume.',
  tag,
  params: nameParams,
  responses: { 200: { description: 'The volume.', schema: VolumeSchema }, ...errors(404) },
});

export const VolumeUpdate = route({
  method: 'PUT',
  path: '/volumes/:name',
  summary: 'Change a cluster volume.',
  tag,
  since: '1.42',
  params: nameParams,
  query: z.object({ version: q.requiredInt() }),
  body: tolerant(VolumeUpdateRequest.optional()),
  responses: { 200: { description: 'Changed.' }, ...errors(400, 404, 503) },
});

export const VolumeDelete = route({
  method: 'DELETE',
  path: '/volumes/:name',
  summary: 'Remove a volume.',
  tag,
  params: nameParams,
  query: z.object({ force: q.flag() }),
  responses: { 204: { description: 'Removed.' }, ...errors(400, 404, 409) },
});

export const VolumePrune = route({
  method: 'POST',
  path: '/volumes/prune',
  summary: 'Remove anonymous volumes (all=true: every one) that no container uses.',
  tag,
  query: z.object({ filters: q.filters(['all', 'label', 'label!']) }),
  responses: { 200: { description: 'What was removed.', schema: VolumePruneResponse }, ...errors(400, 409) },
});
