// Owns what is put before a compiled filter: system calls that are newer than the installed libseccomp. Pure bytes in, bytes out
// (struct sock_filter, include/uapi/linux/filter.h).
import type { OciSeccomp } from './oci-spec.ts';

/** Numbers from 424 on are the same on all architectures that the engine knows (x32 has bit 30 set besides). */
const unifiedNumbers: Readonly<Record<string, number>> = Object.fromEntries(
  [
    'pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick',
    'pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd',
    'landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv',
    'set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount',
    'lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat',
    'open_tree_attr file_getattr file_setattr',
  ]
    .join(' ')
    .split(' ')
    .map((name, index) => [name, 424 + index]),
);

/** First number that the oldest supported libseccomp (2.5) may not know. */
const FIRST_UNKNOWN = 448;

const BPF_LD_W_ABS = 0x20;
const BPF_ALU_AND_K = 0x54;
const BPF_JEQ_K = 0x15;
const BPF_JA = 0x05;
const BPF_RET_K = 0x06;
const RET_ALLOW = 0x7fff0000;
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;
const X32_BIT = 0x40000000;
/** BPF_MAXINSNS */
const MAX_INSTRUCTIONS = 4096;

/** AUDIT_ARCH_* of libseccomp's names (x32 is x86-64 to the kernel). */
const auditNumbers: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_RISCV64: 0xc00000f3,
};

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

function bytesOf(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, k]] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}

const OFFSET_FIRST_ARGUMENT = 16;
const RET_USER_NOTIF = 0x7fc00000;
/** socketcall(2) of the 32-bit table of x86, and its call number for socket(2). */
const I386_SOCKETCALL = 102;
const CALL_SOCKET = 1;

/** The filter with a question to the monitor before it: what socket a 32-bit socketcall wants stands behind a pointer. */
export const withSocketBroker = (program: Uint8Array): Uint8Array =>
  Buffer.concat([
    bytesOf([
      [BPF_LD_W_ABS, 0, 0, OFFSET_ARCHITECTURE],
      [BPF_JEQ_K, 0, 5, auditNumbers.SCMP_ARCH_X86 ?? 0],
      [BPF_LD_W_ABS, 0, 0, OFFSET_NUMBER],
      [BPF_JEQ_K, 0, 3, I386_SOCKETCALL],
      [BPF_LD_W_ABS, 0, 0, OFFSET_FIRST_ARGUMENT],
      [BPF_JEQ_K, 0, 1, CALL_SOCKET],
      [BPF_RET_K, 0, 0, RET_USER_NOTIF],
    ]),
    program,
  ]);

/**
 * The filter with an answer before it, on its architectures: ALLOW for new system calls that the profile allows without conditions, even
 * when the installed libseccomp does not know their names. What is newer than all that is named ends in ENOSYS by the compiled filter
 * itself. A profile that allows by default is left as it is.
 */
export function withNewSyscalls(program: Uint8Array, seccomp: OciSeccomp): Uint8Array {
  if (seccomp.defaultAction === 'SCMP_ACT_ALLOW' || seccomp.defaultAction === 'SCMP_ACT_LOG') return program;
  const architectures = [...new Set(seccomp.architectures.flatMap((name) => auditNumbers[name] ?? []))];
  const allowed = new Set<number>();
  for (const { names, action, args } of seccomp.syscalls) {
    for (const name of names) {
      const number = unifiedNumbers[name];
      if (number === undefined || number < FIRST_UNKNOWN) continue;
      if (action === 'SCMP_ACT_ALLOW' && args === undefined) allowed.add(number);
    }
  }
  for (const { names, action } of seccomp.syscalls) {
    if (action !== 'SCMP_ACT_ALLOW') for (const name of names) allowed.delete(unifiedNumbers[name] ?? 0);
  }
  if (architectures.length === 0 || allowed.size === 0) return program;
  const withX32 = seccomp.architectures.includes('SCMP_ARCH_X32');
  const tests: Instruction[] = [
    [BPF_LD_W_ABS, 0, 0, OFFSET_NUMBER],
    ...(withX32 ? [[BPF_ALU_AND_K, 0, 0, (0xffffffff - X32_BIT) >>> 0] as const] : []),
    ...[...allowed]
      .sort((a, b) => a - b)
      .flatMap((number): Instruction[] => [
        [BPF_JEQ_K, 0, 1, number],
        [BPF_RET_K, 0, 0, RET_ALLOW],
      ]),
  ];
  const prefix: Instruction[] = [
    [BPF_LD_W_ABS, 0, 0, OFFSET_ARCHITECTURE],
    ...architectures.map((number, index): Instruction => [BPF_JEQ_K, architectures.length - index, 0, number]),
    [BPF_JA, 0, 0, tests.length],
    ...tests,
  ];
  if (prefix.length + program.length / 8 > MAX_INSTRUCTIONS) return program;
  return Buffer.concat([bytesOf(prefix), program]);
}
