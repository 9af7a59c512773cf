// Owns the schemas of exec sessions. Must not know any endpoint.
import { z } from 'zod';
import { boolean, command, int64, string, strings, uint32 } from '../fields.ts';

export const ExecCreateRequest = z.object({
  AttachStdin: boolean.optional(),
  AttachStdout: boolean.optional(),
  AttachStderr: boolean.optional(),
  ConsoleSize: z.array(uint32).optional().describe('Rows and columns.'),
  DetachKeys: string.optional(),
  Tty: boolean.optional(),
  Env: strings.optional(),
  Cmd: command.optional(),
  Privileged: boolean.optional(),
  User: string.optional(),
  WorkingDir: string.optional(),
  Detach: boolean.optional(),
  KillOnDisconnect: boolean
    .optional()
    .describe('An extension: the process is killed when an attached client goes away without the detach keys.'),
});
export type ExecCreateRequest = z.output<typeof ExecCreateRequest>;

export const ExecStartRequest = z.object({
  Detach: boolean.optional(),
  Tty: boolean.optional(),
  ConsoleSize: z.array(uint32).optional().describe('Rows and columns.'),
});
export type ExecStartRequest = z.output<typeof ExecStartRequest>;

export const ExecInspect = z.object({
  ID: string,
  Running: boolean,
  ExitCode: int64.nullable().describe('null until the command has ended.'),
  ProcessConfig: z.object({
    tty: boolean,
    entrypoint: string,
    arguments: strings,
    privileged: boolean.optional(),
    user: string.optional(),
  }),
  OpenStdin: boolean,
  OpenStderr: boolean,
  OpenStdout: boolean,
  CanRemove: boolean,
  ContainerID: string,
  DetachKeys: string.describe('The bytes in base64; empty: the default.'),
  Pid: int64,
});
export type ExecInspect = z.output<typeof ExecInspect>;
