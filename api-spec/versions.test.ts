// Tests of API versions.
import t from 'tap';
import { atLeast, compareVersions, MAX_API, MIN_API, versionProblem } from './versions.ts';

t.test('versions compare by number', async (t) => {
  t.ok(compareVersions('1.9', '1.24') < 0);
  t.ok(compareVersions('1.100', '1.55') > 0);
  t.equal(compareVersions('1.44', '1.44'), 0);
  t.ok(compareVersions('2.0', '1.55') > 0);
  t.ok(atLeast('1.44', '1.44'));
  t.notOk(atLeast('1.43', '1.44'));
});

t.test('Docker’s messages outside of the range', async (t) => {
  t.equal(versionProblem(MIN_API), undefined);
  t.equal(versionProblem(MAX_API), undefined);
  t.equal(
    versionProblem('1.23'),
    'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  );
  t.equal(versionProblem('1.99'), 'client version 1.99 is too new. Maximum supported API version is 1.55');
});
