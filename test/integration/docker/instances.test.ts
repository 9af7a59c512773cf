// Several daemons side by side, and beside a real dockerd: nothing that one has is seen or touched by another.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { TestDaemon } from '../../helpers/daemon.ts';
import { Dockerd, dockerdInstalled } from '../../helpers/dockerd.ts';
import { Docker } from '../../helpers/engine.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';

/** Links, firewall chains and cgroups of the host that carry a name of this instance. */
const namesOf = (daemon: TestDaemon): string[] =>
  [
    ...readdirSync('/sys/class/net'),
    ...execFileSync('iptables-save', { encoding: 'utf8' }).split('\n'),
    ...readdirSync('/sys/fs/cgroup', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => readdirSync(`/sys/fs/cgroup/${entry.name}`)),
  ].filter((name) => name.includes(daemon.bridge) || name.includes(daemon.instance));

t.test('two daemons and a dockerd with the same containers', async (t) => {
  const daemons = [new TestDaemon(), new TestDaemon()] as const;
  const engines = [...daemons, ...(dockerdInstalled() ? [new Dockerd()] : [])];
  t.equal(engines.length, 3, 'a dockerd is installed');
  for (const engine of engines) t.teardown(() => engine.cleanup());
  const dockers = engines.map((engine) => new Docker(engine));
  const archive = makeDockerArchive(busyboxImage());
  for (const docker of dockers) {
    await docker.engine.start();
    await docker.run(['load', '-q'], { input: archive });
  }
  const subnets = await Promise.all(
    dockers
      .slice(0, 2)
      .map((docker) => docker.ok('network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Subnet}}')),
  );
  t.not(subnets[0], subnets[1], 'each bridge has a subnet of its own');
  await Promise.all(dockers.map((docker) => docker.ok('run', '-d', '--name', 'same', 'busybox', 'sleep', '1000')));
  const pids = await Promise.all(dockers.map((docker) => docker.inspect('same', '{{.State.Pid}}')));
  t.equal(new Set(pids).size, 3);

  const [first, second, peer] = dockers as [Docker, Docker, Docker];
  await daemons[0].restart('SIGKILL');
  t.equal(await first.inspect('same', '{{.State.Running}} {{.State.Pid}}'), `true ${pids[0]}`);
  await first.ok('rm', '-f', 'same');
  for (const [docker, pid] of [
    [second, pids[1]],
    [peer, pids[2]],
  ] as const) {
    t.equal(await docker.inspect('same', '{{.State.Running}} {{.State.Pid}}'), `true ${pid}`);
    const gateway = await docker.inspect('same', '{{.NetworkSettings.Networks.bridge.Gateway}}');
    t.match(await docker.ok('run', '--rm', 'busybox', 'ping', '-c', '1', '-w', '5', gateway), /1 packets received/);
  }
  for (const daemon of daemons) t.not(namesOf(daemon).length, 0, 'it has names while it runs');
  for (const engine of engines) await engine.cleanup();
  t.same(daemons.flatMap(namesOf), [], 'no name is left on the host');
});

t.test('a second daemon on the same data-root is refused', async (t) => {
  const daemon = new TestDaemon();
  t.teardown(() => daemon.cleanup());
  await daemon.start();
  const intruder = new TestDaemon({ flags: [`--data-root=${daemon.dataRoot}`] });
  t.teardown(() => intruder.cleanup());
  await t.rejects(intruder.start(), /data-root|data root/);
  t.match(intruder.log(), String(daemon.pid), 'it names the process that holds it');
  t.equal((await daemon.api('GET', '/_ping')).status, 200, 'the first one goes on');
});
