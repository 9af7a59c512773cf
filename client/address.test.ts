// Tests of daemon addresses and request targets.
import t from 'tap';
import { routes } from '../api-spec/index.ts';
import { DEFAULT_HOST, hostFromEnvironment, parseAddress } from './address.ts';
import { fillPath, writeQuery } from './url.ts';

t.test('addresses', async (t) => {
  t.match(parseAddress('unix:///run/x.sock'), { kind: 'unix', socketPath: '/run/x.sock' });
  t.match(parseAddress('tcp://example.com:2376/base/'), {
    kind: 'tcp',
    host: 'example.com',
    port: 2376,
    base: '/base',
  });
  t.match(parseAddress('tcp://10.0.0.1'), { port: 2375, base: '' });
  t.match(parseAddress('tcp://[::1]:80'), { host: '::1', port: 80 });
  for (const bad of ['', 'x', 'unix://x', 'tcp://', 'ssh://host', 'tcp://a b']) {
    t.throws(() => parseAddress(bad), /invalid host/, bad);
  }
  t.equal(hostFromEnvironment({}), DEFAULT_HOST);
  t.equal(hostFromEnvironment({ DOCKER_HOST: 'unix:///d', TSD_HOST: '' }), 'unix:///d');
  t.equal(hostFromEnvironment({ DOCKER_HOST: 'unix:///d', TSD_HOST: 'unix:///t' }), 'unix:///t');
});

t.test('targets', async (t) => {
  t.equal(fillPath(routes.ContainerStart, { id: '../x y?' }), '/containers/..%2Fx%20y%3F/start');
  t.equal(fillPath(routes.ImageTag, { name: 'r.io:5/a/b@sha256:1' }), '/images/r.io:5/a/b@sha256:1/tag');
  t.throws(() => fillPath(routes.ContainerStart, {}), /id: expected/);
  t.equal(writeQuery({}), '');
  t.equal(
    writeQuery({ a: undefined, b: null, c: false, d: 0, e: '', f: [], g: ['x', 'y z'] }),
    '?c=0&d=0&e=&g=x&g=y+z',
  );
});
