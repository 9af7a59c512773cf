// Owns the proof that the rules say what is meant: the whole text for iptables-restore, and the reading of iptables-save.
import t from 'tap';
import { auditRules, type FirewallState, hooks, portInput, readSaved, removalInput, restoreInput } from './rules.ts';

const state: FirewallState = {
  instance: '0badcafe',
  bridges: [
    { link: 'tsd0', subnets: ['172.17.0.0/16'], masquerade: true, icc: true, internal: false },
    { link: 'br-quiet', subnets: ['10.0.0.0/24'], masquerade: true, icc: false, internal: true },
  ],
  ports: [
    { link: 'tsd0', protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerIp: '172.17.0.2', containerPort: 80 },
    { link: 'tsd0', protocol: 'udp', hostIp: '127.0.0.1', hostPort: 53, containerIp: '172.17.0.2', containerPort: 53 },
    { link: 'tsd0', protocol: 'tcp', hostIp: '::', hostPort: 8080, containerIp: 'fd00::2', containerPort: 80 },
  ],
  userChain: true,
  dropForward: true,
};

t.test('everything of IPv4, from nothing', async (t) => {
  t.equal(
    restoreInput(state, 4, [], true),
    `*filter
:FORWARD DROP [0:0]
:TSD-0badcafe-FORWARD - [0:0]
-A TSD-0badcafe-FORWARD -j DOCKER-USER
-A TSD-0badcafe-FORWARD -o tsd0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A TSD-0badcafe-FORWARD -o tsd0 -m conntrack --ctstate DNAT -j ACCEPT
-A TSD-0badcafe-FORWARD ! -i tsd0 -o tsd0 -j DROP
-A TSD-0badcafe-FORWARD -i tsd0 -o tsd0 -j ACCEPT
-A TSD-0badcafe-FORWARD -o br-quiet -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A TSD-0badcafe-FORWARD -i br-quiet ! -o br-quiet -j DROP
-A TSD-0badcafe-FORWARD ! -i br-quiet -o br-quiet -j DROP
-A TSD-0badcafe-FORWARD -i br-quiet -o br-quiet -j DROP
-A TSD-0badcafe-FORWARD -i tsd0 ! -o tsd0 -j ACCEPT
-I FORWARD 1 -j TSD-0badcafe-FORWARD
COMMIT
*nat
:TSD-0badcafe-PORTS - [0:0]
:TSD-0badcafe-LOCAL - [0:0]
:TSD-0badcafe-MASQ - [0:0]
-A TSD-0badcafe-PORTS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A TSD-0badcafe-LOCAL -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A TSD-0badcafe-LOCAL -d 127.0.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.2:53
-A TSD-0badcafe-MASQ -s 172.17.0.0/16 ! -o tsd0 -j MASQUERADE
-A TSD-0badcafe-MASQ -s 172.17.0.0/16 -o tsd0 -m conntrack --ctstate DNAT -j MASQUERADE
-A TSD-0badcafe-MASQ -s 127.0.0.0/8 -o tsd0 -j MASQUERADE
-A TSD-0badcafe-MASQ -s 10.0.0.0/24 -o br-quiet -m conntrack --ctstate DNAT -j MASQUERADE
-A TSD-0badcafe-MASQ -s 127.0.0.0/8 -o br-quiet -j MASQUERADE
-I PREROUTING 1 -m addrtype --dst-type LOCAL -j TSD-0badcafe-PORTS
-I OUTPUT 1 -m addrtype --dst-type LOCAL -j TSD-0badcafe-LOCAL
-I POSTROUTING 1 -j TSD-0badcafe-MASQ
COMMIT
*raw
:TSD-0badcafe-RAW - [0:0]
-A TSD-0badcafe-RAW -d 127.0.0.0/8 -i tsd0 -j DROP
-A TSD-0badcafe-RAW -d 127.0.0.0/8 -i br-quiet -j DROP
-I PREROUTING 1 -j TSD-0badcafe-RAW
COMMIT
`,
  );
});

t.test('again: no second jump, ports untouched when asked', async (t) => {
  const text = restoreInput(state, 4, hooks('0badcafe'), false);
  t.notMatch(text, /-I /);
  t.notMatch(text, /PORTS|LOCAL/);
  t.match(text, /:TSD-0badcafe-MASQ/);
});

t.test('IPv6 has its own ports and no loopback rules', async (t) => {
  const text = restoreInput(
    {
      ...state,
      bridges: [
        { ...state.bridges[0], link: 'tsd0', subnets: ['fd00::/64'], masquerade: true, icc: true, internal: false },
      ],
    },
    6,
    [],
    true,
  );
  t.match(text, '-A TSD-0badcafe-PORTS -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80\n');
  t.notMatch(text, /127\.0\.0\.0|172\.17/);
});

t.test('a change of ports touches nothing else', async (t) => {
  const [first, second] = state.ports;
  if (first === undefined || second === undefined) throw new Error('unreachable');
  t.equal(
    portInput('0badcafe', 4, { add: [first], remove: [second] }),
    `*nat
-D TSD-0badcafe-LOCAL -d 127.0.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.2:53
-A TSD-0badcafe-PORTS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A TSD-0badcafe-LOCAL -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
`,
  );
  t.equal(portInput('0badcafe', 6, { add: [first], remove: [] }), '');
});

t.test('what iptables-save tells is read', async (t) => {
  const saved = readSaved(
    '0badcafe',
    `# Generated
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:TSD-0badcafe-FORWARD - [0:0]
:TSD-5eedf00d-FORWARD - [0:0]
-A FORWARD -j TSD-5eedf00d-FORWARD
-A FORWARD -j TSD-0badcafe-FORWARD
COMMIT
*nat
:TSD-0badcafe-MASQ - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
`,
  );
  t.ok(saved.userChain);
  t.same(saved.hooks, [{ table: 'filter', chain: 'FORWARD', rule: '-j TSD-0badcafe-FORWARD' }]);
  t.notOk(readSaved('0badcafe', '').userChain);
});

t.test('an audit', async (t) => {
  const { userChain: _chain, dropForward: _drop, ...wanted } = state;
  const all = restoreInput({ ...state, userChain: false, dropForward: false }, 4, [], true)
    .replaceAll(/^-I (\S+) 1 /gm, '-A $1 ')
    .trimEnd();
  t.same(auditRules({ ...wanted, required: true }, 4, all), { stray: [], missing: [] });
  t.same(auditRules({ ...wanted, required: false }, 6, ''), { stray: [], missing: [] });

  const stray = '-A TSD-0badcafe-PORTS -p tcp -m tcp --dport 9 -j DNAT --to-destination 172.17.0.9:9';
  const foreign = '-A TSD-5eedf00d-PORTS -p tcp -m tcp --dport 9 -j DNAT --to-destination 172.18.0.9:9';
  const hook = '-A PREROUTING -m addrtype --dst-type LOCAL -j TSD-0badcafe-PORTS';
  const missing = '-A TSD-0badcafe-MASQ -s 127.0.0.0/8 -o br-quiet -j MASQUERADE';
  const changed = all
    .replace(`${missing}\n`, '')
    .replace(hook, `${hook}\n${hook}\n${stray}\n${foreign}\n:TSD-0badcafe-OLD - [0:0]\n-A TSD-0badcafe-OLD -j RETURN`);
  const audit = auditRules({ ...wanted, required: true }, 4, changed);
  t.same(
    audit.stray.map(({ rule }) => rule),
    [hook, stray, ':TSD-0badcafe-OLD', '-A TSD-0badcafe-OLD -j RETURN'],
  );
  t.same(audit.missing, [{ family: 4, table: 'nat', rule: missing }]);
  t.equal(
    removalInput(audit.stray, 4),
    `*nat
-D${hook.slice(2)}
-D${stray.slice(2)}
-F TSD-0badcafe-OLD
-X TSD-0badcafe-OLD
COMMIT
`,
  );
  t.equal(removalInput(audit.stray, 6), '');
  t.ok(auditRules({ ...wanted, required: true }, 4, '').missing.length > wanted.bridges.length);
});
