// Owns Docker's format of seccomp profiles: types, and the reading of a user's JSON with checks that name the field. Pure.
import { invalidArgument, messageOf, notImplemented } from '../base/errors.ts';

export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures: readonly string[] }[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
  readonly comment?: string;
  readonly includes?: SeccompFilter;
  readonly excludes?: SeccompFilter;
}

export interface SeccompArgument {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo?: bigint;
  readonly op: string;
}

export interface SeccompFilter {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  /** `major.minor` */
  readonly minKernel?: string;
}

const actions: ReadonlySet<string> = new Set([
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRACE',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
]);
const operators: ReadonlySet<string> = new Set([
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
]);
const U64 = (1n << 64n) - 1n;

type Json = Readonly<Record<string, unknown>>;

const refuse = (field: string, expected: string): Error =>
  invalidArgument(`invalid seccomp profile: ${field}: expected ${expected}`);

function object(value: unknown, field: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(field, 'an object');
  return value as Json;
}

/** Go reads `null` and an absent field alike. */
const absent = (value: unknown): boolean => value === undefined || value === null;

function list(value: unknown, field: string): readonly unknown[] {
  if (absent(value)) return [];
  if (!Array.isArray(value)) throw refuse(field, 'a list');
  return value;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw refuse(field, 'a text');
  return value;
}

const texts = (value: unknown, field: string): readonly string[] =>
  list(value, field).map((item, index) => text(item, `${field}[${index}]`));

/** JSON numbers that are no safe integers come as text of their digits, see `parseProfile`. */
function integer(value: unknown, field: string, maximum: bigint): bigint {
  const digits = typeof value === 'number' && Number.isInteger(value) ? String(value) : value;
  if (typeof digits !== 'string' || !/^\d+$/.test(digits) || BigInt(digits) > maximum) {
    throw refuse(field, `a whole number from 0 to ${maximum}`);
  }
  return BigInt(digits);
}

function errno(value: unknown, field: string): number | undefined {
  return absent(value) ? undefined : Number(integer(value, field, 0xffffn));
}

function action(value: unknown, field: string): string {
  const name = text(value, field);
  if (name === 'SCMP_ACT_NOTIFY') {
    throw notImplemented(
      `invalid seccomp profile: ${field}: SCMP_ACT_NOTIFY needs a listener outside of the container, which is not supported`,
    );
  }
  if (!actions.has(name)) throw refuse(field, `one of ${[...actions].join(', ')}`);
  return name;
}

function filter(value: unknown, field: string): SeccompFilter | undefined {
  if (absent(value)) return undefined;
  const given = object(value, field);
  const minKernel = absent(given.minKernel) ? undefined : text(given.minKernel, `${field}.minKernel`);
  if (minKernel !== undefined && !/^\d+\.\d+$/.test(minKernel)) throw refuse(`${field}.minKernel`, '<kernel>.<major>');
  return {
    caps: texts(given.caps, `${field}.caps`),
    arches: texts(given.arches, `${field}.arches`),
    ...(minKernel === undefined ? {} : { minKernel }),
  };
}

function argument(value: unknown, field: string): SeccompArgument {
  const given = object(value, field);
  const op = text(given.op, `${field}.op`);
  if (!operators.has(op)) throw refuse(`${field}.op`, `one of ${[...operators].join(', ')}`);
  return {
    index: Number(integer(given.index, `${field}.index`, 5n)),
    value: integer(given.value ?? 0, `${field}.value`, U64),
    valueTwo: integer(given.valueTwo ?? 0, `${field}.valueTwo`, U64),
    op,
  };
}

function rule(value: unknown, field: string): SeccompRule {
  const given = object(value, field);
  const several = texts(given.names, `${field}.names`);
  const single = absent(given.name) ? '' : text(given.name, `${field}.name`);
  if (single !== '' && several.length > 0) {
    throw invalidArgument("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
  }
  const errnoRet = errno(given.errnoRet, `${field}.errnoRet`);
  const includes = filter(given.includes, `${field}.includes`);
  const excludes = filter(given.excludes, `${field}.excludes`);
  return {
    names: single === '' ? several : [single],
    action: action(given.action, `${field}.action`),
    ...(errnoRet === undefined ? {} : { errnoRet }),
    args: list(given.args, `${field}.args`).map((item, index) => argument(item, `${field}.args[${index}]`)),
    ...(includes === undefined ? {} : { includes }),
    ...(excludes === undefined ? {} : { excludes }),
  };
}

function archMap(value: unknown): SeccompProfile['archMap'] {
  return list(value, 'archMap').map((item, index) => {
    const given = object(item, `archMap[${index}]`);
    return {
      architecture: text(given.architecture, `archMap[${index}].architecture`),
      subArchitectures: texts(given.subArchitectures, `archMap[${index}].subArchitectures`),
    };
  });
}

/** Reads a profile as Docker does. Throws invalid-argument that names the field; not-implemented for notifying profiles. */
export function parseProfile(json: string): SeccompProfile {
  let parsed: unknown;
  try {
    // 64-bit values would lose their last digits as doubles: keep the digits.
    parsed = JSON.parse(json, (_key, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && context?.source !== undefined
        ? context.source
        : value,
    );
  } catch (error) {
    throw invalidArgument(`Decoding seccomp profile failed: ${messageOf(error)}`, error);
  }
  const given = object(parsed, 'profile');
  const architectures = texts(given.architectures, 'architectures');
  const mapped = archMap(given.archMap) ?? [];
  if (architectures.length > 0 && mapped.length > 0) {
    throw invalidArgument(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  if (!absent(given.listenerPath) && given.listenerPath !== '') {
    throw notImplemented('invalid seccomp profile: listenerPath: notifying profiles are not supported');
  }
  const defaultErrnoRet = errno(given.defaultErrnoRet, 'defaultErrnoRet');
  return {
    defaultAction: action(given.defaultAction, 'defaultAction'),
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures,
    archMap: mapped,
    ...(absent(given.flags) ? {} : { flags: texts(given.flags, 'flags') }),
    syscalls: list(given.syscalls, 'syscalls').map((item, index) => rule(item, `syscalls[${index}]`)),
  };
}
