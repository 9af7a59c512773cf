// docker network connect and disconnect with the stock command: containers that run, that were created, that are stopped; refusals, routes,
// published ports, files, events, and what of it lasts.
import t from 'tap';
import { isDockerd, startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const { engine } = docker;

const refused = async (args: readonly string[], words: RegExp): Promise<void> => {
  const result = await docker.run(args);
  t.not(result.code, 0, args.join(' '));
  t.match(result.stderr, words, args.join(' '));
};
const networks = async (name: string): Promise<Record<string, Record<string, unknown>>> =>
  JSON.parse(await docker.inspect(name, '{{json .NetworkSettings.Networks}}')) as Record<
    string,
    Record<string, unknown>
  >;
const route = async (name: string): Promise<string> =>
  /default via \S+ dev (\S+)/.exec(await docker.ok('exec', name, 'ip', 'route'))?.[1] ?? '';
const members = async (network: string): Promise<string[]> => {
  const all = JSON.parse(await docker.ok('network', 'inspect', network, '--format', '{{json .Containers}}')) as Record<
    string,
    { Name: string }
  >;
  return Object.values(all)
    .map(({ Name }) => Name)
    .sort();
};

await docker.ok('network', 'create', '--subnet', '10.213.1.0/24', 'alpha');
await docker.ok('network', 'create', 'beta');
await docker.ok('network', 'create', '--internal', 'inner');

t.test('a container that runs', async (t) => {
  await docker.ok('run', '-d', '--name', 'live', 'busybox', 'sleep', '1000');
  t.equal(await route('live'), 'eth0');
  await docker.ok(
    'network',
    'connect',
    '--ip',
    '10.213.1.77',
    '--alias',
    'other',
    '--link',
    'peer:near',
    'alpha',
    'live',
  );
  t.match(await docker.ok('exec', 'live', 'ip', '-4', 'addr', 'show', 'eth1'), /inet 10\.213\.1\.77\/24/);
  t.match(await docker.ok('exec', 'live', 'cat', '/etc/hosts'), /^10\.213\.1\.77\s+\S+$/m);
  t.match(await docker.ok('exec', 'live', 'cat', '/etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
  t.match((await networks('live')).alpha, {
    IPAddress: '10.213.1.77',
    IPAMConfig: { IPv4Address: '10.213.1.77' },
    Links: ['peer:near'],
  });
  t.same(await members('alpha'), ['live']);
  await docker.ok('network', 'connect', 'inner', 'live');
  await docker.ok('network', 'connect', 'beta', 'live');
  t.same(Object.keys(await networks('live')).sort(), ['alpha', 'beta', 'bridge', 'inner']);

  await docker.ok('network', 'disconnect', 'alpha', 'live');
  t.notMatch(await docker.ok('exec', 'live', 'ip', 'addr'), /10\.213\.1\.77/);
  t.same(await members('alpha'), []);
  await docker.ok('network', 'disconnect', 'bridge', 'live');
  t.match(await docker.ok('exec', 'live', 'ip', 'route'), /^default via \S+ dev eth3/m, 'the route has gone to beta');

  if (!isDockerd) {
    await docker.ok('restart', '-t', '0', 'live');
    t.same(Object.keys(await networks('live')).sort(), ['beta', 'inner'], 'it stays so over a restart');
    t.notMatch(await docker.ok('exec', 'live', 'cat', '/etc/hosts'), /10\.213\.1\.77/);
  }
  await docker.ok('network', 'disconnect', 'beta', 'live');
  // dockerd 26 takes an internal network's bridge for a way outside.
  if (!isDockerd) t.equal(await route('live'), '', 'nothing leads outside any more');
  await docker.ok('network', 'disconnect', 'inner', 'live');
  t.same(await networks('live'), {});
  await docker.ok('network', 'connect', 'beta', 'live');
  t.not(await route('live'), '', 'and again');
  await docker.ok('rm', '-f', 'live');
});

t.test('the default route', async (t) => {
  await docker.ok('run', '-d', '--name', 'routed', '--network', 'beta', 'busybox', 'sleep', '1000');
  await docker.ok('network', 'connect', 'inner', 'routed');
  t.equal(await route('routed'), 'eth0', 'an internal network leads nowhere');
  await docker.ok('network', 'connect', 'alpha', 'routed');
  t.equal(await route('routed'), 'eth2', 'the first by name');
  if (!isDockerd) {
    await docker.ok('network', 'disconnect', 'alpha', 'routed');
    t.equal(await route('routed'), 'eth0');
    await docker.ok('network', 'connect', '--gw-priority', '-1', 'alpha', 'routed');
    t.equal(await route('routed'), 'eth0', 'a lower priority');
  }
  await docker.ok('rm', '-f', 'routed');
});

t.test('published ports follow the route', { skip: isDockerd ? 'it lives elsewhere' : false }, async (t) => {
  const script = 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www';
  await docker.ok('run', '-d', '--name', 'web', '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', script);
  const port = (await docker.ok('port', 'web', '80')).trim();
  const fetched = async (): Promise<string> => (await (await fetch(`http://${port}/`)).text()).trim();
  const served = async (): Promise<string> => {
    for (;;) {
      try {
        return await fetched();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  t.equal(await served(), 'served');
  await docker.ok('network', 'connect', 'beta', 'web');
  await docker.ok('network', 'disconnect', 'bridge', 'web');
  t.equal((await docker.ok('port', 'web', '80')).trim(), port, 'with its number');
  t.equal(await served(), 'served');
  await docker.ok('network', 'disconnect', 'beta', 'web');
  t.equal(await docker.ok('port', 'web'), '');
  await t.rejects(fetched());
  await docker.ok('rm', '-f', 'web');
});

t.test('containers that do not run', async (t) => {
  await docker.ok('create', '--name', 'later', 'busybox', 'sleep', '1000');
  await docker.ok('network', 'connect', '--ip', '10.213.1.9', 'alpha', 'later');
  await docker.ok('network', 'disconnect', 'bridge', 'later');
  t.same(Object.keys(await networks('later')), ['alpha']);
  t.same(await members('alpha'), [], 'not before it runs');
  await docker.ok('start', 'later');
  t.match(await docker.ok('exec', 'later', 'ip', '-4', 'addr'), /10\.213\.1\.9\/24/);
  await docker.ok('stop', '-t', '0', 'later');
  await docker.ok('network', 'connect', 'beta', 'later');
  await docker.ok('network', 'disconnect', 'alpha', 'later');
  await docker.ok('start', 'later');
  t.same(Object.keys(await networks('later')), ['beta']);
  await docker.ok('rm', '-f', 'later');
});

t.test('refusals', async () => {
  await docker.ok('run', '-d', '--name', 'one', 'busybox', 'sleep', '1000');
  await docker.ok('run', '-d', '--name', 'hosted', '--network', 'host', 'busybox', 'sleep', '1000');
  await docker.ok('run', '-d', '--name', 'lone', '--network', 'none', 'busybox', 'sleep', '1000');
  await docker.ok('run', '-d', '--name', 'guest', '--network', 'container:one', 'busybox', 'sleep', '1000');
  const shared = /container sharing network namespace with another container or host cannot be connected/;
  await refused(['network', 'connect', 'beta', 'hosted'], shared);
  await refused(['network', 'connect', 'beta', 'guest'], shared);
  await refused(['network', 'connect', 'beta', 'lone'], /one of the networks in private \(none\) mode/);
  await refused(['network', 'connect', 'host', 'one'], /cannot be disconnected from host network or connected to host/);
  await refused(['network', 'connect', 'none', 'one'], /one of the networks in private \(none\) mode/);
  await refused(['network', 'connect', 'bridge', 'one'], /endpoint with name one already exists in network bridge/);
  await refused(['network', 'connect', 'nowhere', 'one'], /network nowhere not found/);
  await refused(['network', 'connect', 'beta', 'nobody'], /No such container: nobody/);
  await refused(
    ['network', 'connect', '--ip', '172.30.0.9', 'beta', 'one'],
    /invalid endpoint settings:\n(no configured subnet or ip-range contain|user specified IP address is supported only)/,
  );
  await refused(
    ['network', 'connect', '--ip', '10.9.9.9', 'alpha', 'one'],
    /no configured subnet or ip-range contain the IP address 10\.9\.9\.9/,
  );
  await docker.ok('network', 'connect', '--ip', '10.213.1.5', 'alpha', 'one');
  await docker.ok('run', '-d', '--name', 'two', 'busybox', 'sleep', '1000');
  await refused(['network', 'connect', '--ip', '10.213.1.5', 'alpha', 'two'], /Address already in use/);
  await refused(['network', 'disconnect', 'beta', 'one'], /container [0-9a-f]{64} is not connected to network beta/);
  await refused(['network', 'disconnect', 'host', 'hosted'], /cannot be disconnected from host network/);
  await refused(['network', 'disconnect', '-f', 'beta', 'nobody'], /endpoint nobody not found/);
  await refused(['network', 'rm', 'alpha'], /has active endpoints/);
  await docker.ok('network', 'disconnect', 'none', 'lone');
  await docker.ok('network', 'connect', 'beta', 'lone');
  await docker.ok('rm', '-f', 'one', 'two', 'hosted', 'lone', 'guest');
});

t.test('links on the default bridge', async (t) => {
  await docker.ok('run', '-d', '--name', 'database', 'busybox', 'sleep', '1000');
  const address = await docker.inspect('database', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  await docker.ok(
    'create',
    '--name',
    'client',
    '--link',
    'database:db',
    '--link',
    'database',
    'busybox',
    'sleep',
    '1000',
  );
  t.equal(
    await docker.inspect('client', '{{json .HostConfig.Links}}'),
    '["/database:/client/db","/database:/client/database"]',
  );
  await docker.ok('start', 'client');
  const hosts = await docker.ok('exec', 'client', 'cat', '/etc/hosts');
  t.match(hosts, new RegExp(`^${address}\\s+db [0-9a-f]{12} database$`, 'm'));
  t.match(hosts, new RegExp(`^${address}\\s+database [0-9a-f]{12}$`, 'm'));
  t.match(await docker.ok('exec', 'client', 'ping', '-c', '1', '-w', '5', 'db'), /1 packets received/);
  await docker.ok('stop', '-t', '0', 'client', 'database');
  await refused(['start', 'client'], /Cannot link to a non running container: \/database AS \/client\/(db|database)/);
  await refused(
    ['create', '--link', 'nobody', 'busybox'],
    /could not get container for nobody: No such container: nobody/,
  );
  await docker.ok('rm', '-f', 'client', 'database');
});

t.test('a failure leaves nothing', { skip: isDockerd ? 'as it does it' : false }, async (t) => {
  const before = await docker.ok('run', '-d', '--name', 'whole', '--network', 'beta', 'busybox', 'sleep', '1000');
  t.match(before, /^[0-9a-f]{64}$/);
  await docker.ok(
    'run',
    '-d',
    '--name',
    'holder',
    '--network',
    'alpha',
    '--ip',
    '10.213.1.200',
    'busybox',
    'sleep',
    '1000',
  );
  const addresses = await docker.ok('exec', 'whole', 'ip', 'addr');
  await refused(['network', 'connect', '--ip', '10.213.1.200', 'alpha', 'whole'], /Address already in use/);
  t.equal(await docker.ok('exec', 'whole', 'ip', 'addr'), addresses);
  t.same(Object.keys(await networks('whole')), ['beta']);
  await docker.ok('rm', '-f', 'whole', 'holder');
});

t.test('events', async (t) => {
  const since = String(Math.floor(Date.now() / 1000) - 1);
  const id = await docker.ok('run', '-d', '--name', 'told', 'busybox', 'sleep', '1000');
  await docker.ok('network', 'connect', 'alpha', 'told');
  await docker.ok('network', 'disconnect', 'alpha', 'told');
  const lines = await docker.ok(
    'events',
    ...['--since', since, '--until', (Date.now() / 1000).toFixed(3), '--filter', 'network=alpha', '--format'],
    '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Actor.Attributes.container}}',
  );
  const own = lines.split('\n').filter((line) => line.endsWith(id));
  t.same([...new Set(own)], [`connect alpha bridge ${id}`, `disconnect alpha bridge ${id}`]);
  await docker.ok('rm', '-f', 'told');
});

t.test('over a restart of the daemon', { skip: isDockerd ? 'of tsd' : false }, async (t) => {
  await docker.ok('run', '-d', '--name', 'kept', 'busybox', 'sleep', '1000');
  await docker.ok('network', 'connect', '--alias', 'x', 'beta', 'kept');
  if ('restart' in engine && typeof engine.restart === 'function') await engine.restart();
  t.same(await members('beta'), ['kept']);
  await docker.ok('network', 'disconnect', 'bridge', 'kept');
  t.equal(await route('kept'), 'eth1');
  await docker.ok('network', 'connect', 'bridge', 'kept');
  t.match(await docker.ok('exec', 'kept', 'ip', '-4', 'addr', 'show', 'eth0'), /inet /, 'the free name is used');
  await docker.ok('rm', '-f', 'kept');
});
