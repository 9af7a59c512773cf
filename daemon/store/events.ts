// Owns the table events: appended in the transaction of the change that they tell of, so that an event exists if and only if the change does.
import type { Statement } from 'better-sqlite3';
import { nowNs } from '../base/time.ts';
import type { Database } from './database.ts';

export interface EventRow {
  readonly seq: number;
  readonly timeNs: bigint;
  /** Docker's type: container, image, network, volume, daemon, builder. */
  readonly type: string;
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export type NewEvent = Omit<EventRow, 'seq' | 'timeNs'> & { readonly timeNs?: bigint };

interface Raw {
  readonly seq: bigint;
  readonly time_ns: bigint;
  readonly type: string;
  readonly action: string;
  readonly actor_id: string;
  readonly attributes: string;
}

export class EventTable {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement<(number | bigint | string)[], unknown>>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Appends; call it inside of the transaction of the change. */
  append(event: NewEvent): void {
    this.#database.transaction(() => {
      this.#prepare('INSERT INTO events (time_ns, type, action, actor_id, attributes) VALUES (?, ?, ?, ?, ?)').run(
        event.timeNs ?? nowNs(),
        event.type,
        event.action,
        event.actorId,
        JSON.stringify(event.attributes),
      );
      this.#database.markEventsAppended();
    });
  }

  /** Rows after `seq`, oldest first. */
  after(seq: number, limit: number): EventRow[] {
    return this.#rows('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?', seq, limit);
  }

  /** Rows of a time window (both ends included), oldest first. */
  between(sinceNs: bigint, untilNs: bigint, afterSeq: number, limit: number): EventRow[] {
    return this.#rows(
      'SELECT * FROM events WHERE time_ns >= ? AND time_ns <= ? AND seq > ? ORDER BY seq LIMIT ?',
      sinceNs,
      untilNs,
      afterSeq,
      limit,
    );
  }

  /** The newest sequence number, 0 when there is none. It counts on when rows are trimmed. */
  last(): number {
    const row = this.#prepare('SELECT max(seq) AS seq FROM events').get() as { seq: bigint | null };
    return Number(row.seq ?? 0n);
  }

  /** Keeps the newest `keep` rows. */
  trim(keep: number): void {
    this.#prepare('DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?').run(keep);
  }

  #rows(sql: string, ...values: (number | bigint)[]): EventRow[] {
    return (this.#prepare(sql).all(...values) as Raw[]).map((row) => ({
      seq: Number(row.seq),
      timeNs: row.time_ns,
      type: row.type,
      action: row.action,
      actorId: row.actor_id,
      attributes: JSON.parse(row.attributes) as Record<string, string>,
    }));
  }

  #prepare(sql: string): Statement<(number | bigint | string)[], unknown> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.handle.prepare<(number | bigint | string)[], unknown>(sql).safeIntegers(true);
    this.#statements.set(sql, statement);
    return statement;
  }
}
