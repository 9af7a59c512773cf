// The terminal that tests type on is a real one.
import t from 'tap';
import { Pty } from './pty.ts';

t.test('size, typing, resize and interrupt', async (t) => {
  const pty = new Pty(['sh', '-c', 'stty size; read line; echo "got $line"; read line; stty size; cat'], {
    rows: 33,
    columns: 101,
  });
  await pty.expect('33 101');
  pty.type('hello\r');
  await pty.expect('got hello');
  pty.resize(20, 60);
  pty.type('\r');
  await pty.expect('20 60');
  pty.type('x\r');
  await pty.expect('x\r\nx'); // cat has begun: an interrupt between two commands is the shell's, which goes on
  pty.type('\x03');
  t.equal(await pty.exit, 130);
});

t.test('exit code and an end without the text', async (t) => {
  const pty = new Pty(['sh', '-c', 'echo shown; exit 7']);
  await pty.expect(/sho.n/);
  t.equal(await pty.exit, 7);
  await t.rejects(pty.expect('more'), /ended without showing more/);
});
