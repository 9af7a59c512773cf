// A terminal session as a person has it: the docker command on a real terminal, a shell in the container.
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

t.test('a shell: size, resize, job control, interrupt, exit code', async (t) => {
  const shell = docker.terminal(['run', '--rm', '-it', '--name', 'shell', 'busybox', 'sh'], { rows: 33, columns: 101 });
  await shell.expect('/ # ');
  t.notMatch(shell.shown, /can't access tty/, 'the terminal is the controlling one');
  shell.type('tty; stty size\r');
  await shell.expect(/\/dev\/(pts\/0|console)\r\n/);
  await shell.expect('33 101');
  shell.resize(20, 60);
  // The command tells the engine of the new size on its own time, so the container is asked until it has come.
  shell.type('until [ "$(stty size)" = "20 60" ]; do sleep 0.1; done; echo re""sized\r');
  await shell.expect('resized');
  shell.type('sleep 1000 &\r');
  await shell.expect('/ # ');
  shell.type('jobs\r');
  await shell.expect(/Running +sleep 1000/);
  shell.type('kill %1\r');
  await shell.expect('/ # ');
  shell.type('cat\r');
  await shell.expect('cat\r\n');
  shell.type('echoed\r');
  await shell.expect('echoed\r\nechoed\r\n');
  shell.type('\x03');
  await shell.expect('^C');
  await shell.expect('/ # ');
  shell.type('echo status $?\r');
  await shell.expect('status 130');
  shell.type('exit 42\r');
  t.equal(await shell.exit, 42);
  t.equal(await docker.ok('ps', '-aq'), '');
});

t.test('leave with Ctrl-P Ctrl-Q, come back by attach', async (t) => {
  const first = docker.terminal(['run', '-it', '--name', 'back', 'busybox', 'sh']);
  await first.expect('/ # ');
  first.type('remember=yes\r');
  await first.expect('/ # ');
  first.type('\x10');
  first.type('\x11');
  t.equal(await first.exit, 0);
  t.equal(await docker.inspect('back', '{{.State.Running}}'), 'true');
  const second = docker.terminal(['attach', 'back']);
  second.type('\recho remember=$remember\r');
  await second.expect('remember=yes');
  second.type('exit 7\r');
  t.equal(await second.exit, 7);
  t.equal(await docker.inspect('back', '{{.State.ExitCode}}'), '7');
  t.match(await docker.ok('logs', 'back'), /remember=yes/);
  await docker.ok('rm', 'back');
});

t.test('other detach keys, and a single Ctrl-P goes through', async (t) => {
  const shell = docker.terminal(['run', '-it', '--detach-keys', 'ctrl-a,d', '--name', 'keys', 'busybox', 'sh']);
  await shell.expect('/ # ');
  shell.type('cat -v\r');
  await shell.expect('cat -v\r\n');
  shell.type('\x10x\r');
  await shell.expect('^Px\r\n');
  shell.type('\x01d');
  t.equal(await shell.exit, 0);
  t.equal(await docker.inspect('keys', '{{.State.Running}}'), 'true');
  await docker.ok('rm', '-f', 'keys');
});

t.test('-t without -i shows colours and ends with the container', async (t) => {
  const shown = await docker.ok('run', '--rm', '-t', 'busybox', 'sh', '-c', 'test -t 1 && echo terminal; echo err >&2');
  t.equal(shown, 'terminal\r\nerr\r');
});

t.test('a command that is killed leaves the container running', async (t) => {
  const shell = docker.spawn(['run', '-i', '--name', 'killed', 'busybox', 'sh', '-c', 'echo up; sleep 1000']);
  await shell.until('up');
  shell.child.kill('SIGKILL');
  await shell.done;
  t.equal(await docker.inspect('killed', '{{.State.Running}}'), 'true');
  await docker.ok('rm', '-f', 'killed');
});

t.test('a job is stopped and left behind', async (t) => {
  const shell = docker.terminal(['run', '--rm', '-it', 'busybox', 'sh']);
  await shell.expect('/ # ');
  shell.type("sh -c 'echo be''gun; exec sleep 1000'\r");
  await shell.expect('begun\r\n');
  shell.type('\x1a');
  await shell.expect(/Stopped/);
  await shell.expect('/ # ');
  shell.type('exit 8\r');
  await shell.expect('You have stopped jobs');
  shell.type('exit 8\r');
  t.equal(await shell.exit, 8);
});
