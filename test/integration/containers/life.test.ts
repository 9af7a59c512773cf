// The life of containers on the real kernel, seen from the service: states, events and their order, exit codes, policies, what is left.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { demultiplex, never, startEngine } from './harness.ts';

const engine = await startEngine(t);
const { containers } = engine;

const actions = async (id: string): Promise<string[]> =>
  (await engine.events(id)).map(({ type, action, attributes }) =>
    [type === 'container' ? action : `${type} ${action}`, attributes.signal, attributes.exitCode]
      .filter((part) => part !== undefined)
      .join(' '),
  );

t.test('from create to destroy, with its events in order', async (t) => {
  const id = await engine.create({
    name: 'whole',
    Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
    Labels: { a: 'b' },
  });
  t.match(await engine.record('whole'), { state: 'created', id, startedNs: 0n });
  t.equal(await containers.start(id), 'started');
  t.equal(await engine.exitCode(id), 3);
  t.match(await engine.record(id), { state: 'exited', exitCode: 3, pid: 0, error: '' });
  t.equal(await engine.logs(id), 'out\nerr\n');
  await containers.remove(id, { force: false, volumes: false });
  t.same(await actions(id), ['create', 'network connect', 'start', 'die 3', 'network disconnect', 'destroy']);
  t.match((await engine.events(id))[0], { attributes: { a: 'b', image: 'busybox', name: 'whole' } });
  await t.rejects(containers.get(id), { kind: 'not-found', message: `No such container: ${id}` });
  await engine.settled();
  t.notOk(existsSync(join(engine.root, 'data/rw', id)));
  t.notOk(existsSync(join(engine.root, 'data/containers', id)));
  t.notOk(existsSync(join(engine.root, 'exec/containers', id)));
});

t.test('what it writes is there when wait answers', async (t) => {
  for (let round = 0; round < 5; round++) {
    const id = await engine.run('seq 1 2000', { host: { AutoRemove: false } });
    await engine.exitCode(id);
    t.ok((await engine.logs(id)).endsWith('\n2000\n'));
    await containers.remove(id, { force: false, volumes: false });
  }
});

t.test('stop: the signal, its time, then SIGKILL', async (t) => {
  const polite = await engine.run('trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done');
  for await (const _ of containers.logs(polite, {
    stdout: true,
    stderr: true,
    follow: true,
    timestamps: false,
    details: false,
    since: 0n,
    until: 0n,
    tail: -1,
  }).stream)
    break;
  t.equal(await containers.stop(polite, {}), 'stopped');
  t.match(await engine.record(polite), { state: 'exited', exitCode: 7, manuallyStopped: true });
  t.same((await actions(polite)).slice(3), ['kill 15', 'die 7', 'network disconnect', 'stop']);
  t.equal(await containers.stop(polite, {}), 'not-running');

  const deaf = await engine.run('trap "" TERM; sleep 100');
  t.equal(await containers.stop(deaf, { timeout: 0 }), 'stopped');
  t.match(await engine.record(deaf), { state: 'exited', exitCode: 137 });
  t.same((await actions(deaf)).slice(3), ['kill 15', 'kill 9', 'die 137', 'network disconnect', 'stop']);

  const overtaken = await engine.run('trap "" TERM; sleep 100');
  const stopping = containers.stop(overtaken, { timeout: 100 });
  await containers.kill(overtaken, 'KILL');
  t.equal(await stopping, 'stopped', 'a kill overtakes a stop that waits');
});

t.test('kill, pause and their refusals', async (t) => {
  const id = await engine.run('trap "echo caught" USR1; echo ready; while :; do sleep 0.05; done', {
    name: 'signalled',
  });
  const seen = containers.logs(id, {
    stdout: true,
    stderr: true,
    follow: true,
    timestamps: false,
    details: false,
    since: 0n,
    until: 0n,
    tail: -1,
  }).stream;
  let text = '';
  for await (const chunk of seen) {
    if (text === '') await containers.kill(id, 'SIGUSR1');
    text += (chunk as Buffer).toString();
    if (text.includes('caught')) break;
  }
  await t.rejects(containers.kill('signalled', 'NOPE'), {
    kind: 'invalid-argument',
    message: 'cannot kill container: signalled: invalid signal: NOPE',
  });
  await containers.pause(id);
  t.match(await engine.record(id), { state: 'paused' });
  await t.rejects(containers.pause(id), { kind: 'conflict', message: `Container ${id} is already paused` });
  await t.rejects(containers.start(id), {
    kind: 'conflict',
    message: 'cannot start a paused container, try unpause instead',
  });
  t.throws(
    () =>
      containers.prepareAttach(id, {
        stdin: false,
        stdout: true,
        stderr: true,
        stream: true,
        logs: false,
        detachKeys: '',
      }),
    { kind: 'conflict', message: 'container signalled is paused, unpause the container before attach' },
  );
  await t.rejects(containers.remove(id, { force: false, volumes: false }), {
    kind: 'conflict',
    message: /container is paused: unpause and then stop/,
  });
  await containers.unpause(id);
  t.equal(await containers.start(id), 'already-running');
  await containers.pause(id);
  await containers.kill(id, 'KILL');
  t.match(await engine.record(id), { state: 'exited', exitCode: 137 });
  await t.rejects(containers.kill(id, 'KILL'), {
    kind: 'conflict',
    message: `cannot kill container: ${id}: container ${id} is not running`,
  });
  await t.rejects(containers.resize(id, 1, 1), { kind: 'conflict', message: `container ${id} is not running` });
});

t.test('a start that fails leaves the container as it was', async (t) => {
  const missing = await engine.create({ Cmd: ['nosuch'] });
  await t.rejects(containers.start(missing), {
    kind: 'invalid-argument',
    message: /exec: "nosuch": executable file not found in \$PATH/,
  });
  t.match(await engine.record(missing), { state: 'created', exitCode: 127, error: /executable file not found/ });
  t.same(await actions(missing), ['create', 'network connect', 'network disconnect']);

  const stranger = await engine.create({ Cmd: ['true'], User: 'zork' });
  await t.rejects(containers.start(stranger), {
    message: 'unable to find user zork: no matching entries in passwd file',
  });
  t.match(await engine.record(stranger), { state: 'created', exitCode: 128 });

  const nowhere = await engine.create({ Cmd: ['true'], host: { NetworkMode: 'zork' } });
  await t.rejects(containers.start(nowhere), { kind: 'not-found', message: 'network zork not found' });

  const ephemeral = await engine.create({ Cmd: ['nosuch'], host: { AutoRemove: true } });
  const removed = containers.wait(ephemeral, 'removed', never);
  const client = await engine.attach(ephemeral);
  await t.rejects(containers.start(ephemeral), { kind: 'invalid-argument', message: /nosuch/ });
  t.match(await removed, { statusCode: 127 });
  t.equal((await client.ended).toString(), 'hello\n', 'a client that waited sees the end');
  await t.rejects(containers.get(ephemeral), { kind: 'not-found', message: /[Nn]o such/ });
  await engine.settled();
});

t.test('attach before the start, with input, and to a running one', async (t) => {
  const id = await engine.create({ Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const client = await engine.attach(id, { stdin: true });
  client.socket.end('some input\n');
  const ended = containers.wait(id, 'next-exit', never);
  await containers.start(id);
  t.match(await ended, { statusCode: 0 });
  const data = await client.ended;
  t.equal(data.subarray(0, 6).toString(), 'hello\n');
  t.same(demultiplex(data.subarray(6)), { stdout: 'some input\n', stderr: '' });
  t.same(await actions(id), ['create', 'attach', 'network connect', 'start', 'die 0', 'network disconnect']);

  const later = await engine.run('echo before; read x; echo "got $x"', { OpenStdin: true });
  await containers
    .logs(later, {
      stdout: true,
      stderr: true,
      follow: true,
      timestamps: false,
      details: false,
      since: 0n,
      until: 0n,
      tail: -1,
    })
    .stream.take(1)
    .toArray();
  const second = await engine.attach(later, { stdin: true, logs: true });
  second.socket.write('word\n');
  const all = (await second.ended).subarray(6);
  t.same(demultiplex(all), { stdout: 'before\ngot word\n', stderr: '' }, 'what was logged comes first');
  const past = await engine.attach(later, { logs: true, stream: false });
  t.same(demultiplex((await past.ended).subarray(6)), { stdout: 'before\ngot word\n', stderr: '' });
});

t.test('restart policies', async (t) => {
  const failing = await engine.create({
    Cmd: ['sh', '-c', 'exit 2'],
    host: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } },
  });
  const exits: Promise<unknown>[] = [];
  const leave = new AbortController();
  const deaths = engine.engine.services.events.stream({
    filters: { event: ['die'], container: [failing] },
    signal: leave.signal,
  });
  exits.push(
    (async () => {
      let count = 0;
      for await (const _ of deaths) {
        count += 1;
        if (count === 3) leave.abort();
      }
    })(),
  );
  await containers.start(failing);
  await Promise.all(exits);
  await containers.wait(failing, 'not-running', never);
  t.match(await engine.record(failing), { state: 'exited', restartCount: 2, exitCode: 2 });
  await containers.start(failing);
  t.ok((await engine.record(failing)).restartCount <= 2, 'a start on request begins to count anew');
  await containers.remove(failing, { force: true, volumes: false });

  const always = await engine.create({ Cmd: ['sh', '-c', 'exit 0'], host: { RestartPolicy: { Name: 'always' } } });
  const twice = engine.nextEvent(always, 'die');
  await containers.start(always);
  await twice;
  while ((await engine.record(always)).state !== 'restarting') await engine.nextEvent(always, 'die');
  await t.rejects(containers.remove(always, { force: false, volumes: false }), {
    kind: 'conflict',
    message: /container is restarting/,
  });
  await containers.stop(always, {});
  t.match(await engine.record(always), { state: 'exited', manuallyStopped: true });
});

t.test('--rm: gone after its end, with its anonymous volumes, and kept by a restart', async (t) => {
  const id = await engine.run('trap "exit 0" TERM; echo up; while :; do sleep 0.05; done', {
    host: { AutoRemove: true, Binds: ['/anonymous', 'named:/named'] },
  });
  const volume = (await engine.record(id)).mounts.find(({ destination }) => destination === '/anonymous')?.name ?? '';
  t.ok(engine.engine.services.volumes.get(volume).anonymous);
  await containers.restart(id, { timeout: 5 });
  t.match(await engine.record(id), { state: 'running' });
  t.ok((await actions(id)).includes('restart'));
  const removed = containers.wait(id, 'removed', never);
  await containers.stop(id, {});
  await removed;
  t.throws(() => engine.engine.services.volumes.get(volume), { kind: 'not-found', message: /[Nn]o such/ });
  t.equal(engine.engine.services.volumes.get('named').name, 'named');
  t.equal((await actions(id)).at(-2), 'stop', 'the stop is told before the removal');
  await engine.settled();
});

t.test('namespaces of another container', async (t) => {
  const first = await engine.run('sleep 100', {
    name: 'first',
    Hostname: 'firsthost',
    host: { IpcMode: 'shareable', NetworkMode: 'bridge' },
  });
  const inode = 'readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; cat /etc/hostname';
  const joined = await engine.output(inode, { host: { NetworkMode: 'container:first', IpcMode: 'container:first' } });
  const own = await engine.output(inode);
  t.match(joined, /firsthost\nfirsthost\n$/);
  t.not(joined.split('\n')[0], own.split('\n')[0]);
  t.match(await engine.output('ps', { host: { PidMode: 'container:first' } }), /sleep 100/);
  await containers.remove(first, { force: true, volumes: false });
  const late = await engine.create({ Cmd: ['true'], host: { NetworkMode: 'container:late' }, name: 'joins' });
  await t.rejects(containers.start(late), { kind: 'not-found', message: 'No such container: late' });
  const still = await engine.create({ Cmd: ['true'], name: 'still' });
  const joins = await engine.create({ Cmd: ['true'], host: { NetworkMode: 'container:still' } });
  await t.rejects(containers.start(joins), {
    kind: 'conflict',
    message: `cannot join network of a non running container: ${still}`,
  });
});

t.test('names', async (t) => {
  const id = await engine.create({ name: 'taken', Cmd: ['true'] });
  await t.rejects(engine.create({ name: 'taken', Cmd: ['true'] }), {
    kind: 'conflict',
    message: `Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  });
  await t.rejects(engine.create({ name: '@', Cmd: ['true'] }), {
    kind: 'invalid-argument',
    message: 'Invalid container name (@), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
  });
  await t.rejects(containers.rename(id, ''), { message: 'Neither old nor new names may be empty' });
  await t.rejects(containers.rename(id, 'taken'), {
    message: 'Renaming a container with the same name as its current name',
  });
  await t.rejects(containers.rename(id, '/'), {
    message: 'Error when allocating new name: Invalid container name (/), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
  });
  await containers.rename(id, 'other');
  t.equal((await engine.record('/other')).id, id);
  t.equal((await engine.record(id.slice(0, 12))).id, id);
  const anonymous = await engine.create({ Cmd: ['true'] });
  t.match((await engine.record(anonymous)).name, /^[a-z]+_[a-z]+\d*$/);
  const racers = await Promise.allSettled(
    Array.from({ length: 8 }, () => engine.create({ name: 'race', Cmd: ['true'] })),
  );
  t.equal(racers.filter(({ status }) => status === 'fulfilled').length, 1, 'one of several at once gets the name');
});

t.test('many at once', async (t) => {
  const codes = await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const id = await engine.run(`echo out${index}; exit ${index}`, { host: { NetworkMode: 'bridge' } });
      const code = await engine.exitCode(id);
      const text = await engine.logs(id);
      await containers.remove(id, { force: true, volumes: false });
      return `${code} ${text.trim()}`;
    }),
  );
  t.same(
    codes,
    Array.from({ length: 24 }, (_, index) => `${index} out${index}`),
  );
});

t.test('stop, kill, restart and removal at once end in a removal', async (t) => {
  for (let round = 0; round < 4; round++) {
    const id = await engine.run('sleep 100');
    await Promise.allSettled([
      containers.stop(id, { timeout: 1 }),
      containers.kill(id, 'KILL'),
      containers.restart(id, { timeout: 0 }),
      containers.remove(id, { force: true, volumes: true }),
    ]);
    await containers.remove(id, { force: true, volumes: true }).catch(() => undefined);
    await t.rejects(containers.get(id), { kind: 'not-found', message: /[Nn]o such/ });
  }
});

t.test('prune', async (t) => {
  const running = await engine.run('sleep 100', { Labels: { keep: '' } });
  const kept = await engine.create({ Cmd: ['true'], Labels: { keep: '' } });
  const { deleted } = await containers.prune({ 'label!': ['keep'] });
  t.ok(deleted.length > 0);
  t.notOk(deleted.includes(kept));
  await t.rejects(containers.prune({ zork: [''] }), { kind: 'invalid-argument', message: "invalid filter 'zork'" });
  await t.rejects(containers.prune({ until: ['foo'] }), {
    message: 'failed to parse value as time or duration: "foo"',
  });
  t.same((await containers.prune({ until: ['1h'] })).deleted, []);
  t.same((await containers.prune({})).deleted, [kept]);
  await containers.remove(running, { force: true, volumes: false });
  t.match(containers.counts(), { total: 0, running: 0, paused: 0, stopped: 0 });
});

t.test('nothing is left', async (t) => {
  await engine.settled();
  t.same(engine.leftovers(), []);
});
