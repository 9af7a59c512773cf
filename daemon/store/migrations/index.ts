// Owns the order of the migrations. A migration that has landed is never edited; a change is a new one at the end.
import { containersMigration } from './0001-containers.ts';
import { imagesMigration } from './0002-images.ts';
import { networksMigration } from './0003-networks.ts';
import { volumesMigration } from './0004-volumes.ts';
import { execsMigration } from './0005-execs.ts';
import { registryMigration } from './0006-registry.ts';
import { endpointNamesMigration } from './0007-endpoint-names.ts';
import { buildCacheMigration } from './0008-build-cache.ts';

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
  containersMigration,
  imagesMigration,
  networksMigration,
  volumesMigration,
  execsMigration,
  registryMigration,
  endpointNamesMigration,
  buildCacheMigration,
];
