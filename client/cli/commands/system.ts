// Owns `tsdctl version` and `events`. Must not hold text formats of its own (format.ts).
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type EventMessage, MAX_API, routes } from '../../../api-spec/index.ts';
import { command } from '../command.ts';
import { parseFilters, parseTime } from '../values.ts';

/** The version of the package this file belongs to, whether it runs from the sources or as emitted JavaScript. */
export function packageVersion(): string {
  for (let directory = import.meta.dirname; directory !== dirname(directory); directory = dirname(directory)) {
    try {
      const content: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      if (typeof content === 'object' && content !== null && 'name' in content && content.name === 'tsd') {
        return 'version' in content ? String(content.version) : 'unknown';
      }
    } catch {
      // Not here: look further up.
    }
  }
  return 'unknown';
}

function section(title: string, fields: readonly (readonly [string, string])[]): string {
  return `${title}:\n${fields.map(([name, value]) => ` ${`${name}:`.padEnd(20)}${value}\n`).join('')}`;
}

export const version = command({
  name: 'version',
  usage: '[OPTIONS]',
  summary: 'Show the versions of client and daemon',
  options: { format: { value: 'FORMAT', help: 'table or json' } },
  arguments: [0, 0],
  async run({ client, stdout }, values) {
    const own = {
      Version: packageVersion(),
      ApiVersion: MAX_API,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: process.arch,
    };
    if (values.format !== 'json') {
      stdout.write(
        `${section('Client', [
          ['Version', own.Version],
          ['API version', own.ApiVersion],
          ['Node version', own.NodeVersion],
          ['OS/Arch', `${own.Os}/${own.Arch}`],
        ])}\n`,
      );
    }
    const { body: server } = await client.call(routes.SystemVersion);
    if (values.format === 'json') {
      stdout.write(`${JSON.stringify({ Client: own, Server: server })}\n`);
      return 0;
    }
    stdout.write(
      section(`Server${server.Platform?.Name ? `: ${server.Platform.Name}` : ''}`, [
        ['Version', server.Version],
        ['API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`],
        ['Git commit', server.GitCommit],
        ['Built', server.BuildTime],
        ['Kernel', server.KernelVersion],
        ['OS/Arch', `${server.Os}/${server.Arch}`],
      ]),
    );
    return 0;
  },
});

/** `2026-01-02T03:04:05.123456789Z container start ID (image=busybox, name=web)`. */
export function eventLine(event: EventMessage): string {
  const seconds = Math.floor(event.time);
  // The nanoseconds are beyond the precision of a number: of them only the fraction is taken.
  const fraction = Math.max(0, Math.round(event.timeNano - seconds * 1e9));
  const time = `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(fraction).padStart(9, '0').slice(0, 9)}Z`;
  const attributes = Object.keys(event.Actor.Attributes)
    .sort()
    .map((key) => `${key}=${event.Actor.Attributes[key]}`);
  return `${time} ${event.Type} ${event.Action} ${event.Actor.ID}${attributes.length > 0 ? ` (${attributes.join(', ')})` : ''}`;
}

export const events = command({
  name: 'events',
  usage: '[OPTIONS]',
  summary: 'Show events as they happen',
  options: {
    filter: { short: 'f', value: 'KEY=VALUE', many: true, help: 'Show those that match' },
    format: { value: 'FORMAT', help: 'text or json' },
    since: { value: 'TIME', help: 'Show what was since this time first' },
    until: { value: 'TIME', help: 'End at this time' },
  },
  arguments: [0, 0],
  async run({ client, stdout }, values) {
    const now = Date.now();
    const reply = await client.stream(routes.SystemEvents, {
      query: {
        since: values.since === undefined ? undefined : parseTime('--since', values.since, now),
        until: values.until === undefined ? undefined : parseTime('--until', values.until, now),
        filters: values.filter.length > 0 ? parseFilters(values.filter) : undefined,
      },
    });
    for await (const event of reply.lines()) {
      stdout.write(`${values.format === 'json' ? JSON.stringify(event) : eventLine(event)}\n`);
    }
    return 0;
  },
});
