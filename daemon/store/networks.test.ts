// Owns the proof of the rows: uniqueness, cascades, the lowest free offset.
import t from 'tap';
import { Database } from './database.ts';
import { type EndpointRow, type NetworkRow, NetworkTable } from './networks.ts';

const network = (id: string, name: string, subnet: string): NetworkRow => ({
  id,
  name,
  driver: 'bridge',
  createdNs: 1_234_567_890_123_456_789n,
  internal: false,
  attachable: true,
  enableIPv4: true,
  enableIPv6: false,
  ipamDriver: 'default',
  ipamOptions: { a: 'b' },
  options: { o: '1' },
  labels: { l: '' },
  link: `br-${name}`,
  pools: [{ subnet, ipRange: '', gateway: '', auxAddresses: {}, configured: true }],
});

const endpoint = (id: string, networkId: string): EndpointRow => ({
  id,
  networkId,
  containerId: `c-${id}`,
  containerName: '',
  ready: false,
  ipAddress: '10.0.0.2',
  prefixLength: 24,
  gateway: '10.0.0.1',
  ipv6Address: '',
  ipv6PrefixLength: 0,
  ipv6Gateway: '',
  macAddress: '',
  hostLink: `veth${id}`,
  interfaceName: 'eth0',
  aliases: ['x'],
  links: [],
});

t.test('rows of networks', async (t) => {
  const database = new Database(':memory:');
  const table = new NetworkTable(database);
  const row = network('aa11', 'one', '10.0.0.0/24');
  table.insert(row);
  t.same(table.list(), [row]);
  t.same(table.byName('one'), row);
  t.same(table.byId('aa11'), row);
  t.same(table.byPrefix('aa'), [row]);
  t.same(table.byPrefix('ab'), []);
  for (const twin of [
    network('bb', 'one', '10.1.0.0/24'),
    { ...network('bb', 'two', '10.1.0.0/24'), link: 'br-one' },
    network('bb', 'two', '10.0.0.0/24'),
  ]) {
    t.throws(() => table.insert(twin), { code: 'SQLITE_CONSTRAINT_UNIQUE' });
  }
  t.equal(table.list().length, 1, 'a refused insert leaves no part');
  table.updateOptions('aa11', { o: '2' });
  t.same(table.byId('aa11')?.options, { o: '2' });
  t.ok(table.delete('aa11'));
  t.notOk(table.delete('aa11'));
  database.close();
});

t.test('endpoints, addresses and ports', async (t) => {
  const database = new Database(':memory:');
  const table = new NetworkTable(database);
  table.insert(network('n', 'one', '10.0.0.0/24'));
  const take = (offset: bigint, endpointId?: string): boolean =>
    table.insertAddress({ networkId: 'n', address: `10.0.0.${offset}`, position: 0, offset, endpointId });
  t.equal(table.lowestFreeOffset('n', 0, 1n), 1n);
  t.ok(take(1n));
  t.equal(table.lowestFreeOffset('n', 0, 1n), 2n);
  database.transaction(() => {
    t.ok(take(2n, 'e'), 'before the row of its endpoint');
    table.insertEndpoint(endpoint('e', 'n'));
  });
  t.notOk(take(2n), 'taken');
  t.ok(take(4n));
  t.equal(table.lowestFreeOffset('n', 0, 1n), 3n, 'a gap');
  t.equal(table.lowestFreeOffset('n', 0, 4n), 5n);
  t.same(table.endpoint('e'), endpoint('e', 'n'));
  table.markReady('e');
  t.equal(table.endpoint('e')?.ready, true);
  t.same(
    table.endpointsOfContainer('c-e').map((row) => row.id),
    ['e'],
  );
  t.throws(() => table.insertEndpoint({ ...endpoint('f', 'n'), containerId: 'c-e' }), {
    code: 'SQLITE_CONSTRAINT_UNIQUE',
  });
  const port = {
    protocol: 'tcp',
    hostIp: '0.0.0.0',
    hostPort: 80,
    endpointId: 'e',
    containerIp: '10.0.0.2',
    containerPort: 80,
  } as const;
  t.ok(table.insertPort(port));
  t.notOk(table.insertPort(port));
  t.ok(table.hasPort('tcp', '0.0.0.0', 80));
  t.same(table.portsOf('e'), [port]);
  t.throws(() => table.delete('n'), { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' }, 'not with endpoints');
  t.ok(table.deleteEndpoint('e'));
  t.same(table.ports(), []);
  t.ok(take(2n), 'free again');
  t.ok(table.delete('n'));
  t.equal(table.lowestFreeOffset('n', 0, 1n), 1n, 'its addresses went with it');
  database.close();
});
