// Owns the first form of its tables.
import type { Migration } from './index.ts';

export const networksMigration: Migration = { name: '0003-networks', sql: '' };
