// The default bridge: containers reach each other and the host's address on it; the way out is masqueraded.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';

t.test('default bridge', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (args: string[]) => daemon.docker(args);
  await docker(['run', '-d', '--name', 'one', 'busybox', 'sleep', '1000']);
  await docker(['run', '-d', '--name', 'two', 'busybox', 'sh', '-c', 'while :; do echo hello | nc -l -p 7000; done']);
  const ip = async (name: string) =>
    (await docker(['inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', name])).stdout.trim();
  const gateway = (
    await docker(['inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', 'one'])
  ).stdout.trim();
  const [one, two] = [await ip('one'), await ip('two')];
  t.not(one, two);
  const ping = (address: string) => docker(['run', '--rm', 'busybox', 'ping', '-c', '1', '-W', '3', address]);
  t.match(await ping(one), { code: 0 });
  t.match(await ping(two), { code: 0 });
  t.match(await ping(gateway), { code: 0 });
  t.match(await docker(['run', '--rm', 'busybox', 'sh', '-c', `nc -w 3 ${two} 7000 </dev/null`]), {
    stdout: 'hello\n',
  });
  t.match(await docker(['run', '--rm', 'busybox', 'ip', 'route']), {
    stdout: new RegExp(`^default via ${gateway.replaceAll('.', '\\.')} dev eth0`),
  });
  t.match(await docker(['run', '--rm', 'busybox', 'cat', '/etc/hosts']), { stdout: /^127\.0\.0\.1\tlocalhost$/m });
  const subnet = (
    await docker(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'bridge'])
  ).stdout.trim();
  const rules = execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' });
  t.match(
    rules,
    new RegExp(`-A TSD-${daemon.instance}\\S* -s ${subnet.replaceAll('.', '\\.')} .*-j MASQUERADE`),
    'the way out is masqueraded',
  );
});
