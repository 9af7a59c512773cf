// The attacks of the suite on further processes: CVE-2016-9962 (a process of the container takes what the joining one holds),
// CVE-2019-5736, CVE-2024-21626, CVE-2022-29162, CVE-2024-40635, CVE-2022-36109 by exec, and what an exec leaks.
import t from 'tap';
import { type Attack, gains, startAttack } from './attack.ts';

const attack = await startAttack(t);

const background = async (attack: Attack, flags: readonly string[], command: readonly string[]): Promise<string> =>
  await attack.ok('run', '-d', ...flags, 'attack', ...command);

t.test('CVE-2016-9962: processes that join are not to be traced, read or robbed', async (t) => {
  const before = attack.host();
  const tracer = ['--cap-add', 'SYS_PTRACE'];
  for (const flags of [[], tracer, [...tracer, '--security-opt', 'seccomp=unconfined']]) {
    const id = await background(attack, flags, ['/attack', 'ambush', '6']);
    const end = Date.now() + 5_000;
    let joined = 0;
    for (; Date.now() < end; joined++) await attack.run(['exec', ...(joined % 2 === 0 ? [] : ['-t']), id, '/bin/true']);
    t.ok(joined > 0);
    await attack.ok('wait', id);
    const output = await attack.output('logs', id);
    t.match(output, /looked at processes/);
    // The kernel lets CAP_SYS_PTRACE trace the joining process (docs/isolation.md, limits); what it finds open there is no file of the host.
    const harmless =
      flags.length === 0
        ? /^$/
        : /exe of \d+ (reads|opened for reading)|^gain: (traced|environ|mem|maps|cwd|root)|: (pipe|socket):|: \/$|: \/dev\/(null|pts\/\w+)$|fscontext|seccomp notify|: \/\d+\/oom_score_adj$/;
    t.same(
      [...new Set(gains(output).filter((gain) => !harmless.test(gain)))].slice(0, 20),
      [],
      `${flags}: ${joined} joined`,
    );
    await attack.ok('rm', '-f', id);
  }
  t.same(attack.host(), before);
});

t.test("CVE-2019-5736: exec of /proc/self/exe, and a program that overwrites the joining one's", async (t) => {
  const before = attack.host();
  await attack.image('exec-exe', [
    { path: 'entry', type: 'symlink', linkTarget: '/proc/self/exe' },
    { path: 'script', data: '#!/proc/self/exe\n', mode: 0o755 },
  ]);
  const id = await attack.ok('run', '-d', 'exec-exe', 'sleep', '1000');
  for (const program of ['/proc/self/exe', '/entry', '/script']) {
    const result = await attack.run(['exec', id, program, 'x']);
    t.not(result.code, 0, program);
  }
  const racer = await attack.ok(
    'exec',
    '-d',
    id,
    'sh',
    '-c',
    'while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *memfd*|"") /attack overwrite $p/exe >>/got;; esac; done; done',
  );
  t.equal(racer, '');
  for (let round = 0; round < 30; round++) await attack.run(['exec', id, '/bin/true']);
  const got = await attack.output('exec', id, 'cat', '/got');
  t.same(gains(got), []);
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});

t.test('CVE-2024-21626: exec -w /proc/self/fd/N for every N', async (t) => {
  const before = attack.host();
  const id = await background(attack, [], ['sleep', '1000']);
  const { daemon } = attack;
  const reached: string[] = [];
  const work = Array.from({ length: 256 }, (_, n) => n);
  const worker = async (): Promise<void> => {
    for (let n = work.shift(); n !== undefined; n = work.shift()) {
      const created = await daemon.api('POST', `/containers/${id}/exec`, {
        Cmd: ['/attack', 'working-directory'],
        WorkingDir: `/proc/self/fd/${n}`,
        AttachStdout: true,
        AttachStderr: true,
      });
      const { Id } = created.json as { Id: string };
      const started = await daemon.api('POST', `/exec/${Id}/start`, { Detach: false, Tty: false });
      const output = started.body.toString('latin1');
      if (/cwd: |up: /.test(output)) reached.push(`${n}: ${output}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  t.same(reached, []);
  for (const way of ['/proc/1/cwd', '/proc/self/cwd', '/proc/self/root', '/proc/1/root']) {
    const output = await attack.output('exec', '-w', way, id, '/attack', 'working-directory');
    t.notMatch(output, /outside|unreachable/, way);
  }
  t.match(await attack.output('exec', '-w', '/tmp', id, '/attack', 'working-directory'), 'cwd: /tmp\nup: root');
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});

t.test(
  'an exec has no descriptor above 2, no environment of the engine, and is in the groups of its container',
  async (t) => {
    const id = await background(attack, ['-e', 'A=1'], ['sleep', '1000']);
    for (const flags of [[], ['-i'], ['-t'], ['--privileged'], ['-u', '1000']]) {
      t.equal((await attack.output('exec', ...flags, id, '/attack', 'descriptors')).trim(), '0 1 2', `${flags}`);
    }
    const environment = await attack.ok('exec', '-e', 'B=2', id, 'env');
    t.same(
      environment
        .split('\n')
        .map((line) => line.split('=')[0])
        .sort(),
      ['A', 'B', 'HOME', 'HOSTNAME', 'PATH'],
    );
    const groups = await attack.ok('exec', id, 'sh', '-c', 'cut -d: -f3 /proc/self/cgroup | sort -u');
    const first = await attack.ok('exec', id, 'sh', '-c', 'cut -d: -f3 /proc/1/cgroup | sort -u');
    t.equal(groups, first);
    const spaces = await attack.ok(
      'exec',
      id,
      'sh',
      '-c',
      'for n in mnt net pid uts ipc cgroup user; do test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done',
    );
    t.equal(spaces, '', 'and in all its namespaces');
    await attack.ok('rm', '-f', id);
  },
);

t.test('CVE-2022-29162, CVE-2024-40635, CVE-2022-36109: credentials of an exec', async (t) => {
  const id = await background(attack, ['--group-add', '77'], ['sleep', '1000']);
  const status = 'grep -E "^(Cap(Inh|Amb|Eff|Bnd)|Seccomp:|NoNewPrivs)" /proc/self/status | tr -d "\\t" | tr "\\n" " "';
  const plain = await attack.ok('exec', id, 'sh', '-c', status);
  t.match(plain, /CapInh:0{16} CapEff:00000000a80425fb CapBnd:00000000a80425fb CapAmb:0{16} NoNewPrivs:0 Seccomp:2/);
  t.match(
    await attack.ok('exec', '-u', '1000', id, 'sh', '-c', status),
    /CapInh:0{16} CapEff:0{16} CapBnd:00000000a80425fb CapAmb:0{16}/,
  );
  t.match(await attack.ok('exec', '--privileged', id, 'sh', '-c', status), /CapInh:0{16} CapEff:0*1f.* CapAmb:0{16}/);
  t.match(
    await attack.ok('exec', '--privileged', '-u', '1000', id, 'sh', '-c', status),
    /CapInh:0{16} CapEff:0{16} .*CapAmb:0{16}/,
  );
  for (const user of ['2147483648', '4294967296', '-1', '+1', '1000:4294967296', '1 ', '0:0:0']) {
    const result = await attack.run(['exec', `--user=${user}`, id, 'id', '-u']);
    t.not(result.code, 0, `${user}: ${result.stdout}`);
    t.notMatch(result.stdout, /^0$/m);
  }
  const groups = async (...flags: string[]): Promise<string> =>
    (await attack.ok('exec', ...flags, id, 'grep', 'Groups', '/proc/self/status')).replace(/\s+/g, ' ').trim();
  t.equal(await groups('-u', '4242:5'), 'Groups: 5 77');
  await attack.ok('rm', '-f', id);
});

t.test('CVE-2026-31431: an exec is under the same filter', async (t) => {
  const id = await background(attack, [], ['sleep', '1000']);
  const output = await attack.ok('exec', id, '/attack', 'sockets', '38', '40');
  for (const way of ['socket', 'socket32']) {
    for (const family of [38, 40]) t.match(output, new RegExp(`^${way} ${family}: EPERM$`, 'm'));
  }
  await attack.ok('rm', '-f', id);
});

t.test('CVE-2022-0492, CVE-2023-25809: groups from an exec', async (t) => {
  const before = attack.host();
  const id = await background(attack, [], ['sleep', '1000']);
  const output = await attack.output('exec', id, '/attack', 'release-agent');
  t.same(gains(output), [], output);
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});

t.test('CVE-2025-52565: the terminal of an exec in a container that has spoilt its /dev', async (t) => {
  const before = attack.host();
  const volume = attack.shared('exec-dev');
  const spoil =
    'cd /s; mknod null c 1 3; mkdir pts; ln -s /proc/sys/kernel/core_pattern pts/ptmx; ln -s /proc/sys/kernel/core_pattern console; ln -s pts/ptmx ptmx';
  await attack.ok('run', '--rm', '-v', `${volume}:/s`, 'attack', 'sh', '-c', spoil);
  const id = await background(attack, ['-v', `${volume}:/dev`], ['sleep', '1000']);
  const result = await attack.run(['exec', '-t', id, 'sh', '-c', 'tty; echo x >/dev/console']);
  t.not(result.code, 0, result.stdout);
  await attack.ok('rm', '-f', id);
  t.same(attack.host(), before);
});
