// Owns the proof that what clients ask for is read and refused as Docker does: creates, settings, options, ports, prune filters, names.
import t from 'tap';
import type { NetworkRow } from '../store/networks.ts';
import { parseBridgeOptions } from './bridge-options.ts';
import { bridgeLinkOf, hostLinkOf, linkPrefix, macOf } from './names.ts';
import { portRequests } from './ports.ts';
import { pruneFilter } from './prune-filter.ts';
import type { NetworkCreate } from './types.ts';
import { readSettings, validateCreate } from './validate.ts';

const create = (more: Partial<NetworkCreate>): NetworkCreate => ({
  name: 'n',
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIPv4: true,
  enableIPv6: false,
  ipam: { driver: 'default', options: {}, pools: [] },
  options: {},
  labels: {},
  ...more,
});

const withPool = (pool: NetworkCreate['ipam']['pools'][number]): NetworkCreate =>
  create({ enableIPv6: true, ipam: { driver: 'default', options: {}, pools: [pool] } });

t.test('creates', async (t) => {
  validateCreate(create({}));
  validateCreate(
    withPool({ subnet: '10.0.0.0/24', ipRange: '10.0.0.0/25', gateway: '10.0.0.1', auxAddresses: { a: '10.0.0.9' } }),
  );
  t.throws(() => validateCreate(create({ name: ' ' })), { message: 'invalid name: name is empty' });
  t.throws(() => validateCreate(create({ name: 'bridge' })), {
    message: 'operation is not permitted on predefined bridge network ',
  });
  t.throws(() => validateCreate(create({ driver: 'host' })), {
    message: 'only one instance of "host" network is allowed',
  });
  const refused = (request: Partial<NetworkCreate>, kind: string, message: RegExp): void => {
    t.throws(() => validateCreate(create(request)), { kind, message });
  };
  refused({ scope: 'swarm' }, 'forbidden', /when swarm is not active/);
  refused({ ingress: true }, 'forbidden', /global scope network/);
  refused({ configOnly: true }, 'not-implemented', /configuration-only networks/);
  refused({ configFrom: 'x' }, 'not-found', /configuration network "x" does not exist/);
  refused({ driver: 'overlay' }, 'forbidden', /not a swarm manager/);
  refused({ driver: 'nope' }, 'not-found', /plugin "nope" not found/);
  refused({ ipam: { driver: 'nope', options: {}, pools: [] } }, 'not-found', /plugin "nope" not found/);
  t.throws(() => validateCreate(create({ enableIPv4: false })), { message: 'IPv4 or IPv6 must be enabled' });
  for (const [pool, problem] of [
    [{ subnet: 'x' }, 'invalid subnet x: invalid CIDR block notation'],
    [{ subnet: '10.0.0.1/24' }, 'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
    [
      { subnet: '10.0.0.0/24', ipRange: '10.0.0.0/16' },
      'invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24',
    ],
    [
      { subnet: '10.0.0.0/24', ipRange: '10.0.1.0/25' },
      "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
    ],
    [{ subnet: '10.0.0.0/24', ipRange: 'fd00::/64' }, 'invalid ip-range fd00::/64: parent subnet is an IPv4 block'],
    [
      { subnet: '10.0.0.0/24', gateway: '10.0.1.1' },
      "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    [{ subnet: 'fd00::/64', gateway: '10.0.1.1' }, 'invalid gateway 10.0.1.1: parent subnet is an IPv6 block'],
    [{ subnet: '10.0.0.0/24', auxAddresses: { a: 'x' } }, 'invalid auxiliary address a: invalid address'],
  ] as const) {
    t.throws(() => validateCreate(withPool(pool)), { message: `invalid network config:\n${problem}` });
  }
});

t.test('endpoint settings', async (t) => {
  const pools = [{ subnet: '10.0.0.0/24', ipRange: '', configured: true }];
  t.match(
    readSettings(
      'mine',
      { IPAMConfig: { IPv4Address: '10.0.0.9' }, Aliases: ['a'], MacAddress: '02-42-00-00-00-0A' },
      pools,
    ),
    {
      ipv4: { family: 4 },
      mac: '02:42:00:00:00:0a',
      aliases: ['a'],
    },
  );
  t.throws(() => readSettings('bridge', { Aliases: ['a'] }, pools), {
    message: 'invalid endpoint settings:\nnetwork-scoped aliases are only supported for user-defined networks',
  });
  t.throws(() => readSettings('mine', { IPAMConfig: { IPv4Address: 'fd00::1', IPv6Address: '::' } }, undefined), {
    message: 'invalid endpoint settings:\n* invalid IPv4 address: fd00::1\n* invalid IPv6 address: ::',
  });
  t.throws(() => readSettings('mine', { MacAddress: 'zz' }, pools), { message: 'invalid MAC address zz' });
  t.throws(() => readSettings('mine', { IPAMConfig: { IPv4Address: '10.1.0.9' } }, pools), {
    message: 'invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.1.0.9',
  });
  const chosen = [{ subnet: '10.0.0.0/24', ipRange: '', configured: false }];
  t.throws(() => readSettings('mine', { IPAMConfig: { IPv4Address: '10.0.0.9' } }, chosen), {
    message:
      'invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets',
  });
});

t.test('options of bridges', async (t) => {
  t.same(parseBridgeOptions({}), {
    name: '',
    icc: true,
    masquerade: true,
    hostBinding: '',
    mtu: 0,
    interfacePrefix: 'eth',
  });
  const key = 'com.docker.network.bridge.enable_icc';
  t.equal(parseBridgeOptions({ [key]: '0' }).icc, false);
  t.throws(() => parseBridgeOptions({ [key]: 'nein' }), {
    message: `failed to parse ${key} value: nein (strconv.ParseBool: parsing "nein": invalid syntax)`,
  });
  t.throws(
    () => parseBridgeOptions({ 'com.docker.network.bridge.name': 'much-too-long-name' }),
    /is no interface name/,
  );
  t.throws(() => parseBridgeOptions({ 'com.docker.network.driver.mtu': 'x' }), {
    message: 'failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing "x": invalid syntax)',
  });
  t.throws(() => parseBridgeOptions({ 'com.docker.network.driver.mtu': '-5' }), /^invalid MTU number: -5/);
  t.throws(() => parseBridgeOptions({ 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' }), /not supported yet/);
});

t.test('published ports', async (t) => {
  const bindings = {
    '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }, { HostPort: '9000-9010' }],
    '53/udp': [{ HostPort: '' }],
    '7000-7001/tcp': [{ HostPort: '8000' }],
  };
  t.same(
    portRequests({ PortBindings: bindings, PublishAllPorts: true }, { ExposedPorts: { '80/tcp': {}, '443': {} } }),
    [
      { protocol: 'udp', containerPort: 53, hostIp: '', hostPort: 0, hostPortEnd: 0 },
      { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPort: 8080, hostPortEnd: 8080 },
      { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 9000, hostPortEnd: 9010 },
      { protocol: 'tcp', containerPort: 443, hostIp: '', hostPort: 0, hostPortEnd: 0 },
      { protocol: 'tcp', containerPort: 7000, hostIp: '', hostPort: 8000, hostPortEnd: 8000 },
      { protocol: 'tcp', containerPort: 7001, hostIp: '', hostPort: 8001, hostPortEnd: 8001 },
    ],
  );
  t.same(portRequests({}, {}), []);
  for (const key of ['x', '0', '80/quic', '90-80', '70000']) {
    t.throws(() => portRequests({ PortBindings: { [key]: [{}] } }, {}), /invalid port specification/, key);
  }
  t.throws(() => portRequests({ PortBindings: { '80': [{ HostIp: 'x' }] } }, {}), { message: 'invalid IP address: x' });
  t.throws(() => portRequests({ PortBindings: { '80': [{ HostPort: 'x' }] } }, {}), {
    message: 'invalid port specification: "x"',
  });
});

t.test('prune filters', async (t) => {
  const network = (createdNs: bigint, labels: Record<string, string>): NetworkRow =>
    ({ createdNs, labels }) as unknown as NetworkRow;
  const now = 10_000_000_000_000n;
  t.ok(pruneFilter({}, now)(network(now, {})));
  t.notOk(pruneFilter({ until: ['1h'] }, now)(network(now, {})));
  t.ok(pruneFilter({ until: ['1h30m'] }, now)(network(now - 5_400_000_000_000n, {})));
  t.ok(pruneFilter({ until: ['100'] }, now)(network(99_000_000_000n, {})));
  t.ok(pruneFilter({ label: ['a', 'b=2=3'] }, now)(network(0n, { a: '', b: '2=3' })));
  t.notOk(pruneFilter({ 'label!': ['a'] }, now)(network(0n, { a: '' })));
  t.throws(() => pruneFilter({ name: ['x'] }, now), { message: "invalid filter 'name'" });
  t.throws(() => pruneFilter({ until: ['gestern'] }, now), /failed to parse/);
});

t.test('kernel names', async (t) => {
  const id = 'ab'.repeat(32);
  t.equal(hostLinkOf('0badcafe', id).length, 15);
  t.ok(hostLinkOf('0badcafe', id).startsWith(linkPrefix('0badcafe')));
  t.not(linkPrefix('0badcafe'), linkPrefix('5eedf00d'));
  t.equal(bridgeLinkOf(id), 'br-abababababab');
  t.equal(macOf('172.17.0.2', id), '02:42:ac:11:00:02');
  t.equal(macOf('', id), '02:42:ab:ab:ab:ab');
});
