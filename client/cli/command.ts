// Owns the form of a tsdctl command, its arguments and its help text. Must not know any single command or talk to a daemon.
import { parseArgs } from 'node:util';
import type { Client } from '../client.ts';

/** An option; `value` names the value in help and makes it one that takes a value. */
export interface Option {
  readonly short?: string;
  readonly value?: string;
  /** May be given more than once. */
  readonly many?: boolean;
  readonly help: string;
  /** True when not given (docker's `--sig-proxy`); switched off by `--name=false`. */
  readonly on?: boolean;
}

export type Options = Readonly<Record<string, Option>>;

export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { readonly many: true }
    ? readonly string[]
    : O[K] extends { readonly value: string }
      ? string | undefined
      : boolean;
};

/** What a command may use of its surroundings. */
export interface Context {
  readonly client: Client;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** What follows `tsdctl NAME` in the usage line. */
  readonly usage: string;
  readonly summary: string;
  readonly options: O;
  /** Number of arguments that must and may be there. */
  readonly arguments: readonly [least: number, most: number];
  /** What follows the first argument belongs to the container. */
  readonly stopAtFirst?: boolean;
  /** Exit code of a usage error; 1 when not given. */
  readonly usageExitCode?: number;
  run(context: Context, values: Values<O>, positionals: readonly string[]): Promise<number>;
}

/** Names the literal type of a command; changes nothing. */
export function command<const O extends Options>(definition: Command<O>): Command<O> {
  return definition;
}

/** Arguments that are not what the command takes. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type ParseOptions = Record<string, { type: 'boolean' | 'string'; short?: string; multiple?: boolean }>;

function parseOptions(options: Options): ParseOptions {
  const entries = Object.entries(options).map(([name, option]) => [
    name,
    {
      type: option.value === undefined ? ('boolean' as const) : ('string' as const),
      ...(option.short !== undefined && { short: option.short }),
      ...(option.many && { multiple: true }),
    },
  ]);
  return Object.fromEntries(entries) as ParseOptions;
}

/**
 * `--flag=true` and `--flag=false` as Go's flag package takes them: taken out of the arguments, which parseArgs then reads.
 * (Its own `allowNegative` would read `--no-trunc` as the negation of `--trunc`.) Throws UsageError for another value than a boolean.
 */
function takeBooleans(options: Options, args: readonly string[]): { rest: string[]; given: Record<string, boolean> } {
  const given: Record<string, boolean> = {};
  const rest = args.filter((argument) => {
    const match = /^--([\w-]+)=(.*)$/s.exec(argument);
    const [, name = '', value = ''] = match ?? [];
    if (!match || !Object.hasOwn(options, name) || options[name]?.value !== undefined) {
      return true;
    }
    if (!/^(1|0|t|f|true|false)$/i.test(value)) {
      throw new UsageError(`invalid value ${JSON.stringify(value)} for --${name}: expected true or false`);
    }
    given[name] = /^(1|t|true)$/i.test(value);
    return false;
  });
  return { rest, given };
}

/** The place of the first argument that is no option and no option's value. */
function firstPositional(options: Options, args: string[]): number {
  const { tokens } = parseArgs({
    args,
    options: parseOptions(options),
    strict: false,
    tokens: true,
  });
  const token = tokens.find((one) => one.kind === 'positional' || one.kind === 'option-terminator');
  return token?.index ?? args.length;
}

/** Parses the arguments after the command's name. Throws UsageError. */
export function parseCommand<O extends Options>(
  definition: Pick<Command<O>, 'options' | 'arguments' | 'stopAtFirst'>,
  args: readonly string[],
): { readonly values: Values<O>; readonly positionals: readonly string[] } {
  const { options } = definition;
  const split = definition.stopAtFirst ? firstPositional(options, [...args]) : args.length;
  const { rest: own, given: booleans } = takeBooleans(options, args.slice(0, split));
  const rest = args.slice(split);
  if (rest[0] === '--') {
    rest.shift();
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: own,
      options: parseOptions(options),
      allowPositionals: true,
    }) as typeof parsed;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // Only the first sentence: the rest explains parseArgs, not this command.
    throw new UsageError(text.split(/[.\n] /)[0]?.replace(/\.$/, '') ?? text);
  }
  const positionals = [...parsed.positionals, ...rest];
  const [least, most] = definition.arguments;
  if (positionals.length < least || positionals.length > most) {
    const count =
      least === most ? `exactly ${least}` : positionals.length < least ? `at least ${least}` : `at most ${most}`;
    throw new UsageError(
      `requires ${count} argument${(least === most ? least : count.endsWith('1') ? 1 : 2) === 1 ? '' : 's'}`,
    );
  }
  const values = Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      const given = booleans[name] ?? parsed.values[name];
      return [name, given ?? (option.many ? [] : option.value === undefined ? option.on === true : undefined)];
    }),
  ) as Values<O>;
  return { values, positionals };
}

/** The help text of a command. */
export function helpText(definition: Command): string {
  const rows = Object.entries(definition.options).map(([name, option]) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    return [`  ${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`, option.help] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 3;
  const list = rows.map(([left, help]) => `${left.padEnd(width)}${help}`);
  const lines = [`Usage:  tsdctl ${definition.name} ${definition.usage}`.trimEnd(), '', definition.summary];
  return `${[...lines, ...(list.length > 0 ? ['', 'Options:', ...list] : [])].join('\n')}\n`;
}
