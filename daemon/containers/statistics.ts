// Owns the reading of resource usage: one reader a container, however many clients follow it, and only while somebody does. The shape of a
// sample is statistics-shape.ts's.
import type { ContainerStats } from '../../api-spec/index.ts';
import { nowNs, rfc3339Nano } from '../base/time.ts';
import { interfacesOf, machineMemory, machineTimes } from '../supervisor/process/proc.ts';
import { current, type Engine, resolve } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import { emptyStatistics, statisticsOf, withPrevious } from './statistics-shape.ts';
import { groupOf } from './top.ts';
import type { ContainerRecord, StatisticsMode } from './types.ts';

/** Milliseconds between two samples, as in Docker. */
const INTERVAL = 1000;

/** Names of the interfaces that are counted: those of the networks, of the container's own or of the one whose namespace it shares. */
function interfaceNames(engine: Engine, record: ContainerRecord): ReadonlySet<string> {
  const mode = record.hostConfig.NetworkMode ?? '';
  const owner = mode.startsWith('container:')
    ? resolve(engine.table, mode.slice('container:'.length)).id
    : mode === 'host'
      ? undefined
      : record.id;
  if (owner === undefined) return new Set();
  return new Set(engine.networks.endpointsOf(owner).map(({ interfaceName }) => interfaceName));
}

function interfaces(engine: Engine, record: ContainerRecord): ReturnType<typeof interfacesOf> {
  try {
    const names = interfaceNames(engine, record);
    return names.size === 0 ? [] : interfacesOf(record.pid).filter(({ name }) => names.has(name));
  } catch {
    // The container whose network it shares has gone.
    return [];
  }
}

/** One sample; the empty one when it has no process. Throws not-found when it has gone. */
export function sampleOf(engine: Engine, id: string): ContainerStats {
  const record = current(engine.table, id);
  if (!hasProcess(record.state)) return emptyStatistics(record);
  const cgroup = engine.cgroups.statistics(groupOf(engine, record));
  return statisticsOf(record, {
    time: rfc3339Nano(nowNs()),
    cgroup,
    version: engine.cgroups.mode === 'v2' ? 2 : 1,
    interfaces: interfaces(engine, record),
    machine: { ...machineTimes(), memoryBytes: machineMemory() },
  });
}

type Listener = (sample: ContainerStats | undefined) => void;

interface Reader {
  readonly timer: NodeJS.Timeout;
  readonly listeners: Set<Listener>;
}

/** The readers of all containers that are being followed. */
export class Readers {
  readonly #read: (id: string) => ContainerStats;
  readonly #readers = new Map<string, Reader>();

  constructor(read: (id: string) => ContainerStats) {
    this.#read = read;
  }

  /** How many containers are being read. */
  get size(): number {
    return this.#readers.size;
  }

  /** Calls back every second with a sample, with undefined once when there will be no more. Answers how to end it. */
  add(id: string, listener: Listener): () => void {
    const reader = this.#readers.get(id) ?? this.#begin(id);
    reader.listeners.add(listener);
    return () => {
      reader.listeners.delete(listener);
      if (reader.listeners.size === 0) this.#end(id, reader);
    };
  }

  #begin(id: string): Reader {
    const reader: Reader = { listeners: new Set(), timer: setInterval(() => this.#tick(id, reader), INTERVAL) };
    this.#readers.set(id, reader);
    return reader;
  }

  #tick(id: string, reader: Reader): void {
    let sample: ContainerStats | undefined;
    try {
      sample = this.#read(id);
    } catch {
      this.#end(id, reader);
    }
    for (const listener of [...reader.listeners]) listener(sample);
  }

  #end(id: string, reader: Reader): void {
    clearInterval(reader.timer);
    if (this.#readers.get(id) === reader) this.#readers.delete(id);
  }
}

/**
 * Samples, the first one at once and then one a second, each with the one before, until `cancel` or until the container has gone. A client
 * that is slow misses samples, it does not delay others.
 */
export async function* followStatistics(
  readers: Readers,
  first: ContainerStats,
  id: string,
  cancel: AbortSignal,
): AsyncGenerator<ContainerStats> {
  let waiting = Promise.withResolvers<void>();
  let newest: ContainerStats | undefined;
  let ended = cancel.aborted;
  const stop = (): void => {
    ended = true;
    waiting.resolve();
  };
  const leave = readers.add(id, (sample) => {
    newest = sample;
    if (sample === undefined) ended = true;
    waiting.resolve();
  });
  cancel.addEventListener('abort', stop);
  let previous = first;
  try {
    yield first;
    for (;;) {
      await waiting.promise;
      waiting = Promise.withResolvers<void>();
      const sample = newest;
      newest = undefined;
      if (sample !== undefined) {
        yield withPrevious(sample, previous);
        previous = sample;
      }
      if (ended) return;
    }
  } finally {
    leave();
    cancel.removeEventListener('abort', stop);
  }
}

/** Resolves the reference at the call; samples come as they are asked for. */
export function statistics(
  engine: Engine,
  readers: Readers,
  reference: string,
  mode: StatisticsMode,
  cancel: AbortSignal,
): AsyncIterable<ContainerStats> {
  const { id, state } = resolve(engine.table, reference);
  const first = sampleOf(engine, id);
  if (mode === 'one-shot' || (mode === 'once' && !hasProcess(state))) return only(first);
  const samples = followStatistics(readers, first, id, cancel);
  return mode === 'stream' ? samples : second(samples, () => sampleOf(engine, id));
}

async function* only(sample: ContainerStats): AsyncGenerator<ContainerStats> {
  yield sample;
}

/** The one after the first; when the container goes meanwhile, what is known of it. */
async function* second(
  samples: AsyncGenerator<ContainerStats>,
  fallback: () => ContainerStats,
): AsyncGenerator<ContainerStats> {
  try {
    await samples.next();
    const next = await samples.next();
    yield next.done === true ? fallback() : next.value;
  } finally {
    await samples.return(undefined);
  }
}
