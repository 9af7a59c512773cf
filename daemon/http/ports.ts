// Owns what http needs from the rest of the engine, as interfaces that main.ts fills. No mechanism here: http never sees the kernel or SQL.
import type { Builds } from '../build/types.ts';
import type { Containers } from '../containers/types.ts';
import type { Registry } from '../images/registry/types.ts';
import type { Images } from '../images/types.ts';
import type { Networks } from '../networks/types.ts';
import type { System } from '../system/types.ts';
import type { Volumes } from '../volumes/types.ts';

/** An event as http shows it. */
export interface EngineEvent {
  readonly timeNs: bigint;
  readonly type: string;
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface EventQuery {
  /** Nanoseconds since 1970; absent: only what comes. */
  readonly since?: bigint;
  /** Nanoseconds since 1970; absent: without end. */
  readonly until?: bigint;
  readonly filters: Readonly<Record<string, readonly string[]>>;
  readonly signal: AbortSignal;
}

export interface EventSource {
  /** Ends at `until` or when `signal` is aborted. Subscribed when this returns. */
  stream(query: EventQuery): AsyncIterable<EngineEvent>;
}

/** The few calls on descriptors that handing a connection over needs. Each throws on failure. */
export interface Descriptors {
  duplicate(descriptor: number): number;
  /** Writes everything, waiting briefly for room. */
  writeAll(descriptor: number, data: Uint8Array): void;
  close(descriptor: number): void;
  socketPair(): readonly [number, number];
}

export interface HttpServices {
  readonly containers: Containers;
  readonly images: Images;
  readonly registry: Registry;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly builds: Builds;
  readonly events: EventSource;
  readonly system: System;
  readonly descriptors: Descriptors;
}
