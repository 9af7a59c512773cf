// Owns how much a container has written.
import { join } from 'node:path';
import { measureTree } from '../../addon/index.ts';
import { layerDirectory, type Roots } from './paths.ts';

/** Bytes of the writable layer; 0 when there is none. */
export async function layerSize(roots: Roots, id: string): Promise<number> {
  try {
    return (await measureTree(join(layerDirectory(roots, id), 'diff'))).bytes;
  } catch {
    return 0;
  }
}
