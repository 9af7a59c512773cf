// Owns the contract of the system room: what the engine says about itself and its host.
import type { Leaks, SystemInfo, SystemVersion } from '../../api-spec/index.ts';

export interface VolumeUsageSize {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Containers that use it. */
  readonly references: number;
}

export interface System {
  /** Everything of `docker info`, in the newest form; presenters take away what older clients must not see. */
  info(): SystemInfo;
  version(): SystemVersion;
  /** Sizes of all volumes; reads their directories. */
  volumeSizes(): Promise<readonly VolumeUsageSize[]>;
  /** What this instance has in the kernel or on disk without a row, and rows without what they should have. */
  leaks(): Promise<Leaks>;
  /** Sets right what can be; tells of each what came of it. */
  heal(): Promise<Leaks>;
}
