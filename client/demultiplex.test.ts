// Tests of the demultiplexer.
import { PassThrough, Readable } from 'node:stream';
import t from 'tap';
import { Demultiplexer, demultiplex } from './demultiplex.ts';

function frame(stream: number, payload: string): Buffer {
  const data = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

function collect(chunks: readonly Uint8Array[]): Record<number, string> {
  const found: Record<number, string> = {};
  const demultiplexer = new Demultiplexer((stream, data) => {
    found[stream] = (found[stream] ?? '') + Buffer.from(data).toString('latin1');
  });
  for (const chunk of chunks) {
    demultiplexer.push(chunk);
  }
  demultiplexer.end();
  return found;
}

const input = Buffer.concat([
  frame(1, 'out one\n'),
  frame(2, 'err\n'),
  frame(1, ''),
  frame(1, 'out two'),
  frame(2, '!'),
]);
const expected = { 1: 'out one\nout two', 2: 'err\n!' };

t.test('frames split at every byte', async (t) => {
  for (let at = 0; at <= input.length; at++) {
    t.strictSame(collect([input.subarray(0, at), input.subarray(at)]), expected, `at ${at}`);
  }
  t.strictSame(collect([...input].map((byte) => Uint8Array.of(byte))), expected, 'each byte alone');
});

t.test('a long frame', async (t) => {
  const long = 'x'.repeat(100_000);
  t.equal(collect([frame(1, long)])[1], long);
});

t.test('what is no frame', async (t) => {
  t.throws(() => collect([Buffer.from('plain text')]), /expected the header of a frame/);
  t.throws(() => collect([frame(1, 'abc').subarray(0, 9)]), /middle of a frame/);
  t.throws(() => collect([Buffer.from([1, 0, 0])]), /middle of a frame/);
  t.strictSame(collect([]), {});
});

t.test('demultiplex waits for a full target and keeps what comes before an error', async (t) => {
  const stdout = new PassThrough({ highWaterMark: 4 });
  const stderr = new PassThrough();
  const text: string[] = [];
  stdout.on('data', (chunk: Buffer) => text.push(chunk.toString()));
  await t.rejects(
    demultiplex(
      Readable.from([frame(1, 'a longer one'), frame(3, 'disk is gone\n'), frame(1, 'more')]),
      stdout,
      stderr,
    ),
    { message: 'disk is gone' },
  );
  t.equal(text.join(''), 'a longer onemore');
});
