// Owns the proof that rows and kernel stay in step: parallel attaches, restarts, sweeps, other instances, refusals.
import t from 'tap';
import { NetworkService, type NetworksConfig } from '../../../daemon/networks/service.ts';
import type { NetworkCreate, PortRequest } from '../../../daemon/networks/types.ts';
import { Database } from '../../../daemon/store/database.ts';
import { EventTable } from '../../../daemon/store/events.ts';
import {
  askFrom,
  closeSandbox,
  inPrivateNetwork,
  onHost,
  pings,
  serve,
  startContainer,
  type TestContainer,
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

const silent = { warn: (): void => undefined };

const create = (name: string, pools: NetworkCreate['ipam']['pools'] = []): NetworkCreate => ({
  name,
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIPv4: true,
  enableIPv6: false,
  ipam: { driver: 'default', options: {}, pools },
  options: {},
  labels: {},
});

const links = async (): Promise<readonly string[]> =>
  [...(await onHost('busybox', 'ip', 'link')).output.matchAll(/^\d+: ([^:@]+)/gm)]
    .map((match) => match[1] ?? '')
    .sort();

if (await inPrivateNetwork(import.meta.filename)) {
  t.test('64 containers attach at once', async (t) => {
    const database = new Database(':memory:');
    const service = new NetworkService(config, database, new EventTable(database), silent);
    await service.restore();
    const started = await Promise.all(
      Array.from({ length: 64 }, (_, index) => startContainer(service, `c${index}`, 'bridge')),
    );
    t.equal(new Set(started.map((one) => one.endpoint.ipAddress)).size, 64);
    t.equal(new Set(started.map((one) => one.endpoint.macAddress)).size, 64);
    const first = started[0]?.sandbox;
    t.ok(first !== undefined && (await pings(first, started[63]?.endpoint.ipAddress ?? '')));
    await Promise.all(started.map((one) => service.detach(one.id)));
    for (const { sandbox } of started) closeSandbox(sandbox);
    await service.settled();
    t.same(
      (await links()).filter((name) => name.startsWith('veth')),
      [],
      'no link is left',
    );
    service.close();
    database.close();
  });

  t.test('a daemon that died: the next one adopts what lives and sweeps the rest', async (t) => {
    const path = `${t.testdir()}/tsd.db`;
    const port: PortRequest = { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8080, hostPortEnd: 8080 };
    const before = new Database(path);
    const first = new NetworkService(config, before, new EventTable(before), silent);
    await first.restore();
    await first.create(create('mine'));
    const lives = await startContainer(first, 'lives', 'bridge', { ports: [port] });
    const died = await startContainer(first, 'died', 'mine');
    const server = await serve(lives.sandbox, 80, 'still here');
    // As after kill -9: sockets of the daemon are closed by the kernel, nothing else is done.
    first.close();
    before.close();

    const other = new Database(':memory:');
    const neighbour = new NetworkService(
      { ...config, instance: '5eedf00d', bridge: 'tsdtest1' },
      other,
      new EventTable(other),
      silent,
    );
    await neighbour.restore();
    const theirs = await startContainer(neighbour, 'theirs', 'bridge');
    t.equal(theirs.endpoint.ipAddress, '172.19.0.2', "subnets of the first instance are seen as the host's routes");

    const after = new Database(path);
    const events = new EventTable(after);
    const second = new NetworkService(config, after, events, silent);
    await second.restore();
    await second.sweep(new Set(['lives']));
    t.match(second.endpointsOf('lives'), [{ ipAddress: lives.endpoint.ipAddress, ports: [{ hostPort: 8080 }] }]);
    t.same(second.endpointsOf('died'), []);
    t.equal(await askFrom('host', '127.0.0.1', 8080), 'still here ::ffff:172.17.0.1', 'its port works on');
    t.match((await onHost('busybox', 'netstat', '-ltn')).output, /0\.0\.0\.0:8080/, 'its port is held again');
    const now = await links();
    t.notOk(now.includes(died.endpoint.hostLink));
    t.ok(now.includes(lives.endpoint.hostLink));
    t.ok(now.includes(theirs.endpoint.hostLink), 'the other instance is untouched');
    t.ok(await pings(theirs.sandbox, '172.19.0.1'));
    const next = await startContainer(second, 'next', 'bridge');
    t.equal(next.endpoint.ipAddress, '172.17.0.3', 'the address of the living one is kept');
    t.ok(await pings(next.sandbox, lives.endpoint.ipAddress));

    await server.stop();
    for (const one of [lives, next]) await second.detach(one.id);
    await second.remove('mine');
    await second.settled();
    await neighbour.detach('theirs');
    await neighbour.settled();
    for (const { sandbox } of [lives, died, theirs, next]) closeSandbox(sandbox);
    t.same(
      (await links()).filter((name) => /^(veth|br-)/.test(name)),
      [],
    );
    for (const service of [second, neighbour]) service.close();
    for (const database of [after, other]) database.close();
  });

  t.test("a bridge that belongs to another instance is refused, an administrator's is used as it is", async (t) => {
    const database = new Database(':memory:');
    const thief = new NetworkService({ ...config, instance: '5eedf00d' }, database, new EventTable(database), silent);
    await t.rejects(thief.restore(), { message: /bridge tsdtest0 belongs to another daemon/ });
    thief.close();
    await onHost('sh', '-c', 'busybox brctl addbr admin0 && busybox ip addr add 10.77.0.1/24 dev admin0');
    const guest = new NetworkService(
      { ...config, instance: '5eedf00d', bridge: 'admin0' },
      database,
      new EventTable(database),
      silent,
    );
    await guest.restore();
    t.match(guest.get('bridge').pools, [{ subnet: '10.77.0.0/24', gateway: '10.77.0.1' }]);
    const one = await startContainer(guest, 'one', 'bridge');
    t.ok(await pings(one.sandbox, '10.77.0.1'));
    await guest.detach('one');
    closeSandbox(one.sandbox);
    guest.close();
    database.close();
  });

  t.test('address management and refusals', async (t) => {
    const database = new Database(':memory:');
    const service = new NetworkService(config, database, new EventTable(database), silent);
    await service.restore();
    await service.create(
      create('shop', [
        {
          subnet: '10.50.0.0/24',
          ipRange: '10.50.0.128/30',
          gateway: '10.50.0.254',
          auxAddresses: { printer: '10.50.0.129' },
        },
      ]),
    );
    const shop: TestContainer[] = [];
    for (const name of ['a', 'b', 'c']) shop.push(await startContainer(service, name, 'shop'));
    t.same(
      shop.map((one) => one.endpoint.ipAddress),
      ['10.50.0.128', '10.50.0.130', '10.50.0.131'],
    );
    await t.rejects(startContainer(service, 'd', 'shop'), {
      kind: 'internal',
      message: /^no available IPv4 addresses on this network's address pools: shop /,
    });
    const still = await startContainer(service, 'e', 'shop', {
      settings: { IPAMConfig: { IPv4Address: '10.50.0.7' }, Aliases: ['db'] },
    });
    t.match(still.endpoint, { ipAddress: '10.50.0.7', aliases: ['db'], gateway: '10.50.0.254' });
    await t.rejects(startContainer(service, 'f', 'shop', { settings: { IPAMConfig: { IPv4Address: '10.50.0.7' } } }), {
      kind: 'forbidden',
      message: 'Address already in use',
    });
    await t.rejects(startContainer(service, 'f', 'shop', { settings: { IPAMConfig: { IPv4Address: '10.51.0.7' } } }), {
      kind: 'invalid-argument',
      message: 'invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.51.0.7',
    });
    t.throws(() => service.validate('default', { IPAMConfig: { IPv4Address: '172.17.0.9' } }), {
      kind: 'invalid-argument',
      message: 'invalid endpoint settings:\nuser specified IP address is supported on user defined networks only',
    });
    await t.rejects(startContainer(service, 'a', 'shop'), {
      kind: 'forbidden',
      message: 'endpoint with name a already exists in network shop',
    });
    await t.rejects(service.create(create('shop')), {
      kind: 'conflict',
      message: 'network with name shop already exists',
    });
    await t.rejects(service.create(create('host')), {
      message: 'operation is not permitted on predefined host network ',
    });
    await t.rejects(service.create(create('overlap', [{ subnet: '10.50.0.0/16' }])), {
      kind: 'forbidden',
      message: 'invalid pool request: Pool overlaps with other one on this address space',
    });
    await t.rejects(service.create({ ...create('x'), driver: 'macvlan' }), {
      message: /^network driver "macvlan" is not supported yet/,
    });
    await t.rejects(service.create({ ...create('x'), driver: 'foo' }), {
      kind: 'not-found',
      message: 'plugin "foo" not found',
    });
    await t.rejects(service.remove('bridge'), {
      kind: 'forbidden',
      message: 'bridge is a pre-defined network and cannot be removed',
    });
    await t.rejects(service.remove('nope'), { kind: 'not-found', message: 'network nope not found' });
    t.throws(() => service.get('nope'), { kind: 'not-found', message: 'network nope not found' });
    for (const one of [...shop, still]) {
      await service.detach(one.id);
      closeSandbox(one.sandbox);
    }
    const names = Array.from({ length: 8 }, (_, index) => `parallel${index}`);
    await Promise.all(names.map((name) => service.create(create(name))));
    t.equal(new Set(names.map((name) => service.get(name).pools[0]?.subnet)).size, 8, 'no subnet twice');
    t.equal((await service.prune({ 'label!': ['keep'] })).length, 9);
    const host = await service.attach({
      containerId: 'h',
      network: 'host',
      settings: {},
      defaultRoute: true,
      index: 0,
      attributes: {},
    });
    t.match(host, { ipAddress: '', macAddress: '', hostLink: '' });
    await service.detach('h');
    service.close();
    database.close();
  });

  t.test('without iptables', async (t) => {
    const database = new Database(':memory:');
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    const broken = new NetworkService(config, database, new EventTable(database), silent);
    await t.rejects(broken.restore(), {
      message:
        /iptables-save is needed for bridge networks and is not in PATH: install the package iptables, or start the daemon with --iptables=false/,
    });
    broken.close();
    const plain = new NetworkService({ ...config, iptables: false }, database, new EventTable(database), silent);
    await plain.restore();
    process.env.PATH = path;
    const one = await startContainer(plain, 'one', 'bridge');
    t.ok(await pings(one.sandbox, '172.17.0.1'));
    await plain.detach('one');
    closeSandbox(one.sandbox);
    const port: PortRequest = { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8080, hostPortEnd: 8080 };
    await t.rejects(startContainer(plain, 'two', 'bridge', { ports: [port] }), { message: /--iptables=false/ });
    await plain.settled();
    plain.close();
    database.close();
  });
}
