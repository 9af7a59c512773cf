// Each limit of docker run, hit by a container, and Docker's words for values that cannot be meant.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../helpers/daemon.ts';
import { isDockerd, startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const inV2 = !existsSync('/sys/fs/cgroup/memory');
/** The file of a v1 controller in the container's group, read from the host. */
const control = async (name: string, controller: string, v1: string, v2: string): Promise<string> => {
  const pid = await docker.inspect(name, '{{.State.Pid}}');
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const line = groups.find((group) =>
    inV2 ? group.startsWith('0::') : group.split(':')[1]?.split(',').includes(controller),
  );
  const path = line?.split(':')[2] ?? '';
  return readFileSync(`/sys/fs/cgroup${inV2 ? '' : `/${controller}`}${path}/${inV2 ? v2 : v1}`, 'utf8').trim();
};
const run = async (...args: string[]): Promise<string> => docker.ok('run', '-d', ...args);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await docker.run(['create', ...args, 'busybox', 'true']);
  return code === 0 ? 'it was taken' : stderr;
};

t.test('memory', async (t) => {
  await run('--name', 'mem', '-m', '64m', '--memory-reservation', '32m', 'busybox', 'sleep', '1000');
  t.equal(await control('mem', 'memory', 'memory.limit_in_bytes', 'memory.max'), String(64 << 20));
  t.equal(await docker.inspect('mem', '{{.HostConfig.MemorySwap}}'), String(128 << 20), 'twice as much with swap');
  await docker.ok('rm', '-f', 'mem');
  await docker.run(['run', '--name', 'oom', '-m', '16m', 'busybox', 'tail', '/dev/zero']);
  t.equal(await docker.inspect('oom', '{{.State.OOMKilled}} {{.State.ExitCode}}'), 'true 137');
  const events = await docker.run([
    'events',
    '--since',
    '1m',
    '--until',
    String(Math.ceil(Date.now() / 1000)),
    '--filter',
    'event=oom',
  ]);
  t.match(events.stdout, /container oom [0-9a-f]{64} .*name=oom/);
  if (!isDockerd) {
    t.match(events.stdout, /victim=tail/);
    const report = JSON.parse(await docker.inspect('oom', '{{json .State}}')) as { OOMReport?: unknown };
    t.equal(report.OOMReport, undefined, 'the stock client drops what it does not know');
    const whole = JSON.parse(
      execFileSync('curl', ['-s', '--unix-socket', docker.engine.socket, 'http://d/containers/oom/json'], {
        encoding: 'utf8',
      }),
    ) as { State: { OOMReport: { Victim: { Name: string; Anonymous: number }; Limit: number; Processes: unknown[] } } };
    const { Victim, Limit, Processes } = whole.State.OOMReport;
    t.same([Victim.Name, Limit, Processes.length], ['tail', 16 << 20, 1]);
    t.ok(Victim.Anonymous > 8 << 20);
  }
  await docker.ok('rm', 'oom');
  await docker.run(['run', '--name', 'child', '-m', '16m', 'busybox', 'sh', '-c', 'tail /dev/zero; echo $?; exit 3']);
  t.equal(await docker.ok('logs', 'child').then((text) => text.split('\n').at(-1)), '137');
  await docker.ok('rm', 'child');
  t.match(await refused('-m', '4m'), 'Minimum memory limit allowed is 6MB');
  t.match(
    await refused('-m', '64m', '--memory-swap', '32m'),
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  );
  t.match(
    await refused('--memory-swap', '64m'),
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  );
  t.match(
    await refused('-m', '64m', '--memory-reservation', '128m'),
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  );
  t.match(await refused('--memory-swappiness', '101'), /[Ii]nvalid value: 101.*0.100/);
});

t.test('processors', async (t) => {
  await run(
    '--name',
    'cpu',
    '--cpus',
    '0.2',
    '-c',
    '512',
    '--cpuset-cpus',
    '0',
    'busybox',
    'sh',
    '-c',
    'while :; do :; done',
  );
  t.match(await control('cpu', 'cpu', 'cpu.cfs_quota_us', 'cpu.max'), /^20000/);
  t.equal(await control('cpu', 'cpuset', 'cpuset.cpus', 'cpuset.cpus'), '0');
  if (!inV2) t.equal(await control('cpu', 'cpu', 'cpu.shares', ''), '512');
  t.equal(await docker.ok('exec', 'cpu', 'nproc'), '1', 'as seen from inside');
  // Two samples a second apart: a busy loop held at a fifth of one processor.
  const share = Number((await docker.ok('stats', '--no-stream', '--format', '{{.CPUPerc}}', 'cpu')).replace('%', ''));
  t.ok(share < 60, `held back (${share} %)`);
  t.match(await control('cpu', 'cpu', 'cpu.stat', 'cpu.stat'), /nr_throttled [1-9]/);
  await docker.ok('rm', '-f', 'cpu');
  t.match(await refused('--cpus', '999'), /Range of CPUs is from 0.01 to \d+.00, as there are only \d+ CPUs available/);
  t.match(await refused('--cpuset-cpus', '99'), /Requested CPUs are not available - requested 99, available: 0/);
  t.match(
    await refused('--cpuset-mems', '99'),
    /Requested memory nodes are not available - requested 99, available: 0/,
  );
  t.match(await refused('--cpuset-cpus', 'x'), /Invalid value x for cpuset cpus/);
  t.match(await refused('--cpu-period', '10'), /CPU cfs period can not be less than 1ms/);
  t.match(await refused('--cpu-quota', '10'), /CPU cfs quota can not be less than 1ms/);
  t.match(
    await refused('--cpus', '0.5', '--cpu-quota', '1000'),
    /Conflicting options: Nano CPUs and CPU Quota cannot both be set/,
  );
});

t.test('processes', async (t) => {
  await run('--name', 'pids', '--pids-limit', '6', 'busybox', 'sleep', '1000');
  t.equal(await control('pids', 'pids', 'pids.max', 'pids.max'), '6');
  const { stderr, stdout } = await docker.run([
    'exec',
    'pids',
    'sh',
    '-c',
    'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done',
  ]);
  t.match(stderr + stdout, /can't fork|[Rr]esource temporarily unavailable/);
  await docker.ok('rm', '-f', 'pids');
});

t.test('block devices', async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tsd-blkio-'));
  let device = '';
  try {
    execFileSync('truncate', ['-s', '32M', join(scratch, 'disk')]);
    device = execFileSync('losetup', ['-f', '--show', join(scratch, 'disk')], { encoding: 'utf8' }).trim();
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    t.comment(`skipped: this host makes no loop device: ${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  t.teardown(() => {
    execFileSync('losetup', ['-d', device]);
    rmSync(scratch, { recursive: true, force: true });
  });
  const rate = ['--device', device, '--device-read-bps', `${device}:1mb`, '--device-write-iops', `${device}:50`];
  await run('--name', 'blkio', ...rate, 'busybox', 'sleep', '1000');
  const rates = await control('blkio', 'blkio', 'blkio.throttle.read_bps_device', 'io.max');
  t.match(rates, inV2 ? /rbps=1048576/ : /^\d+:\d+ 1048576$/);
  const begin = performance.now();
  await docker.ok('exec', 'blkio', 'dd', `if=${device}`, 'of=/dev/null', 'bs=1M', 'count=3', 'iflag=direct');
  // Not a timing of the engine: three megabytes at one a second cannot be there sooner.
  t.ok(performance.now() - begin > 1500, 'the rate holds');
  const sample = JSON.parse(
    execFileSync(
      'curl',
      ['-s', '--unix-socket', docker.engine.socket, 'http://d/containers/blkio/stats?stream=false&one-shot=true'],
      {
        encoding: 'utf8',
      },
    ),
  ) as { blkio_stats: { io_service_bytes_recursive: readonly { op: string; value: number }[] } };
  const read = sample.blkio_stats.io_service_bytes_recursive.filter(({ op }) => op.toLowerCase() === 'read');
  t.ok(read.reduce((sum, { value }) => sum + value, 0) >= 3 << 20, 'and is counted');
  await docker.ok('rm', '-f', 'blkio');
  t.match(await refused('--blkio-weight', '5'), 'Range of blkio weight is from 10 to 1000');
});

t.test('devices', async (t) => {
  await run('--name', 'dev', '--device', '/dev/zero:/dev/nothing:r', '--cap-add', 'MKNOD', 'busybox', 'sleep', '1000');
  t.equal(await docker.ok('exec', 'dev', 'sh', '-c', 'head -c 3 /dev/nothing | wc -c'), '3');
  const other = await docker.run(['exec', 'dev', 'sh', '-c', 'mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem']);
  t.match(other.stderr, /Operation not permitted/, 'another device, made inside');
  await docker.ok('rm', '-f', 'dev');
});

t.test('pause, through a restart of the daemon', async (t) => {
  await run('--name', 'frozen', 'busybox', 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i > /count; done');
  await docker.ok('pause', 'frozen');
  t.match(await docker.ok('ps', '--format', '{{.Status}}', '--filter', 'name=frozen'), /\(Paused\)/);
  if (docker.engine instanceof TestDaemon) {
    await docker.engine.kill('SIGKILL');
    await docker.engine.start();
    t.equal(await docker.inspect('frozen', '{{.State.Status}}'), 'paused');
  }
  const count = async (): Promise<string> => {
    await docker.ok('cp', 'frozen:/count', join(docker.engine.root, 'count'));
    return readFileSync(join(docker.engine.root, 'count'), 'utf8');
  };
  const first = await count();
  t.equal(await count(), first, 'it stands still');
  await docker.ok('unpause', 'frozen');
  t.match(await docker.ok('exec', 'frozen', 'echo', 'again'), 'again');
  await docker.ok('rm', '-f', 'frozen');
});

t.test('a parent group', async (t) => {
  t.teardown(() => {
    // The parent belongs to whoever named it: neither engine removes it.
    for (const place of ['', ...readdirSync('/sys/fs/cgroup')]) {
      const group = join('/sys/fs/cgroup', place, 'tsd-test-parent');
      if (existsSync(group)) rmdirSync(group);
    }
  });
  await run('--name', 'parent', '--cgroup-parent', '/tsd-test-parent', '-m', '32m', 'busybox', 'sleep', '1000');
  const pid = await docker.inspect('parent', '{{.State.Pid}}');
  t.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), /:\/tsd-test-parent\/[0-9a-f]{64}$/m);
  await docker.ok('rm', '-f', 'parent');
});

t.test('update of a running container', async (t) => {
  await run('--name', 'live', '-m', '64m', 'busybox', 'sleep', '1000');
  await docker.ok(
    'update',
    '-m',
    '32m',
    '--memory-swap',
    '48m',
    '--cpus',
    '0.5',
    '--pids-limit',
    '50',
    '--restart',
    'on-failure:2',
    'live',
  );
  t.equal(await control('live', 'memory', 'memory.limit_in_bytes', 'memory.max'), String(32 << 20));
  t.equal(await control('live', 'pids', 'pids.max', 'pids.max'), '50');
  t.equal(
    await docker.inspect('live', '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NanoCpus}}'),
    'on-failure 500000000',
  );
  const bad = await docker.run(['update', '-m', '128m', 'live']);
  t.match(
    bad.stderr,
    'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
  );
  const worse = await docker.run(['update', '-m', '40m', '--memory-swap', '80m', '--cpuset-cpus', '99', 'live']);
  t.match(worse.stderr, 'Requested CPUs are not available');
  t.equal(
    await control('live', 'memory', 'memory.limit_in_bytes', 'memory.max'),
    String(32 << 20),
    'nothing of it was written',
  );
  await docker.ok('kill', 'live');
  await docker.ok('update', '--restart', 'no', '--memory-swap', '100m', '-m', '100m', 'live');
  await docker.ok('start', 'live');
  t.equal(
    await control('live', 'memory', 'memory.limit_in_bytes', 'memory.max'),
    String(100 << 20),
    'and at the next start',
  );
  await docker.ok('rm', '-f', 'live');
});

t.test('top and stats', async (t) => {
  await run('--name', 'seen', 'busybox', 'sh', '-c', 'sleep 999 & exec sleep 1000');
  let top: string[] = [];
  // The shell becomes the second sleep in its own time.
  while (!top.some((line) => line.endsWith(' sleep 1000') && !line.includes('sh -c')))
    top = (await docker.ok('top', 'seen')).split('\n');
  t.match(top[0], /^UID\s+PID\s+PPID\s+C\s+STIME\s+TTY\s+TIME\s+CMD$/);
  t.match(top.slice(1).join('\n'), /sleep 1000[\s\S]*sleep 999/);
  t.match(await docker.ok('top', 'seen', '-o', 'pid,comm'), /^PID\s+COMMAND\n\d+\s+sleep\n\d+\s+sleep$/);
  t.match(
    await docker.ok('stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}} {{.MemUsage}}', 'seen'),
    /^seen 2 .+ \/ .+$/,
  );
  await docker.ok('kill', 'seen');
  t.match((await docker.run(['top', 'seen'])).stderr, /is not running/);
  await docker.ok('rm', 'seen');
});
