import t from 'tap';
import {
  bigintField,
  encodeMessage,
  errnoName,
  FrameDecoder,
  hasField,
  MAX_PAYLOAD,
  messageType,
  numberField,
  ProtocolError,
  textField,
} from './protocol.ts';

const started = (): Uint8Array =>
  encodeMessage(messageType.started, { pid: 4711, startTime: 123456789012n, startedAt: 1_700_000_000_123_456_789n });

t.test('a message comes back as it went', async (t) => {
  const [message] = new FrameDecoder().push(
    encodeMessage(messageType.failed, { step: 'exec', index: 3, errno: 2, detail: '/bin/ünï', exec: undefined }),
  );
  if (message === undefined) throw new Error('no message');
  t.equal(message.type, 103);
  t.equal(message.version, 1);
  t.equal(textField(message, 'step'), 'exec');
  t.equal(numberField(message, 'index'), 3);
  t.equal(textField(message, 'detail'), '/bin/ünï');
  t.notOk(hasField(message, 'exec'));
  t.equal(bigintField(message, 'pid'), 0n, 'an absent number is 0');
  t.equal(textField(message, 'reason'), '', 'an absent text is empty');
});

t.test('the layout is the documented one', async (t) => {
  t.equal(
    Buffer.from(encodeMessage(messageType.signal, { signal: 15 })).toString('hex'),
    '0e000000040001001200080000000f00000000000000',
  );
  t.equal(Buffer.from(encodeMessage(messageType.go, {})).toString('hex'), '0000000002000100');
  t.equal(
    Buffer.from(encodeMessage(messageType.signal, { signal: -1n }))
      .subarray(-8)
      .toString('hex'),
    'ffffffffffffffff',
  );
});

t.test('frames split at every byte', async (t) => {
  const bytes = Buffer.concat([started(), encodeMessage(messageType.exited, { code: 137, signal: 9 }), started()]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new FrameDecoder();
    const messages = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
    t.same(
      messages.map((message) => message.type),
      [102, 104, 102],
      `cut at ${cut}`,
    );
    t.equal(messages[2] === undefined ? 0n : bigintField(messages[2], 'startedAt'), 1_700_000_000_123_456_789n);
  }
  const decoder = new FrameDecoder();
  const one = [...bytes].flatMap((byte) => decoder.push(Uint8Array.of(byte)));
  t.equal(one.length, 3, 'byte by byte');
});

t.test('unknown messages and fields are kept aside', async (t) => {
  const bytes = Buffer.from('080000000f270200e703020000006869', 'hex');
  const [message] = new FrameDecoder().push(bytes);
  t.equal(message?.type, 9999);
  t.equal(message?.version, 2);
  t.equal(message?.fields.size, 1);
});

t.test('what cannot be a message is refused', async (t) => {
  const tooLong = Buffer.alloc(8);
  tooLong.writeUInt32LE(MAX_PAYLOAD + 1);
  t.throws(() => new FrameDecoder().push(tooLong), ProtocolError);
  t.throws(() => new FrameDecoder().push(Buffer.from('0300000002000100010001', 'hex')), /cut short/);
  t.throws(() => new FrameDecoder().push(Buffer.from('060000000200010001000900000000', 'hex')), ProtocolError);
  t.throws(() => encodeMessage(messageType.launch, { plan: new Uint8Array(MAX_PAYLOAD) }), /longer than/);
  const [short] = new FrameDecoder().push(Buffer.from('0800000004000100120002000000ffff', 'hex'));
  if (short === undefined) throw new Error('no message');
  t.throws(() => numberField(short, 'signal'), /no number/);
});

t.test('errno names', async (t) => {
  t.equal(errnoName(2), 'ENOENT');
  t.equal(errnoName(13), 'EACCES');
  t.equal(errnoName(9999), 'errno 9999');
});
