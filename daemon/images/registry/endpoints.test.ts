import t from 'tap';
import { hostOf, isInsecure, ownEndpoints, pullEndpoints } from './endpoints.ts';
import type { RegistrySettings } from './types.ts';

const settings: RegistrySettings = {
  insecureRegistries: [],
  registryMirrors: [],
  registries: {},
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxDownloadAttempts: 5,
};
const urls = (endpoints: readonly { readonly url: string; readonly verify: boolean }[]) =>
  endpoints.map(({ url, verify }) => `${url}${verify ? '' : ' unverified'}`);

t.test('insecure registries', async (t) => {
  t.equal(hostOf('[::1]:5000'), '::1');
  t.equal(hostOf('example.test:5000'), 'example.test');
  const cases: [string, string[], string[], boolean][] = [
    ['127.0.0.1:5000', [], [], true],
    ['127.9.9.9', [], [], true],
    ['[::1]:5000', [], [], true],
    ['localhost:5000', [], [], true],
    ['example.test', [], [], false],
    ['example.test', [], ['127.0.0.1'], true],
    ['example.test', [], ['192.0.2.1'], false],
    ['example.test', ['192.0.2.0/24'], ['192.0.2.1'], true],
    ['example.test:5000', ['example.test:5000'], [], true],
    ['example.test:5000', ['http://example.test:5000'], [], true],
    ['example.test:5000', ['example.test'], [], false],
    ['192.0.2.7', ['192.0.2.0/24'], [], true],
    ['2001.example', ['2001:db8::/32'], ['2001:db8::1'], true],
    ['docker.io', ['0.0.0.0/0', 'docker.io'], ['192.0.2.1'], false],
  ];
  for (const [domain, entries, addresses, expected] of cases) {
    t.equal(isInsecure(domain, entries, addresses), expected, `${domain} ${entries} ${addresses}`);
  }
});

t.test('the registry itself', async (t) => {
  t.strictSame(urls(ownEndpoints('docker.io', settings, [])), ['https://registry-1.docker.io']);
  t.strictSame(urls(ownEndpoints('example.test', settings, [])), ['https://example.test']);
  t.strictSame(urls(ownEndpoints('localhost:5000', settings, [])), [
    'https://localhost:5000 unverified',
    'http://localhost:5000 unverified',
  ]);
  const insecure = { ...settings, registries: { 'example.test': { mirrors: [], insecure: true, ca: '' } } };
  t.equal(ownEndpoints('example.test', insecure, []).length, 2);
});

t.test('mirrors', async (t) => {
  const mirrored = { ...settings, registryMirrors: ['https://mirror.example/', 'http://127.0.0.1:5000'] };
  t.strictSame(urls(pullEndpoints('docker.io', mirrored, [])), [
    'https://mirror.example',
    'http://127.0.0.1:5000 unverified',
    'https://registry-1.docker.io',
  ]);
  t.strictSame(urls(pullEndpoints('example.test', mirrored, [])), ['https://example.test']);
  const any: RegistrySettings = {
    ...settings,
    registries: {
      'example.test': {
        mirrors: [{ url: 'https://m.example/cache', capabilities: ['pull'] }],
        insecure: false,
        ca: '',
      },
      '*': {
        mirrors: [{ url: 'https://all.example/v2/', capabilities: ['pull', 'resolve'] }],
        insecure: false,
        ca: '',
      },
    },
  };
  t.match(pullEndpoints('example.test', any, []), [
    { url: 'https://m.example/cache', mirror: true, resolves: false, namespace: 'example.test' },
    { url: 'https://example.test', mirror: false, resolves: true, namespace: '' },
  ]);
  t.match(pullEndpoints('other.test', any, []), [{ url: 'https://all.example', resolves: true }, { mirror: false }]);
});
