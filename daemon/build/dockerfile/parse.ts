// Owns the grammar of Dockerfile instructions: keyword, flags, arguments, in Docker's forms and with Docker's messages. Pure; it expands nothing.
import { invalidArgument } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { splitWords } from '../words.ts';
import { DockerfileError } from './error.ts';
import { type LogicalLine, readLines } from './lines.ts';
import type { Command, CommandLine, CopyCommand, Dockerfile, Instruction, MountOptions, Pair, Stage } from './types.ts';

const keywords = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
] as const;
type Keyword = (typeof keywords)[number];
const isKeyword = (word: string): word is Keyword => (keywords as readonly string[]).includes(word);

interface Statement {
  readonly line: LogicalLine;
  readonly keyword: Keyword;
  readonly flags: Flags;
  /** Behind the flags. */
  readonly rest: string;
  readonly escapeMark: string;
}

/** Reads a whole file. Throws invalid-argument. */
export function parseDockerfile(text: string): Dockerfile {
  const source = readLines(text);
  if (source.lines.length === 0) throw invalidArgument('failed to parse Dockerfile: file with no instructions');
  const globals: Instruction[] = [];
  const stages: { -readonly [Key in keyof Stage]: Key extends 'instructions' ? Instruction[] : Stage[Key] }[] = [];
  for (const line of source.lines) {
    const statement = statementOf(line, source.escapeMark);
    if (statement.keyword === 'FROM') {
      stages.push({ line: line.line, text: line.text, ...fromOf(statement), instructions: [] });
      continue;
    }
    const instruction = { line: line.line, text: line.text, command: commandOf(statement) };
    const stage = stages.at(-1);
    if (stage !== undefined) stage.instructions.push(instruction);
    else if (statement.keyword === 'ARG') globals.push(instruction);
    else throw invalidArgument('no build stage in current context');
  }
  if (stages.length === 0) throw invalidArgument('no build stage in current context');
  const warnings =
    source.syntax === ''
      ? []
      : [`the syntax directive (${source.syntax}) is ignored: this engine reads Dockerfiles itself`];
  return { escapeMark: source.escapeMark, syntax: source.syntax, globals, stages, warnings };
}

/** Reads one instruction, of ONBUILD or of a change. `line` is for messages. */
export function parseInstruction(text: string, line: number, escapeMark = '\\'): Instruction {
  const [first] = readLines(text).lines;
  if (first === undefined) throw new DockerfileError(line, 'file with no instructions');
  const statement = statementOf({ ...first, line }, escapeMark);
  if (statement.keyword === 'FROM') throw invalidArgument("FROM isn't allowed as an ONBUILD trigger");
  return { line, text: first.text, command: commandOf(statement) };
}

function statementOf(line: LogicalLine, escapeMark: string): Statement {
  const [, word = '', behind = ''] = /^(\S+)\s*(.*)$/s.exec(line.text) ?? [];
  const keyword = word.toUpperCase();
  if (!isKeyword(keyword)) {
    const [near] = nearest(keyword, keywords);
    throw new DockerfileError(
      line.line,
      `unknown instruction: ${word}${near === undefined ? '' : ` (did you mean ${near}?)`}`,
    );
  }
  const flags = new Flags(line.line);
  let rest = behind;
  for (;;) {
    const match = /^--([a-z][a-z0-9-]*)(?:=("[^"]*"|'[^']*'|\S*))?(?:\s+|$)/i.exec(rest);
    if (match === null || !flagged.has(keyword)) break;
    flags.add(match[1] ?? '', match[2]);
    rest = rest.slice(match[0].length);
  }
  return { line, keyword, flags, rest: rest.trim(), escapeMark };
}

/** Instructions that have flags; HEALTHCHECK reads its own. */
const flagged: ReadonlySet<string> = new Set(['ADD', 'COPY', 'FROM', 'RUN']);

class Flags {
  readonly #line: number;
  readonly #values = new Map<string, string[]>();

  constructor(line: number) {
    this.#line = line;
  }

  add(name: string, value: string | undefined): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value ?? 'true']);
  }

  one(name: string): string {
    const values = this.#values.get(name) ?? [];
    if (values.length > 1) throw new DockerfileError(this.#line, `duplicate flag specified: ${name}`);
    this.#values.delete(name);
    return values[0] ?? '';
  }

  many(name: string): readonly string[] {
    const values = this.#values.get(name) ?? [];
    this.#values.delete(name);
    return values;
  }

  flag(name: string): boolean | undefined {
    const value = this.one(name);
    if (value === '') return undefined;
    if (value !== 'true' && value !== 'false') {
      throw new DockerfileError(this.#line, `expecting boolean value for flag ${name}, not: ${value}`);
    }
    return value === 'true';
  }

  /** Everything must have been asked for. */
  end(): void {
    for (const name of this.#values.keys()) throw new DockerfileError(this.#line, `unknown flag: ${name}`);
  }
}

function fromOf({ line, flags, rest }: Statement): { base: string; name: string; platform: string } {
  const platform = flags.one('platform');
  flags.end();
  const words = rest.split(/\s+/).filter((word) => word !== '');
  const [base = '', as = '', name = ''] = words;
  if (words.length !== 1 && (words.length !== 3 || as.toUpperCase() !== 'AS')) {
    throw new DockerfileError(line.line, 'FROM requires either one or three arguments');
  }
  if (words.length === 3 && !/^[a-z][a-z0-9-_.]*$/i.test(name)) {
    throw new DockerfileError(
      line.line,
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
    );
  }
  return { base, name: name.toLowerCase(), platform };
}

/** A JSON list of texts; undefined for anything else. */
export function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

const commandLine = (rest: string): CommandLine => {
  const argv = jsonList(rest);
  return argv === undefined ? { form: 'shell', text: rest } : { form: 'exec', argv };
};

function commandOf(statement: Statement): Command {
  const { keyword, rest, flags, line } = statement;
  const need = (): string => {
    if (rest === '') throw new DockerfileError(line.line, `${keyword} requires at least one argument`);
    return rest;
  };
  const single = (): string => {
    if (rest === '') throw new DockerfileError(line.line, `${keyword} requires exactly one argument`);
    return rest;
  };
  switch (keyword) {
    case 'ARG':
      return { keyword, args: splitWords(need(), statement.escapeMark).map(argOf) };
    case 'ENV':
    case 'LABEL':
      return { keyword, pairs: pairsOf(statement) };
    case 'CMD':
    case 'ENTRYPOINT':
      return { keyword, command: commandLine(rest) };
    case 'EXPOSE':
    case 'VOLUME':
      return { keyword, words: jsonList(need()) ?? splitWords(rest, statement.escapeMark) };
    case 'USER':
    case 'WORKDIR':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
      return { keyword, word: single() };
    case 'SHELL': {
      const argv = jsonList(need());
      if (argv === undefined) throw new DockerfileError(line.line, 'SHELL requires the arguments to be in JSON form');
      if (argv.length === 0) throw new DockerfileError(line.line, 'SHELL requires at least one argument');
      return { keyword, argv };
    }
    case 'HEALTHCHECK': {
      checkHealthFlags(need(), line.line);
      return { keyword, rest };
    }
    case 'ONBUILD':
      return { keyword, trigger: triggerOf(need(), line) };
    case 'RUN': {
      need();
      const mounts = flags.many('mount').map((text) => mountOf(text, line.line));
      const command = { mounts, network: flags.one('network'), security: flags.one('security') };
      flags.end();
      return { keyword, ...command, command: commandLine(rest), heredocs: line.heredocs };
    }
    case 'COPY':
    case 'ADD':
      return copyOf(statement, keyword);
    case 'FROM':
      throw new DockerfileError(line.line, 'FROM is not allowed here');
  }
}

const HEALTH_FLAGS = ['interval', 'timeout', 'start-period', 'start-interval', 'retries'];

function checkHealthFlags(rest: string, line: number): void {
  for (const [, name = ''] of (/^(?:--\S+\s*)*/.exec(rest)?.[0] ?? '').matchAll(/--([^=\s]+)/g)) {
    if (!HEALTH_FLAGS.includes(name)) throw new DockerfileError(line, `unknown flag: ${name}`);
  }
}

function triggerOf(rest: string, line: LogicalLine): string {
  const inner = (rest.split(/\s/, 1)[0] ?? '').toUpperCase();
  if (inner === 'ONBUILD') throw new DockerfileError(line.line, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (inner === 'MAINTAINER' || inner === 'FROM') {
    throw new DockerfileError(line.line, `${inner} isn't allowed as an ONBUILD trigger`);
  }
  const heredocs = line.heredocs.map(({ name, content }) => `\n${content}${name}`);
  return rest + heredocs.join('');
}

function argOf(word: string): { key: string; value?: string } {
  const equals = word.indexOf('=');
  if (equals === 0) throw invalidArgument('failed to parse Dockerfile: ARG names can not be blank');
  return equals < 0 ? { key: word } : { key: word.slice(0, equals), value: word.slice(equals + 1) };
}

/** `KEY=value KEY2="two words"`, or the older `KEY the rest of the line`. */
function pairsOf({ keyword, rest, line, escapeMark }: Statement): readonly Pair[] {
  if (rest === '') throw new DockerfileError(line.line, `${keyword} requires at least one argument`);
  const words = splitWords(rest, escapeMark);
  if (!(words[0] ?? '').includes('=')) {
    const [, key = '', value = ''] = /^(\S+)\s+(.+)$/s.exec(rest) ?? [];
    if (key === '') throw invalidArgument(`failed to parse Dockerfile: ${keyword} must have two arguments`);
    return [{ key, value }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw invalidArgument(
        `failed to parse Dockerfile: Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw new DockerfileError(line.line, `${keyword} names can not be blank`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function copyOf({ flags, rest, line, escapeMark }: Statement, keyword: 'COPY' | 'ADD'): CopyCommand {
  const words = jsonList(rest) ?? splitWords(rest, escapeMark);
  if (words.length < 2)
    throw new DockerfileError(
      line.line,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  const heredocNames = new Set(line.heredocs.map(({ name }) => name));
  const sources = words.slice(0, -1).filter((word) => !heredocNames.has(/^<<-?["']?(.*?)["']?$/.exec(word)?.[1] ?? ''));
  const common = {
    chown: flags.one('chown'),
    chmod: flags.one('chmod'),
    link: flags.flag('link') ?? false,
    exclude: flags.many('exclude'),
    sources,
    destination: words.at(-1) ?? '',
    heredocs: line.heredocs,
  };
  const own =
    keyword === 'COPY'
      ? {
          from: flags.one('from'),
          parents: flags.flag('parents') ?? false,
          checksum: '',
          keepGitDir: false,
          unpack: false,
        }
      : {
          from: '',
          parents: false,
          checksum: flags.one('checksum'),
          keepGitDir: flags.flag('keep-git-dir') ?? false,
          unpack: flags.flag('unpack'),
        };
  flags.end();
  return { keyword, ...common, ...own };
}

const MOUNT_KEYS = [
  'type',
  'target',
  'dst',
  'destination',
  'source',
  'src',
  'from',
  'id',
  'sharing',
  'mode',
  'uid',
  'gid',
  'ro',
  'readonly',
  'rw',
  'readwrite',
  'required',
  'size',
  'env',
];

function mountOf(text: string, line: number): MountOptions {
  const options: Record<string, string> = {};
  for (const field of text.replace(/^(["'])(.*)\1$/, '$2').split(',')) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    if (!MOUNT_KEYS.includes(key)) {
      const [near] = nearest(key, MOUNT_KEYS);
      throw new DockerfileError(
        line,
        `unexpected key '${key}' in '${field}'${near === undefined ? '' : ` (did you mean ${near}?)`}`,
      );
    }
    options[key] = equals < 0 ? 'true' : field.slice(equals + 1);
  }
  const type = options.type ?? 'bind';
  if (!['bind', 'cache', 'tmpfs', 'secret', 'ssh'].includes(type)) {
    throw new DockerfileError(line, `unsupported mount type "${type}"`);
  }
  return { ...options, type };
}
