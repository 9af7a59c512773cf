// Owns the parts that pull and push share, as plain constructor arguments: stores, downloads, connections. Holds no logic.
import type { Log } from '../../base/log.ts';
import type { Database } from '../../store/database.ts';
import type { ImageTable } from '../../store/images.ts';
import type { RegistryTable } from '../../store/registry.ts';
import type { Catalog } from '../catalog.ts';
import type { ImageStore } from '../image-store.ts';
import type { LayerStore } from '../layer-store.ts';
import type { Connector } from './connect.ts';
import type { Downloads } from './downloads.ts';
import type { Gate } from './gate.ts';

export interface RegistryParts {
  readonly database: Database;
  readonly images: ImageTable;
  readonly layers: LayerStore;
  readonly catalog: Catalog;
  readonly store: ImageStore;
  readonly table: RegistryTable;
  readonly connector: Connector;
  readonly downloads: Downloads;
  /** Uploads at a time. */
  readonly uploads: Gate;
  readonly log: Log;
}
