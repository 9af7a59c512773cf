// Owns `tsdctl ps`, `logs`, `stop` and `rm`. Must not hold text formats of its own (format.ts).
import { type ContainerSummary, routes } from '../../../api-spec/index.ts';
import { demultiplex } from '../../demultiplex.ts';
import { ApiError } from '../../errors.ts';
import { type Context, command } from '../command.ts';
import { ellipsis, humanDuration, humanSize, shortId, table } from '../format.ts';
import { parseFilters, parseInteger, parseTime } from '../values.ts';

const MANY = Number.POSITIVE_INFINITY;

function ports(summary: ContainerSummary): string {
  return summary.Ports.map((port) => {
    const inside = `${port.PrivatePort}/${port.Type}`;
    const ip = port.IP?.includes(':') ? `[${port.IP}]` : port.IP;
    return port.PublicPort ? `${ip}:${port.PublicPort}->${inside}` : inside;
  }).join(', ');
}

function row(summary: ContainerSummary, nowMs: number, full: boolean): string[] {
  const age = humanDuration(nowMs / 1000 - summary.Created);
  const text = JSON.stringify(summary.Command);
  return [
    full ? summary.Id : shortId(summary.Id),
    full ? summary.Image : summary.Image.replace(/^sha256:([0-9a-f]{12})[0-9a-f]*$/, '$1'),
    full ? text : `"${ellipsis(summary.Command, 20)}"`,
    `${age} ago`,
    summary.Status,
    ports(summary),
    summary.Names.map((name) => name.replace(/^\//, '')).join(','),
  ];
}

export const ps = command({
  name: 'ps',
  usage: '[OPTIONS]',
  summary: 'List containers',
  options: {
    all: { short: 'a', help: 'Show those that do not run too' },
    filter: { short: 'f', value: 'KEY=VALUE', many: true, help: 'Show those that match' },
    format: { value: 'FORMAT', help: 'table or json' },
    last: { short: 'n', value: 'N', help: 'Show the N newest' },
    latest: { short: 'l', help: 'Show the newest' },
    'no-trunc': { help: 'Do not shorten' },
    quiet: { short: 'q', help: 'Show ids only' },
    size: { short: 's', help: 'Show sizes' },
  },
  arguments: [0, 0],
  async run({ client, stdout }, values) {
    const limit = values.latest ? 1 : values.last === undefined ? undefined : parseInteger('--last', values.last);
    const { body } = await client.call(routes.ContainerList, {
      query: {
        all: values.all || limit !== undefined,
        limit: limit !== undefined && limit > 0 ? limit : undefined,
        size: values.size,
        filters: values.filter.length > 0 ? parseFilters(values.filter) : undefined,
      },
    });
    if (values.quiet) {
      stdout.write(body.map((one) => `${values['no-trunc'] ? one.Id : shortId(one.Id)}\n`).join(''));
    } else if (values.format === 'json') {
      stdout.write(body.map((one) => `${JSON.stringify(one)}\n`).join(''));
    } else {
      const size = (one: ContainerSummary) =>
        values.size ? [`${humanSize(one.SizeRw ?? 0)} (virtual ${humanSize(one.SizeRootFs ?? 0)})`] : [];
      const head = ['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES'];
      const rows = body.map((one) => [...row(one, Date.now(), values['no-trunc']), ...size(one)]);
      stdout.write(table([[...head, ...(values.size ? ['SIZE'] : [])], ...rows]));
    }
    return 0;
  },
});

export const logs = command({
  name: 'logs',
  usage: '[OPTIONS] CONTAINER',
  summary: 'Show what a container wrote',
  options: {
    details: { help: 'Show extra attributes' },
    follow: { short: 'f', help: 'Go on with what it writes' },
    since: { value: 'TIME', help: 'Only from this time on (RFC 3339, or 10m: ten minutes ago)' },
    tail: { short: 'n', value: 'N', help: 'Only the last N lines' },
    timestamps: { short: 't', help: 'Show the time of each line' },
    until: { value: 'TIME', help: 'Only up to this time' },
  },
  arguments: [1, 1],
  async run({ client, stdout, stderr }, values, [id = '']) {
    const params = { id };
    const { body } = await client.call(routes.ContainerInspect, { params });
    const now = Date.now();
    const reply = await client.stream(routes.ContainerLogs, {
      params,
      query: {
        stdout: true,
        stderr: true,
        follow: values.follow,
        timestamps: values.timestamps,
        details: values.details,
        tail: values.tail,
        since: values.since === undefined ? undefined : parseTime('--since', values.since, now),
        until: values.until === undefined ? undefined : parseTime('--until', values.until, now),
      },
    });
    if (body.Config.Tty) {
      for await (const chunk of reply.body) {
        stdout.write(chunk as Buffer);
      }
    } else {
      await demultiplex(reply.body, stdout, stderr);
    }
    return 0;
  },
});

/** Does `action` for each name, prints the name when it is done and the error when not; 1 when one failed. */
async function forEach(
  context: Context,
  names: readonly string[],
  action: (id: string) => Promise<unknown>,
): Promise<number> {
  const results = await Promise.allSettled(names.map(action));
  let code = 0;
  for (const [i, result] of results.entries()) {
    if (result.status === 'fulfilled') {
      context.stdout.write(`${names[i]}\n`);
      continue;
    }
    const error: unknown = result.reason;
    const text = error instanceof Error ? error.message : String(error);
    context.stderr.write(`${error instanceof ApiError ? 'Error response from daemon: ' : ''}${text}\n`);
    code = 1;
  }
  return code;
}

export const stop = command({
  name: 'stop',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Stop containers',
  options: {
    signal: { short: 's', value: 'SIGNAL', help: 'Signal to send first' },
    timeout: { short: 't', value: 'SECONDS', help: 'Time to wait before killing, --timeout=-1: for ever' },
  },
  arguments: [1, MANY],
  async run(context, { signal, timeout }, names) {
    const t = timeout === undefined ? undefined : parseInteger('--timeout', timeout);
    return forEach(context, names, (id) =>
      context.client.call(routes.ContainerStop, { params: { id }, query: { signal, t } }),
    );
  },
});

export const rm = command({
  name: 'rm',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove containers',
  options: {
    force: { short: 'f', help: 'Kill it when it runs' },
    volumes: { short: 'v', help: 'Remove its anonymous volumes too' },
  },
  arguments: [1, MANY],
  async run(context, { force, volumes }, names) {
    return forEach(context, names, async (id) => {
      try {
        await context.client.call(routes.ContainerDelete, { params: { id }, query: { force, v: volumes } });
      } catch (error) {
        // As docker rm -f: what is not there need not be removed.
        if (!(force && error instanceof ApiError && error.status === 404)) {
          throw error;
        }
        context.stderr.write(`Error response from daemon: ${error.message}\n`);
      }
    });
  },
});
