// Owns the routes of images, builds and registries' answers. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, nameParams, route } from '../route.ts';
import { IdResponse, ProgressLine } from '../schemas/common.ts';
import {
  AttestationStatement,
  DistributionInspect as DistributionInspectSchema,
  ImageCommitRequest,
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect as ImageInspectSchema,
  ImagePruneResponse,
  ImageSearchItem,
  ImageSummary,
} from '../schemas/image.ts';
import { BuildPruneResponse } from '../schemas/system.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'Image';
const slashes = ['name'] as const;
const progress = {
  description: 'Progress, one JSON value a line; a line with `error` ends it.',
  schema: ProgressLine,
  stream: 'json-lines',
} as const;

export const ImageList = route({
  method: 'GET',
  path: '/images/json',
  summary: 'List images.',
  tag,
  query: z.object({
    all: q.flag(),
    filters: q.filters(['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until']),
    filter: q.text(),
    'shared-size': q.flag(),
    digests: q.flag(),
    manifests: q.flag(),
    identity: q.flag(),
  }),
  responses: { 200: { description: 'The images, newest first.', schema: z.array(ImageSummary) }, ...errors(400) },
});

export const ImageCreate = route({
  method: 'POST',
  path: '/images/create',
  summary: 'Pull an image (fromImage) or make one of a tar archive (fromSrc: a URL, or - for the body).',
  tag,
  query: z.object({
    fromImage: q.text(),
    fromSrc: q.text(),
    repo: q.text(),
    tag: q.text(),
    message: q.text(),
    changes: q.list(),
    platform: q.text(),
  }),
  requestContentType: 'application/octet-stream',
  responses: { 200: progress, ...errors(400, 404) },
});

export const ImageInspect = route({
  method: 'GET',
  path: '/images/:name/json',
  summary: 'Everything about one image.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ manifests: q.flag(), platform: q.text() }),
  responses: { 200: { description: 'The image.', schema: ImageInspectSchema }, ...errors(400, 404) },
});

export const ImageAttestations = route({
  method: 'GET',
  path: '/images/:name/attestations',
  summary: 'Statements attached to an image.',
  tag,
  since: '1.55',
  params: nameParams,
  slashes,
  query: z.object({ platform: q.list(), type: q.list(), statement: q.flag() }),
  responses: {
    200: { description: 'The statements.', schema: z.array(AttestationStatement) },
    ...errors(400, 404, 501),
  },
});

export const ImageHistory = route({
  method: 'GET',
  path: '/images/:name/history',
  summary: 'The steps an image was made by.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ platform: q.text() }),
  responses: { 200: { description: 'The steps, last first.', schema: z.array(ImageHistoryItem) }, ...errors(400, 404) },
});

export const ImagePush = route({
  method: 'POST',
  path: '/images/:name/push',
  summary: 'Send an image to its registry. Credentials in X-Registry-Auth.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ tag: q.text(), platform: q.text() }),
  requestContentType: 'application/octet-stream',
  responses: { 200: progress, ...errors(400, 404) },
});

export const ImageTag = route({
  method: 'POST',
  path: '/images/:name/tag',
  summary: 'Give an image one more name.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ repo: q.text(), tag: q.text() }),
  responses: { 201: { description: 'Named.' }, ...errors(400, 404, 409) },
});

export const ImageDelete = route({
  method: 'DELETE',
  path: '/images/:name',
  summary: 'Take a name from an image, and remove it with its last one.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ force: q.flag(), noprune: q.flag(), platforms: q.list() }),
  responses: {
    200: { description: 'What was taken and removed.', schema: z.array(ImageDeleteItem) },
    ...errors(400, 404, 409),
  },
});

export const ImageSearch = route({
  method: 'GET',
  path: '/images/search',
  summary: 'Search images in Docker Hub.',
  tag,
  query: z.object({
    term: q.text(),
    limit: q.int(),
    filters: q.filters(['is-automated', 'is-official', 'stars']),
  }),
  responses: { 200: { description: 'What was found.', schema: z.array(ImageSearchItem) }, ...errors(400) },
});

export const ImagePrune = route({
  method: 'POST',
  path: '/images/prune',
  summary: 'Remove images without a name (dangling=true) or all that no container uses (dangling=false).',
  tag,
  query: z.object({ filters: q.filters(['dangling', 'label', 'label!', 'until']) }),
  responses: { 200: { description: 'What was removed.', schema: ImagePruneResponse }, ...errors(400, 409) },
});

export const ImageGet = route({
  method: 'GET',
  path: '/images/:name/get',
  summary: 'An image as an archive for load.',
  tag,
  params: nameParams,
  slashes,
  query: z.object({ platform: q.list() }),
  responses: { 200: { description: 'The archive.', stream: 'tar' }, ...errors(400, 404) },
});

export const ImageGetAll = route({
  method: 'GET',
  path: '/images/get',
  summary: 'Several images as one archive for load.',
  tag,
  query: z.object({ names: q.list(), platform: q.list() }),
  responses: { 200: { description: 'The archive.', stream: 'tar' }, ...errors(400, 404) },
});

export const ImageLoad = route({
  method: 'POST',
  path: '/images/load',
  summary: 'Take images from an archive: docker save or OCI layout, plain or compressed.',
  tag,
  query: z.object({ quiet: q.flag(), platform: q.list() }),
  requestContentType: 'application/x-tar',
  responses: { 200: progress, ...errors(400, 404) },
});

export const ImageCommit = route({
  method: 'POST',
  path: '/commit',
  summary: 'Make an image of a container.',
  tag,
  query: z.object({
    container: q.text(),
    repo: q.text(),
    tag: q.text(),
    comment: q.text(),
    author: q.text(),
    pause: q.flag(true),
    changes: q.list(),
  }),
  body: tolerant(ImageCommitRequest.optional()),
  responses: { 201: { description: 'Made.', schema: IdResponse }, ...errors(400, 404, 409) },
});

export const ImageBuild = route({
  method: 'POST',
  path: '/build',
  summary: 'Build an image of the archive in the body or of a remote context.',
  tag,
  query: z.object({
    dockerfile: q.text(),
    t: q.list(),
    extrahosts: q.list(),
    remote: q.text(),
    q: q.flag(),
    nocache: q.flag(),
    cachefrom: q.text(),
    pull: q.flag(),
    rm: q.flag(true),
    forcerm: q.flag(),
    memory: q.int(),
    memswap: q.int(),
    cpushares: q.int(),
    cpusetcpus: q.text(),
    cpusetmems: q.text(),
    cpuperiod: q.int(),
    cpuquota: q.int(),
    cgroupparent: q.text(),
    buildargs: q.text(),
    shmsize: q.int(),
    ulimits: q.text(),
    squash: q.flag(),
    labels: q.text(),
    networkmode: q.text(),
    isolation: q.text(),
    securityopt: q.text(),
    platform: q.text(),
    target: q.text(),
    outputs: q.text(),
    session: q.text(),
    buildid: q.text(),
    version: q.text(),
  }),
  requestContentType: 'application/x-tar',
  responses: { 200: progress, ...errors(400, 501) },
});

export const BuildCancel = route({
  method: 'POST',
  path: '/build/cancel',
  summary: 'Cancel a build of this id.',
  tag,
  query: z.object({ id: q.text() }),
  responses: { 204: { description: 'Cancelled.' }, ...errors(400, 501) },
});

export const BuildPrune = route({
  method: 'POST',
  path: '/build/prune',
  summary: 'Remove build cache.',
  tag,
  query: z.object({
    'keep-storage': q.int(),
    'reserved-space': q.int(),
    'max-used-space': q.int(),
    'min-free-space': q.int(),
    all: q.flag(),
    filters: q.filters(),
  }),
  responses: { 200: { description: 'What was removed.', schema: BuildPruneResponse }, ...errors(400, 501) },
});

export const DistributionInspect = route({
  method: 'GET',
  path: '/distribution/:name/json',
  summary: 'What the registry says of an image, without pulling it.',
  tag: 'Distribution',
  params: nameParams,
  slashes,
  responses: {
    200: { description: 'Descriptor and platforms.', schema: DistributionInspectSchema },
    ...errors(400, 401, 403, 404),
  },
});
