// Owns the options of overlay mounts: which ones are chosen and which this kernel knows. No image, no container, no path of its own.
import { existsSync } from 'node:fs';
import { mountOverlay, SystemError } from '../../../addon/index.ts';
import { EngineError } from '../../base/errors.ts';

const PARAMETERS = '/sys/module/overlay/parameters';

/**
 * What every root is mounted with. Nothing in a layer may lead to another place than its own path: no redirects are followed and no
 * metadata-only copies believed. No index: it would tie an upper directory to one set of lower ones.
 */
const wanted: readonly (readonly [parameter: string, option: string])[] = [
  ['index', 'index=off'],
  ['metacopy', 'metacopy=off'],
  ['redirect_dir', 'redirect_dir=nofollow'],
];

/** Those options whose parameter the overlay module has. `has` is asked with the parameter's name. */
export const overlayOptions = (has: (parameter: string) => boolean): readonly string[] =>
  wanted.filter(([parameter]) => has(parameter)).map(([, option]) => option);

export interface OverlayRoot {
  /** Directories, top-most first. */
  readonly lower: readonly string[];
  /** Where changes go; absent: a read-only view. `work` stands on the same file system. */
  readonly writable?: { readonly upper: string; readonly work: string };
}

export class Overlay {
  readonly #has: (parameter: string) => boolean;
  #options: readonly string[] | undefined;

  constructor(has = (parameter: string): boolean => existsSync(`${PARAMETERS}/${parameter}`)) {
    this.#has = has;
  }

  /** A detached mount; the caller closes it. Throws unavailable when the kernel has no overlay. */
  mount(root: OverlayRoot): number {
    try {
      return mountOverlay({
        lower: root.lower,
        upper: root.writable?.upper,
        work: root.writable?.work,
        options: this.#known(),
        readonly: root.writable === undefined,
      });
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENODEV') {
        throw new EngineError('unavailable', 'this kernel has no overlay file system (CONFIG_OVERLAY_FS)', error);
      }
      throw error;
    }
  }

  /** Asked until there is an answer: the module may only be loaded by the first mount. */
  #known(): readonly string[] {
    if (this.#options !== undefined) return this.#options;
    const options = overlayOptions(this.#has);
    if (options.length > 0) this.#options = options;
    return options;
  }
}
