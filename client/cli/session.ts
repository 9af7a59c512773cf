// Owns the connection of this terminal to a container: raw mode, window size, signals, stdin and output. Must not create or start containers.
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { routes } from '../../api-spec/index.ts';
import { demultiplex } from '../demultiplex.ts';
import type { Context } from './command.ts';
import { DetachWatcher } from './detach-keys.ts';

/** Signals that are not for the container: they are about this process or its terminal, or cannot be caught. */
const OWN_SIGNALS: ReadonlySet<string> = new Set([
  'SIGCHLD',
  'SIGCONT',
  'SIGKILL',
  'SIGPIPE',
  'SIGPROF',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGURG',
  'SIGWINCH',
  // Handlers for these would hide a crash of this process.
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
]);

export interface SessionOptions {
  readonly id: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly detachKeys: string;
}

/** Passes signals of this process on to the container until the result is called. Failures are the container's end: nobody has to know. */
export function proxySignals(context: Context, id: string): () => void {
  const names = Object.keys(constants.signals).filter((name) => !OWN_SIGNALS.has(name)) as NodeJS.Signals[];
  const handlers = names.map((name) => {
    const handler = () => {
      context.client.call(routes.ContainerKill, { params: { id }, query: { signal: name } }).catch(() => undefined);
    };
    try {
      process.on(name, handler);
    } catch {
      // Some real-time and library signals cannot be caught.
    }
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) {
      process.off(name, handler);
    }
  };
}

/** Keeps the container's terminal as large as this one until the result is called. Call once it runs. */
export function followSize(context: Context, id: string): () => void {
  const send = () => {
    const { rows: h, columns: w } = context.stdout;
    if (h && w) {
      context.client.call(routes.ContainerResize, { params: { id }, query: { h, w } }).catch(() => undefined);
    }
  };
  send();
  context.stdout.on('resize', send);
  return () => void context.stdout.off('resize', send);
}

/**
 * Copies until the container's output ends: stdin to it (its end is passed on, the output stays open), its output to here.
 * Resolves with `detached` when the detach keys ended it.
 */
export async function copyStreams(
  context: Context,
  stream: Duplex,
  options: SessionOptions,
): Promise<'ended' | 'detached'> {
  const { stdin, stdout, stderr } = context;
  const watcher = new DetachWatcher(options.detachKeys);
  const raw = options.tty && options.stdin && stdin.isTTY;
  const forward = (chunk: Buffer) => {
    if (options.tty) {
      watcher.push(chunk);
    }
    if (!stream.write(chunk)) {
      stdin.pause();
    }
  };
  const resume = () => void stdin.resume();
  const finish = () => void stream.end();
  if (raw) {
    stdin.setRawMode(true);
  }
  if (options.stdin) {
    stream.on('drain', resume);
    stdin.on('data', forward).once('end', finish).once('error', finish);
  }
  // A write to a container that has just ended: its exit code tells the story.
  stream.on('error', () => undefined);
  try {
    if (options.tty) {
      for await (const chunk of stream) {
        if (!stdout.write(chunk as Buffer)) {
          await once(stdout, 'drain');
        }
      }
    } else {
      await demultiplex(stream, stdout, stderr);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ECONNRESET' && code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') {
      throw error;
    }
  } finally {
    stream.off('drain', resume);
    stdin.off('data', forward).off('end', finish).off('error', finish);
    if (raw) {
      stdin.setRawMode(false);
    }
    stdin.pause();
    stream.destroy();
  }
  return watcher.seen ? 'detached' : 'ended';
}
