// The default bridge as containers see it: addresses, the way to each other, to the host and out; names in /etc/hosts.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { isDockerd, startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

t.test('two containers and the host reach each other by address', async (t) => {
  for (const name of ['left', 'right']) {
    await docker.ok(
      'run',
      '-d',
      '--name',
      name,
      'busybox',
      'sh',
      '-c',
      'mkdir /www; hostname >/www/index.html; exec httpd -f -p 8000 -h /www',
    );
  }
  const address = async (name: string): Promise<string> =>
    await docker.inspect(name, '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  const gateway = await docker.inspect('left', '{{.NetworkSettings.Networks.bridge.Gateway}}');
  const [left, right] = [await address('left'), await address('right')];
  t.not(left, right);
  const fetch = async (from: string): Promise<string> => {
    // The server may need a moment after its container has started.
    const script = `for n in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://${from}:8000/ && exit 0; sleep 0.2; done; exit 1`;
    return await docker.ok('run', '--rm', 'busybox', 'sh', '-c', script);
  };
  t.equal(await fetch(left), (await docker.inspect('left', '{{.Config.Hostname}}')).trim());
  t.equal(await fetch(right), (await docker.inspect('right', '{{.Config.Hostname}}')).trim());
  t.match(await docker.ok('run', '--rm', 'busybox', 'ping', '-c', '1', '-w', '5', gateway), /1 packets received/);
  await docker.ok('rm', '-f', 'left', 'right');
});

t.test('default route, address and names inside', async (t) => {
  const routes = await docker.ok('run', '--rm', 'busybox', 'ip', 'route');
  t.match(routes, /^default via \d+\.\d+\.\d+\.\d+ dev eth0/m);
  t.match(
    await docker.ok('run', '--rm', 'busybox', 'ip', '-4', 'addr', 'show', 'eth0'),
    /mtu 1500 .*\n.*inet \d+\.\d+\.\d+\.\d+\/\d+ brd/,
  );
  const hosts = await docker.ok(
    'run',
    '--rm',
    '-h',
    'me',
    '--add-host',
    'other:192.0.2.1',
    'busybox',
    'cat',
    '/etc/hosts',
  );
  t.match(hosts, /127\.0\.0\.1\s+localhost/);
  t.match(hosts, /192\.0\.2\.1\s+other/);
  t.match(hosts, /\d+\.\d+\.\d+\.\d+\s+me$/m);
  t.match(
    await docker.ok(
      'run',
      '--rm',
      '--dns',
      '192.0.2.53',
      '--dns-search',
      'example.test',
      'busybox',
      'cat',
      '/etc/resolv.conf',
    ),
    /nameserver 192\.0\.2\.53[\s\S]*search example\.test|search example\.test[\s\S]*nameserver 192\.0\.2\.53/,
  );
});

t.test(
  "masquerading and the host's end",
  { skip: isDockerd ? 'it lives in another network namespace' : false },
  async (t) => {
    const subnet = await docker.ok('network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Subnet}}');
    const nat = execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' });
    t.ok(
      nat.split('\n').some((line) => line.includes(subnet) && line.includes('MASQUERADE')),
      `a rule masquerades ${subnet}`,
    );
    t.equal(execFileSync('cat', ['/proc/sys/net/ipv4/ip_forward'], { encoding: 'utf8' }).trim(), '1');
  },
);

t.test("another container's network, and the host's", async (t) => {
  await docker.ok('run', '-d', '--name', 'owner', 'busybox', 'sleep', '1000');
  const address = await docker.inspect('owner', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  t.match(
    await docker.ok('run', '--rm', '--network', 'container:owner', 'busybox', 'ip', '-4', 'addr', 'show', 'eth0'),
    address,
  );
  await docker.ok('rm', '-f', 'owner');
});

t.test('addresses are given back', async (t) => {
  const address = async (): Promise<string> =>
    await docker.ok('run', '--rm', 'busybox', 'ip', '-4', '-o', 'addr', 'show', 'eth0');
  for (let round = 0; round < 5; round++) t.match(await address(), /inet /);
});
