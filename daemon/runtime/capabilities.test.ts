import t from 'tap';
import {
  capabilityMask,
  capabilityNames,
  containerCapabilities,
  defaultCapabilities,
  namesOfMask,
} from './capabilities.ts';

const every = (1n << 41n) - 1n;
const request = (add: readonly string[], drop: readonly string[] = [], privileged = false) => ({
  add,
  drop,
  privileged,
});

t.test('the default set is the well-known mask', async (t) => {
  t.equal(capabilityMask(containerCapabilities(request([]), every)), 0xa80425fbn);
  t.equal(capabilityMask(defaultCapabilities), 0xa80425fbn);
  t.equal(capabilityNames.length, 41);
});

t.test('names with and without prefix, in any case', async (t) => {
  const names = containerCapabilities(request(['net_admin', 'CAP_SYS_TIME'], ['chown', 'CAP_KILL']), every);
  t.ok(names.includes('CAP_NET_ADMIN'));
  t.ok(names.includes('CAP_SYS_TIME'));
  t.notOk(names.includes('CAP_CHOWN'));
  t.notOk(names.includes('CAP_KILL'));
});

t.test('ALL', async (t) => {
  t.equal(capabilityMask(containerCapabilities(request(['ALL']), every)), every);
  t.equal(capabilityMask(containerCapabilities(request(['all'], ['CAP_SYS_ADMIN']), every)), every & ~(1n << 21n));
  t.same(containerCapabilities(request([], ['ALL']), every), []);
  t.same(containerCapabilities(request(['CHOWN'], ['ALL']), every), ['CAP_CHOWN']);
  t.equal(capabilityMask(containerCapabilities(request(['ALL'], ['ALL']), every)), every);
});

t.test('what the daemon lacks is not given', async (t) => {
  const available = every & ~(1n << 24n);
  t.equal(capabilityMask(containerCapabilities(request([], [], true), available)), available);
  t.equal(capabilityMask(containerCapabilities(request(['ALL']), available)), available);
  t.throws(() => containerCapabilities(request(['SYS_RESOURCE']), available), {
    kind: 'invalid-argument',
    message: /not available in the current environment: "CAP_SYS_RESOURCE"/,
  });
});

t.test('an unknown name is refused and the near ones named', async (t) => {
  t.throws(() => containerCapabilities(request(['NET_ADMN']), every), {
    kind: 'invalid-argument',
    message: 'invalid CapAdd: unknown capability: "CAP_NET_ADMN" (did you mean CAP_NET_ADMIN?)',
  });
  t.throws(() => containerCapabilities(request([], ['nonsense_of_mine']), every), {
    message: 'invalid CapDrop: unknown capability: "CAP_NONSENSE_OF_MINE"',
  });
});

t.test('masks and names are inverse', async (t) => {
  for (const mask of [0n, 1n, every, 0xa80425fbn]) t.equal(capabilityMask(namesOfMask(mask)), mask);
});
