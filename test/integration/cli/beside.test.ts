// Several daemons side by side: own data-root, exec-root, socket, bridge and pidfile, no name in common.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { startDaemon, TestDaemon } from '../../helpers/daemon.ts';

/** Cgroups, links, firewall chains and mounts that carry the instance's name. */
const kernelNames = (daemon: TestDaemon): string[] => {
  const names: string[] = [];
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    const path = `/sys/fs/cgroup/${hierarchy}/tsd-${daemon.instance}`;
    if (existsSync(path)) names.push(path);
  }
  for (const link of readdirSync('/sys/class/net')) {
    const alias = existsSync(`/sys/class/net/${link}/ifalias`)
      ? readFileSync(`/sys/class/net/${link}/ifalias`, 'utf8')
      : '';
    if (link === daemon.bridge || alias.includes(daemon.instance)) names.push(link);
  }
  for (const table of ['filter', 'nat']) {
    const rules = execFileSync('iptables-save', ['-t', table], { encoding: 'utf8' });
    names.push(
      ...rules
        .split('\n')
        .filter((line) => line.startsWith(`:TSD-${daemon.instance}`))
        .map((line) => `${table} ${line.split(' ')[0]}`),
    );
  }
  return names.sort();
};

t.test('two daemons do not see or disturb each other', async (t) => {
  const [a, b] = [await startDaemon(t), await startDaemon(t)];
  for (const daemon of [a, b]) {
    await daemon.loadBusybox();
    await daemon.dockerOk(['run', '-d', '--name', 'same', 'busybox', 'sleep', '1000']);
  }
  const id = (daemon: TestDaemon) => daemon.dockerOk(['ps', '--no-trunc', '--format', '{{.ID}}']);
  t.match(await id(a), /^[0-9a-f]{64}$/);
  t.not(await id(a), await id(b));
  const before = kernelNames(b);
  t.ok(before.length > 3, before.join(', '));
  t.same(
    kernelNames(a).filter((name) => before.includes(name)),
    [],
    'cgroups, links and chains have no name in common',
  );
  await a.dockerOk(['rm', '-f', 'same']);
  await a.kill('SIGTERM');
  t.same(kernelNames(b), before, 'the end of one leaves the other as it was');
  t.equal(await b.dockerOk(['run', '--rm', 'busybox', 'echo', 'still here']), 'still here');
});

t.test('a second daemon on the same data-root is refused in words and harms nothing', async (t) => {
  const first = await startDaemon(t);
  const second = new TestDaemon({
    flags: [`--data-root=${first.dataRoot}`],
  });
  t.teardown(() => second.kill('SIGKILL'));
  await t.rejects(second.start(), { message: /data-root/ });
  t.match(await first.docker(['version']), { code: 0 });
});

t.test('beside a real dockerd', async (t) => {
  const { Dockerd, dockerdInstalled } = await import('../../helpers/dockerd.ts');
  t.ok(dockerdInstalled(), 'the set-up has installed dockerd');
  const dockerd = new Dockerd();
  t.teardown(() => dockerd.cleanup());
  await dockerd.start();
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  t.equal(await daemon.dockerOk(['run', '--rm', 'busybox', 'echo', 'beside']), 'beside');
});
