// Owns the meaning of seccomp profiles: which rules hold for a container (capabilities, architecture, kernel), and their translation to
// the plain numbers that libseccomp takes. Pure; compiling is seccomp-filters.ts.
import { invalidArgument } from '../base/errors.ts';
import { namesOfMask } from './capabilities.ts';
import type { OciSeccomp, OciSyscall, OciSyscallArgument } from './oci-spec.ts';
import { allowedFamilies, defaultSeccompProfile } from './seccomp-default.ts';
import { parseProfile, type SeccompFilter, type SeccompProfile, type SeccompRule } from './seccomp-profile.ts';

export interface SeccompContext {
  readonly capabilities: bigint;
  /** As uname(2) gives it. */
  readonly kernelRelease: string;
  /** As `process.arch`; absent: this process's. */
  readonly arch?: string;
}

/** Go's name of an architecture, which profiles use, and libseccomp's. */
const architectureNames: Readonly<Record<string, { readonly go: string; readonly scmp: string }>> = {
  x64: { go: 'amd64', scmp: 'SCMP_ARCH_X86_64' },
  arm64: { go: 'arm64', scmp: 'SCMP_ARCH_AARCH64' },
  riscv64: { go: 'riscv64', scmp: 'SCMP_ARCH_RISCV64' },
  s390x: { go: 's390x', scmp: 'SCMP_ARCH_S390X' },
};

function atLeast(release: string, minimum: string): boolean {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const [wantMajor = 0, wantMinor = 0] = minimum.split('.').map(Number);
  return Number(major) > wantMajor || (Number(major) === wantMajor && Number(minor) >= wantMinor);
}

interface Conditions {
  readonly capabilities: ReadonlySet<string>;
  readonly architecture: string;
  readonly kernelRelease: string;
}

/** Every condition that is given holds. */
function included(
  filter: SeccompFilter | undefined,
  { capabilities, architecture, kernelRelease }: Conditions,
): boolean {
  if (filter === undefined) return true;
  const { caps = [], arches = [], minKernel } = filter;
  return (
    (arches.length === 0 || arches.includes(architecture)) &&
    caps.every((capability) => capabilities.has(capability)) &&
    (minKernel === undefined || atLeast(kernelRelease, minKernel))
  );
}

/** Any condition that is given holds. */
function excluded(
  filter: SeccompFilter | undefined,
  { capabilities, architecture, kernelRelease }: Conditions,
): boolean {
  if (filter === undefined) return false;
  const { caps = [], arches = [], minKernel } = filter;
  return (
    arches.includes(architecture) ||
    caps.some((capability) => capabilities.has(capability)) ||
    (minKernel !== undefined && atLeast(kernelRelease, minKernel))
  );
}

const syscallOf = ({ names, action, errnoRet, args = [] }: SeccompRule): OciSyscall => ({
  names,
  action,
  ...(errnoRet === undefined ? {} : { errnoRet }),
  ...(args.length === 0 ? {} : { args }),
});

/** The rules of a profile that hold in `context`. */
export function applyProfile(profile: SeccompProfile, context: SeccompContext): OciSeccomp {
  const names = architectureNames[context.arch ?? process.arch];
  const mapped = (profile.archMap ?? []).find(({ architecture }) => architecture === names?.scmp);
  const conditions: Conditions = {
    capabilities: new Set(namesOfMask(context.capabilities)),
    architecture: names?.go ?? '',
    kernelRelease: context.kernelRelease,
  };
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures:
      mapped === undefined ? (profile.architectures ?? []) : [mapped.architecture, ...mapped.subArchitectures],
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    syscalls: profile.syscalls
      .filter((rule) => included(rule.includes, conditions) && !excluded(rule.excludes, conditions))
      .map(syscallOf),
  };
}

/** `text`: a profile as JSON; absent, empty or `builtin`: the default profile. */
export function resolveSeccomp(text: string | undefined, context: SeccompContext): OciSeccomp {
  const own = text === undefined || text === '' || text === 'builtin';
  if (!own) return applyProfile(parseProfile(text), context);
  const rules = applyProfile(defaultSeccompProfile, context);
  return rules.architectures.includes('SCMP_ARCH_X86') ? { ...rules, brokeredFamilies: allowedFamilies } : rules;
}

/** Numbers of libseccomp (seccomp.h). */
const architectureNumbers: Readonly<Record<string, number>> = {
  SCMP_ARCH_NATIVE: 0,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_RISCV64: 0xc00000f3,
  SCMP_ARCH_S390: 0x16,
  SCMP_ARCH_S390X: 0x80000016,
};
const operatorNumbers: Readonly<Record<string, number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};
const EPERM = 1;

/** Action as SECCOMP_RET_*, with its errno where it has one (EPERM when none is given, as runc). */
export function actionNumber(action: string, errno: number | undefined): number {
  switch (action) {
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return 0;
    case 'SCMP_ACT_KILL_PROCESS':
      return 0x80000000;
    case 'SCMP_ACT_TRAP':
      return 0x00030000;
    case 'SCMP_ACT_ERRNO':
      return 0x00050000 + (errno ?? EPERM);
    case 'SCMP_ACT_TRACE':
      return 0x7ff00000 + (errno ?? EPERM);
    case 'SCMP_ACT_LOG':
      return 0x7ffc0000;
    case 'SCMP_ACT_ALLOW':
      return 0x7fff0000;
    default:
      throw invalidArgument(`unknown seccomp action ${action}`);
  }
}

/** A test of one argument as libseccomp's scmp_arg_cmp. */
export interface FilterArgument {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: number;
}

export interface FilterRule {
  readonly syscalls: readonly string[];
  readonly action: number;
  readonly args: readonly FilterArgument[];
}

/** What libseccomp is told, as plain values. */
export interface FilterInput {
  readonly defaultAction: number;
  readonly architectures: readonly number[];
  readonly rules: readonly FilterRule[];
}

function argumentOf({ index, value, valueTwo, op }: OciSyscallArgument): FilterArgument {
  const number = operatorNumbers[op];
  if (number === undefined) throw invalidArgument(`unknown seccomp operator ${op}`);
  return { index, value, valueTwo: valueTwo ?? 0n, op: number };
}

/** Tests of one argument that stand twice in a rule cannot both be told to libseccomp; they are alternatives, as in runc. */
function rulesOf(syscall: OciSyscall): readonly FilterRule[] {
  const action = actionNumber(syscall.action, syscall.errnoRet);
  const args = (syscall.args ?? []).map(argumentOf);
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  if (!repeated) return [{ syscalls: syscall.names, action, args }];
  return args.map((argument) => ({ syscalls: syscall.names, action, args: [argument] }));
}

/** Throws invalid-argument for an architecture that is unknown. Rules that do what is done anyway are left out (libseccomp refuses them). */
export function filterInput(seccomp: OciSeccomp): FilterInput {
  const defaultAction = actionNumber(seccomp.defaultAction, seccomp.defaultErrnoRet);
  return {
    defaultAction,
    architectures: seccomp.architectures.map((name) => {
      const number = architectureNumbers[name];
      if (number === undefined) throw invalidArgument(`unknown seccomp architecture ${name}`);
      return number;
    }),
    rules: seccomp.syscalls.flatMap(rulesOf).filter(({ action }) => action !== defaultAction),
  };
}

const flagNumbers: Readonly<Record<string, number>> = {
  // All threads: there is one at this point.
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

/** Flags of seccomp(2); without any in the profile: no mitigation that slows down every process (SPEC_ALLOW), as runc. */
export function filterFlags(seccomp: OciSeccomp): number {
  if (seccomp.flags === undefined) return 4;
  return seccomp.flags.reduce((flags, name) => {
    const number = flagNumbers[name];
    if (number === undefined)
      throw invalidArgument(`unknown seccomp flag ${name}: expected ${Object.keys(flagNumbers).join(', ')}`);
    return flags | number;
  }, 0);
}
