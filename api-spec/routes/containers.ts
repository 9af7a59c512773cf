// Owns the routes of containers. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, idParams, route } from '../route.ts';
import {
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerInspect as ContainerInspectSchema,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  FilesystemChange,
} from '../schemas/container.ts';
import { ContainerStats as ContainerStatsSchema } from '../schemas/stats.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'Container';

const LIST_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
] as const;

export const ContainerList = route({
  method: 'GET',
  path: '/containers/json',
  summary: 'List containers.',
  tag,
  query: z.object({ all: q.flag(), limit: q.int(), size: q.flag(), filters: q.filters(LIST_FILTERS) }),
  responses: {
    200: { description: 'The containers, newest first.', schema: z.array(ContainerSummary) },
    ...errors(400),
  },
});

export const ContainerCreate = route({
  method: 'POST',
  path: '/containers/create',
  summary: 'Create a container.',
  tag,
  query: z.object({ name: q.text(), platform: q.text() }),
  body: tolerant(ContainerCreateRequest),
  responses: {
    201: { description: 'The container was created.', schema: ContainerCreateResponse },
    ...errors(400, 404, 409),
  },
});

export const ContainerInspect = route({
  method: 'GET',
  path: '/containers/:id/json',
  summary: 'Everything about one container.',
  tag,
  params: idParams,
  query: z.object({ size: q.flag() }),
  responses: { 200: { description: 'The container.', schema: ContainerInspectSchema }, ...errors(404) },
});

export const ContainerTop = route({
  method: 'GET',
  path: '/containers/:id/top',
  summary: 'Processes of a container.',
  tag,
  params: idParams,
  query: z.object({ ps_args: q.text() }),
  responses: {
    200: { description: 'A table of processes.', schema: ContainerTopResponse },
    ...errors(400, 404, 409),
  },
});

export const ContainerLogs = route({
  method: 'GET',
  path: '/containers/:id/logs',
  summary: 'What a container wrote.',
  tag,
  params: idParams,
  query: z.object({
    follow: q.flag(),
    stdout: q.flag(),
    stderr: q.flag(),
    since: q.timestamp(),
    until: q.timestamp(),
    timestamps: q.flag(),
    details: q.flag(),
    tail: q.text(),
  }),
  responses: {
    200: { description: 'The output; raw when the container has a terminal.', stream: 'multiplexed' },
    ...errors(400, 404),
  },
});

export const ContainerChanges = route({
  method: 'GET',
  path: '/containers/:id/changes',
  summary: 'Files that differ from the image.',
  tag,
  params: idParams,
  responses: { 200: { description: 'The changes.', schema: z.array(FilesystemChange) }, ...errors(404) },
});

export const ContainerExport = route({
  method: 'GET',
  path: '/containers/:id/export',
  summary: 'The file system of a container as a tar archive.',
  tag,
  params: idParams,
  responses: { 200: { description: 'The archive.', stream: 'tar' }, ...errors(404, 409) },
});

export const ContainerStats = route({
  method: 'GET',
  path: '/containers/:id/stats',
  summary: 'Resource usage, once or as a stream.',
  tag,
  params: idParams,
  query: z.object({ stream: q.flag(true), 'one-shot': q.flag() }),
  responses: {
    200: { description: 'One sample a line.', schema: ContainerStatsSchema, stream: 'json-lines' },
    ...errors(400, 404),
  },
});

const size = z.object({ h: q.requiredInt(), w: q.requiredInt() });

export const ContainerResize = route({
  method: 'POST',
  path: '/containers/:id/resize',
  summary: 'Set the size of the terminal in rows (h) and columns (w).',
  tag,
  params: idParams,
  query: size,
  responses: { 200: { description: 'Done.' }, ...errors(400, 404, 409) },
});

export const ContainerStart = route({
  method: 'POST',
  path: '/containers/:id/start',
  summary: 'Start a container.',
  tag,
  params: idParams,
  query: z.object({ detachKeys: q.text(), checkpoint: q.text(), 'checkpoint-dir': q.text() }),
  responses: {
    204: { description: 'It runs.' },
    304: { description: 'It ran already.' },
    ...errors(400, 404, 409),
  },
});

const stopQuery = z.object({ signal: q.text(), t: q.int() });

export const ContainerStop = route({
  method: 'POST',
  path: '/containers/:id/stop',
  summary: 'Stop a container: its stop signal, and after t seconds (-1: never) SIGKILL.',
  tag,
  params: idParams,
  query: stopQuery,
  responses: { 204: { description: 'It has stopped.' }, 304: { description: 'It did not run.' }, ...errors(400, 404) },
});

export const ContainerRestart = route({
  method: 'POST',
  path: '/containers/:id/restart',
  summary: 'Stop and start a container.',
  tag,
  params: idParams,
  query: stopQuery,
  responses: { 204: { description: 'It runs.' }, ...errors(400, 404, 409) },
});

export const ContainerKill = route({
  method: 'POST',
  path: '/containers/:id/kill',
  summary: 'Send a signal to the first process of a container.',
  tag,
  params: idParams,
  query: z.object({ signal: q.text() }),
  responses: { 204: { description: 'The signal was sent.' }, ...errors(400, 404, 409) },
});

export const ContainerUpdate = route({
  method: 'POST',
  path: '/containers/:id/update',
  summary: 'Change limits and restart policy of a container.',
  tag,
  params: idParams,
  body: tolerant(ContainerUpdateRequest),
  responses: { 200: { description: 'Changed.', schema: ContainerUpdateResponse }, ...errors(400, 404, 409) },
});

export const ContainerRename = route({
  method: 'POST',
  path: '/containers/:id/rename',
  summary: 'Give a container another name.',
  tag,
  params: idParams,
  query: z.object({ name: q.text() }),
  responses: { 204: { description: 'Renamed.' }, ...errors(400, 404, 409) },
});

export const ContainerPause = route({
  method: 'POST',
  path: '/containers/:id/pause',
  summary: 'Freeze all processes of a container.',
  tag,
  params: idParams,
  responses: { 204: { description: 'Frozen.' }, ...errors(404, 409) },
});

export const ContainerUnpause = route({
  method: 'POST',
  path: '/containers/:id/unpause',
  summary: 'Let the processes of a frozen container go on.',
  tag,
  params: idParams,
  responses: { 204: { description: 'They go on.' }, ...errors(404, 409) },
});

const attachQuery = z.object({
  detachKeys: q.text(),
  logs: q.flag(),
  stream: q.flag(),
  stdin: q.flag(),
  stdout: q.flag(),
  stderr: q.flag(),
});

export const ContainerAttach = route({
  method: 'POST',
  path: '/containers/:id/attach',
  summary: 'Connect to the streams of a container.',
  tag,
  params: idParams,
  query: attachQuery,
  hijack: true,
  responses: {
    101: { description: 'The connection carries the streams; raw with a terminal.', stream: 'multiplexed' },
    200: { description: 'The same for a client that did not ask for an upgrade.', stream: 'multiplexed' },
    ...errors(400, 404, 409),
  },
});

export const ContainerAttachWebsocket = route({
  method: 'GET',
  path: '/containers/:id/attach/ws',
  summary: 'Connect to the streams of a container by a WebSocket.',
  tag,
  params: idParams,
  query: attachQuery,
  hijack: true,
  responses: {
    101: { description: 'The WebSocket carries the streams.', stream: 'raw' },
    200: { description: 'Not used.' },
    ...errors(400, 404, 409),
  },
});

export const ContainerWait = route({
  method: 'POST',
  path: '/containers/:id/wait',
  summary: 'Wait until a container stops, stops next or is removed. The answer has its exit code.',
  tag,
  params: idParams,
  query: z.object({
    condition: q.choice(
      ['not-running', 'next-exit', 'removed'],
      'not-running',
      (v) => `invalid condition: ${JSON.stringify(v)}`,
    ),
  }),
  responses: { 200: { description: 'It came.', schema: ContainerWaitResponse }, ...errors(400, 404) },
});

export const ContainerDelete = route({
  method: 'DELETE',
  path: '/containers/:id',
  summary: 'Remove a container.',
  tag,
  params: idParams,
  query: z.object({ v: q.flag(), force: q.flag(), link: q.flag() }),
  responses: { 204: { description: 'Removed.' }, ...errors(400, 404, 409) },
});

const STAT_HEADER = {
  'X-Docker-Container-Path-Stat': 'Base64 of JSON: name, size, mode (Go), mtime, linkTarget.',
} as const;

export const ContainerArchiveInfo = route({
  method: 'HEAD',
  path: '/containers/:id/archive',
  summary: 'What a path in a container is.',
  tag,
  params: idParams,
  query: z.object({ path: q.requiredText() }),
  responses: { 200: { description: 'It is there.', headers: STAT_HEADER }, ...errors(400, 404) },
});

export const ContainerArchive = route({
  method: 'GET',
  path: '/containers/:id/archive',
  summary: 'A file or directory of a container as a tar archive.',
  tag,
  params: idParams,
  query: z.object({ path: q.requiredText() }),
  responses: { 200: { description: 'The archive.', stream: 'tar', headers: STAT_HEADER }, ...errors(400, 404) },
});

export const PutContainerArchive = route({
  method: 'PUT',
  path: '/containers/:id/archive',
  summary: 'Unpack a tar archive (plain, gzip, bzip2, xz, zstd) into a directory of a container.',
  tag,
  params: idParams,
  query: z.object({ path: q.requiredText(), noOverwriteDirNonDir: q.flag(), copyUIDGID: q.flag() }),
  requestContentType: 'application/x-tar',
  responses: { 200: { description: 'Unpacked.' }, ...errors(400, 403, 404) },
});

export const ContainerPrune = route({
  method: 'POST',
  path: '/containers/prune',
  summary: 'Remove all containers that do not run.',
  tag,
  query: z.object({ filters: q.filters(['label', 'label!', 'until']) }),
  responses: { 200: { description: 'What was removed.', schema: ContainerPruneResponse }, ...errors(400, 409) },
});
