// Owns the telling of events: streams that tail the table. Holds no event in memory but one batch a reader, so that a slow client costs
// nothing; what is not read yet stays in the table. Events are told here, never used to steer.
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import type { EventRow, EventTable } from '../store/events.ts';
import { checkEventFilters, type EventFilters, matchesEvent } from './filter.ts';

const BATCH = 256;
/** Events that are kept for clients that ask for the past. */
const KEPT = 10_000;
const TRIM_EVERY = 1_000;
/** Longest wait that a timer takes, milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface EventRequest {
  /** ns since 1970; absent: only what comes from now on. */
  readonly since?: bigint;
  /** ns since 1970; absent: without end. */
  readonly until?: bigint;
  readonly filters: EventFilters;
  readonly signal: AbortSignal;
}

export class EventBus {
  readonly #database: Database;
  readonly #table: EventTable;
  readonly #stopListening: () => void;
  #nextTrim: number;

  constructor(database: Database, table: EventTable) {
    this.#database = database;
    this.#table = table;
    this.#nextTrim = table.last() + TRIM_EVERY;
    this.#stopListening = database.onEventsAppended(() => this.#trim());
  }

  /**
   * Past events from `since` on, then new ones as they are committed, until `until` or the abort of `signal`. Subscribed when this returns.
   * Throws invalid-argument for a filter that does not exist.
   */
  stream(request: EventRequest): AsyncIterable<EventRow> {
    checkEventFilters(request.filters);
    // What is committed from here on has a higher number, whenever the reader begins.
    const after = request.since === undefined ? this.#table.last() : 0;
    return this.#read(request, after);
  }

  /** Ends the keeping of the table short. */
  close(): void {
    this.#stopListening();
  }

  async *#read(request: EventRequest, first: number): AsyncGenerator<EventRow> {
    const wake = new Wake(request.signal);
    const stop = this.#database.onEventsAppended(() => wake.now());
    const timer = this.#timerFor(request.until, wake);
    let after = first;
    try {
      while (!request.signal.aborted) {
        const rows = this.#rows(request, after);
        for (const row of rows) {
          after = row.seq;
          if (!matchesEvent(row, request.filters)) continue;
          yield row;
          if (request.signal.aborted) return;
        }
        if (rows.length === BATCH) continue;
        if (request.until !== undefined && nowNs() > request.until) return;
        await wake.next();
      }
    } finally {
      clearTimeout(timer);
      stop();
      wake.close();
    }
  }

  #rows(request: EventRequest, after: number): readonly EventRow[] {
    if (request.since === undefined && request.until === undefined) return this.#table.after(after, BATCH);
    const longAfter = 2n ** 62n;
    return this.#table.between(request.since ?? 0n, request.until ?? longAfter, after, BATCH);
  }

  #timerFor(until: bigint | undefined, wake: Wake): NodeJS.Timeout | undefined {
    if (until === undefined) return undefined;
    const wait = Number((until - nowNs()) / 1_000_000n) + 1;
    if (wait > LONGEST_TIMER) return undefined;
    return setTimeout(() => wake.now(), Math.max(wait, 0));
  }

  #trim(): void {
    const last = this.#table.last();
    if (last < this.#nextTrim) return;
    this.#nextTrim = last + TRIM_EVERY;
    this.#table.trim(KEPT);
  }
}

/** Wakes one reader; several wakes between two waits are one. */
class Wake {
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.now();
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  now(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  async next(): Promise<void> {
    if (!this.#pending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      await promise;
      this.#resolve = undefined;
    }
    this.#pending = false;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}
