// Owns the wait for a daemon to answer: on file events of its socket's directory and of its log, never by a clock.
// scripts/up.ts uses it too.
import { existsSync, watch } from 'node:fs';
import { request } from 'node:http';
import { basename, dirname } from 'node:path';

export interface ReadyOptions {
  readonly socket: string;
  /** The daemon writes a line here after it listens, so a change of it is a reason to look again. Must exist. */
  readonly log: string;
  /** Settles when the process has ended, with the words that say how. */
  readonly exited: Promise<string>;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** True when the engine behind the socket answers a ping. Never rejects. */
export const ping = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const attempt = request({ socketPath: socket, path: '/_ping', agent: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode === 200));
      answer.on('error', () => resolve(false));
    });
    attempt.on('error', () => resolve(false));
    attempt.end();
  });

/**
 * Waits until the daemon answers on its socket.
 * @throws Error when the process ends before, or at the time-out (a minute when not given)
 */
export const waitReady = async (options: ReadyOptions): Promise<void> => {
  let changed: (() => void) | undefined;
  let pending = true;
  const notice = (): void => {
    pending = true;
    changed?.();
  };
  const watchers = [
    watch(dirname(options.socket), (_event, name) => {
      if (name === null || name === basename(options.socket)) notice();
    }),
    watch(options.log, notice),
  ];
  let ended: string | undefined;
  void options.exited.then((how) => {
    ended = how;
    notice();
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    notice();
  }, options.timeout ?? 60_000);
  try {
    for (;;) {
      if (pending) {
        pending = false;
        if (ended !== undefined) throw new Error(`the daemon ended before it was ready: ${ended}`);
        if (existsSync(options.socket) && (await ping(options.socket))) return;
        if (late) throw new Error(`the daemon did not answer on ${options.socket} in time`);
      } else {
        await new Promise<void>((resolve) => {
          changed = resolve;
          if (pending) resolve();
        });
        changed = undefined;
      }
    }
  } finally {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  }
};
