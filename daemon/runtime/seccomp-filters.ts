// Owns compiled seccomp filters: each distinct set of rules is compiled once, kept in memory and in a file of the data root, so that no
// start pays for it. Knows no profile (seccomp.ts does).
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, messageOf } from '../base/errors.ts';
import type { OciSeccomp } from './oci-spec.ts';
import { type FilterInput, filterFlags, filterInput } from './seccomp.ts';
import { withNewSyscalls, withSocketBroker } from './seccomp-bpf.ts';

export interface SeccompFilter {
  /** Of seccomp(2). */
  readonly flags: number;
  /** struct sock_filter[] */
  readonly program: Uint8Array;
  /** Address families (bit n: family n) whose sockets the monitor makes for 32-bit programs; absent: it is not asked. */
  readonly families?: bigint;
}

export type SeccompCompiler = (input: FilterInput) => Uint8Array;

/** Part of every file name: raised when the same rules are compiled to something else. */
const FORMAT = 1;
/** A struct sock_filter. */
const INSTRUCTION = 8;

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));

export class SeccompFilters {
  readonly #directory: string;
  readonly #compile: SeccompCompiler;
  readonly #byKey = new Map<string, SeccompFilter>();

  /** `directory` is made when it is missing. `compile` is libseccomp. */
  constructor(directory: string, compile: SeccompCompiler) {
    this.#directory = directory;
    this.#compile = compile;
  }

  /**
   * The filter of `rules()`. `key` names the rules: equal keys, equal rules (profile text and capabilities). The rules are looked at for
   * the first time of a key only. Throws invalid-argument for rules that libseccomp refuses.
   */
  filter(key: string, rules: OciSeccomp): SeccompFilter {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const program = this.#program(rules);
    const { brokeredFamilies: families } = rules;
    const filter: SeccompFilter =
      families === undefined
        ? { flags: filterFlags(rules), program }
        : { flags: filterFlags(rules), program: withSocketBroker(program), families };
    this.#byKey.set(key, filter);
    return filter;
  }

  #program(rules: OciSeccomp): Uint8Array {
    const digest = createHash('sha256')
      .update(`${FORMAT} ${process.arch} ${textOf(rules)}`)
      .digest('hex');
    const path = join(this.#directory, `${digest}.bpf`);
    const stored = readProgram(path);
    if (stored !== undefined) return stored;
    let program: Uint8Array;
    try {
      program = withNewSyscalls(this.#compile(filterInput(rules)), rules);
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw new EngineError('invalid-argument', `seccomp profile cannot be compiled: ${messageOf(error)}`, error);
    }
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, program, { mode: 0o600 });
    renameSync(temporary, path);
    return program;
  }
}

function readProgram(path: string): Uint8Array | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  return bytes.length > 0 && bytes.length % INSTRUCTION === 0 ? bytes : undefined;
}
