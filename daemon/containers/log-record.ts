// Owns one record of the json-file log and its form on the wire: frames, timestamps, details. Pure.

export interface LogRecord {
  readonly log: string;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  readonly attrs?: Readonly<Record<string, string>>;
}

/** A line of the file, without its newline; undefined when it is damaged (a crash of the host can cut the last one). */
export function parseRecord(line: string): LogRecord | undefined {
  try {
    const record = JSON.parse(line) as Partial<LogRecord> | null;
    if (typeof record?.log !== 'string' || typeof record.time !== 'string') return undefined;
    return {
      log: record.log,
      stream: record.stream === 'stderr' ? 'stderr' : 'stdout',
      time: record.time,
      attrs: record.attrs,
    };
  } catch {
    return undefined;
  }
}

/** Nine digits of fraction, as clients get it with --timestamps. */
export function fixedNano(time: string): string {
  const [, seconds, fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(time) ?? [];
  return seconds === undefined ? time : `${seconds}.${fraction.padEnd(9, '0').slice(0, 9)}Z`;
}

/** Nanoseconds since 1970 of a record's time; 0n when it is none. */
export function timeOf(record: LogRecord): bigint {
  const [, seconds, fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(record.time) ?? [];
  const milliseconds = seconds === undefined ? Number.NaN : Date.parse(`${seconds}Z`);
  return Number.isNaN(milliseconds)
    ? 0n
    : BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}

/** application/x-www-form-urlencoded as Go's url.QueryEscape. */
const queryEscape = (text: string): string =>
  encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const details = (attrs: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(attrs ?? {})
    .map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`)
    .sort()
    .join(',');

export interface WireForm {
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Docker's frames: stream (1, 2), three zeros, length as u32 big endian. */
  readonly multiplexed: boolean;
}

/** Appends the record's bytes to `out`. */
export function encodeRecord(record: LogRecord, form: WireForm, out: Uint8Array[]): void {
  let text = record.log;
  if (form.details) text = `${details(record.attrs)} ${text}`;
  if (form.timestamps) text = `${fixedNano(record.time)} ${text}`;
  const payload = Buffer.from(text);
  if (form.multiplexed) {
    const header = Buffer.alloc(8);
    header[0] = record.stream === 'stderr' ? 2 : 1;
    header.writeUInt32BE(payload.length, 4);
    out.push(header);
  }
  out.push(payload);
}
