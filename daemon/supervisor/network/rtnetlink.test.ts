// Owns the proof of the byte layout against hex dumps (little endian, as linux/netlink.h and linux/rtnetlink.h lay it out).
import t, { type Test } from 'tap';
import { newAddress, newDefaultRoute, readAddresses, readRoutes } from './address.ts';
import { parseAddress, parseMac, parsePrefix } from './ip-address.ts';
import { deleteLink, dumpLinks, newBridge, newVeth, readLinks, setBridgePort, setUp } from './link.ts';
import { answersTo, decode, encode, NetlinkError, type Request, readAttributes, refusals } from './rtnetlink.ts';

const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s|#.*$/gm, ''), 'hex'));
const same = (t: Test, requests: readonly Request[], dump: string): void => {
  t.equal(hex(encode(requests)), hex(bytes(dump)));
};

t.test('link up: header, flags, index', async (t) => {
  same(
    t,
    [setUp(1, true)],
    `20000000 1000 0500 01000000 00000000   # 32 bytes, RTM_NEWLINK, REQUEST|ACK, sequence 1
     00 00 0000 01000000 01000000 01000000 # ifinfomsg: index 1, IFF_UP, change IFF_UP`,
  );
});

t.test('a bridge: nested attributes', async (t) => {
  const mac = parseMac('02:42:00:00:00:01') ?? new Uint8Array();
  same(
    t,
    [newBridge('br0', mac, 1500)],
    `60000000 1000 0506 01000000 00000000   # RTM_NEWLINK, REQUEST|ACK|EXCL|CREATE
     00 00 0000 00000000 00000000 00000000
     0800 0300 62723000                    # IFLA_IFNAME
     0a00 0100 024200000001 0000           # IFLA_ADDRESS, padded
     0800 0400 dc050000                    # IFLA_MTU
     2400 1280                             # IFLA_LINKINFO, nested
       0b00 0100 62726964676500 00         # kind "bridge"
       1400 0280                           # data, nested
         0800 0100 00000000                # forward delay
         0800 0500 00000000                # STP`,
  );
});

t.test('a veth: the peer is a header with attributes behind it', async (t) => {
  const pair = {
    hostName: 'v0',
    peerName: 'eth0',
    peerNamespace: 9,
    peerMac: parseMac('02:42:ac:11:00:02') ?? new Uint8Array(),
    master: 3,
    mtu: 1500,
  };
  same(
    t,
    [newVeth(pair)],
    `88000000 1000 0506 01000000 00000000
     00 00 0000 00000000 01000000 01000000 # up at once
     0700 0300 763000 00
     0800 0400 dc050000
     0800 0a00 03000000                    # IFLA_MASTER
     5000 1280
       0900 0100 7665746800 000000
       4000 0280
         3c00 0100                         # VETH_INFO_PEER
           00 00 0000 00000000 00000000 00000000
           0900 0300 6574683000 000000
           0a00 0100 0242ac110002 0000
           0800 0400 dc050000
           0800 1c00 09000000              # IFLA_NET_NS_FD`,
  );
});

t.test('a batch has rising sequence numbers; a dump asks for no acknowledgement', async (t) => {
  same(
    t,
    [deleteLink(5), dumpLinks()],
    `20000000 1100 0500 01000000 00000000
     00 00 0000 05000000 00000000 00000000
     28000000 1200 0103 02000000 00000000
     00 00 0000 00000000 00000000 00000000
     0800 1d00 08000000`,
  );
});

t.test('bridge port settings go as RTM_SETLINK of the bridge family', async (t) => {
  same(
    t,
    [setBridgePort(7, { isolated: true, hairpin: false })],
    `34000000 1300 0500 01000000 00000000
     07 00 0000 07000000 00000000 00000000
     1400 0c80
       0500 0400 00 000000
       0500 2100 01 000000`,
  );
});

t.test('addresses and routes', async (t) => {
  const prefix = parsePrefix('172.17.0.2/16');
  const gateway = parseAddress('fd00::1');
  if (prefix === undefined || gateway === undefined) throw new Error('unreachable');
  same(
    t,
    [newAddress(2, prefix), newDefaultRoute(2, gateway)],
    `30000000 1400 0505 01000000 00000000   # RTM_NEWADDR, CREATE|REPLACE
     02 10 00 00 02000000
     0800 0200 ac110002
     0800 0100 ac110002
     0800 0400 ac11ffff                    # broadcast
     38000000 1800 0506 02000000 00000000  # RTM_NEWROUTE, CREATE|EXCL
     0a 00 00 00 fe 03 00 01 00000000
     1400 0500 fd000000000000000000000000000001
     0800 0400 02000000`,
  );
});

t.test("a refusal with the kernel's explanation", async (t) => {
  const requests = [setUp(1, true), setUp('nope', true)];
  const replies = decode(
    bytes(
      `24000000 0200 0001 01000000 01000000 00000000 20000000 1000 0500 01000000 00000000
       38000000 0200 0003 02000000 01000000 edffffff 2c000000 1000 0500 02000000 00000000
       1300 0100 6e6f20737563682064657669636500 00`,
    ),
  );
  const refused = refusals(requests, replies);
  t.equal(refused.size, 1);
  const error = refused.get(1);
  t.ok(error instanceof NetlinkError);
  t.match(error, { code: 'ENODEV', errno: 19, what: 'set link nope up', explanation: 'no such device' });
  t.equal(error?.message, 'set link nope up: ENODEV: no such device');
});

t.test('answers are read: links, addresses, routes', async (t) => {
  const replies = decode(
    bytes(
      `58000000 1000 0000 01000000 01000000
       00 00 0100 03000000 01000000 00000000
       0a00 0300 766574683100 0000
       0800 0a00 02000000
       0800 0500 07000000
       1000 1280 0900 0100 7665746800 000000
       0900 1400 7473643a00 000000
       28000000 1400 0200 01000000 01000000
       02 18 00 00 03000000
       0800 0100 0a000001
       0800 0200 0a000001
       34000000 1800 0200 01000000 01000000
       02 18 00 00 fe 02 00 01 00000000
       0800 0f00 fe000000
       0800 0100 0a000000
       0800 0400 03000000
       24000000 1800 0200 01000000 01000000
       02 20 00 00 ff 02 00 02 00000000
       0800 0100 0a000001`,
    ),
  );
  t.match(readLinks(replies), [{ index: 3, name: 'veth1', up: true, alias: 'tsd:', kind: 'veth', master: 2, peer: 7 }]);
  t.same(readAddresses(replies), [{ index: 3, prefix: { address: { family: 4, value: 0x0a000001n }, bits: 24 } }]);
  t.same(
    readRoutes(replies),
    [{ destination: { address: { family: 4, value: 0x0a000000n }, bits: 24 }, index: 3, gateway: undefined }],
    'the local table is left out',
  );
  t.equal(answersTo(0, replies).length, 4);
});

t.test('damaged bytes are refused or end the reading', async (t) => {
  t.throws(() => decode(bytes('ff000000 1000 0000 01000000 01000000')), /says 255 bytes, 16 are there/);
  t.same(decode(bytes('1000')), []);
  t.equal(readAttributes(bytes('0300 0100 0000'), 0).size, 0);
});
