// Owns the translation of device rules to a program of cgroup v2 (BPF_PROG_TYPE_CGROUP_DEVICE). Pure: rules in, struct bpf_insn[] out.
import type { DeviceRule } from './resources.ts';

type Instruction = readonly [code: number, destination: number, source: number, offset: number, immediate: number];

const LOAD_WORD = 0x61;
const MOVE = 0xb7;
const MOVE_REGISTER = 0xbf;
const AND = 0x57;
const SHIFT_RIGHT = 0x77;
const JUMP_EQUAL = 0x15;
const JUMP_NOT_EQUAL = 0x55;
const JUMP_ANY_SET = 0x45;
const EXIT = 0x95;

/** Registers: 1 the context, 2 the type, 3 the access asked for, 4 major, 5 minor; 0 the answer, 6 for working. */
const prologue: readonly Instruction[] = [
  [LOAD_WORD, 2, 1, 0, 0],
  [AND, 2, 0, 0, 0xffff],
  [LOAD_WORD, 3, 1, 0, 0],
  [SHIFT_RIGHT, 3, 0, 0, 16],
  [LOAD_WORD, 4, 1, 4, 0],
  [LOAD_WORD, 5, 1, 8, 0],
];

/** BPF_DEVCG_ACC_* and BPF_DEVCG_DEV_* (include/uapi/linux/bpf.h). */
const accessBits: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const deviceTypes: Readonly<Record<'b' | 'c', number>> = { b: 1, c: 2 };
const EVERY_ACCESS = 7;

const bitsOf = (access: string): number => [...access].reduce((bits, letter) => bits | (accessBits[letter] ?? 0), 0);

const answer = (allow: boolean): readonly Instruction[] => [
  [MOVE, 0, 0, 0, allow ? 1 : 0],
  [EXIT, 0, 0, 0, 0],
];

/** Allowed is what lies within the rule's access, forbidden what has any of it: as the allow-lists of v1. */
function ruleLines(rule: DeviceRule): readonly Instruction[] {
  const access = bitsOf(rule.access);
  // Each test jumps past the rule when it does not hold; offsets are filled in when the length is known.
  const tests: Instruction[] = [];
  if (rule.type !== 'a') tests.push([JUMP_NOT_EQUAL, 2, 0, 0, deviceTypes[rule.type]]);
  if (rule.allow && access !== EVERY_ACCESS) {
    tests.push([MOVE_REGISTER, 6, 3, 0, 0], [JUMP_ANY_SET, 6, 0, 0, EVERY_ACCESS & ~access]);
  }
  if (!rule.allow && access !== EVERY_ACCESS) {
    tests.push([MOVE_REGISTER, 6, 3, 0, 0], [AND, 6, 0, 0, access], [JUMP_EQUAL, 6, 0, 0, 0]);
  }
  if (rule.major !== undefined) tests.push([JUMP_NOT_EQUAL, 4, 0, 0, rule.major]);
  if (rule.minor !== undefined) tests.push([JUMP_NOT_EQUAL, 5, 0, 0, rule.minor]);
  const lines = [...tests, ...answer(rule.allow)];
  return lines.map((line, index) => {
    const [code, destination, source, , immediate] = line;
    const jumps = index < tests.length && (code & 0x07) === 0x05;
    return jumps ? [code, destination, source, lines.length - index - 1, immediate] : line;
  });
}

/**
 * The program of a list of rules, of which a later one wins and one for every device (`a`) makes those before it void. Undefined when all
 * is allowed: no program is needed then.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array | undefined {
  const base = rules.findLastIndex(({ type, access }) => type === 'a' && bitsOf(access) === EVERY_ACCESS);
  const byDefault = base < 0 ? false : (rules[base]?.allow ?? false);
  const counted = rules.slice(base + 1);
  if (byDefault && counted.length === 0) return undefined;
  const lines = [...prologue, ...counted.toReversed().flatMap(ruleLines), ...answer(byDefault)];
  const bytes = Buffer.alloc(lines.length * 8);
  for (const [index, [code, destination, source, offset, immediate]] of lines.entries()) {
    bytes.writeUInt8(code, index * 8);
    bytes.writeUInt8((source << 4) | destination, index * 8 + 1);
    bytes.writeInt16LE(offset, index * 8 + 2);
    bytes.writeInt32LE(immediate | 0, index * 8 + 4);
  }
  return bytes;
}
