// Owns the first form of its tables.
import type { Migration } from './index.ts';

export const volumesMigration: Migration = { name: '0004-volumes', sql: '' };
