// Owns signals by name and number, as Docker takes them. Pure.
import { constants } from 'node:os';
import { invalidArgument } from '../base/errors.ts';

/** SIGRTMIN of glibc, the one that clients mean; SIGRTMAX is 64. */
const REALTIME_MINIMUM = 34;
const LAST = 64;

const byName = new Map<string, number>(
  Object.entries(constants.signals).map(([name, number]) => [name.replace(/^SIG/, ''), number]),
);
byName.set('CLD', constants.signals.SIGCHLD);

function realtime(name: string): number | undefined {
  const [, base, sign, offset] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const number = (base === 'MIN' ? REALTIME_MINIMUM : LAST) + Number(`${sign ?? '+'}${offset ?? '0'}`);
  return number >= REALTIME_MINIMUM && number <= LAST ? number : undefined;
}

/** `KILL`, `SIGKILL`, `sigkill`, `9`, `RTMIN+3` -> the number. Throws invalid-argument `invalid signal: …`. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= LAST) return number;
    throw invalidArgument(`invalid signal: ${text}`);
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = byName.get(name) ?? realtime(name);
  if (number === undefined) throw invalidArgument(`invalid signal: ${text}`);
  return number;
}
