// Owns `docker import`: one tar becomes an image of one layer. The bytes go from the client through a socket straight into the layer.
import { invalidArgument } from '../base/errors.ts';
import { nowNs, rfc3339Nano } from '../base/time.ts';
import { applyChanges } from './changes.ts';
import { makeImageConfig } from './image-config.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { hostPlatform, parsePlatform } from './platform.ts';
import { parseReference, type Reference, withDefaultTag } from './reference.ts';
import type { ImportRequest, Progress } from './types.ts';
import { receive } from './upload.ts';

function nameOf(text: string): Reference | undefined {
  if (text === '') return undefined;
  const reference = parseReference(text);
  if (reference.digest !== '') throw invalidArgument('cannot import digest reference');
  return withDefaultTag(reference);
}

/** Resolves with the new image's id. What cannot be read, or ends early, leaves nothing behind. */
export async function importImage(
  layers: LayerStore,
  store: ImageStore,
  request: ImportRequest,
  progress: (line: Progress) => void,
): Promise<string> {
  const reference = nameOf(request.reference);
  const config = applyChanges({}, request.changes);
  const platform = parsePlatform(request.platform) ?? hostPlatform();
  if (platform.os !== 'linux') throw invalidArgument(`unsupported operating system ${JSON.stringify(platform.os)}`);
  const upload = receive(request.body);
  try {
    const id = await layers.add('', { source: { fd: upload.fd } }, async (layer) => {
      await upload.whole;
      const created = rfc3339Nano(nowNs());
      const comment = request.message === '' ? 'Imported from -' : request.message;
      const image = makeImageConfig({
        config,
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        author: '',
        comment,
        created,
        diffIds: [layer.diffId],
        history: [{ created, createdBy: '', author: '', comment, emptyLayer: false }],
      });
      store.record({
        id: image.id,
        config: image.bytes,
        parent: '',
        chainIds: [layer.chainId],
        references: reference === undefined ? [] : [reference],
        action: 'import',
      });
      return image.id;
    });
    progress({ status: id });
    layers.secure();
    return id;
  } catch (error) {
    // An upload that broke off is the cause of whatever the archive reader says of it.
    upload.end();
    await upload.broken();
    throw error;
  } finally {
    upload.end();
  }
}
