// Owns the image service of a test: own data-root, own database, removed at the end. Asserts nothing.
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { removeTree } from '../../../addon/index.ts';
import { silentLog } from '../../../daemon/base/log.ts';
import { ImageService } from '../../../daemon/images/service.ts';
import type { Progress } from '../../../daemon/images/types.ts';
import { Database } from '../../../daemon/store/database.ts';
import { EventTable } from '../../../daemon/store/events.ts';

export interface Fixture {
  readonly root: string;
  readonly images: ImageService;
  readonly events: EventTable;
  /** image id -> containers; a test puts them in. */
  readonly users: Map<string, { id: string; running: boolean }[]>;
  load(archive: Uint8Array, platform?: string): Promise<Progress[]>;
  import(tar: Uint8Array, reference?: string, changes?: readonly string[]): Promise<string>;
  /** Names in layers/ (without the empty layer) and tmp/. */
  leftovers(): string[];
  /** The same data-root under a new service, as after a restart. */
  restart(bootId?: string): Fixture;
}

interface Test {
  teardown(fn: () => Promise<void>): void;
}

/** In pieces, as a socket gives them. */
export function* pieces(data: Uint8Array, size = 60_000): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

function open(t: Test, root: string, users: Fixture['users'], bootId: string | undefined): Fixture {
  const database = new Database(join(root, 'tsd.db'));
  const events = new EventTable(database);
  const images = new ImageService({
    database,
    events,
    dataRoot: root,
    log: silentLog,
    bootId,
    usage: { containersOf: (id) => users.get(id) ?? [] },
  });
  const close = async () => {
    await images.settled();
    database.close();
  };
  let closed = false;
  t.teardown(async () => {
    if (!closed) await close();
    closed = true;
    await removeTree(root);
  });
  return {
    root,
    images,
    events,
    users,
    async load(archive, platform = '') {
      const lines: Progress[] = [];
      await images.load(Readable.from(pieces(archive)), { quiet: false, platform }, (line) => lines.push(line));
      return lines;
    },
    import: (tar, reference = '', changes = []) =>
      images.import(
        { body: Readable.from(pieces(tar)), reference, message: '', changes, platform: '' },
        () => undefined,
      ),
    leftovers: () =>
      ['layers', 'tmp'].flatMap((name) => readdirSync(join(root, name)).filter((entry) => entry !== 'empty')),
    restart(next = bootId) {
      database.close();
      closed = true;
      return open(t, root, users, next);
    },
  };
}

export const makeFixture = (t: Test, bootId?: string): Fixture =>
  open(t, mkdtempSync(join(tmpdir(), 'tsd-images-')), new Map(), bootId);

export const streams = (lines: readonly Progress[]): string => lines.map((line) => line.stream ?? '').join('');

export async function collect(stream: Readable): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}
