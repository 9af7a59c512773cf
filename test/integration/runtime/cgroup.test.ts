import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { Place } from './harness.ts';

const place = new Place();
t.after(() => place.remove());
const parent = `/tsd-${place.instance}`;
const { cgroups } = place;
const has = (controller: string): boolean => cgroups.controllers.includes(controller);

/** Text of a limit's file, wherever its controller is mounted. */
function limitOf(path: string, v1: readonly [string, string], v2: string): string {
  for (const { version, controllers, directory } of cgroups.entries(path)) {
    const file = version === 1 ? (controllers.includes(v1[0]) ? v1[1] : '') : v2;
    if (file !== '' && existsSync(`${directory}/${file}`)) return readFileSync(`${directory}/${file}`, 'utf8').trim();
  }
  return 'missing';
}

t.test('groups are made, listed and removed in every hierarchy', async (t) => {
  const path = `${parent}/one`;
  t.notOk(cgroups.exists(path));
  cgroups.create(path, {});
  cgroups.create(path, {});
  t.ok(cgroups.exists(path));
  for (const { directory } of cgroups.entries(path)) t.ok(existsSync(directory), directory);
  t.ok(cgroups.list(parent).includes('one'));
  await cgroups.remove(path);
  t.notOk(cgroups.exists(path));
  await cgroups.remove(path);
  t.notOk(cgroups.list(parent).includes('one'));
});

t.test('a refused limit names file and value, and undoes the group', async (t) => {
  const path = `${parent}/refused`;
  t.throws(() => cgroups.create(path, { cpu: { cpus: '4000-5000' } }), {
    kind: 'invalid-argument',
    message: /cannot write "4000-5000" to .*cpuset\.cpus: /,
  });
  t.notOk(cgroups.exists(path));
});

t.test('limits are written, updated, and restored when one of an update is refused', async (t) => {
  const path = `${parent}/limits`;
  const MIB = 1024 * 1024;
  cgroups.create(path, {
    memory: { limit: 64 * MIB, swap: 128 * MIB, reservation: 32 * MIB },
    cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: '0' },
    pids: { limit: 12 },
  });
  const memory = (): string => limitOf(path, ['memory', 'memory.limit_in_bytes'], 'memory.max');
  t.equal(memory(), String(64 * MIB));
  t.equal(limitOf(path, ['cpuset', 'cpuset.cpus'], 'cpuset.cpus'), '0');
  t.match(limitOf(path, ['cpu', 'cpu.cfs_quota_us'], 'cpu.max'), /^50000/);
  t.match(limitOf(path, ['cpu', 'cpu.shares'], 'cpu.weight'), /^(512|59)$/);
  t.equal(cgroups.statistics(path).pids?.limit, 12);
  cgroups.update(path, { memory: { limit: 256 * MIB, swap: 512 * MIB } });
  t.equal(memory(), String(256 * MIB), 'above the old limit of memory and swap together');
  cgroups.update(path, { memory: { limit: 32 * MIB, swap: 64 * MIB } });
  t.equal(memory(), String(32 * MIB), 'and below');
  t.throws(() => cgroups.update(path, { memory: { limit: 16 * MIB, swap: 32 * MIB }, cpu: { cpus: '4000' } }), /4000/);
  t.equal(memory(), String(32 * MIB), 'as it was before the refused update');
  await cgroups.remove(path);
  t.throws(() => cgroups.update(path, {}), { kind: 'not-found', message: `no control group ${path}` });
});

t.test("a running container's limits follow its changed configuration", async (t) => {
  const MIB = 1024 * 1024;
  const run = await place.run(['sleep', '1000'], { spec: { hostConfig: { Memory: 32 * MIB, PidsLimit: 5 } } });
  place.runtime.update({ ...run.spec, hostConfig: { Memory: 64 * MIB, NanoCpus: 250_000_000 } });
  const statistics = cgroups.statistics(run.spec.cgroupPath);
  t.equal(statistics.memory?.limit, 64 * MIB);
  t.equal(statistics.pids?.limit, undefined);
  t.match(limitOf(run.spec.cgroupPath, ['cpu', 'cpu.cfs_quota_us'], 'cpu.max'), /^25000/);
  t.throws(
    () => place.runtime.update({ ...run.spec, hostConfig: { Memory: 1 } }),
    /Minimum memory limit allowed is 6MB/,
  );
  run.process.signal(9);
  await run.process.exited;
});

t.test('freeze and thaw', async (t) => {
  const run = await place.run(['sh', '-c', 'while true; do echo x; sleep 0.01; done']);
  await cgroups.freeze(run.spec.cgroupPath);
  const frozen = run.output().length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  // What was in the pipe may still come; then nothing.
  const settled = run.output().length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(run.output().length, settled, `silent after ${frozen}`);
  await cgroups.thaw(run.spec.cgroupPath);
  while (run.output().length === settled) await new Promise((resolve) => setTimeout(resolve, 10));
  await cgroups.freeze(run.spec.cgroupPath);
  cgroups.killAll(run.spec.cgroupPath);
  await cgroups.thaw(run.spec.cgroupPath);
  t.match(await run.process.exited, { code: 137 });
});

t.test('statistics of what it did', async (t) => {
  const run = await place.run([
    'sh',
    '-c',
    'i=0; while test $i -lt 20000; do i=$((i+1)); done; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; echo done; sleep 1000',
  ]);
  while (!run.output().includes('done')) await new Promise((resolve) => setTimeout(resolve, 10));
  const { cpu, memory, pids } = cgroups.statistics(run.spec.cgroupPath);
  t.ok((cpu?.totalUsage ?? 0) > 1_000_000);
  t.ok((memory?.usage ?? 0) > 8 * 1024 * 1024);
  t.equal(memory?.limit, undefined);
  t.ok(Object.keys(memory?.details ?? {}).length > 10);
  t.ok((pids?.current ?? 0) >= 1);
  t.equal(pids?.limit, undefined);
  run.process.signal(9);
  await run.process.exited;
  t.equal(cgroups.oomKills(run.spec.cgroupPath), 0);
});

t.test('removal waits for the last process, and takes groups below along', async (t) => {
  const run = await place.run(['sleep', '1000']);
  for (const { directory } of cgroups.entries(run.spec.cgroupPath)) {
    mkdirSync(`${directory}/below`);
    if (existsSync(`${directory}/below/cpuset.cpus`)) {
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        writeFileSync(`${directory}/below/${file}`, readFileSync(`${directory}/${file}`));
      }
    }
    writeFileSync(`${directory}/below/cgroup.procs`, String(run.process.started.pid));
  }
  t.same(cgroups.processes(run.spec.cgroupPath), [run.process.started.pid]);
  let removed = false;
  const removal = cgroups.remove(run.spec.cgroupPath).then(() => {
    removed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.notOk(removed);
  cgroups.killAll(run.spec.cgroupPath);
  await removal;
  t.notOk(cgroups.exists(run.spec.cgroupPath));
  t.match(await run.process.exited, { code: 137 });
});

t.test('what this host cannot do is said', async (t) => {
  const sentences = cgroups.unsupported({ memory: { limit: 1 }, pids: { limit: 1 }, cpu: { shares: 2 } });
  t.equal(
    sentences.some((sentence) => sentence.includes('PIDs')),
    !has('pids'),
  );
  t.equal(
    sentences.some((sentence) => sentence.includes('memory limit')),
    !has('memory'),
  );
  t.match(cgroups.unsupported({ memory: { disableOOMKiller: true } }), [
    /OOM killer is disabled for the container|OomKillDisable discarded/,
  ]);
});
