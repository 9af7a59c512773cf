// Owns the making of an image from a parent, a config and what was changed on top: `docker commit` and every step of a build. The changes
// are the upper directory of an overlay; whose it is and how it came about is the caller's.
import { readdirSync } from 'node:fs';
import { close, packTree, socketPair } from '../../addon/index.ts';
import { messageOf, notFound, withContext } from '../base/errors.ts';
import { nowNs, rfc3339Nano } from '../base/time.ts';
import type { ImageTable } from '../store/images.ts';
import type { Catalog } from './catalog.ts';
import { makeImageConfig } from './image-config.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { hostPlatform } from './platform.ts';
import { parseReference, withDefaultTag } from './reference.ts';
import type { CommitRequest } from './types.ts';

export interface CommitParts {
  readonly layers: LayerStore;
  readonly table: ImageTable;
  readonly store: ImageStore;
  readonly catalog: Catalog;
}

/** Resolves with the image's id. Nothing is left behind when it fails. A directory without changes makes no layer, as in Docker. */
export async function commitImage(parts: CommitParts, request: CommitRequest): Promise<string> {
  const { layers, table } = parts;
  const references = request.references.map((name) => withDefaultTag(parseReference(name)));
  const parent = request.parent === '' ? undefined : table.get(request.parent);
  if (request.parent !== '' && parent === undefined) throw notFound(`No such image: ${request.parent}`);
  const below = parent === undefined ? [] : layers.table.ofImage(parent.id).map((layer) => layer.chainId);
  const { upper } = request;
  const record = (chainId: string | undefined): string =>
    recordImage(parts, request, references, chainId === undefined ? below : [...below, chainId], chainId === undefined);
  // The parent may be removed meanwhile; its layers stay until this image has them.
  return layers.holding(below, async () => {
    if (upper === undefined || readdirSync(upper).length === 0) return record(undefined);
    const [writing, reading] = socketPair();
    const packed = packTree({ path: upper, whiteouts: 'overlay', target: writing });
    packed.catch(() => undefined);
    close(writing);
    try {
      const id = await layers.add(below.at(-1) ?? '', { source: { fd: reading } }, async (layer) => {
        await packed;
        return record(layer.chainId);
      });
      layers.secure();
      return id;
    } catch (error) {
      // A reader that met the end too early only shows that the packing failed.
      await packed.catch((cause: unknown) => {
        throw withContext('cannot read the changes', cause);
      });
      throw withContext('cannot make a layer of the changes', new Error(messageOf(error), { cause: error }));
    } finally {
      close(reading);
    }
  });
}

function recordImage(
  { layers, store, catalog, table }: CommitParts,
  request: CommitRequest,
  references: Parameters<ImageStore['record']>[0]['references'],
  chainIds: readonly string[],
  emptyLayer: boolean,
): string {
  const row = request.parent === '' ? undefined : table.get(request.parent);
  const parent = row === undefined ? undefined : catalog.configOf(row);
  const created = request.created ?? rfc3339Nano(nowNs());
  const { author, comment, createdBy } = request;
  const platform = parent ?? hostPlatform();
  const image = makeImageConfig({
    config: request.config,
    architecture: platform.architecture,
    variant: platform.variant,
    os: platform.os,
    author,
    comment,
    created,
    diffIds: chainIds.map((chainId) => layers.table.get(chainId)?.diffId ?? ''),
    history: [...(parent?.history ?? []), { created, createdBy, author, comment, emptyLayer }],
  });
  store.record({
    id: image.id,
    config: image.bytes,
    parent: request.parent,
    chainIds,
    references,
    action: request.action,
  });
  return image.id;
}
