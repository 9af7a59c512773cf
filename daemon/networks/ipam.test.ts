// Owns the proof of the address arithmetic.
import t from 'tap';
import { formatAddress, formatPrefix, type Prefix } from '../supervisor/network/ip-address.ts';
import {
  chooseSubnet,
  DEFAULT_POOLS,
  defaultGateway,
  localPool,
  offsetOf,
  rangeOf,
  storedAddress,
  storedPrefix,
} from './ipam.ts';
import { choosePools } from './pools.ts';

const choose = (taken: readonly string[], pools = DEFAULT_POOLS): string | undefined => {
  const found = chooseSubnet(pools, 4, taken.map(storedPrefix));
  return found === undefined ? undefined : formatPrefix(found);
};

t.test("default pools in Docker's order, around what is in use", async (t) => {
  t.equal(choose([]), '172.17.0.0/16');
  t.equal(choose(['172.17.0.0/16', '172.18.4.0/24']), '172.19.0.0/16');
  t.equal(choose(['172.16.0.0/12']), '192.168.0.0/20');
  t.equal(choose(['172.16.0.0/12', '192.168.0.0/20', '192.168.16.7/32']), '192.168.32.0/20');
  t.equal(choose(['0.0.0.0/0']), undefined);
  t.equal(choose(['10.0.0.0/24'], [{ base: '10.0.0.0/16', size: 24 }]), '10.0.1.0/24');
  t.equal(choose(['10.0.0.0/16'], [{ base: '10.0.0.0/16', size: 24 }]), undefined);
  t.equal(choose([], [{ base: 'fd00::/48', size: 64 }]), undefined);
});

t.test('a unique local block an instance', async (t) => {
  t.equal(localPool('0badcafe').base, 'fd0b:adca:fe00::/48');
  const found = chooseSubnet([localPool('0badcafe')], 6, [storedPrefix('fd0b:adca:fe00::/64')]);
  t.equal(found === undefined ? '' : formatPrefix(found), 'fd0b:adca:fe00:1::/64');
});

t.test('ranges and gateways', async (t) => {
  const range = (subnet: string, inner?: string): readonly bigint[] => {
    const { first, last } = rangeOf(storedPrefix(subnet), inner === undefined ? undefined : storedPrefix(inner));
    return [first, last];
  };
  t.same(range('10.0.0.0/24'), [1n, 254n]);
  t.same(range('10.0.0.0/24', '10.0.0.128/30'), [128n, 131n]);
  t.same(range('10.0.0.0/24', '10.0.0.0/25'), [1n, 127n]);
  t.same(range('10.0.0.0/24', '10.0.0.128/25'), [128n, 254n]);
  t.same(range('10.0.0.0/31'), [0n, 1n]);
  t.same(range('10.0.0.7/32'), [0n, 0n]);
  t.same(range('fd00::/126'), [1n, 3n]);
  const gateway = (subnet: string, inner?: Prefix): string =>
    formatAddress(defaultGateway(storedPrefix(subnet), inner));
  t.equal(gateway('172.28.0.0/16'), '172.28.0.1');
  t.equal(gateway('172.28.0.0/16', storedPrefix('172.28.5.0/24')), '172.28.5.0');
  t.equal(offsetOf(storedPrefix('10.0.0.0/24'), storedAddress('10.0.0.9')), 9n);
  t.equal(offsetOf(storedPrefix('10.0.0.0/24'), storedAddress('10.0.1.9')), undefined);
  t.equal(offsetOf(storedPrefix('fd00::/48'), storedAddress('fd00::8000:0:0:1')), undefined, 'beyond what is counted');
});

t.test('pools of a request', async (t) => {
  const request = (pools: Parameters<typeof choosePools>[0]['ipam']['pools'], enableIPv6 = false) => ({
    ipam: { driver: 'default', options: {}, pools },
    enableIPv4: true,
    enableIPv6,
  });
  t.match(choosePools(request([]), DEFAULT_POOLS, [storedPrefix('172.17.0.0/16')], []), [
    { subnet: '172.18.0.0/16', gateway: '172.18.0.1', ipRange: '', configured: false },
  ]);
  t.match(choosePools(request([{ subnet: 'FD00:0::/64' }], true), DEFAULT_POOLS, [], []), [
    { subnet: 'fd00::/64', gateway: 'fd00::1', configured: true },
    { subnet: '172.17.0.0/16', configured: false },
  ]);
  t.match(
    choosePools(
      request([{ subnet: '10.1.0.0/16' }, { subnet: 'fd00::/64' }]),
      DEFAULT_POOLS,
      [],
      [storedPrefix('10.0.0.0/8')],
    ),
    [{ subnet: '10.1.0.0/16' }],
    "the host's routes do not refuse what was named; a family that is off is left out",
  );
  t.throws(() => choosePools(request([{ subnet: '10.1.0.0/16' }]), [], [storedPrefix('10.0.0.0/8')], []), {
    message: 'invalid pool request: Pool overlaps with other one on this address space',
  });
  t.throws(() => choosePools(request([]), [], [], []), {
    message: 'all predefined address pools have been fully subnetted',
  });
});
