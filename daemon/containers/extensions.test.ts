import t from 'tap';
import { extensionsOf, failureAction, nativeProbe, parseProbe } from './extensions.ts';

t.test('probes', async (t) => {
  t.same(parseProbe('tcp:80'), { kind: 'tcp', port: 80 });
  t.same(parseProbe('http:8080'), { kind: 'http', port: 8080, path: '/' });
  t.same(parseProbe('http:65535/live?deep=1'), { kind: 'http', port: 65_535, path: '/live?deep=1' });
  for (const bad of [
    '',
    'tcp',
    'tcp:',
    'tcp:0',
    'tcp:65536',
    'tcp:80/x',
    'udp:80',
    'http:80/a b',
    'http:80/a\r\nX: y',
    'http:80live',
  ]) {
    t.throws(() => parseProbe(bad), { kind: 'invalid-argument', message: /expected tcp:PORT or http:PORT\/PATH/ }, bad);
  }
});

t.test('labels of a request', async (t) => {
  t.same(extensionsOf({ 'com.example': '1', tsd: '2', 'tsdx.y': '3' }), {});
  const found = extensionsOf({ a: 'b', 'tsd.health.probe': 'tcp:80', 'tsd.health.on-failure': 'restart' });
  t.same(found, { 'tsd.health.probe': 'tcp:80', 'tsd.health.on-failure': 'restart' });
  t.same(nativeProbe(found), { kind: 'tcp', port: 80 });
  t.equal(failureAction(found), 'restart');
  t.equal(nativeProbe({}), undefined);
  t.equal(failureAction({}), 'none');
  t.throws(() => extensionsOf({ 'tsd.health.onfailure': 'stop' }), {
    message: /did you mean tsd\.health\.on-failure\?/,
  });
  t.throws(() => extensionsOf({ 'tsd.constructor': '1' }), {
    message: /there are tsd\.health\.probe, tsd\.health\.on-failure/,
  });
  t.throws(() => extensionsOf({ 'tsd.health.on-failure': '' }), { message: /none, restart, stop, kill/ });
});
