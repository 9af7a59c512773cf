import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readLogFiles } from './log-files.ts';

const never = new AbortController().signal;
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');

t.beforeEach((t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsd-log-'));
  t.context.path = join(directory, 'x-json.log');
  t.teardown(() => rmSync(directory, { recursive: true }));
});

const all = async (path: string, tail: number, cancel = never): Promise<string[]> => {
  const result: string[] = [];
  for await (const block of readLogFiles({ path, tail, cancel })) result.push(...block.split('\n'));
  return result;
};

t.test('what is there, over rotated files, oldest first', async (t) => {
  const { path } = t.context;
  t.same(await all(path, -1), [], 'no file yet');
  writeFileSync(`${path}.2`, lines(0, 10));
  writeFileSync(`${path}.1`, lines(10, 20));
  writeFileSync(path, lines(20, 25));
  t.same(await all(path, -1), lines(0, 25).trimEnd().split('\n'));
  for (const tail of [0, 1, 4, 5, 6, 15, 16, 24, 25, 26]) {
    const wanted =
      tail === 0
        ? []
        : lines(Math.max(0, 25 - tail), 25)
            .trimEnd()
            .split('\n');
    t.same(await all(path, tail), wanted, `the last ${tail}`);
  }
});

t.test('the end of a large file is found without reading it all', async (t) => {
  const { path } = t.context;
  writeFileSync(path, lines(0, 200_000));
  t.same(await all(path, 2), ['line 199998', 'line 199999']);
  t.equal((await all(path, 20_000)).length, 20_000, 'more than a block');
  t.equal((await all(path, -1)).length, 200_000);
});

t.test('a cut last line is left out', async (t) => {
  const { path } = t.context;
  writeFileSync(path, 'one\ntwo\nthr');
  t.same(await all(path, -1), ['one', 'two']);
});

t.test('following goes across rotations and ends when told, with everything', async (t) => {
  const { path } = t.context;
  writeFileSync(path, lines(0, 3));
  const end = new AbortController();
  const seen: string[] = [];
  let wanted = 3;
  let reached = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const block of readLogFiles({ path, tail: -1, until: end.signal, cancel: never })) {
      seen.push(...block.split('\n'));
      if (seen.length >= wanted) reached.resolve();
    }
  })();
  const expectLines = async (count: number): Promise<void> => {
    wanted = count;
    if (seen.length >= count) return;
    reached = Promise.withResolvers<void>();
    await reached.promise;
  };
  await expectLines(3);
  appendFileSync(path, lines(3, 5));
  await expectLines(5);
  // Several rotations before the reader can look, with a last line written to the old file.
  appendFileSync(path, lines(5, 6));
  renameSync(path, `${path}.1`);
  writeFileSync(path, lines(6, 8));
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, lines(8, 9));
  await expectLines(9);
  appendFileSync(path, lines(9, 10));
  end.abort();
  await reading;
  t.same(seen, lines(0, 10).trimEnd().split('\n'));
});

t.test('following begins before there is a file, and a client can leave', async (t) => {
  const { path } = t.context;
  const end = new AbortController();
  const cancel = new AbortController();
  const iterator = readLogFiles({ path, tail: 5, until: end.signal, cancel: cancel.signal });
  const first = iterator.next();
  writeFileSync(path, lines(0, 1));
  t.same(await first, { done: false, value: 'line 0' });
  const second = iterator.next();
  cancel.abort();
  t.equal((await second).done, true);
});
