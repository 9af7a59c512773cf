// Owns Docker's log stream of a container: which records go to the client, and until when. Files are log-files.ts's, bytes log-record.ts's.
import { Readable } from 'node:stream';
import { invalidArgument, notImplemented } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import type { Engine } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import { readLogFiles } from './log-files.ts';
import { encodeRecord, type LogRecord, parseRecord, timeOf, type WireForm } from './log-record.ts';
import { logPath } from './paths.ts';
import type { ContainerRecord, LogsRequest } from './types.ts';

/** Longest wait that a timer takes, milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** `skip` one record, or `stop`: nothing later can be wanted. */
export function selects(record: LogRecord, request: LogsRequest): 'take' | 'skip' | 'stop' {
  if (request.since > 0n || request.until > 0n) {
    const time = timeOf(record);
    if (request.until > 0n && time > request.until) return 'stop';
    if (time < request.since) return 'skip';
  }
  return request[record.stream] ? 'take' : 'skip';
}

async function* encode(
  blocks: AsyncGenerator<string>,
  request: LogsRequest,
  form: WireForm,
): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) {
    const out: Uint8Array[] = [];
    let stopped = false;
    for (const line of block.split('\n')) {
      const record = parseRecord(line);
      if (record === undefined) continue;
      const choice = selects(record, request);
      stopped = choice === 'stop';
      if (stopped) break;
      if (choice === 'take') encodeRecord(record, form, out);
    }
    if (out.length > 0) yield Buffer.concat(out);
    if (stopped) return;
  }
}

/** Ends when the container does, or when the clock passes `until`. */
function endOfFollow(engine: Engine, id: string, untilNs: bigint): AbortSignal {
  const end = new AbortController();
  const live = engine.live.get(id);
  if (live === undefined) end.abort();
  else void live.process.exited.then(() => end.abort());
  if (untilNs > 0n) {
    const wait = Number((untilNs - nowNs()) / 1_000_000n);
    if (wait <= 0) end.abort();
    else if (wait <= LONGEST_TIMER) {
      const timer = setTimeout(() => end.abort(), wait);
      timer.unref();
      end.signal.addEventListener('abort', () => clearTimeout(timer));
    }
  }
  return end.signal;
}

/**
 * The stream of `request`. A slow reader holds the reading back: nothing is buffered but a block. Throws invalid-argument when no stream
 * was chosen, not-implemented when the driver keeps nothing to read.
 */
export function logStream(engine: Engine, record: ContainerRecord, request: LogsRequest): Readable {
  if (!request.stdout && !request.stderr) throw invalidArgument('Bad parameters: you must choose at least one stream');
  if (record.hostConfig.LogConfig?.Type === 'none') {
    throw notImplemented('configured logging driver does not support reading');
  }
  const follow = request.follow && hasProcess(record.state);
  const cancel = new AbortController();
  const lines = readLogFiles({
    path: logPath(engine, record.id),
    tail: request.tail,
    until: follow ? endOfFollow(engine, record.id, request.until) : undefined,
    cancel: cancel.signal,
  });
  const form: WireForm = {
    timestamps: request.timestamps,
    details: request.details,
    multiplexed: record.config.Tty !== true,
  };
  const stream = Readable.from(encode(lines, request, form), { objectMode: false, highWaterMark: 64 * 1024 });
  stream.once('close', () => cancel.abort());
  return stream;
}
