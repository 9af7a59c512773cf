// Owns the daemon's own log: pino's records, as JSON or in dockerd's text form, on standard error. Decides nothing about what is logged.
import { writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

const words: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warning',
  50: 'error',
  60: 'fatal',
};

const quote = (text: string): string => (/^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text));

function fieldText(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'object' && value !== null && 'message' in value) return quote(String(value.message));
  return quote(JSON.stringify(value) ?? '');
}

/** A record as `time="…" level=info msg="…" key=value`. The stack of an error is shown in debug mode only. */
export function textLine(record: Readonly<Record<string, unknown>>, debug: boolean): string {
  const { time, level, msg, pid: _pid, hostname: _hostname, ...fields } = record;
  const stack =
    debug && typeof fields.err === 'object' && fields.err !== null && 'stack' in fields.err
      ? `\n${String(fields.err.stack)}`
      : '';
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${fieldText(value)}`);
  const at = new Date(Number(time)).toISOString();
  return `time="${at}" level=${words[Number(level)] ?? 'info'} msg=${JSON.stringify(msg ?? '')}${pairs.join('')}${stack}\n`;
}

/** Writes all, whatever standard error is: a full pipe is waited for by the call itself, a closed one is normal life. */
function writeError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Nobody is left to be told.
  }
}

/** The log of the daemon and of its rooms, all of one level that can be changed at any time. */
export interface DaemonLog {
  readonly main: Logger;
  /** The log of one room; its name stands in every record. */
  room(name: string): Logger;
  setLevel(level: string): void;
}

export function createLog(format: 'text' | 'json', level: string): DaemonLog {
  const main: Logger = pino(
    { level, base: null },
    {
      write: (line: string) => {
        if (format === 'json') return writeError(line);
        writeError(textLine(JSON.parse(line) as Record<string, unknown>, main.isLevelEnabled('debug')));
      },
    },
  );
  // A child keeps the level it was made with: those of the rooms are told.
  const rooms: Logger[] = [];
  return {
    main,
    room: (name) => {
      const child = main.child({ room: name });
      rooms.push(child);
      return child;
    },
    setLevel: (next) => {
      for (const logger of [main, ...rooms]) logger.level = next;
    },
  };
}
