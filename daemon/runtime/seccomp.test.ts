import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capabilityMask, defaultCapabilities } from './capabilities.ts';
import { actionNumber, filterFlags, filterInput, resolveSeccomp } from './seccomp.ts';
import { withNewSyscalls, withSocketBroker } from './seccomp-bpf.ts';
import { SeccompFilters } from './seccomp-filters.ts';
import { parseProfile } from './seccomp-profile.ts';

const context = (capabilities: readonly string[] = defaultCapabilities, kernelRelease = '6.1.0-1-amd64') => ({
  capabilities: capabilityMask(capabilities),
  kernelRelease,
  arch: 'x64',
});
const allowed = (profile: ReturnType<typeof resolveSeccomp>, name: string) =>
  profile.syscalls.filter((rule) => rule.names.includes(name) && rule.action === 'SCMP_ACT_ALLOW');

t.test('the default profile by capabilities, kernel and architecture', async (t) => {
  const plain = resolveSeccomp(undefined, context());
  t.same(plain.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  t.equal(plain.defaultErrnoRet, 1);
  for (const name of ['openat', 'execve', 'ptrace', 'chroot', 'arch_prctl', 'modify_ldt']) {
    t.equal(allowed(plain, name).length, 1, name);
  }
  for (const name of [
    'mount',
    'bpf',
    'reboot',
    'unshare',
    'setns',
    'keyctl',
    'add_key',
    'io_uring_setup',
    'userfaultfd',
    'kexec_load',
  ]) {
    t.equal(allowed(plain, name).length, 0, name);
  }
  t.equal(allowed(resolveSeccomp('', context(defaultCapabilities, '4.4.0')), 'ptrace').length, 0);
  const admin = resolveSeccomp('builtin', context(['CAP_SYS_ADMIN']));
  t.equal(allowed(admin, 'mount').length, 1);
  t.equal(allowed(admin, 'chroot').length, 0);
  t.notOk(
    admin.syscalls.some((rule) => rule.action === 'SCMP_ACT_ERRNO'),
    'clone3 is open to CAP_SYS_ADMIN',
  );
  const arm = resolveSeccomp(undefined, { ...context(), arch: 'arm64' });
  t.same(arm.architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  t.equal(allowed(arm, 'arch_prctl').length, 0);
  t.equal(allowed(arm, 'cacheflush').length, 1);
});

t.test('sockets: every family but those that reach out', async (t) => {
  const rules = allowed(resolveSeccomp(undefined, context()), 'socket').flatMap((rule) => rule.args ?? []);
  const admits = (family: bigint): boolean =>
    rules.some(({ op, value }) => (op === 'SCMP_CMP_LT' ? family < value : family === value));
  for (const family of [1n, 2n, 10n, 16n, 17n, 29n, 44n]) t.ok(admits(family), `family ${family}`);
  for (const family of [12n, 38n, 40n, 46n, 1000n]) t.notOk(admits(family), `family ${family}`);
});

t.test('clone may make no namespace, clone3 is unknown', async (t) => {
  const { rules } = filterInput(resolveSeccomp(undefined, context()));
  t.match(rules.find(({ syscalls, args }) => syscalls.includes('clone') && args.length === 1)?.args, [
    { index: 0, value: 0x7e020000n, valueTwo: 0n, op: 7 },
  ]);
  t.equal(rules.find(({ syscalls }) => syscalls.includes('clone3'))?.action, 0x50000 + 38);
});

t.test("a user's profile in Docker's format", async (t) => {
  const text = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: null }],
    syscalls: [
      { name: 'chmod', action: 'SCMP_ACT_ERRNO', args: null },
      { names: ['chown'], action: 'SCMP_ACT_ERRNO', errnoRet: 5, excludes: { caps: ['CAP_CHOWN'] } },
      {
        names: ['write'],
        action: 'SCMP_ACT_LOG',
        args: [
          { index: 0, value: 1, op: 'SCMP_CMP_EQ' },
          { index: 0, value: 2, op: 'SCMP_CMP_EQ' },
        ],
      },
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
    ],
  }).replace('"value":2', '"value":18446744073709551615');
  const profile = resolveSeccomp(text, context());
  t.same(profile.architectures, ['SCMP_ARCH_X86_64']);
  t.equal(profile.syscalls.length, 3, 'without the excluded rule');
  const input = filterInput(profile);
  t.equal(input.defaultAction, 0x7fff0000);
  t.same(input.rules, [
    { syscalls: ['chmod'], action: 0x50001, args: [] },
    { syscalls: ['write'], action: 0x7ffc0000, args: [{ index: 0, value: 1n, valueTwo: 0n, op: 4 }] },
    { syscalls: ['write'], action: 0x7ffc0000, args: [{ index: 0, value: (1n << 64n) - 1n, valueTwo: 0n, op: 4 }] },
  ]);
  t.equal(filterFlags(profile), 4);
  t.equal(filterFlags({ ...profile, flags: ['SECCOMP_FILTER_FLAG_LOG'] }), 2);
});

t.test('what is no profile', async (t) => {
  const cases: readonly (readonly [string, RegExp, string?])[] = [
    ['{', /Decoding seccomp profile failed/],
    ['[]', /profile: expected an object/],
    ['{}', /defaultAction: expected a text/],
    ['{"defaultAction":"NOPE"}', /defaultAction: expected one of SCMP_ACT_KILL/],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', /SCMP_ACT_NOTIFY needs a listener/, 'not-implemented'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}', /listenerPath/, 'not-implemented'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', /syscalls: expected a list/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"name":"b","action":"SCMP_ACT_LOG"}]}',
      /use either 'name' or 'names'/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["x"],"archMap":[{"architecture":"y"}]}',
      /use either 'architectures' or 'archMap'/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}',
      /syscalls\[0\]\.args\[0\]\.index: expected a whole number from 0 to 5/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"4"}}]}',
      /includes\.minKernel/,
    ],
  ];
  for (const [text, message, kind = 'invalid-argument'] of cases)
    t.throws(() => parseProfile(text), { kind, message }, text);
  t.throws(() => actionNumber('NOPE', undefined), /unknown seccomp action/);
  t.throws(
    () => filterInput({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['NOPE'], syscalls: [] }),
    /architecture NOPE/,
  );
  t.throws(
    () => filterFlags({ defaultAction: 'SCMP_ACT_ALLOW', architectures: [], syscalls: [], flags: ['NOPE'] }),
    /flag NOPE/,
  );
});

/** Runs classic BPF as the kernel does, as far as filters use it; answers the return value. */
function run(program: Uint8Array, arch: number, number: number): number {
  const bytes = Buffer.from(program);
  let accumulator = 0;
  for (let at = 0; at < bytes.length / 8; at++) {
    const [code, yes, no, k] = [
      bytes.readUInt16LE(at * 8),
      bytes.readUInt8(at * 8 + 2),
      bytes.readUInt8(at * 8 + 3),
      bytes.readUInt32LE(at * 8 + 4),
    ];
    if (code === 0x20) accumulator = k === 0 ? number : arch;
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) at += accumulator === k ? yes : no;
    else if (code === 0x05) at += k;
    else if (code === 0x06) return k;
    else throw new Error(`code ${code}`);
  }
  throw new Error('no return');
}

t.test('new system calls are admitted whatever libseccomp knows', async (t) => {
  const rest = Buffer.from('060000000100ff7f'.replace('0100ff7f', '01000500'), 'hex');
  const profile = resolveSeccomp(undefined, context());
  const program = withNewSyscalls(rest, profile);
  const [x64, x86, arm] = [0xc000003e, 0x40000003, 0xc00000b7];
  const ALLOW = 0x7fff0000;
  const REST = 0x50001;
  t.equal(run(program, x64, 452), ALLOW, 'fchmodat2');
  t.equal(run(program, x86, 466), ALLOW, 'removexattrat');
  t.equal(run(program, x64, 0x40000000 + 452), ALLOW, 'of x32');
  t.equal(run(program, arm, 452), REST, 'not of an architecture that the profile lacks');
  t.equal(run(program, x64, 459), REST, 'lsm_get_self_attr takes CAP_SYS_ADMIN');
  t.equal(run(program, x64, 0), REST);
  t.equal(run(program, x64, 467), REST);
  t.equal(withNewSyscalls(rest, { ...profile, defaultAction: 'SCMP_ACT_ALLOW' }), rest);
});

t.test('each filter is compiled once, kept in memory and on disk', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsd-seccomp-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  let compiled = 0;
  const compile = (): Uint8Array => {
    compiled++;
    return Buffer.from('0600000000000000', 'hex');
  };
  const cache = join(directory, 'seccomp');
  const profile = resolveSeccomp(undefined, context());
  const filters = new SeccompFilters(cache, compile);
  const first = filters.filter('a', profile);
  t.equal(filters.filter('a', profile), first);
  t.equal(compiled, 1);
  t.same(new SeccompFilters(cache, compile).filter('b', profile), first, 'a later daemon finds it on disk');
  t.equal(compiled, 1);
  filters.filter('c', resolveSeccomp(undefined, context([])));
  t.equal(compiled, 2);
  for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'broken');
  new SeccompFilters(cache, compile).filter('a', profile);
  t.equal(compiled, 3, 'a broken file is compiled anew');
  const failing = new SeccompFilters(cache, () => {
    throw new Error('no');
  });
  t.throws(() => failing.filter('d', resolveSeccomp(undefined, context(['CAP_BPF']))), {
    kind: 'invalid-argument',
    message: /cannot be compiled: no/,
  });
});

t.test('sockets of 32-bit programs', async (t) => {
  const families = resolveSeccomp(undefined, context()).brokeredFamilies ?? 0n;
  for (const [family, allowed] of [
    [1, true],
    [2, true],
    [10, true],
    [17, true],
    [38, false],
    [40, false],
  ] as const) {
    t.equal((families >> BigInt(family)) & 1n, allowed ? 1n : 0n, `family ${family}`);
  }
  const without = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] };
  t.equal(
    resolveSeccomp(JSON.stringify(without), context()).brokeredFamilies,
    undefined,
    'a profile of the client decides',
  );
  t.equal(
    resolveSeccomp(undefined, { ...context(), arch: 'arm64' }).brokeredFamilies,
    undefined,
    'no such call on arm',
  );
  const program = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
  const whole = withSocketBroker(program);
  t.equal(whole.length, 8 * 8);
  t.same(whole.subarray(7 * 8), program, 'the filter follows');
  for (const [index, skip] of [
    [1, 5],
    [3, 3],
    [5, 1],
  ] as const) {
    t.equal(index + 1 + skip, 7, 'every other call goes on to the filter');
    t.equal(whole[index * 8 + 3], skip);
  }
});
