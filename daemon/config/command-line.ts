// Owns the reading of the command line into raw values by option, in the forms that dockerd takes. Checks no value against another.
import { invalidArgument } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type OptionSpec, options } from './options.ts';

/** Raw texts of one flag, in the order given. */
export type FlagValues = ReadonlyMap<OptionSpec, readonly string[]>;

export type CommandLine =
  | { readonly action: 'run'; readonly flags: FlagValues }
  | { readonly action: 'help' }
  | { readonly action: 'version' };

interface Word {
  readonly option: OptionSpec | 'help' | 'version';
  readonly value: string | undefined;
  /** Further single-letter flags of the same argument (`-Dl debug`). */
  readonly rest: string;
}

const byFlag = new Map(
  options.flatMap((option) => (option.flag === undefined ? [] : [[option.flag, option] as const])),
);
const byShort = new Map(
  options.flatMap((option) => (option.short === undefined ? [] : [[option.short, option] as const])),
);

const seeHelp = "See 'tsd --help'.";

function longWord(argument: string): Word {
  const equals = argument.indexOf('=');
  const name = argument.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : argument.slice(equals + 1);
  if (name === 'help' || name === 'version') return { option: name, value, rest: '' };
  const option = byFlag.get(name);
  if (option === undefined) {
    const near = nearest(name, [...byFlag.keys()]).map((flag) => `--${flag}`);
    const hint = near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`;
    throw invalidArgument(`unknown flag: --${name}${hint}\n${seeHelp}`);
  }
  return { option, value, rest: '' };
}

function shortWord(argument: string): Word {
  const letter = argument.charAt(1);
  const rest = argument.slice(2);
  if (letter === 'h') return { option: 'help', value: undefined, rest: '' };
  if (letter === 'v') return { option: 'version', value: undefined, rest: '' };
  const option = byShort.get(letter);
  if (option === undefined) throw invalidArgument(`unknown shorthand flag: '${letter}' in ${argument}\n${seeHelp}`);
  if (option.kind === 'boolean') {
    return rest.startsWith('=') ? { option, value: rest.slice(1), rest: '' } : { option, value: undefined, rest };
  }
  return { option, value: rest === '' ? undefined : rest.replace(/^=/, ''), rest: '' };
}

/** Reads the arguments after the program's name. Throws invalid-argument in dockerd's words. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const flags = new Map<OptionSpec, string[]>();
  const queue = [...args];
  for (let argument = queue.shift(); argument !== undefined; argument = queue.shift()) {
    if (argument === '--' || !argument.startsWith('-') || argument === '-') {
      const extra = argument === '--' ? queue.shift() : argument;
      if (extra === undefined) break;
      throw invalidArgument(`"tsd" accepts no arguments, received "${extra}".\n${seeHelp}`);
    }
    const { option, value, rest } = argument.startsWith('--') ? longWord(argument) : shortWord(argument);
    if (option === 'help' || option === 'version') return { action: option };
    if (rest !== '') queue.unshift(`-${rest}`);
    const text = value ?? (option.kind === 'boolean' ? 'true' : queue.shift());
    if (text === undefined) throw invalidArgument(`flag needs an argument: ${argument}\n${seeHelp}`);
    flags.set(option, [...(flags.get(option) ?? []), text]);
  }
  return { action: 'run', flags };
}

/** The text of `--help`. */
export function helpText(): string {
  const lines = options.flatMap((option) => {
    if (option.flag === undefined) return [];
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const type = option.kind === 'boolean' ? '' : ` ${option.kind === 'json' ? 'value' : option.kind}`;
    const initial = option.initial === undefined ? '' : ` (default ${JSON.stringify(option.initial)})`;
    const remark = option.without === undefined ? '' : ' [no effect]';
    return [`  ${`${short}--${option.flag}${type}`.padEnd(40)} ${option.help}${initial}${remark}`];
  });
  return [
    'Usage:  tsd [OPTIONS]',
    '',
    'A container engine: serves the Docker Engine API and runs containers.',
    '',
    'Options:',
    ...lines,
    `  ${'-h, --help'.padEnd(40)} Print usage`,
    `  ${'-v, --version'.padEnd(40)} Print version information and quit`,
    '',
  ].join('\n');
}
