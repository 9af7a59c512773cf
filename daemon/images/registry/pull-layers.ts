// Owns the layers of a pull: all at once, each downloaded and unpacked as it arrives, in any order, because overlay layers are independent
// directories. What is shared with another pull is done once. Records nothing.
import { EngineError, internal } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { LayerOrigin, LayerStore } from '../layer-store.ts';
import type { Repository } from './connect.ts';
import type { Download, DownloadState, Downloads, Following, OpenBlob } from './downloads.ts';
import type { Gate } from './gate.ts';
import type { Descriptor } from './manifest.ts';
import { LayerProgress } from './progress.ts';
import type { Report } from './types.ts';

export interface LayersRequest {
  readonly repository: Repository;
  /** The lowest first; as many as diff ids and chain ids. */
  readonly blobs: readonly Descriptor[];
  readonly diffIds: readonly string[];
  readonly chainIds: readonly string[];
  /** Downloads at a time: those beyond say that they wait. */
  readonly parallel: number;
  readonly report: Report;
  readonly signal: AbortSignal;
}

interface Layer {
  readonly blob: Descriptor;
  readonly diffId: string;
  readonly parent: string;
  readonly position: number;
  readonly progress: LayerProgress;
}

/** The caller holds the chain ids. Throws the first failure when all layers have come to rest. */
export async function pullLayers(layers: LayerStore, downloads: Downloads, request: LayersRequest): Promise<void> {
  const { blobs, diffIds, chainIds, report } = request;
  const missing: Layer[] = [];
  for (const [position, blob] of blobs.entries()) {
    const progress = new LayerProgress(shortId(blob.digest), report);
    if (layers.table.get(chainIds[position] ?? '') !== undefined) {
      progress.word('Already exists');
      continue;
    }
    progress.word('Pulling fs layer');
    const parent = position === 0 ? '' : (chainIds[position - 1] ?? '');
    missing.push({ blob, diffId: diffIds[position] ?? '', parent, position, progress });
  }
  for (const layer of missing.slice(request.parallel)) layer.progress.word('Waiting');
  // One layer that fails ends the others: nobody waits for the rest of an image that will not be.
  const failed = new AbortController();
  const signal = AbortSignal.any([request.signal, failed.signal]);
  const work = missing.map((layer) =>
    pullLayer(layers, downloads, request.repository, layer, signal).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  const results = await Promise.allSettled(work);
  request.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function pullLayer(
  layers: LayerStore,
  downloads: Downloads,
  repository: Repository,
  layer: Layer,
  signal: AbortSignal,
): Promise<void> {
  const openBlob: OpenBlob = async (offset, stop) => {
    const { value } = await repository.first((client) => client.blob(layer.blob.digest, offset), { signal: stop });
    return value;
  };
  for (let tries = 0; ; tries++) {
    const download = await downloads.acquire(layer.blob, openBlob);
    let needed = true;
    try {
      await unpackFrom(layers, downloads.unpackings, download, layer, signal);
      needed = false;
      layer.progress.word('Pull complete');
      return;
    } catch (error) {
      signal.throwIfAborted();
      // A download that failed says more than the reader that it left alone.
      await download.done;
      if (!(error instanceof EngineError) || error.kind !== 'invalid-argument') throw error;
      layer.progress.once('Verifying Checksum');
      if (await download.verify()) throw error;
      needed = false;
      // Bytes from an earlier download may have been lost in a crash: once more from the beginning.
      if (!download.resumed || tries > 0) {
        throw internal(`filesystem layer verification failed for digest ${layer.blob.digest}`, error);
      }
    } finally {
      await downloads.release(download, needed);
    }
  }
}

async function unpackFrom(
  layers: LayerStore,
  unpackings: Gate,
  download: Download,
  layer: Layer,
  signal: AbortSignal,
): Promise<void> {
  const { progress, blob } = layer;
  const total = blob.size;
  let following: Following | undefined;
  let complete = false;
  let read = 0;
  const show = (state: DownloadState): void => {
    if (state.state === 'downloading') progress.amount('Downloading', state.received, total);
    else if (state.state === 'retrying') {
      progress.word(`Retrying in ${state.seconds} second${state.seconds === 1 ? '' : 's'}`);
    } else if (state.state === 'complete' && !complete) {
      complete = true;
      progress.word('Verifying Checksum');
      progress.word('Download complete');
      if (read > 0) progress.amount('Extracting', read, total);
    }
  };
  const stopListening = download.listen(show);
  // The reader waits for bytes: it is told when none will come.
  const stopped = (): void => following?.end();
  signal.addEventListener('abort', stopped);
  try {
    await download.begun;
    const origin = async (): Promise<LayerOrigin> => {
      signal.throwIfAborted();
      following = await download.follow((bytes) => {
        read = bytes;
        if (complete) progress.amount('Extracting', bytes, total);
      });
      return { source: following.source, digest: blob.digest };
    };
    await layers.ensure(layer.parent, layer.diffId, layer.position, origin, (work) => unpackings.run(signal, work));
    // A small layer is unpacked before the reader has told of a byte: its line would go from downloaded to done.
    read = total;
    if (complete) progress.amount('Extracting', total, total);
  } finally {
    signal.removeEventListener('abort', stopped);
    stopListening();
    following?.end();
  }
}
