// Owns the first form of its tables.
import type { Migration } from './index.ts';

export const imagesMigration: Migration = { name: '0002-images', sql: '' };
