// Owns the names under which endpoints are found on their network, and the links that an endpoint has to others.
import type { Migration } from './index.ts';

export const endpointNamesMigration: Migration = {
  name: '0007-endpoint-names',
  sql: `
    ALTER TABLE endpoints ADD COLUMN links TEXT NOT NULL DEFAULT '[]';

    CREATE TABLE endpoint_names (
      network_id TEXT NOT NULL,
      name TEXT NOT NULL,
      endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
      PRIMARY KEY (network_id, name, endpoint_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX endpoint_names_endpoint ON endpoint_names (endpoint_id);

    INSERT OR IGNORE INTO endpoint_names
      SELECT network_id, lower(container_name), id FROM endpoints WHERE container_name <> '';
    INSERT OR IGNORE INTO endpoint_names SELECT network_id, substr(container_id, 1, 12), id FROM endpoints;
    INSERT OR IGNORE INTO endpoint_names
      SELECT endpoints.network_id, lower(alias.value), endpoints.id FROM endpoints, json_each(endpoints.aliases) AS alias;
  `,
};
