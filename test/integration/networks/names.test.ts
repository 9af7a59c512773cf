// The names of containers on user-defined networks: who finds whom, under which names, over UDP and TCP, from the moment of a start on and
// over restarts of the daemon; and questions to others, as a name server of the test answers them.
import { createSocket } from 'node:dgram';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import t from 'tap';
import { bindSocket, close, connectTcp } from '../../../addon/index.ts';
import { framed, MessageReader } from '../../../daemon/networks/names/upstream.ts';
import { TestDaemon } from '../../helpers/daemon.ts';

type Type = 'A' | 'AAAA' | 'PTR' | 'TXT' | 'MX';

const packet = (name: string, type: Type, udpSize?: number): Uint8Array =>
  dnsPacket.encode({
    type: 'query',
    id: Math.floor(Math.random() * 65_536),
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals:
      udpSize === undefined
        ? []
        : [
            {
              ...{ type: 'OPT', name: '.', udpPayloadSize: udpSize, extendedRcode: 0, ednsVersion: 0, flags: 0 },
              ...{ flag_do: false, options: [] },
            },
          ],
  });

/** Asks the resolver from within a container's network namespace. */
async function ask(
  pid: string,
  name: string,
  type: Type = 'A',
  how: { readonly tcp?: boolean; readonly udpSize?: number } = {},
): Promise<dnsPacket.DecodedPacket> {
  const namespace = openSync(`/proc/${pid}/ns/net`, 'r');
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  try {
    if (how.tcp === true) {
      const socket = new Socket({ fd: await connectTcp(namespace, '127.0.0.11', 53), readable: true, writable: true });
      const reader = new MessageReader();
      socket.on('error', reject).on('data', (piece: Buffer) => {
        for (const message of reader.push(piece)) resolve(message);
      });
      socket.write(framed(packet(name, type, how.udpSize)));
      void promise.finally(() => socket.destroy()).catch(() => undefined);
    } else {
      const fd = await bindSocket(namespace, 'udp', '0.0.0.0', 0);
      const socket = createSocket('udp4');
      socket.on('error', reject).on('message', resolve);
      socket.bind({ fd }, () => socket.send(packet(name, type, how.udpSize), 53, '127.0.0.11'));
      void promise.finally(() => socket.close()).catch(() => undefined);
    }
    return dnsPacket.decode(Buffer.from(await promise));
  } finally {
    close(namespace);
  }
}

const data = (answer: dnsPacket.DecodedPacket): string[] =>
  (answer.answers ?? []).map((one) => ('data' in one ? String(one.data) : ''));
const codeOf = (answer: dnsPacket.DecodedPacket): unknown => ('rcode' in answer ? answer.rcode : undefined);

/** A name server of the world outside: an address for `outside.example`, much text for `large.example`, silence for the rest. */
async function outsideServer(address: string): Promise<{ readonly asked: string[]; close(): void }> {
  const asked: string[] = [];
  const answer = (raw: Uint8Array, overUdp: boolean): Uint8Array | undefined => {
    const query = dnsPacket.decode(Buffer.from(raw));
    const [question] = query.questions ?? [];
    const name = question?.name ?? '';
    asked.push(`${overUdp ? 'udp' : 'tcp'} ${name}`);
    const base = { type: 'response', id: query.id, questions: query.questions } as const;
    if (name === 'large.example' && overUdp) return dnsPacket.encode({ ...base, flags: dnsPacket.TRUNCATED_RESPONSE });
    if (name === 'large.example') {
      const texts = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(200, 'x'));
      return dnsPacket.encode({ ...base, answers: [{ type: 'TXT', name, ttl: 1, data: texts }] });
    }
    if (name !== 'outside.example') return dnsPacket.encode({ ...base, flags: 3 });
    return dnsPacket.encode({ ...base, answers: [{ type: 'A', name, ttl: 1, data: '192.0.2.80' }] });
  };
  const udp = createSocket('udp4');
  udp.on('message', (raw, { address: to, port }) => {
    const reply = answer(raw, true);
    if (reply !== undefined) udp.send(reply, port, to);
  });
  const tcp = createServer((socket) => {
    const reader = new MessageReader();
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      for (const raw of reader.push(piece)) {
        const reply = answer(raw, false);
        if (reply !== undefined) socket.write(framed(reply));
      }
    });
  });
  await new Promise<void>((resolve) => udp.bind(53, address, resolve));
  await new Promise<void>((resolve) => tcp.listen(53, address, resolve));
  return {
    asked,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}

const GATEWAY = '10.213.9.1';

const daemon = new TestDaemon();
t.teardown(() => daemon.cleanup());
await daemon.start();
await daemon.loadBusybox();
const ok = (...args: readonly string[]): Promise<string> => daemon.dockerOk(args);
const inspect = (name: string, format: string): Promise<string> => ok('inspect', '--format', format, name);
const pidOf = (name: string): Promise<string> => inspect(name, '{{.State.Pid}}');
const addressOf = (name: string, network: string): Promise<string> =>
  inspect(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);
const run = (name: string, ...more: readonly string[]): Promise<string> =>
  ok('run', '-d', '--name', name, ...more, 'busybox', 'sleep', '1000');

await ok('network', 'create', '--subnet', `10.213.9.0/24`, 'front');
await ok('network', 'create', '--ipv6', '--subnet', 'fd00:213::/64', '--subnet', '10.213.8.0/24', 'six');
await ok('network', 'create', '--internal', 'inner');

t.test('names, aliases, ids, links', async (t) => {
  await run('asker', '--network', 'front', '--link', 'web1:near', '--dns', GATEWAY);
  const id = await run('web1', '--network', 'front', '--network-alias', 'web', '-h', 'hostly');
  await run('web2', '--network', 'front', '--network-alias', 'web');
  const pid = await pidOf('asker');
  const web1 = await addressOf('web1', 'front');
  const web2 = await addressOf('web2', 'front');
  for (const name of ['web1', 'WEB1', 'hostly', id.slice(0, 12), 'near', 'web1.front']) {
    const answer = await ask(pid, name);
    t.same(data(answer), [web1], name);
    t.match(answer, { flag_ra: true, answers: [{ ttl: 600 }] });
  }
  t.same(data(await ask(pid, 'web1', 'A', { tcp: true })), [web1], 'over TCP');
  t.same(data(await ask(pid, 'web1', 'AAAA')), [], 'it has no such address');
  t.equal(codeOf(await ask(pid, 'web1', 'AAAA')), 'NOERROR');
  const reverse = `${web2.split('.').reverse().join('.')}.in-addr.arpa`;
  t.same(data(await ask(pid, reverse, 'PTR')), ['web2.front']);
  const firsts = new Set<string>();
  for (let round = 0; round < 4; round++) {
    const all = data(await ask(pid, 'web'));
    t.same([...all].sort(), [web1, web2].sort());
    firsts.add(all[0] ?? '');
  }
  t.equal(firsts.size, 2, 'each is the first in its turn');
  t.match(await ok('exec', 'asker', 'ping', '-c', '1', '-w', '5', 'web1'), /1 packets received/);
});

t.test('what changes while it is asked', async (t) => {
  const pid = await pidOf('asker');
  await ok('rename', 'web2', 'renamed');
  t.same(data(await ask(pid, 'renamed')), [await addressOf('renamed', 'front')]);
  await ok('network', 'disconnect', 'front', 'renamed');
  t.same(data(await ask(pid, 'web')), [await addressOf('web1', 'front')]);
  await ok('network', 'connect', '--alias', 'again', 'front', 'renamed');
  t.same(data(await ask(pid, 'again')), [await addressOf('renamed', 'front')]);
  await ok('stop', '-t', '0', 'renamed');
  const server = await outsideServer(GATEWAY);
  t.teardown(() => server.close());
  t.equal(codeOf(await ask(pid, 'renamed')), 'NXDOMAIN', 'one that has stopped is not found');
});

t.test('IPv6', async (t) => {
  await run('six1', '--network', 'six');
  await run('six2', '--network', 'six');
  const pid = await pidOf('six1');
  const address = await inspect('six2', '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}');
  t.same(data(await ask(pid, 'six2', 'AAAA')), [address]);
  t.same(data(await ask(pid, 'six2')), [await addressOf('six2', 'six')]);
  await ok('rm', '-f', 'six1', 'six2');
});

t.test('a connection made later', async (t) => {
  await run('joiner');
  await ok('network', 'connect', 'front', 'joiner');
  t.match(await ok('exec', 'joiner', 'cat', '/etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
  t.same(data(await ask(await pidOf('joiner'), 'web1')), [await addressOf('web1', 'front')]);
  t.match(
    await ok('run', '--rm', 'busybox', 'cat', '/etc/resolv.conf'),
    /^(?![\s\S]*127\.0\.0\.11)/,
    'not on the default bridge',
  );
  await ok('rm', '-f', 'joiner');
});

t.test('questions to others', async (t) => {
  const server = await outsideServer(GATEWAY);
  t.teardown(() => server.close());
  const pid = await pidOf('asker');
  t.same(data(await ask(pid, 'outside.example')), ['192.0.2.80']);
  t.same(data(await ask(pid, 'outside.example', 'A', { tcp: true })), ['192.0.2.80']);
  t.equal(codeOf(await ask(pid, 'nowhere.example')), 'NXDOMAIN');
  t.match(await ask(pid, 'large.example', 'TXT'), { flag_tc: true }, 'told to ask again');
  t.equal((await ask(pid, 'large.example', 'TXT', { tcp: true })).answers?.length, 1);
  t.match(await ok('exec', 'asker', 'nslookup', '-type=a', 'outside.example'), /192\.0\.2\.80/);
  t.ok(server.asked.includes('tcp outside.example'));
  await run('shut', '--network', 'inner', '--dns', GATEWAY);
  const before = server.asked.length;
  t.equal(codeOf(await ask(await pidOf('shut'), 'outside.example')), 'SERVFAIL');
  t.equal(server.asked.length, before, 'an internal network asks nobody');
  await ok('rm', '-f', 'shut');
});

t.test('many containers of one name', async (t) => {
  const names = Array.from({ length: 36 }, (_, index) => `many${index}`);
  await Promise.all(names.slice(0, 18).map((name) => run(name, '--network', 'front', '--network-alias', 'crowd')));
  await Promise.all(names.slice(18).map((name) => run(name, '--network', 'front', '--network-alias', 'crowd')));
  const pid = await pidOf('asker');
  t.match(await ask(pid, 'crowd'), { flag_tc: true }, 'over UDP without EDNS it is cut');
  t.equal(data(await ask(pid, 'crowd', 'A', { tcp: true })).length, 36);
  t.equal(data(await ask(pid, 'crowd', 'A', { udpSize: 4096 })).length, 36);
  await ok('rm', '-f', ...names);
});

t.test('resolv.conf', async (t) => {
  const file = (...flags: readonly string[]): Promise<string> =>
    ok('run', '--rm', '--network', 'front', ...flags, 'busybox', 'cat', '/etc/resolv.conf');
  t.match(await file(), /^nameserver 127\.0\.0\.11\n(search .*\n)?options (.* )?ndots:0$/m);
  const own = await file('--dns', '192.0.2.53', '--dns-search', 'a.test', '--dns-opt', 'ndots:2');
  t.match(own, /^nameserver 127\.0\.0\.11\nsearch a\.test\noptions ndots:2$/m);
  t.match(own, /192\.0\.2\.53/, 'what it asks is to be seen');
});

t.test('a name server in a container', async (t) => {
  // On all addresses, as dnsmasq and its like do it.
  await run('server', '--network', 'front');
  const namespace = openSync(`/proc/${await pidOf('server')}/ns/net`, 'r');
  const sockets = await Promise.all([
    bindSocket(namespace, 'udp', '0.0.0.0', 53),
    bindSocket(namespace, 'tcp', '0.0.0.0', 53),
  ]);
  t.equal(sockets.length, 2, 'port 53 is free for it');
  t.same(data(await ask(await pidOf('server'), 'web1')), [await addressOf('web1', 'front')]);
  for (const fd of [...sockets, namespace]) close(fd);
  await ok('rm', '-f', 'server');
});

t.test('over the death of the daemon', async (t) => {
  const pid = await pidOf('asker');
  const web1 = await addressOf('web1', 'front');
  await daemon.kill('SIGKILL');
  const udp = ask(pid, 'web1');
  const tcp = ask(pid, 'web1', 'A', { tcp: true });
  await daemon.start();
  t.same(data(await udp), [web1], 'what was asked meanwhile is answered');
  t.same(data(await tcp), [web1]);
  await daemon.restart('SIGTERM');
  t.same(data(await ask(pid, 'web1')), [web1]);
  t.notMatch(daemon.log(), /level=error/);
});

t.test('refuse', async (t) => {
  const pid = await pidOf('asker');
  const namespace = openSync(`/proc/${pid}/ns/net`, 'r');
  const fd = await bindSocket(namespace, 'udp', '0.0.0.0', 0);
  close(namespace);
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
  for (const nonsense of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(12), Buffer.alloc(1000, 0xff)]) {
    socket.send(nonsense, 53, '127.0.0.11');
  }
  t.same(data(await ask(pid, 'web1')), [await addressOf('web1', 'front')], 'nonsense does it no harm');
});

t.test("a resolver on the host's loopback, and a change of the host's file", async (t) => {
  // The daemon gets an /etc of its own over the host's, so that its resolv.conf can be changed.
  const other = new TestDaemon({ program: join(import.meta.dirname, 'private-etc.sh') });
  t.teardown(() => other.cleanup());
  mkdirSync(join(other.root, 'etc'));
  await other.start();
  await other.loadBusybox();
  const file = `/proc/${other.pid}/root/etc/resolv.conf`;
  t.match(readFileSync(file, 'utf8'), /127\.0\.77\.53/);
  const server = await outsideServer('127.0.77.53');
  t.teardown(() => server.close());
  await other.dockerOk(['network', 'create', 'net']);
  await other.dockerOk(['run', '-d', '--name', 'one', '--network', 'net', 'busybox', 'sleep', '1000']);
  const pid = await other.dockerOk(['inspect', '--format', '{{.State.Pid}}', 'one']);
  t.match(await other.dockerOk(['exec', 'one', 'cat', '/etc/resolv.conf']), /host\(127\.0\.77\.53\)/);
  t.same(data(await ask(pid, 'outside.example')), ['192.0.2.80']);
  t.same(data(await ask(pid, 'outside.example', 'A', { tcp: true })), ['192.0.2.80']);
  const second = await outsideServer('127.0.78.53');
  t.teardown(() => second.close());
  writeFileSync(file, 'nameserver 127.0.78.53\n');
  while (second.asked.length === 0) t.same(data(await ask(pid, 'outside.example')), ['192.0.2.80']);
});
