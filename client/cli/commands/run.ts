// Owns `tsdctl run`. Must not parse option values (create-request.ts) or touch the terminal (session.ts).
import { type ContainerCreateRequest, routes } from '../../../api-spec/index.ts';
import { ApiError } from '../../errors.ts';
import { type Context, command, UsageError, type Values } from '../command.ts';
import { containerOptions, createRequest } from '../create-request.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import { showProgress } from '../progress.ts';
import { copyStreams, followSize, proxySignals } from '../session.ts';

/** Exit codes of docker run: the engine failed, the command cannot be executed, there is no such command. */
const EXIT_ENGINE = 125;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

const options = {
  ...containerOptions,
  detach: { short: 'd', help: 'Run in the background and print its id' },
  'detach-keys': { value: 'KEYS', help: 'Keys that detach (ctrl-p,ctrl-q)' },
  name: { value: 'NAME', help: 'Name of the container' },
  platform: { value: 'PLATFORM', help: 'Platform of the image' },
  pull: { value: 'WHEN', help: 'always, missing or never' },
  'sig-proxy': { on: true, help: 'Pass signals on to the container' },
} as const;

/** docker's reading of a failed start; the text is all that the API gives. */
export function startFailureCode(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message)) {
    return EXIT_NOT_FOUND;
  }
  return /permission denied|is a directory|Are you trying to mount a directory onto a file/.test(message)
    ? EXIT_NOT_EXECUTABLE
    : EXIT_ENGINE;
}

function fail(context: Context, error: unknown, code: number): number {
  const text = error instanceof Error ? error.message : String(error);
  context.stderr.write(`tsdctl: ${error instanceof ApiError ? 'Error response from daemon: ' : ''}${text}\n`);
  return code;
}

/** `name:tag` of a reference as the pull endpoint takes it. */
export function splitReference(reference: string): { readonly fromImage: string; readonly tag: string } {
  if (reference.includes('@')) {
    return { fromImage: reference, tag: '' };
  }
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/')
    ? { fromImage: reference.slice(0, colon), tag: reference.slice(colon + 1) }
    : { fromImage: reference, tag: 'latest' };
}

async function pull(context: Context, image: string, platform: string | undefined): Promise<void> {
  const query = { ...splitReference(image), platform };
  const reply = await context.client.stream(routes.ImageCreate, { query });
  await showProgress(reply.lines(), context.stderr);
}

async function create(context: Context, values: Values<typeof options>, body: ContainerCreateRequest): Promise<string> {
  const image = body.Image ?? '';
  const query = { name: values.name, platform: values.platform };
  if (values.pull === 'always') {
    await pull(context, image, values.platform);
  }
  const ask = () => context.client.call(routes.ContainerCreate, { query, body });
  let reply: Awaited<ReturnType<typeof ask>>;
  try {
    reply = await ask();
  } catch (error) {
    const missing = error instanceof ApiError && error.status === 404 && /No such image/i.test(error.message);
    if (!missing || values.pull === 'never' || values.pull === 'always') {
      throw error;
    }
    const { fromImage, tag } = splitReference(image);
    context.stderr.write(`Unable to find image '${tag === '' ? fromImage : `${fromImage}:${tag}`}' locally\n`);
    await pull(context, image, values.platform);
    reply = await ask();
  }
  for (const warning of reply.body.Warnings) {
    context.stderr.write(`WARNING: ${warning}\n`);
  }
  return reply.body.Id;
}

function checkOptions(values: Values<typeof options>): void {
  if (values['detach-keys'] !== undefined) {
    parseDetachKeys(values['detach-keys']);
  }
  if (values.pull !== undefined && !['always', 'missing', 'never'].includes(values.pull)) {
    throw new UsageError(`invalid value ${JSON.stringify(values.pull)} for --pull: expected always, missing or never`);
  }
  if (values.rm && values.restart !== undefined && values.restart !== 'no') {
    throw new UsageError('conflicting options: cannot specify both --restart and --rm');
  }
}

async function runAttached(context: Context, id: string, values: Values<typeof options>): Promise<number> {
  const { client } = context;
  const detachKeys = values['detach-keys'] ?? '';
  const params = { id };
  // Connected and waiting before the start, so that neither output nor exit code can be missed.
  const attach = await client.hijack(routes.ContainerAttach, {
    params,
    query: { stream: true, stdin: values.interactive, stdout: true, stderr: true, detachKeys },
  });
  const session = { id, tty: values.tty, stdin: values.interactive, detachKeys };
  const stopProxy = values['sig-proxy'] ? proxySignals(context, id) : () => undefined;
  const copied = copyStreams(context, attach.stream, session);
  // Awaited below; a failure before that must not count as unhandled.
  copied.catch(() => undefined);
  let stopSize = () => {};
  try {
    const waiting = await client.stream(routes.ContainerWait, {
      params,
      query: { condition: values.rm ? 'removed' : 'next-exit' },
    });
    try {
      await client.call(routes.ContainerStart, { params });
    } catch (error) {
      attach.stream.destroy();
      waiting.body.destroy();
      return fail(context, error, error instanceof ApiError ? startFailureCode(error.message) : EXIT_ENGINE);
    }
    if (values.tty) {
      stopSize = followSize(context, id);
    }
    if ((await copied) === 'detached') {
      waiting.body.destroy();
      return 0;
    }
    for await (const result of waiting.lines()) {
      if (result.Error?.Message) {
        return fail(context, new Error(result.Error.Message), EXIT_ENGINE);
      }
      return result.StatusCode;
    }
    return fail(context, new Error('the daemon went away before the container ended'), EXIT_ENGINE);
  } finally {
    stopSize();
    stopProxy();
    attach.stream.destroy();
    await copied.catch(() => undefined);
  }
}

export const run = command({
  name: 'run',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and start a container',
  options,
  arguments: [1, Number.POSITIVE_INFINITY],
  stopAtFirst: true,
  usageExitCode: EXIT_ENGINE,
  async run(context, values, positionals) {
    checkOptions(values);
    if (values.tty && values.interactive && !values.detach && !context.stdin.isTTY) {
      context.stderr.write('the input device is not a TTY: leave -t away when stdin is no terminal\n');
      return 1;
    }
    const body = createRequest(values, positionals, values.detach, context.environment);
    let id: string;
    try {
      id = await create(context, values, body);
    } catch (error) {
      return fail(context, error, EXIT_ENGINE);
    }
    if (!values.detach) {
      try {
        return await runAttached(context, id, values);
      } catch (error) {
        return fail(context, error, EXIT_ENGINE);
      }
    }
    try {
      await context.client.call(routes.ContainerStart, { params: { id } });
    } catch (error) {
      return fail(context, error, error instanceof ApiError ? startFailureCode(error.message) : EXIT_ENGINE);
    }
    context.stdout.write(`${id}\n`);
    return 0;
  },
});
