// Owns the proof that faults come when they were asked for, and only in tests.
import t from 'tap';
import { faultOf } from './fault.ts';

t.test('none without the word that this is a test', async (t) => {
  t.equal(faultOf({ TSD_FAULT: 'root' }), undefined);
  t.equal(faultOf({ TSD_FAULT: 'root', TSD_TEST: '0' }), undefined);
  t.equal(faultOf({ TSD_TEST: '1' }), undefined);
});

t.test('as often as counted', async (t) => {
  const fault = faultOf({ TSD_TEST: '1', TSD_FAULT: 'root:2,link' });
  for (let time = 0; time < 2; time += 1) t.throws(() => fault?.('root'), { kind: 'internal', message: /^root: / });
  t.doesNotThrow(() => fault?.('root'));
  for (let time = 0; time < 9; time += 1) t.throws(() => fault?.('link'));
  t.doesNotThrow(() => fault?.('user'));
  t.throws(() => faultOf({ TSD_TEST: '1', TSD_FAULT: 'root:often' }), { message: /expected step/ });
});
