import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { namespaceOf, Place } from './harness.ts';

const place = new Place();
t.after(() => place.remove());

t.test('a program runs, its output is in the log, its record on disk', async (t) => {
  const run = await place.run(['sh', '-c', 'echo hello; echo oops >&2; exit 3']);
  t.ok(run.process.started.pid > 1);
  t.ok(run.process.started.startTime > 0n);
  t.ok(run.process.started.startedAt > 1_000_000_000_000_000_000n);
  const record = await run.process.exited;
  t.match(record, { code: 3, signal: 0, monitorLost: false });
  t.ok(record.finishedAt >= run.process.started.startedAt);
  t.equal(run.output('stdout'), 'hello\n');
  t.equal(run.output('stderr'), 'oops\n');
  t.match(readFileSync(join(run.runDirectory, 'exit'), 'utf8'), /^code 3$/m);
});

t.test('signals', async (t) => {
  const run = await place.run(['sleep', '1000']);
  run.process.signal(9);
  t.match(await run.process.exited, { code: 137, signal: 9 });
});

t.test('what cannot be executed fails in the words of Docker', async (t) => {
  const prefix =
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ';
  await t.rejects(place.run(['nope']), {
    message: `${prefix}exec: "nope": executable file not found in $PATH`,
    kind: 'invalid-argument',
    exitCode: 127,
  });
  await t.rejects(place.run(['/bin/nope']), {
    message: `${prefix}exec: "/bin/nope": stat /bin/nope: no such file or directory`,
    exitCode: 127,
  });
  await t.rejects(place.run(['/etc/passwd']), {
    message: `${prefix}exec: "/etc/passwd": permission denied`,
    exitCode: 126,
  });
  await t.rejects(place.run(['/etc']), { message: `${prefix}exec: "/etc": is a directory`, exitCode: 126 });
  await t.rejects(place.run(['true'], { spec: { config: { WorkingDir: '/etc/passwd' } } }), {
    message: `${prefix}chdir to cwd ("/etc/passwd") set in config.json failed: not a directory`,
    exitCode: 128,
  });
});

t.test('a failed launch leaves no cgroup', async (t) => {
  const id = 'f'.repeat(64);
  await t.rejects(place.run(['nope'], { spec: { cgroupPath: `/tsd-${place.instance}/${id}` } }));
  await place.cgroups.remove(`/tsd-${place.instance}/${id}`);
  t.notOk(place.cgroups.exists(`/tsd-${place.instance}/${id}`));
});

t.test('namespaces: its own by default, those of the host when asked', async (t) => {
  const own = await place.run(['sleep', '1000']);
  for (const kind of ['mnt', 'uts', 'ipc', 'pid', 'net']) {
    t.not(namespaceOf(own.process.started.pid, kind), namespaceOf('self', kind), kind);
  }
  t.equal(namespaceOf(own.process.started.pid, 'user'), namespaceOf('self', 'user'));
  const joined = await place.run(['sleep', '1000'], {
    spec: {
      hostConfig: { PidMode: 'container:x', IpcMode: 'container:x' },
      joinPid: own.process.started.pid,
      joinIpc: own.process.started.pid,
    },
  });
  for (const kind of ['ipc', 'pid']) {
    t.equal(
      namespaceOf(joined.process.started.pid, kind),
      namespaceOf(own.process.started.pid, kind),
      `joined ${kind}`,
    );
  }
  t.equal(
    readFileSync(`/proc/${joined.process.started.pid}/mountinfo`, 'utf8').match(/ (\d+:\d+) \/ \/dev\/shm /)?.[1],
    readFileSync(`/proc/${own.process.started.pid}/mountinfo`, 'utf8').match(/ (\d+:\d+) \/ \/dev\/shm /)?.[1],
    'with the ipc namespace goes /dev/shm',
  );
  joined.process.signal(9);
  await joined.process.exited;
  own.process.signal(9);
  await own.process.exited;
  const host = await place.run(['sleep', '1000'], {
    spec: { network: 'host', hostConfig: { NetworkMode: 'host', PidMode: 'host', IpcMode: 'host', UTSMode: 'host' } },
  });
  for (const kind of ['uts', 'ipc', 'pid', 'net']) {
    t.equal(namespaceOf(host.process.started.pid, kind), namespaceOf('self', kind), `host ${kind}`);
  }
  host.process.signal(9);
  await host.process.exited;
});

t.test('in its cgroups from the first instruction on', async (t) => {
  const first = await place.run(['cat', '/proc/self/cgroup']);
  await first.process.exited;
  for (const line of first.output().trim().split('\n')) t.match(line, `:${first.spec.cgroupPath}`, line);
  const run = await place.run(['sleep', '1000']);
  const groups = readFileSync(`/proc/${run.process.started.pid}/cgroup`, 'utf8').trim().split('\n');
  for (const line of groups) t.match(line, `:${run.spec.cgroupPath}`, line);
  t.same(place.cgroups.processes(run.spec.cgroupPath).includes(run.process.started.pid), true);
  place.cgroups.killAll(run.spec.cgroupPath);
  t.match(await run.process.exited, { code: 137 });
  await place.cgroups.remove(run.spec.cgroupPath);
  t.notOk(place.cgroups.exists(run.spec.cgroupPath));
});

t.test('limits are in force', async (t) => {
  const run = await place.run(['sleep', '1000'], {
    spec: { hostConfig: { Memory: 64 * 1024 * 1024, PidsLimit: 20, NanoCpus: 500_000_000, CpuShares: 512 } },
  });
  const statistics = place.cgroups.statistics(run.spec.cgroupPath);
  t.equal(statistics.memory?.limit, 64 * 1024 * 1024);
  t.equal(statistics.pids?.limit, 20);
  t.equal(statistics.pids?.current, 1);
  run.process.signal(9);
  await run.process.exited;
});

t.test('an out-of-memory kill is counted', async (t) => {
  const run = await place.run(['sh', '-c', 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60'], {
    spec: { hostConfig: { Memory: 16 * 1024 * 1024, MemorySwap: 16 * 1024 * 1024 } },
  });
  await run.process.exited;
  t.ok(place.cgroups.oomKills(run.spec.cgroupPath) > 0);
});

t.test('a user, its groups, its working directory', async (t) => {
  const { out } = await place.sh('id; pwd; stat -c %u:%g:%a .; umask', {
    spec: { config: { User: 'www', WorkingDir: '/srv/new' }, hostConfig: { GroupAdd: ['77'] } },
  });
  t.equal(out, 'uid=33(www) gid=33(www) groups=10(wheel),33(www),77\n/srv/new\n0:0:755\n0022\n');
});

t.test('nothing but its own descriptors, no environment of ours', async (t) => {
  const { out } = await place.sh('ls /proc/self/fd | wc -l; env | sort');
  // Three streams and the directory that ls reads.
  t.equal(out, '4\nHOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1\n');
});

t.test('the monitor dies: the container too, and it is said', async (t) => {
  const run = await place.run(['sleep', '1000']);
  process.kill(run.process.monitorPid, 'SIGKILL');
  t.match(await run.process.exited, { code: 137, signal: 9, monitorLost: true });
});

t.test('sixteen at once', async (t) => {
  const codes = await Promise.all(Array.from({ length: 16 }, (_, n) => place.sh(`echo ${n}; exit ${n}`)));
  t.same(
    codes.map(({ code, out }) => [code, out]),
    Array.from({ length: 16 }, (_, n) => [n, `${n}\n`]),
  );
});

t.test('the filter is compiled once and kept', async (t) => {
  await place.sh('true');
  t.ok(existsSync(join(place.directory, 'seccomp')));
  t.same(place.reports, []);
});
