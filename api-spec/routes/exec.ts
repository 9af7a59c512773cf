// Owns the routes of exec sessions. Must not know how they are served.
import { z } from 'zod';
import * as q from '../query.ts';
import { errors, idParams, route } from '../route.ts';
import { IdResponse } from '../schemas/common.ts';
import { ExecCreateRequest, ExecInspect as ExecInspectSchema, ExecStartRequest } from '../schemas/exec.ts';
import { tolerant } from '../tolerant.ts';

const tag = 'Exec';

export const ContainerExec = route({
  method: 'POST',
  path: '/containers/:id/exec',
  summary: 'Prepare a command to run in a running container.',
  tag,
  params: idParams,
  body: tolerant(ExecCreateRequest),
  responses: { 201: { description: 'Prepared.', schema: IdResponse }, ...errors(400, 404, 409) },
});

export const ExecStart = route({
  method: 'POST',
  path: '/exec/:id/start',
  summary: 'Run a prepared command; its streams use the connection unless Detach is set.',
  tag,
  params: idParams,
  body: tolerant(ExecStartRequest.optional()),
  hijack: true,
  responses: {
    101: { description: 'The connection carries the streams; raw with a terminal.', stream: 'multiplexed' },
    200: { description: 'The same without an upgrade; with Detach: it runs.', stream: 'multiplexed' },
    ...errors(400, 404, 409),
  },
});

export const ExecResize = route({
  method: 'POST',
  path: '/exec/:id/resize',
  summary: "Set the size of the session's terminal in rows (h) and columns (w).",
  tag,
  params: idParams,
  query: z.object({ h: q.requiredInt(), w: q.requiredInt() }),
  responses: { 200: { description: 'Done.' }, ...errors(400, 404, 409) },
});

export const ExecInspect = route({
  method: 'GET',
  path: '/exec/:id/json',
  summary: 'State and exit code of a session.',
  tag,
  params: idParams,
  responses: { 200: { description: 'The session.', schema: ExecInspectSchema }, ...errors(404) },
});

export const ExecKill = route({
  method: 'POST',
  path: '/exec/:id/kill',
  summary: "Send a signal to a session's process (an extension: Docker has no such route).",
  tag,
  params: idParams,
  query: z.object({ signal: q.text() }),
  responses: { 204: { description: 'Sent.' }, ...errors(400, 404, 409) },
});
