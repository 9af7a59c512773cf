import t from 'tap';
import { parseSignal } from './signals.ts';

t.test('names and numbers', async (t) => {
  for (const [text, number] of [
    ['KILL', 9],
    ['SIGKILL', 9],
    ['sigkill', 9],
    ['9', 9],
    ['TERM', 15],
    ['USR1', 10],
    ['WINCH', 28],
    ['CLD', 17],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['64', 64],
  ] as const) {
    t.equal(parseSignal(text), number, text);
  }
  for (const text of ['NOPE', '0', '65', '-9', '', 'RTMIN-1', 'RTMAX+1', '9x']) {
    t.throws(() => parseSignal(text), { kind: 'invalid-argument', message: `invalid signal: ${text}` }, text);
  }
});
