// Owns the contract of the volumes room.

export interface Volume {
  readonly name: string;
  readonly driver: 'local';
  readonly createdNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Host directory of its data. */
  readonly mountpoint: string;
  readonly anonymous: boolean;
}

/** Who uses volumes; asked before one is removed. Given to the service by main.ts. */
export interface VolumeUsage {
  containersOf(volume: string): readonly string[];
}

export interface Volumes {
  list(): readonly Volume[];
  /** Throws not-found `get NAME: no such volume`. */
  get(name: string): Volume;
  /** An existing one of the same name is answered as it is. Empty name: anonymous, 64 hexadecimal digits. */
  create(request: {
    readonly name: string;
    readonly driver: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
  }): Promise<Volume>;
  /** conflict `remove NAME: volume is in use - [ids]`; with force a missing one is no error. */
  remove(name: string, force: boolean): Promise<void>;
  prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }>;
  /**
   * Copies what the image has at `path` into the volume when that is empty (Docker's copy-up), with owner and mode of the directory.
   * `rootDescriptor` is the container's root mount; everything is reached beneath it.
   */
  populate(name: string, rootDescriptor: number, path: string): Promise<void>;
  /** Bytes of its files. */
  sizeOf(name: string): Promise<number>;
  /** Settles what a killed daemon left half done; never removes a directory that holds data. At boot, before listening. */
  sweep(): Promise<void>;
}
