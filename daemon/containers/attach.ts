// Owns clients that want a container's streams: those that come before the start (every `docker run`) wait here by descriptor, and are
// given to the launch before `go`; later ones are handed to the monitor. Reads no output itself, but for the replay of the log.
import { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { close, duplicate, writeAll } from '../../addon/index.ts';
import { conflict, invalidArgument, messageOf } from '../base/errors.ts';
import type { AttachRequest } from '../runtime/types.ts';
import { parseDetachKeys } from './detach-keys.ts';
import { containerEvent, current, type Engine, resolve } from './engine.ts';
import { hasProcess, next, refusalError } from './lifecycle.ts';
import { logStream } from './logs.ts';
import type { AttachOptions, ClientConnection, ContainerRecord } from './types.ts';

/** Clients that may wait for one start: each holds a descriptor of the daemon. */
const MOST_PENDING = 64;

export class PendingAttaches {
  readonly #byContainer = new Map<string, AttachRequest[]>();

  /** False when too many wait already; the caller closes the descriptor then. */
  add(id: string, request: AttachRequest): boolean {
    const requests = this.#byContainer.get(id) ?? [];
    if (requests.length >= MOST_PENDING) return false;
    requests.push(request);
    this.#byContainer.set(id, requests);
    return true;
  }

  /** The caller owns the descriptors from here on. */
  take(id: string): readonly AttachRequest[] {
    const requests = this.#byContainer.get(id) ?? [];
    this.#byContainer.delete(id);
    return requests;
  }

  /** Ends the connections of those that wait. */
  drop(id: string): void {
    closeAll(this.take(id));
  }

  dropAll(): void {
    for (const id of [...this.#byContainer.keys()]) this.drop(id);
  }
}

/** Ends the clients' connections. */
export function closeAll(requests: readonly Pick<AttachRequest, 'descriptor'>[]): void {
  for (const { descriptor } of requests) {
    try {
      close(descriptor);
    } catch {
      // It had been closed with the launch that failed.
    }
  }
}

/** Throws conflict when the container's state forbids an attach, invalid-argument for detach keys that are none. */
export function prepareAttach(
  engine: Engine,
  reference: string,
  options: AttachOptions,
): { readonly id: string; readonly tty: boolean } {
  const record = resolve(engine.table, reference);
  const verdict = next(record.state, 'attach');
  if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'attach', record);
  if (options.detachKeys !== '') parseDetachKeys(options.detachKeys);
  return { id: record.id, tty: record.config.Tty === true };
}

function toRequest(record: ContainerRecord, options: AttachOptions, connection: ClientConnection): AttachRequest {
  const tty = record.config.Tty === true;
  return {
    descriptor: connection.descriptor,
    stdin: options.stdin && record.config.OpenStdin === true,
    stdout: options.stdout,
    stderr: options.stderr,
    multiplexed: !tty,
    greeting: connection.greeting,
    input: connection.input,
    detachKeys: tty && options.stdin ? parseDetachKeys(options.detachKeys) : new Uint8Array(0),
  };
}

/** Takes the connection over; it is closed in every case of failure. */
export async function attach(
  engine: Engine,
  id: string,
  options: AttachOptions,
  connection: ClientConnection,
): Promise<void> {
  let owned = true;
  try {
    let greeting = connection.greeting;
    if (options.logs) {
      await replay(engine, id, options, connection.descriptor, greeting);
      greeting = new Uint8Array(0);
    }
    if (!options.stream) return;
    await engine.lock.run(id, () => {
      const record = current(engine.table, id);
      const request = toRequest(record, options, { ...connection, greeting });
      engine.table.tell(containerEvent(record, 'attach'));
      const live = engine.live.get(id);
      if (live !== undefined && hasProcess(record.state)) {
        owned = false;
        live.process.attach(request, (reason) => {
          if (reason === 'keys') engine.table.tell(containerEvent(record, 'detach'));
        });
        return;
      }
      // The client starts the container only after it has seen the answer.
      if (greeting.length > 0) writeAll(connection.descriptor, greeting);
      const waiting: AttachRequest = { ...request, greeting: new Uint8Array(0) };
      if (!engine.pending.add(id, waiting)) {
        throw conflict(
          `container ${record.name} has ${MOST_PENDING} clients that wait for its start; start or remove it`,
        );
      }
      owned = false;
    });
  } catch (error) {
    engine.log.debug({ err: error, container: id }, `attach: ${messageOf(error)}`);
    throw error;
  } finally {
    if (owned) close(connection.descriptor);
  }
}

/** Writes what was logged so far to the client, as fast as it reads. */
async function replay(
  engine: Engine,
  id: string,
  options: AttachOptions,
  descriptor: number,
  greeting: Uint8Array,
): Promise<void> {
  const record = current(engine.table, id);
  if (!options.stdout && !options.stderr) throw invalidArgument('Bad parameters: you must choose at least one stream');
  const log = logStream(engine, record, {
    stdout: options.stdout,
    stderr: options.stderr,
    follow: false,
    timestamps: false,
    details: false,
    since: 0n,
    until: 0n,
    tail: -1,
  });
  // The duplicate is Node's: destroying it closes it alone, the connection lives on.
  const socket = new Socket({ fd: duplicate(descriptor), readable: false, writable: true, allowHalfOpen: true });
  socket.on('error', () => undefined);
  try {
    if (greeting.length > 0) socket.write(greeting);
    await pipeline(log, socket, { end: false });
    await new Promise<void>((done, failed) => socket.write('', (error) => (error ? failed(error) : done())));
  } finally {
    log.destroy();
    socket.destroy();
  }
}
