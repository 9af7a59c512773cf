// Owns the showing of progress streams (pull, load, import). Must not ask a daemon.
import type { Writable } from 'node:stream';
import type { ProgressLine } from '../../api-spec/index.ts';

/** Writes the lines that are not mere percentages; resolves with the last one. Rejects with the stream's own error. */
export async function showProgress(
  lines: AsyncIterable<ProgressLine>,
  out: Writable,
): Promise<ProgressLine | undefined> {
  let last: ProgressLine | undefined;
  for await (const line of lines) {
    if (line.error !== undefined || line.errorDetail) {
      throw new Error(line.errorDetail?.message ?? line.error ?? 'the daemon gave up without a reason');
    }
    if (line.stream !== undefined) {
      out.write(line.stream);
    } else if (line.status !== undefined && (line.progressDetail?.total ?? 0) === 0) {
      out.write(`${line.id === undefined ? '' : `${line.id}: `}${line.status}\n`);
    }
    last = line;
  }
  return last;
}
