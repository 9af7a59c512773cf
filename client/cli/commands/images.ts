// Owns `tsdctl images`, `load` and `import`. Must not hold text formats of its own (format.ts).
import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type ImageSummary, routes } from '../../../api-spec/index.ts';
import { type Context, command, UsageError } from '../command.ts';
import { humanDuration, humanSize, shortId, table } from '../format.ts';
import { showProgress } from '../progress.ts';
import { parseFilters } from '../values.ts';
import { splitReference } from './run.ts';

/** One row for each tag, `<none>` for an image without. */
function rows(image: ImageSummary, nowMs: number, full: boolean): string[][] {
  const tags = image.RepoTags.length > 0 ? image.RepoTags : ['<none>:<none>'];
  return tags.map((reference) => {
    const colon = reference.lastIndexOf(':');
    return [
      reference.slice(0, colon),
      reference.slice(colon + 1),
      full ? image.Id : shortId(image.Id),
      image.Created <= 0 ? 'N/A' : `${humanDuration(nowMs / 1000 - image.Created)} ago`,
      humanSize(image.Size),
    ];
  });
}

export const images = command({
  name: 'images',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  options: {
    all: { short: 'a', help: 'Show intermediate ones too' },
    filter: { short: 'f', value: 'KEY=VALUE', many: true, help: 'Show those that match' },
    format: { value: 'FORMAT', help: 'table or json' },
    'no-trunc': { help: 'Do not shorten' },
    quiet: { short: 'q', help: 'Show ids only' },
  },
  arguments: [0, 1],
  async run({ client, stdout }, values, [reference]) {
    const filters = parseFilters([...values.filter, ...(reference === undefined ? [] : [`reference=${reference}`])]);
    const { body } = await client.call(routes.ImageList, {
      query: { all: values.all, filters: Object.keys(filters).length > 0 ? filters : undefined },
    });
    if (values.quiet) {
      stdout.write(body.map((one) => `${values['no-trunc'] ? one.Id : shortId(one.Id)}\n`).join(''));
    } else if (values.format === 'json') {
      stdout.write(body.map((one) => `${JSON.stringify(one)}\n`).join(''));
    } else {
      const head = ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'];
      stdout.write(table([head, ...body.flatMap((one) => rows(one, Date.now(), values['no-trunc']))]));
    }
    return 0;
  },
});

/** The file, or stdin when none is named. A terminal is no archive. */
async function archive(context: Context, file: string | undefined): Promise<Readable> {
  if (file !== undefined) {
    try {
      await access(file, constants.R_OK);
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
    return createReadStream(file, { highWaterMark: 1 << 20 });
  }
  if (context.stdin.isTTY) {
    throw new UsageError('an archive is expected on stdin, but that is a terminal: name a file or redirect stdin');
  }
  return context.stdin;
}

export const load = command({
  name: 'load',
  usage: '[OPTIONS]',
  summary: 'Load images from an archive',
  options: {
    input: { short: 'i', value: 'FILE', help: 'Read this file, not stdin' },
    platform: { value: 'PLATFORM', help: 'Only this platform' },
    quiet: { short: 'q', help: 'Show the result only' },
  },
  arguments: [0, 0],
  async run(context, values) {
    const upload = await archive(context, values.input);
    const reply = await context.client.stream(routes.ImageLoad, {
      query: { quiet: values.quiet, platform: values.platform === undefined ? undefined : [values.platform] },
      upload,
    });
    await showProgress(reply.lines(), context.stdout);
    return 0;
  },
});

export const importImage = command({
  name: 'import',
  usage: '[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]',
  summary: 'Make an image of the file system in a tar archive',
  options: {
    change: { short: 'c', value: 'INSTRUCTION', many: true, help: 'Apply a Dockerfile instruction (CMD, ENV, ...)' },
    message: { short: 'm', value: 'TEXT', help: 'Comment of the image' },
    platform: { value: 'PLATFORM', help: 'Platform of the image' },
  },
  arguments: [1, 2],
  async run(context, values, [source = '', reference]) {
    const remote = /^https?:\/\//.test(source);
    const upload = remote ? undefined : await archive(context, source === '-' ? undefined : source);
    const name = reference === undefined ? undefined : splitReference(reference);
    const reply = await context.client.stream(routes.ImageCreate, {
      query: {
        fromSrc: remote ? source : '-',
        repo: name?.fromImage,
        tag: name?.tag,
        message: values.message,
        changes: [...values.change],
        platform: values.platform,
      },
      upload,
    });
    await showProgress(reply.lines(), context.stdout);
    return 0;
  },
});
