// Owns the first form of the tables of networks: networks, pools, endpoints, addresses and ports.
import type { Migration } from './index.ts';

export const networksMigration: Migration = {
  name: '0003-networks',
  sql: `
    CREATE TABLE networks (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      driver TEXT NOT NULL,
      created_ns INTEGER NOT NULL,
      internal INTEGER NOT NULL,
      attachable INTEGER NOT NULL,
      enable_ipv4 INTEGER NOT NULL,
      enable_ipv6 INTEGER NOT NULL,
      ipam_driver TEXT NOT NULL,
      ipam_options TEXT NOT NULL,
      options TEXT NOT NULL,
      labels TEXT NOT NULL,
      link TEXT UNIQUE
    ) STRICT;

    CREATE TABLE network_pools (
      network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      subnet TEXT NOT NULL UNIQUE,
      ip_range TEXT NOT NULL,
      gateway TEXT NOT NULL,
      aux_addresses TEXT NOT NULL,
      configured INTEGER NOT NULL,
      PRIMARY KEY (network_id, position)
    ) STRICT;

    CREATE TABLE endpoints (
      id TEXT PRIMARY KEY,
      network_id TEXT NOT NULL REFERENCES networks (id),
      container_id TEXT NOT NULL,
      container_name TEXT NOT NULL,
      ready INTEGER NOT NULL,
      ip_address TEXT NOT NULL,
      prefix_length INTEGER NOT NULL,
      gateway TEXT NOT NULL,
      ipv6_address TEXT NOT NULL,
      ipv6_prefix_length INTEGER NOT NULL,
      ipv6_gateway TEXT NOT NULL,
      mac_address TEXT NOT NULL,
      host_link TEXT UNIQUE,
      interface_name TEXT NOT NULL,
      aliases TEXT NOT NULL,
      UNIQUE (container_id, network_id)
    ) STRICT;
    CREATE INDEX endpoints_network ON endpoints (network_id);

    CREATE TABLE addresses (
      network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
      address TEXT NOT NULL,
      position INTEGER NOT NULL,
      offset INTEGER,
      endpoint_id TEXT REFERENCES endpoints (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
      PRIMARY KEY (network_id, address)
    ) STRICT;
    CREATE UNIQUE INDEX addresses_offset ON addresses (network_id, position, offset);
    CREATE INDEX addresses_endpoint ON addresses (endpoint_id);

    CREATE TABLE ports (
      protocol TEXT NOT NULL,
      host_ip TEXT NOT NULL,
      host_port INTEGER NOT NULL,
      endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
      container_ip TEXT NOT NULL,
      container_port INTEGER NOT NULL,
      PRIMARY KEY (protocol, host_ip, host_port)
    ) STRICT;
    CREATE INDEX ports_endpoint ON ports (endpoint_id);
  `,
};
