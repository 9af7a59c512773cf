// Owns the proof that namespaces are made on worker threads which all come back, and that netlink's answers arrive whole.
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { close, createNetworkNamespace, netlinkTransact, openNetlink } from '../../../addon/index.ts';
import { dumpAddresses, newAddress, readAddresses } from '../../../daemon/supervisor/network/address.ts';
import { parsePrefix } from '../../../daemon/supervisor/network/ip-address.ts';
import { deleteLink, dumpLinks, getLink, newBridge, readLinks } from '../../../daemon/supervisor/network/link.ts';
import { closeNamespace, createNamespace, openNamespace } from '../../../daemon/supervisor/network/netns.ts';
import { RouteSocket } from '../../../daemon/supervisor/network/route-socket.ts';
import { decode } from '../../../daemon/supervisor/network/rtnetlink.ts';

const namespaces = (): ReadonlySet<string> =>
  new Set(readdirSync('/proc/self/task').map((thread) => readlinkSync(`/proc/self/task/${thread}/ns/net`)));

const descriptors = (): number => readdirSync('/proc/self/fd').length;

t.test('32 namespaces at once, and every thread is back in its own', async (t) => {
  const before = descriptors();
  const made = await Promise.all(Array.from({ length: 32 }, () => createNamespace()));
  const names = new Set(made.map((one) => readlinkSync(`/proc/self/fd/${one.namespace}`)));
  t.equal(names.size, 32);
  t.equal(namespaces().size, 1);
  for (const one of made) t.notOk(namespaces().has(readlinkSync(`/proc/self/fd/${one.namespace}`)));
  for (const one of made) {
    const links = readLinks(await new RouteSocket(one.netlink).request([dumpLinks()]));
    t.match(
      links.find((link) => link.index === 1),
      { name: 'lo', up: true },
    );
  }
  for (const one of made) closeNamespace(one);
  t.equal(descriptors(), before, 'no descriptor is left');
});

t.test('the namespace of a process; one that has gone', async (t) => {
  const own = await openNamespace(process.pid);
  t.ok(namespaces().has(readlinkSync(`/proc/self/fd/${own.namespace}`)));
  closeNamespace(own);
  await t.rejects(openNamespace(2 ** 22 + 1), { code: 'ENOENT' });
});

t.test('a refusal tells which message and why; the others of the batch are done', async (t) => {
  const namespace = await createNamespace();
  const socket = new RouteSocket(namespace.netlink);
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const { refused } = await socket.attempt([newBridge('b0', mac, 0), newBridge('b0', mac, 0), newBridge('b1', mac, 0)]);
  t.same([...refused.keys()], [1]);
  t.match(refused.get(1), { code: 'EEXIST', what: 'create bridge b0' });
  await t.rejects(socket.request([deleteLink('none')]), { message: /^delete link none: ENODEV/ });
  t.match(readLinks(await socket.request([getLink('b1')])), [{ name: 'b1', kind: 'bridge', mac }]);
  closeNamespace(namespace);
});

t.test('an answer of many pieces', async (t) => {
  const namespace = await createNamespace();
  const socket = new RouteSocket(namespace.netlink);
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  await socket.request([newBridge('b0', mac, 0)]);
  const index = readLinks(await socket.request([getLink('b0')]))[0]?.index ?? 0;
  const prefixes = Array.from({ length: 1000 }, (_, at) => parsePrefix(`10.${at >> 8}.${at & 255}.1/24`)).filter(
    (one) => one !== undefined,
  );
  for (let at = 0; at < prefixes.length; at += 250) {
    await socket.request(prefixes.slice(at, at + 250).map((prefix) => newAddress(index, prefix)));
  }
  const seen = readAddresses(await socket.request([dumpAddresses()])).filter((one) => one.index === index);
  t.equal(seen.length, 1000);
  closeNamespace(namespace);
});

t.test('bad arguments and sockets', async (t) => {
  const socket = await openNetlink();
  t.throws(() => netlinkTransact(-1, new Uint8Array(16)), { message: /fd: expected a descriptor/ });
  await t.rejects(netlinkTransact(socket, Uint8Array.of(255, 0, 0, 0)), { code: 'EINVAL' });
  t.equal((await netlinkTransact(socket, new Uint8Array())).length, 0);
  close(socket);
  await t.rejects(openNetlink(0), { message: /^setns: / });
  const bare = await createNetworkNamespace();
  t.same(decode(bare.replies), []);
  closeNamespace(bare);
  t.equal(namespaces().size, 1);
});
