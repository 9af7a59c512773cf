// Owns what a build has on the disk while it goes on: one directory below tmp/, views of images as detached mounts, layers being made. All of
// it goes with `close`.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { close, openPath, removeTree } from '../../addon/index.ts';
import { newId } from '../base/ids.ts';
import type { Images } from '../images/types.ts';
import { Overlay } from '../supervisor/storage/overlay.ts';

const O_DIRECTORY = 0o200000;

export const BUILD_DIRECTORY = /^build-[0-9a-f]{16}$/;

const CONTAINERS = 'containers';

/** Ids of the containers that were noted in the directory of a build. */
export function notedContainers(directory: string): readonly string[] {
  const notes = join(directory, CONTAINERS);
  return existsSync(notes) ? readdirSync(notes) : [];
}

/** A new layer: a view to write through, and the directory where what was written is. */
export interface LayerDraft {
  /** Root of the merged view. */
  readonly root: number;
  readonly upper: string;
}

export class Workspace {
  readonly directory: string;
  readonly #images: Images;
  readonly #overlay: Overlay;
  readonly #empty: string;
  #count = 0;

  /** `images`: of the daemon. Makes the directory. */
  constructor(dataRoot: string, images: Images, overlay = new Overlay()) {
    this.#images = images;
    this.#overlay = overlay;
    this.directory = join(dataRoot, 'tmp', `build-${newId().slice(0, 16)}`);
    this.#empty = join(this.directory, 'empty');
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
  }

  /** A new empty directory. */
  makeDirectory(kind: string): string {
    const path = join(this.directory, `${kind}-${++this.#count}`);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  /** Notes a container of a step, so that the next start of a daemon that dies now removes it. */
  note(containerId: string): void {
    const notes = join(this.directory, CONTAINERS);
    mkdirSync(notes, { recursive: true, mode: 0o700 });
    writeFileSync(join(notes, containerId), '');
  }

  /** The container is gone, or kept on purpose. */
  forget(containerId: string): void {
    rmSync(join(this.directory, CONTAINERS, containerId), { force: true });
  }

  /** The caller closes it. */
  open(directory: string): number {
    return openPath(directory, O_DIRECTORY);
  }

  /** The files of an image (empty id: none) as a read-only view; the caller closes it. */
  view(imageId: string): number {
    // A view needs two layers.
    return this.#overlay.mount({ lower: [...this.#lower(imageId), this.#empty] });
  }

  /** Lends a layer on top of an image. The view is closed before `use` gets the changes. */
  async layer<T>(
    imageId: string,
    fill: (draft: LayerDraft) => Promise<void>,
    use: (upper: string) => Promise<T>,
  ): Promise<T> {
    const base = this.makeDirectory('layer');
    const upper = join(base, 'diff');
    const work = join(base, 'work');
    mkdirSync(upper, { mode: 0o755 });
    mkdirSync(work, { mode: 0o700 });
    try {
      const root = this.#overlay.mount({ lower: this.#lower(imageId), writable: { upper, work } });
      try {
        await fill({ root, upper });
      } finally {
        close(root);
      }
      return await use(upper);
    } finally {
      await removeTree(base);
    }
  }

  close(): Promise<void> {
    return removeTree(this.directory);
  }

  #lower(imageId: string): readonly string[] {
    return imageId === '' ? [this.#empty] : this.#images.lowerDirectories(imageId);
  }
}
