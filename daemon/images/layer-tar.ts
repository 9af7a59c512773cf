// Owns the giving back of a layer's plain tar, byte for byte: built again from directory and split record, or from the kept tar. The digest is
// checked while it is given. Changes nothing.
import { createReadStream } from 'node:fs';
import { Socket } from 'node:net';
import { assembleLayer, close, socketPair } from '../../addon/index.ts';
import { internal } from '../base/errors.ts';
import type { LayerRow } from '../store/images.ts';
import type { LayerStore } from './layer-store.ts';

/** The caller holds the layer. Throws internal at the end when the layer is damaged. */
export async function* layerTar(layers: LayerStore, layer: LayerRow): AsyncGenerator<Uint8Array> {
  if (layer.reproducible) yield* assembled(layers, layer);
  else yield* createReadStream(layers.keptTar(layer.chainId));
}

/** The addon writes into one end of a socket pair, the stream reads the other: never more than a buffer in memory. */
async function* assembled(layers: LayerStore, layer: LayerRow): AsyncGenerator<Uint8Array> {
  const [reading, writing] = socketPair();
  const done = assembleLayer({
    split: layers.splitRecord(layer.chainId),
    directory: layers.directory(layer.chainId),
    target: writing,
  });
  done.catch(() => undefined);
  close(writing);
  const socket = new Socket({ fd: reading, readable: true, writable: false });
  try {
    yield* socket as AsyncIterable<Uint8Array>;
  } finally {
    socket.destroy();
  }
  const { digest } = await done;
  if (digest !== layer.diffId) {
    throw internal(`layer ${layer.diffId} is damaged on the disk: it now has the digest ${digest}`);
  }
}
