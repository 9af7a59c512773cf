// A terminal session as a person has it: window size, job control, Ctrl-C, detach keys, re-attach.
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { DockerProcess } from '../../helpers/docker.ts';
import { Pty, type PtyOptions } from '../../helpers/pty.ts';

/** busybox’s shell asks the terminal for the cursor’s place behind its prompt. */
const prompt = /# \x1b\[6n/;

t.test('docker run -it', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const terminal = (args: string[], options: PtyOptions = {}) =>
    new Pty(['docker', ...args], { ...options, env: daemon.dockerEnvironment() });

  t.test('the window has the size of the client’s', async (t) => {
    const session = terminal(['run', '--rm', '-it', 'busybox', 'sh'], { rows: 33, columns: 111 });
    await session.expect(prompt);
    session.type('stty size\n');
    await session.expect(/33 111/);
    session.resize(44, 122);
    session.type('while [ "$(stty size)" != "44 122" ]; do sleep 0.1; done; echo resized\n');
    await session.expect(/resized\r\n/);
    session.type('tty; exit 3\n');
    await session.expect(/\/dev\/pts\/0/);
    t.equal(await session.exit, 3);
  });

  t.test('Ctrl-C reaches the foreground job, not the shell; job control works', async (t) => {
    const session = terminal(['run', '--rm', '-it', 'busybox', 'sh']);
    await session.expect(prompt);
    session.type("sh -c 'echo be''gun; exec sleep 1000'\n");
    await session.expect(/begun\r\n/);
    session.type('\x03');
    await session.expect(prompt);
    session.type('sleep 1000 &\njobs\n');
    await session.expect(/\[1\].*Running/);
    await session.expect(prompt);
    session.type("fg %1; echo af''ter\n");
    await session.expect(/sleep 1000\r\n/);
    session.type('\x1a');
    await session.expect(/Stopped/);
    session.type('exit 8\n');
    await session.expect(/You have stopped jobs/);
    session.type('exit 8\n');
    t.equal(await session.exit, 8);
  });

  t.test('Ctrl-P Ctrl-Q detaches, attach comes back', async (t) => {
    const first = terminal(['run', '-it', '--name', 'detach', 'busybox', 'sh']);
    await first.expect(prompt);
    first.type('X=kept\n');
    await first.expect(prompt);
    first.type('\x10\x11');
    t.equal(await first.exit, 0);
    t.match(await daemon.docker(['inspect', '-f', '{{.State.Running}}', 'detach']), { stdout: 'true\n' });
    const second = terminal(['attach', 'detach']);
    second.type('\n');
    await second.expect(prompt);
    second.type('echo it is $X; exit 4\n');
    await second.expect(/it is kept/);
    t.equal(await second.exit, 4);
    await daemon.docker(['rm', 'detach']);
  });

  t.test('own detach keys', async (t) => {
    const session = terminal(['run', '-it', '--detach-keys', 'ctrl-x,z', '--name', 'keys', 'busybox', 'sh']);
    await session.expect(prompt);
    session.type('\x18');
    session.type('z');
    t.equal(await session.exit, 0);
    t.match(await daemon.docker(['rm', '-f', 'keys']), { code: 0 });
  });

  t.test('a process without a terminal gets the signal that the client got', async (t) => {
    const session = new DockerProcess(daemon.dockerEnvironment(), [
      'run',
      '--rm',
      '--name',
      'sig',
      'busybox',
      'sh',
      '-c',
      'trap "echo got it; exit 9" INT; echo ready; while :; do sleep 0.1; done',
    ]);
    await session.until(/ready/);
    session.child.kill('SIGINT');
    await session.until(/got it/);
    t.equal((await session.done).code, 9);
  });
});
