// Owns what up and down must know of the daemon that they start and stop: its socket, pidfile and log, from its own flags.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig, parseCommandLine } from '../daemon/config.ts';

export const checkout = join(import.meta.dirname, '..');

export interface ServiceInstance {
  /** Path of the first unix socket that the daemon listens on. */
  readonly socket: string;
  readonly pidfile: string;
  /** Where the detached daemon's output goes. */
  readonly logFile: string;
}

/** Reads the daemon's own flags (defaults when none). @throws Error in the daemon's words, or when it has no unix socket */
export const instanceOfFlags = (flags: readonly string[]): ServiceInstance => {
  const commandLine = parseCommandLine(flags);
  if (commandLine.action !== 'run') throw new Error(`--${commandLine.action} belongs to daemon/tsd itself`);
  const config = loadConfig(commandLine.flags);
  for (const host of config.hosts) {
    if (host.kind === 'unix') {
      return { socket: host.path, pidfile: config.pidfile, logFile: process.env.TSD_LOG_FILE ?? '/var/log/tsd.log' };
    }
  }
  throw new Error('the daemon needs a unix socket to be reached on: give one with --host=unix:///path');
};

/** The pid of the running daemon that wrote the pidfile; undefined when none does. */
export const runningPid = (pidfile: string): number | undefined => {
  try {
    const pid = Number(readFileSync(pidfile, 'utf8').trim());
    // A pid may have been given to another program since the daemon died.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('daemon/main.') ? pid : undefined;
  } catch {
    return undefined;
  }
};
