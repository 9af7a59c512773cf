// Owns the run of one RUN instruction: an ordinary container through the containers room, its output as lines of the build, its end. What
// becomes of its changes is the caller's.
import { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { socketPair } from '../../addon/index.ts';
import type { ContainerConfig, HostConfig } from '../../api-spec/index.ts';
import { messageOf } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Containers } from '../containers/types.ts';
import { BuildError } from './build-error.ts';
import type { Workspace } from './workspace.ts';

export interface RunRequest {
  readonly imageId: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly remove: boolean;
  readonly forceRemove: boolean;
}

export interface RunParts {
  readonly containers: Containers;
  readonly log: Log;
  readonly workspace: Pick<Workspace, 'note' | 'forget'>;
}

const NO_BYTES = new Uint8Array(0);
const HEADER = 8;

/**
 * Runs the command; `use` gets the container's id after it ended with 0, before it is removed. Throws BuildError with its exit status. An
 * aborted `signal` kills and removes the container.
 */
export async function runContainer<T>(
  { containers, log, workspace }: RunParts,
  request: RunRequest,
  write: (text: string) => void,
  signal: AbortSignal,
  use: (containerId: string) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { id } = await containers.create({
    name: '',
    platform: '',
    config: {
      Image: request.imageId,
      // One empty text takes the image's entrypoint away.
      Entrypoint: [''],
      Cmd: [...request.argv],
      Env: [...request.env],
      User: request.config.User,
      WorkingDir: request.config.WorkingDir,
      Healthcheck: { Test: ['NONE'] },
      AttachStdout: true,
      AttachStderr: true,
    },
    hostConfig: { ...request.hostConfig, LogConfig: { Type: 'none', Config: {} } },
    networkingConfig: {},
  });
  workspace.note(id);
  const end = async (): Promise<void> => {
    await containers.remove(id, { force: true, volumes: true }).catch((error: unknown) => {
      log.warn(
        { err: error, container: id },
        `the container of a build step could not be removed: ${messageOf(error)}`,
      );
    });
  };
  let succeeded = false;
  try {
    write(` ---> Running in ${shortId(id)}\n`);
    const code = await execute(containers, id, write, signal);
    if (code !== 0) {
      throw new BuildError(code, `The command '${request.argv.join(' ')}' returned a non-zero code: ${code}`);
    }
    const result = await use(id);
    succeeded = true;
    return result;
  } finally {
    const quiet = signal.aborted || !succeeded;
    if (signal.aborted || request.forceRemove || (succeeded && request.remove)) {
      await end();
      if (!quiet) write(` ---> Removed intermediate container ${shortId(id)}\n`);
    }
    workspace.forget(id);
  }
}

async function execute(
  containers: Containers,
  id: string,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const [reading, client] = socketPair();
  const output = readFrames(reading, write);
  await containers.attach(
    id,
    { stdin: false, stdout: true, stderr: true, stream: true, logs: false, detachKeys: '' },
    { descriptor: client, input: NO_BYTES, greeting: NO_BYTES },
  );
  const exited = containers.wait(id, 'next-exit', signal);
  exited.catch(() => undefined);
  try {
    await containers.start(id);
    const { statusCode } = await exited;
    await output.ended;
    return statusCode;
  } finally {
    output.close();
  }
}

/** Reads Docker's frames; what came on stderr is shown in red, as dockerd's builder does. */
function readFrames(
  descriptor: number,
  write: (text: string) => void,
): { readonly ended: Promise<void>; close(): void } {
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const decoders = [new StringDecoder('utf8'), new StringDecoder('utf8'), new StringDecoder('utf8')];
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < HEADER) return;
      const length = rest.readUInt32BE(4);
      if (rest.length < HEADER + length) return;
      const stream = rest[0] ?? 1;
      const text = decoders[stream]?.write(rest.subarray(HEADER, HEADER + length)) ?? '';
      rest = rest.subarray(HEADER + length);
      if (text !== '') write(stream === 2 ? `\u001b[91m${text}\u001b[0m` : text);
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', () => resolve());
  return { ended, close: () => socket.destroy() };
}
