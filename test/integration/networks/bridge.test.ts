// Owns the proof that bridge networks work on the real kernel: reachability, routes, masquerading, isolation and published ports.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { NetworkService, type NetworksConfig } from '../../../daemon/networks/service.ts';
import type { NetworkCreate, PortRequest } from '../../../daemon/networks/types.ts';
import { Database } from '../../../daemon/store/database.ts';
import { EventTable } from '../../../daemon/store/events.ts';
import {
  askFrom,
  closeSandbox,
  inPrivateNetwork,
  inside,
  onHost,
  outsideHost,
  pings,
  serve,
  startContainer,
} from './private-network.ts';

const config: NetworksConfig = {
  instance: '0badcafe',
  bridge: 'tsdtest0',
  bip: '',
  fixedCidr: '',
  defaultGateway: '',
  icc: true,
  ipMasq: true,
  hostBindingIp: '',
  mtu: 0,
  defaultAddressPools: [],
  iptables: true,
  ipForward: true,
  ipForwardNoDrop: false,
};

const log = { warn: (details: object, message: string): void => console.error(message, details) };

const create = (name: string, more: Partial<NetworkCreate> = {}): NetworkCreate => ({
  name,
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

const port = (hostPort: number, containerPort: number, hostIp = ''): PortRequest => ({
  protocol: 'tcp',
  containerPort,
  hostIp,
  hostPort,
  hostPortEnd: hostPort,
});

if (await inPrivateNetwork(import.meta.filename)) {
  const database = new Database(':memory:');
  const events = new EventTable(database);
  const service = new NetworkService(config, database, events, log);
  await service.restore();
  const outside = await outsideHost();

  t.teardown(() => {
    service.close();
    database.close();
    closeSandbox(outside);
  });

  t.test('the default bridge: its address, forwarding, rules', async (t) => {
    const bridge = service.get('bridge');
    t.equal(bridge.pools[0]?.subnet, '172.17.0.0/16');
    t.equal(bridge.pools[0]?.gateway, '172.17.0.1');
    t.equal(service.get('default').id, bridge.id);
    t.equal(service.get(bridge.id.slice(0, 8)).id, bridge.id);
    t.match((await onHost('busybox', 'ip', 'addr', 'show', 'tsdtest0')).output, /172\.17\.0\.1\/16/);
    t.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'latin1').trim(), '1');
    t.equal(readFileSync('/proc/sys/net/ipv6/conf/tsdtest0/accept_ra', 'latin1').trim(), '0');
    const rules = (await onHost('iptables-save')).output;
    t.match(rules, /:FORWARD DROP/, 'forwarding was off before: only what the rules allow passes');
    t.match(rules, /-A TSD-0badcafe-MASQ -s 172\.17\.0\.0\/16 ! -o tsdtest0 -j MASQUERADE/);
  });

  t.test('containers reach each other, the bridge and the world; the world does not reach them', async (t) => {
    const one = await startContainer(service, 'one', 'bridge');
    const two = await startContainer(service, 'two', 'bridge');
    t.match(one.endpoint, {
      ipAddress: '172.17.0.2',
      prefixLength: 16,
      gateway: '172.17.0.1',
      macAddress: '02:42:ac:11:00:02',
      interfaceName: 'eth0',
    });
    t.equal(two.endpoint.ipAddress, '172.17.0.3');
    t.ok(await pings(one.sandbox, '172.17.0.3'), 'container to container');
    t.ok(await pings(one.sandbox, '172.17.0.1'), 'container to bridge');
    t.ok(await pings(one.sandbox, '127.0.0.1'), 'loopback is up');
    t.match((await inside(one.sandbox, 'busybox', 'ip', 'route')).output, /default via 172\.17\.0\.1 dev eth0/);
    t.ok(await pings(one.sandbox, '203.0.113.2'), 'masqueraded: the outside host has no route back');

    await inside(outside, 'busybox', 'ip', 'route', 'add', '172.16.0.0/12', 'via', '203.0.113.1');
    t.notOk(await pings(outside, '172.17.0.2'), 'no way in from outside');
    await inside(outside, 'busybox', 'ip', 'route', 'del', '172.16.0.0/12');

    await service.detach('one');
    await service.detach('two');
    t.same(service.endpointsOf('one'), []);
    const again = await startContainer(service, 'again', 'bridge');
    t.equal(again.endpoint.ipAddress, '172.17.0.2', 'a freed address is given again');
    t.ok(await pings(again.sandbox, '172.17.0.1'));
    await service.detach('again');
    for (const { sandbox } of [one, two, again]) closeSandbox(sandbox);
  });

  t.test('networks do not reach each other; an internal one reaches nothing', async (t) => {
    await service.create(create('left'));
    await service.create(create('right'));
    await service.create(create('inner', { internal: true }));
    const left = await startContainer(service, 'l', 'left');
    const right = await startContainer(service, 'r', 'right');
    const inner = await startContainer(service, 'i', 'inner');
    const inner2 = await startContainer(service, 'i2', 'inner');
    t.not(left.endpoint.ipAddress, '');
    t.notOk(await pings(left.sandbox, right.endpoint.ipAddress));
    t.notOk(await pings(left.sandbox, inner.endpoint.ipAddress));
    t.ok(await pings(left.sandbox, '203.0.113.2'));
    t.ok(await pings(inner.sandbox, inner2.endpoint.ipAddress), 'within the internal network');
    t.notOk(await pings(inner.sandbox, '203.0.113.2'));
    t.equal(inner.endpoint.gateway, '');
    await t.rejects(service.remove('left'), {
      kind: 'forbidden',
      message: /^error while removing network: network left has active endpoints \(name:"l" id:"[0-9a-f]{12}"\)$/,
    });
    for (const { id, sandbox } of [left, right, inner, inner2]) {
      await service.detach(id);
      closeSandbox(sandbox);
    }
    t.same([...(await service.prune({}))].sort(), ['inner', 'left', 'right']);
    t.notMatch((await onHost('busybox', 'ip', 'link')).output, /br-/);
    t.notMatch((await onHost('iptables-save')).output, /br-/);
  });

  t.test('without inter-container communication', async (t) => {
    await service.create(create('lonely', { options: { 'com.docker.network.bridge.enable_icc': 'false' } }));
    const a = await startContainer(service, 'a', 'lonely');
    const b = await startContainer(service, 'b', 'lonely');
    // Bridged frames pass the rules only where br_netfilter says so; the ports are isolated in any case.
    for (const value of ['0', '1']) {
      await onHost('sh', '-c', `echo ${value} >/proc/sys/net/bridge/bridge-nf-call-iptables`);
      t.notOk(await pings(a.sandbox, b.endpoint.ipAddress));
      t.ok(await pings(a.sandbox, a.endpoint.gateway));
    }
    t.ok(await pings(a.sandbox, '203.0.113.2'));
    for (const { id, sandbox } of [a, b]) {
      await service.detach(id);
      closeSandbox(sandbox);
    }
    await service.remove('lonely');
  });

  t.test('published ports', async (t) => {
    const web = await startContainer(service, 'web', 'bridge', {
      ports: [port(8080, 80), port(8081, 80, '127.0.0.1'), port(0, 80)],
    });
    const ephemeral = web.endpoint.ports[2]?.hostPort ?? 0;
    t.match(web.endpoint.ports, [
      { protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 8080 },
      { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPort: 8081 },
      { protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0' },
    ]);
    const other = await startContainer(service, 'other', 'bridge');
    await service.create(create('beside'));
    const beside = await startContainer(service, 'beside', 'beside');
    const server = await serve(web.sandbox, 80, 'hello');
    const self = web.endpoint.ipAddress;
    t.equal(await askFrom(other.sandbox, self, 80), `hello ::ffff:${other.endpoint.ipAddress}`, 'the server is there');
    t.equal(
      await askFrom(outside, '203.0.113.1', 8080),
      'hello ::ffff:203.0.113.2',
      'from another host, with its address',
    );
    t.match(await askFrom(outside, '203.0.113.1', ephemeral), /^hello/, 'an ephemeral port');
    t.match(await askFrom('host', '127.0.0.1', 8080), /^hello/, 'from the host by its loopback');
    t.match(await askFrom('host', '203.0.113.1', 8080), /^hello/, 'from the host by its address');
    t.match(await askFrom('host', '127.0.0.1', 8081), /^hello/, 'published on loopback');
    t.equal(await askFrom(outside, '203.0.113.1', 8081), '', 'loopback only');
    t.match(await askFrom(other.sandbox, '203.0.113.1', 8080), /^hello/, 'from a neighbour by the host');
    t.match(await askFrom(web.sandbox, '203.0.113.1', 8080), /^hello/, 'from itself by the host');
    t.match(await askFrom(beside.sandbox, '203.0.113.1', 8080), /^hello/, 'from another network by the host');
    t.equal(await askFrom(beside.sandbox, self, 80), '', 'not from another network directly');
    t.match((await onHost('busybox', 'netstat', '-ltn')).output, /0\.0\.0\.0:8080/, 'shown as taken');

    await t.rejects(startContainer(service, 'second', 'bridge', { ports: [port(8080, 80)] }), {
      message:
        /^driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    });
    t.same(service.endpointsOf('second'), [], 'nothing is left of the failed one');

    await server.stop();
    await service.detach('web');
    const rules = (await onHost('iptables-save')).output;
    t.notMatch(rules, /DNAT --to/, 'rules went with it');
    const next = await startContainer(service, 'next', 'bridge', { ports: [port(8080, 80)] });
    t.equal(next.endpoint.ports[0]?.hostPort, 8080, 'the port is free again');
    for (const { id, sandbox } of [web, other, next, beside]) {
      await service.detach(id);
      closeSandbox(sandbox);
    }
    await service.remove('beside');
  });

  t.test('IPv6 and dual stack', async (t) => {
    await service.create(
      create('six', {
        enableIPv6: true,
        ipam: { driver: 'default', options: {}, pools: [{ subnet: 'fd12:3456::/64' }] },
      }),
    );
    const six = service.get('six');
    t.equal(six.pools.length, 2, 'an IPv4 pool was chosen as well');
    const a = await startContainer(service, 'a6', 'six');
    const b = await startContainer(service, 'b6', 'six', {
      settings: { IPAMConfig: { IPv6Address: 'fd12:3456::99' } },
    });
    t.equal(a.endpoint.ipv6Address, 'fd12:3456::2');
    t.equal(a.endpoint.ipv6Gateway, 'fd12:3456::1');
    t.equal(b.endpoint.ipv6Address, 'fd12:3456::99');
    t.ok(await pings(a.sandbox, 'fd12:3456::99'));
    t.ok(await pings(a.sandbox, 'fd12:3456::1'));
    t.ok(await pings(a.sandbox, b.endpoint.ipAddress));
    t.match((await inside(a.sandbox, 'busybox', 'ip', '-6', 'route')).output, /default via fd12:3456::1 dev eth0/);
    // Addresses of the world are used at once, without duplicate address detection.
    await onHost('sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/uplink0/accept_dad');
    await inside(outside, 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad');
    await onHost('busybox', 'ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'uplink0');
    await inside(outside, 'busybox', 'ip', 'addr', 'add', '2001:db8::2/64', 'dev', 'eth0');
    await inside(outside, 'busybox', 'ip', 'route', 'add', 'fd12:3456::/64', 'via', '2001:db8::1');
    const web = await startContainer(service, 'web6', 'six', { ports: [port(8086, 80)] });
    t.match(web.endpoint.ports, [
      { hostIp: '0.0.0.0', hostPort: 8086 },
      { hostIp: '::', hostPort: 8086 },
    ]);
    const server = await serve(web.sandbox, 80, 'hello');
    t.ok(await pings(a.sandbox, '2001:db8::2'), 'out by IPv6');
    t.notOk(await pings(outside, a.endpoint.ipv6Address), 'not in');
    t.equal(await askFrom(outside, '2001:db8::1', 8086), 'hello 2001:db8::2', 'a published port by IPv6');
    t.equal(await askFrom(outside, web.endpoint.ipv6Address, 80), '', 'not directly');
    t.match(await askFrom('host', '2001:db8::1', 8086), /^hello/, 'from the host');
    t.match(await askFrom(a.sandbox, '2001:db8::1', 8086), /^hello/, 'from a neighbour by the host');
    await server.stop();
    for (const { id, sandbox } of [a, b, web]) {
      await service.detach(id);
      closeSandbox(sandbox);
    }
    await service.remove('six');
    await service.create(create('auto6', { enableIPv6: true, enableIPv4: false }));
    t.match(service.get('auto6').pools, [{ subnet: /^fd0b:adca:fe00::\/64$/ }]);
    await service.remove('auto6');
  });

  t.test('events tell of it', async (t) => {
    await service.create(create('told'));
    const id = service.get('told').id;
    const seq = events.last();
    const c = await startContainer(service, 'c', 'told');
    await service.detach('c');
    await service.detach('c');
    await service.remove('told');
    closeSandbox(c.sandbox);
    t.match(
      events.after(seq, 10).map((event) => [event.action, event.actorId, event.attributes]),
      [
        ['connect', id, { container: 'c', name: 'told', type: 'bridge' }],
        ['disconnect', id, { container: 'c', name: 'told', type: 'bridge' }],
        ['destroy', id, { name: 'told', type: 'bridge' }],
      ],
    );
  });
}
