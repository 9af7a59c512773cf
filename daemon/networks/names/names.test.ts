// Owns the proof of the resolver's pure parts: messages, decisions, streams, the host's file.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import t from 'tap';
import { Database } from '../../store/database.ts';
import { type EndpointRow, type NetworkRow, NetworkTable } from '../../store/networks.ts';
import { HostResolvers, nameServers } from './host-resolvers.ts';
import { decide, reversed } from './lookup.ts';
import {
  failure,
  isTruncated,
  ownAnswer,
  passOn,
  type Query,
  readQuery,
  responseCode,
  sameQuestion,
  withId,
} from './message.ts';
import { framed, MessageReader } from './upstream.ts';

type QuestionType = 'A' | 'AAAA' | 'PTR' | 'MX' | 'TXT';

const raw = (name: string, type: QuestionType = 'A', udpSize?: number): Uint8Array =>
  dnsPacket.encode({
    type: 'query',
    id: 4711,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals:
      udpSize === undefined
        ? []
        : [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: udpSize,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
  });

function query(name: string, type: QuestionType = 'A', udpSize?: number): Query {
  const read = readQuery(raw(name, type, udpSize));
  if (read.kind !== 'query') throw new Error(`not a query: ${read.kind}`);
  return read.query;
}

t.test('queries', async (t) => {
  t.match(query('Web.Example', 'AAAA'), { id: 4711, name: 'Web.Example', type: 'AAAA', udpSize: 512, internet: true });
  t.equal(query('web', 'A', 1232).udpSize, 1232);
  t.equal(query('web', 'A', 65_000).udpSize, 4096);
  t.equal(query('web', 'A', 10).udpSize, 512);
  t.equal(readQuery(Uint8Array.of(1, 2, 3)).kind, 'ignore');
  const answer = raw('web');
  answer[2] = 0x80;
  t.equal(readQuery(answer).kind, 'ignore', 'answers are not answered');
  const notify = raw('web');
  notify[2] = 0x20;
  t.match(readQuery(notify), { kind: 'refusal' });
  const cut = raw('web').slice(0, 14);
  const refused = readQuery(cut);
  t.ok(refused.kind === 'refusal' && (refused.answer[3] ?? 0) === responseCode.formatError);
});

t.test('answers', async (t) => {
  const addresses = ['10.0.0.2', '10.0.0.3'];
  const answer = dnsPacket.decode(Buffer.from(ownAnswer(query('web'), { type: 'A', addresses }, true)));
  t.match(answer, {
    id: 4711,
    type: 'response',
    flag_ra: true,
    flag_rd: true,
    rcode: 'NOERROR',
    questions: [{ name: 'web', type: 'A' }],
    answers: [
      { name: 'web', type: 'A', ttl: 600, data: '10.0.0.2' },
      { name: 'web', type: 'A', ttl: 600, data: '10.0.0.3' },
    ],
    additionals: [],
  });
  t.match(dnsPacket.decode(Buffer.from(ownAnswer(query('web', 'AAAA'), { type: 'nothing' }, true))), {
    rcode: 'NOERROR',
    answers: [],
  });
  const many = Array.from({ length: 100 }, (_, index) => `10.0.0.${index + 2}`);
  const large = { type: 'A', addresses: many } as const;
  const cut = ownAnswer(query('web'), large, true);
  t.ok(isTruncated(cut), 'over UDP the client asks again');
  t.ok(cut.length <= 512);
  t.equal(dnsPacket.decode(Buffer.from(cut)).answers?.length, 25, 'and has what fits');
  t.notOk(isTruncated(ownAnswer(query('web', 'A', 4096), large, true)), 'with EDNS it need not');
  t.notOk(isTruncated(ownAnswer(query('web'), large, false)));
  t.match(dnsPacket.decode(Buffer.from(ownAnswer(query('web', 'A', 4096), large, true))), {
    additionals: [{ type: 'OPT', udpPayloadSize: 4096 }],
  });
  t.match(dnsPacket.decode(Buffer.from(failure(query('x'), responseCode.serverFailure))), {
    rcode: 'SERVFAIL',
    id: 4711,
  });
  t.equal(dnsPacket.decode(Buffer.from(passOn(query('x'), withId(raw('x'), 9), true))).id, 4711);
  t.ok(sameQuestion(raw('Web'), raw('web')));
  t.notOk(sameQuestion(raw('web'), raw('other')));
  t.notOk(sameQuestion(raw('web'), raw('web', 'AAAA')));
});

t.test('messages of a stream', async (t) => {
  const reader = new MessageReader();
  const all = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('three'))]);
  const got: string[] = [];
  for (const byte of all) got.push(...reader.push(Uint8Array.of(byte)).map((one) => Buffer.from(one).toString()));
  t.same(got, ['one', 'three']);
});

t.test('addresses backwards', async (t) => {
  t.equal(reversed('2.0.0.10.in-addr.arpa'), '10.0.0.2');
  t.equal(reversed(`2.${'0.'.repeat(30)}f.ip6.arpa`), 'f000::2');
  t.equal(reversed('2.0.10.in-addr.arpa'), undefined);
  t.equal(reversed('web'), undefined);
});

const network = (id: string, name: string, internal = false): NetworkRow => ({
  ...{ id, name, internal, driver: 'bridge', createdNs: 1n, attachable: false, enableIPv4: true, enableIPv6: true },
  ...{ ipamDriver: 'default', ipamOptions: {}, options: {}, labels: {}, link: `br-${id}`, pools: [] },
});

const endpoint = (
  id: string,
  networkId: string,
  containerId: string,
  more: Partial<EndpointRow> = {},
): EndpointRow => ({
  ...{ id, networkId, containerId, containerName: containerId, ready: true, prefixLength: 24, gateway: '' },
  ...{ ipAddress: '', ipv6Address: '', ipv6PrefixLength: 0, ipv6Gateway: '', macAddress: '', hostLink: `veth${id}` },
  ...{ interfaceName: 'eth0', aliases: [], links: [] },
  ...more,
});

t.test('who is asked for what', async (t) => {
  const database = new Database(':memory:');
  const table = new NetworkTable(database);
  const add = (row: EndpointRow, ...names: readonly string[]): void =>
    database.transaction(() => {
      table.insertEndpoint(row);
      for (const name of names) table.insertName(row, name);
      if (row.ipAddress === '') return;
      table.insertAddress({ ...row, address: row.ipAddress, position: 0, offset: undefined, endpointId: row.id });
    });
  for (const row of [network('f', 'front'), network('b', 'back', true), network('d', 'bridge')]) table.insert(row);
  add(endpoint('1', 'f', 'asker', { links: ['db:Database', 'web'] }), 'asker');
  add(endpoint('2', 'f', 'web', { ipAddress: '10.0.0.2', ipv6Address: 'fd00::2' }), 'web', 'www');
  add(endpoint('3', 'f', 'web2', { ipAddress: '10.0.0.3' }), 'web2', 'WWW');
  add(endpoint('4', 'b', 'db', { ipAddress: '10.1.0.2' }), 'db');
  add(endpoint('5', 'b', 'asker'), 'asker');
  add(endpoint('6', 'b', 'closed'), 'closed');
  add(endpoint('7', 'f', 'db', { ipAddress: '10.0.0.9' }), 'db');
  const of = (name: string, type?: QuestionType, container = 'asker', ndots = false) =>
    decide(table, container, query(name, type), ndots);
  const own = (answer: object) => ({ kind: 'own', answer });
  t.same(of('web'), own({ type: 'A', addresses: ['10.0.0.2'] }));
  t.same(of('WWW'), own({ type: 'A', addresses: ['10.0.0.2', '10.0.0.3'] }));
  t.same(of('www', 'AAAA'), own({ type: 'AAAA', addresses: ['fd00::2'] }));
  t.same(of('web2', 'AAAA'), own({ type: 'nothing' }), 'it exists and has no such address');
  t.same(of('web', 'MX'), own({ type: 'nothing' }));
  t.same(of('web.front'), own({ type: 'A', addresses: ['10.0.0.2'] }));
  t.same(of('web.back'), { kind: 'forward' });
  t.same(of('db'), own({ type: 'A', addresses: ['10.0.0.9'] }), 'the first network that knows it');
  t.same(of('db.back'), own({ type: 'A', addresses: ['10.1.0.2'] }));
  t.same(of('database'), own({ type: 'A', addresses: ['10.0.0.9'] }), 'by a link');
  t.same(of('database', 'A', 'web'), { kind: 'forward' }, "another's link");
  t.same(of('2.0.0.10.in-addr.arpa', 'PTR'), own({ type: 'PTR', name: 'web.front' }));
  t.same(of('9.9.9.9.in-addr.arpa', 'PTR'), { kind: 'forward' });
  t.same(of('example.com'), { kind: 'forward' });
  t.same(of('web', 'TXT'), { kind: 'forward' });
  t.same(of('example.com', 'A', 'closed'), { kind: 'closed' });
  t.same(of('db', 'A', 'closed'), own({ type: 'A', addresses: ['10.1.0.2'] }));
  t.same(of('web', 'A', 'closed'), { kind: 'closed' }, 'not on its network');
  t.same(of('short', 'A', 'asker', true), own({ type: 'nothing' }), 'with ndots a name without a dot stays inside');
  t.same(of('long.example', 'A', 'asker', true), { kind: 'forward' });
  database.close();
});

t.test("the host's name servers", async (t) => {
  t.same(nameServers('# x\nnameserver 10.0.0.1\nnameserver  fe80::1%eth0\nnameserver zork\nsearch a\n'), [
    '10.0.0.1',
    'fe80::1%eth0',
  ]);
  const directory = mkdtempSync(join(tmpdir(), 'tsd-resolvers-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'resolv.conf');
  const resolvers = new HostResolvers(path);
  t.teardown(() => resolvers.close());
  t.same(resolvers.servers(), ['8.8.8.8', '8.8.4.4'], 'a host without any');
  const write = async (text: string): Promise<void> => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const until = async (wanted: string): Promise<void> => {
    while (resolvers.servers()[0] !== wanted) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await write('nameserver 192.0.2.1\n');
  await until('192.0.2.1');
  await write('nameserver 192.0.2.2\n');
  await until('192.0.2.2');
});
