// Owns the choice of command, global options, help and exit codes. Must not talk to a daemon itself.
import { hostFromEnvironment } from '../address.ts';
import { Client } from '../client.ts';
import { ApiError } from '../errors.ts';
import { type Command, type Context, helpText, type Options, parseCommand, UsageError } from './command.ts';
import { logs, ps, rm, stop } from './commands/containers.ts';
import { doctor } from './commands/doctor.ts';
import { images, importImage, load } from './commands/images.ts';
import { run } from './commands/run.ts';
import { events, packageVersion, version } from './commands/system.ts';
import { table } from './format.ts';

/** A command with its types sealed in: parsing and running in one step. */
interface Entry {
  readonly definition: Command;
  start(context: Context, args: readonly string[]): Promise<number>;
}

function entry<O extends Options>(definition: Command<O>): Entry {
  return {
    definition: definition as unknown as Command,
    async start(context, args) {
      const { values, positionals } = parseCommand(definition, args);
      return definition.run(context, values, positionals);
    },
  };
}

const ENTRIES: readonly Entry[] = [
  entry(run),
  entry(ps),
  entry(logs),
  entry(stop),
  entry(rm),
  entry(images),
  entry(load),
  entry(importImage),
  entry(events),
  entry(doctor),
  entry(version),
];

function mainHelp(): string {
  const rows = ENTRIES.map(({ definition }) => [`  ${definition.name}`, definition.summary]);
  return `Usage:  tsdctl [-H HOST] COMMAND

Commands:
${table(rows)}
Options:
  -H, --host HOST   Daemon: unix:///PATH or tcp://HOST:PORT (or TSD_HOST, DOCKER_HOST)
  --help            Show this, or the options of COMMAND
  --version         Show the version of tsdctl
`;
}

interface Global {
  readonly host: string | undefined;
  readonly rest: readonly string[];
}

function globalOptions(args: readonly string[]): Global {
  let host: string | undefined;
  let at = 0;
  for (; at < args.length; at++) {
    const argument = args[at] ?? '';
    const joined = /^(?:--host=|-H=?)(.+)$/s.exec(argument);
    if (joined) {
      host = joined[1];
    } else if (argument === '-H' || argument === '--host') {
      at++;
      host = args[at];
      if (host === undefined) {
        throw new UsageError(`${argument} needs a value: unix:///PATH or tcp://HOST:PORT`);
      }
    } else {
      break;
    }
  }
  return { host, rest: args.slice(at) };
}

/** Help is asked for among the command's own options, not in the command of a container. */
function asksForHelp(definition: Command, args: readonly string[]): boolean {
  const at = args.indexOf('--help');
  return at >= 0 && (!definition.stopAtFirst || args.slice(0, at).every((one) => one.startsWith('-')));
}

function report(context: Omit<Context, 'client'>, prefix: string, error: unknown): void {
  if (error instanceof UsageError) {
    context.stderr.write(`${prefix}: ${error.message}\nSee '${prefix.replace(':', '')} --help'.\n`);
  } else if (error instanceof ApiError) {
    context.stderr.write(`Error response from daemon: ${error.message}\n`);
  } else {
    context.stderr.write(`${prefix}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Runs `tsdctl ARGS` and resolves with its exit code. */
export async function main(args: readonly string[], surroundings: Omit<Context, 'client'>): Promise<number> {
  const { stdout, stderr, environment } = surroundings;
  let global: Global;
  try {
    global = globalOptions(args);
  } catch (error) {
    report(surroundings, 'tsdctl', error);
    return 1;
  }
  const [name, ...own] = global.rest;
  if (name === undefined || name === '--help' || name === 'help') {
    (name === undefined ? stderr : stdout).write(mainHelp());
    return name === undefined ? 1 : 0;
  }
  if (name === '--version') {
    stdout.write(`tsdctl ${packageVersion()}\n`);
    return 0;
  }
  const found = ENTRIES.find(({ definition }) => definition.name === name);
  if (!found) {
    report(surroundings, 'tsdctl', new UsageError(`${JSON.stringify(name)} is not a command of tsdctl`));
    return 1;
  }
  if (asksForHelp(found.definition, own)) {
    stdout.write(helpText(found.definition));
    return 0;
  }
  try {
    // Without a version prefix, so that an older daemon answers too.
    const client = new Client({
      host: global.host ?? hostFromEnvironment(environment),
      version: environment.DOCKER_API_VERSION ?? '',
    });
    try {
      return await found.start({ ...surroundings, client }, own);
    } finally {
      client.close();
    }
  } catch (error) {
    report(surroundings, `tsdctl ${name}`, error);
    return error instanceof UsageError || name === 'run' ? (found.definition.usageExitCode ?? 1) : 1;
  }
}
