// Exec sessions by the raw API: packets, framing, states.
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { bodyOf, framesOf, RawClient, startRequest } from './raw-client.ts';

t.test('exec by the API', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  await daemon.dockerOk(['run', '-d', '--name', 'web', 'busybox', 'sleep', '1000']);
  const prepare = async (body: Record<string, unknown>): Promise<string> => {
    const answer = await daemon.api('POST', '/v1.47/containers/web/exec', body);
    t.equal(answer.status, 201, answer.body.toString());
    return (answer.json as { Id: string }).Id;
  };
  const inspect = async (id: string) =>
    (await daemon.api('GET', `/v1.47/exec/${id}/json`)).json as Record<string, unknown>;
  const both = { AttachStdout: true, AttachStderr: true };

  t.test('the shape of inspect', async (t) => {
    const id = await prepare({
      Cmd: ['sh', '-c', 'exit 3'],
      AttachStdout: true,
      Tty: true,
      User: '1000:1000',
      DetachKeys: 'ctrl-a',
      ConsoleSize: [10, 20],
    });
    const { json } = await daemon.api('GET', '/v1.47/containers/web/json');
    const container = json as { Id: string; ExecIDs: string[] };
    t.same(container.ExecIDs, [id]);
    const before = {
      ID: id,
      Running: false,
      ExitCode: null,
      ProcessConfig: { tty: true, entrypoint: 'sh', arguments: ['-c', 'exit 3'], privileged: false, user: '1000:1000' },
      OpenStdin: false,
      OpenStderr: false,
      OpenStdout: true,
      CanRemove: false,
      ContainerID: container.Id,
      DetachKeys: 'AQ==',
      Pid: 0,
    };
    t.same(await inspect(id), before);
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/start`, { Detach: true, Tty: true }), { status: 200 });
    let after = await inspect(id);
    while (after.Running === true) after = await inspect(id);
    t.match(after, { ...before, ExitCode: 3, Pid: Number });
    t.ok((after.Pid as number) > 0);
    const again = await daemon.api('POST', `/v1.47/exec/${id}/start`, { Detach: true });
    t.match(again, { status: 409, json: { message: `Error: Exec command ${id} has already run` } });
    t.match((await daemon.api('GET', '/v1.47/containers/web/json')).json, { ExecIDs: null });
  });

  t.test('with and without an upgrade, framed and raw', async (t) => {
    for (const upgrade of [true, false]) {
      for (const tty of [true, false]) {
        const id = await prepare({ Cmd: ['sh', '-c', 'echo out; echo err >&2'], ...both });
        const client = new RawClient(daemon.socket);
        const { head, body } = startRequest(id, JSON.stringify({ Tty: tty }), upgrade);
        await client.write(head + body);
        const answer = await client.untilEnd();
        t.match(answer.toString(), upgrade ? /^HTTP\/1.1 101 UPGRADED\r\n/ : /^HTTP\/1.1 200 OK\r\n/);
        const type = upgrade && !tty ? 'multiplexed' : 'raw';
        t.match(answer.toString(), `Content-Type: application/vnd.docker.${type}-stream\r\n`);
        if (tty) t.match(bodyOf(answer).toString().split('\n').sort().join('\n'), '\nerr\nout');
        else t.same(framesOf(bodyOf(answer)), { 1: 'out\n', 2: 'err\n' });
        t.match(await inspect(id), { Running: false, ExitCode: 0 }, 'the exit code is there when the stream has ended');
      }
    }
  });

  t.test('the body in one packet, in two, in pieces, and stdin right behind it', async (t) => {
    const cuts: ((head: string, body: string) => string[])[] = [
      (head, body) => [head + body],
      (head, body) => [head, body],
      (head, body) => [head, ...body],
      (head, body) => [...(head.match(/[\s\S]{1,40}/g) ?? []), body],
    ];
    for (const cut of cuts) {
      const id = await prepare({ Cmd: ['cat'], AttachStdin: true, ...both });
      const { head, body } = startRequest(id, '{"Detach":false,"Tty":false}', true);
      const client = new RawClient(daemon.socket);
      const pieces = cut(head, `${body}early `);
      for (const piece of pieces) await client.write(piece);
      await client.until('101 UPGRADED');
      await client.write('GET / HTTP/1.1\r\n\r\n');
      client.socket.end('late');
      t.same(framesOf(bodyOf(await client.untilEnd())), { 1: 'early GET / HTTP/1.1\r\n\r\nlate' });
    }
  });

  t.test('why it failed is told on the connection', async (t) => {
    const id = await prepare({ Cmd: ['nope'], AttachStdin: true, ...both });
    const client = new RawClient(daemon.socket);
    const { head, body } = startRequest(id, '{}', true);
    await client.write(`${head}${body}input for nobody`);
    const text =
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown\r\n';
    t.same(framesOf(bodyOf(await client.untilEnd())), { 1: text });
    t.match(await inspect(id), { Running: false, ExitCode: 127 });
  });

  t.test('refusals', async (t) => {
    t.match(await daemon.api('POST', '/v1.47/containers/web/exec', {}), {
      status: 400,
      json: { message: 'No exec command specified' },
    });
    t.match(await daemon.api('POST', '/v1.47/containers/none/exec', { Cmd: ['a'] }), {
      status: 404,
      json: { message: 'No such container: none' },
    });
    t.match(await daemon.api('POST', '/v1.47/containers/web/exec', { Cmd: ['a'], DetachKeys: 'ctrl-zz' }), {
      status: 400,
      json: { message: 'Invalid escape keys (ctrl-zz) provided' },
    });
    for (const [method, path] of [
      ['GET', 'json'],
      ['POST', 'start'],
      ['POST', 'resize?h=1&w=1'],
      ['POST', 'kill'],
    ] as const) {
      t.match(await daemon.api(method, `/v1.47/exec/none/${path}`, method === 'POST' ? {} : undefined), {
        status: 404,
        json: { message: 'No such exec instance: none' },
      });
    }
    const id = await prepare({ Cmd: ['true'] });
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/resize?h=1&w=1`), { status: 409 });
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/resize?h=x&w=1`), { status: 400 });
    await daemon.dockerOk(['pause', 'web']);
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/start`, {}), {
      status: 409,
      json: { message: /is paused, unpause the container before exec/ },
    });
    await daemon.dockerOk(['unpause', 'web']);
  });

  t.test('resize and kill', async (t) => {
    const id = await prepare({
      Cmd: ['sh', '-c', 'trap "stty size" WINCH; echo up; while :; do sleep 0.05; done'],
      Tty: true,
      AttachStdout: true,
    });
    const client = new RawClient(daemon.socket);
    const { head, body } = startRequest(id, '{"Tty":true}', true);
    await client.write(head + body);
    await client.until('up');
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/resize?h=33&w=44`), { status: 200 });
    await client.until('33 44');
    t.match(await inspect(id), { Running: true, ExitCode: null });
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/kill?signal=NOPE`), { status: 400 });
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/kill?signal=KILL`), { status: 204 });
    await client.untilEnd();
    t.match(await inspect(id), { Running: false, ExitCode: 137 });
    t.match(await daemon.api('POST', `/v1.47/exec/${id}/kill`), { status: 409 });
  });

  t.test('detach keys end the client, not the session', async (t) => {
    const id = await prepare({ Cmd: ['sh'], Tty: true, AttachStdin: true, AttachStdout: true, DetachKeys: 'ctrl-a,d' });
    const client = new RawClient(daemon.socket);
    const { head, body } = startRequest(id, '{"Tty":true}', true);
    await client.write(head + body);
    await client.write('echo $((40+2))\r');
    await client.until('42');
    await client.write('\x01');
    await client.write('d');
    await client.untilEnd();
    t.match(await inspect(id), { Running: true });
    const until = Math.ceil(Date.now() / 1000) + 1;
    const events = await daemon.api('GET', `/v1.47/events?since=1&until=${until}&filters={"event":["exec_detach"]}`);
    t.match(JSON.parse(events.body.toString()), { Action: 'exec_detach', Actor: { Attributes: { execID: id } } });
  });

  t.test('a session that ends with its client, on request', async (t) => {
    for (const KillOnDisconnect of [true, false]) {
      const id = await prepare({ Cmd: ['sh', '-c', 'echo up; sleep 1000'], AttachStdout: true, KillOnDisconnect });
      const client = new RawClient(daemon.socket);
      const { head, body } = startRequest(id, '{}', true);
      await client.write(head + body);
      await client.until('up');
      client.socket.destroy();
      let state = await inspect(id);
      while (KillOnDisconnect && state.Running === true) state = await inspect(id);
      t.match(state, KillOnDisconnect ? { Running: false, ExitCode: 137 } : { Running: true });
    }
  });

  t.test('sessions and the end of their container', async (t) => {
    const never = await prepare({ Cmd: ['true'] });
    const ran = await prepare({ Cmd: ['sh', '-c', 'sleep 1000'] });
    await daemon.api('POST', `/v1.47/exec/${ran}/start`, { Detach: true });
    await daemon.dockerOk(['restart', '-t', '0', 'web']);
    t.match(await daemon.api('GET', `/v1.47/exec/${never}/json`), { status: 404 }, 'never started: dropped');
    t.match(await inspect(ran), { Running: false, ExitCode: 137 }, 'one that ran can still be asked');
    await daemon.dockerOk(['rm', '-f', 'web']);
    t.match(await daemon.api('GET', `/v1.47/exec/${ran}/json`), { status: 404 });
  });
});
