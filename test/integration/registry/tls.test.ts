// TLS: what 127.0.0.1 is trusted with, what other registries are, certificates of certs.d and of daemon.json.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RepositoryClient } from '../../../daemon/images/registry/client.ts';
import type { Endpoint } from '../../../daemon/images/registry/endpoints.ts';
import { Authorizer } from '../../../daemon/images/registry/tokens.ts';
import { Transport } from '../../../daemon/images/registry/transport.ts';
import { noCredentials } from '../../../daemon/images/registry/types.ts';
import { startDaemon } from '../../helpers/daemon.ts';
import { startRegistry } from '../../helpers/registry.ts';
import { layered, load } from './fixture.ts';

const registry = await startRegistry(t, { tls: true });
const { host } = registry;

t.test('a registry of this host is insecure, with TLS too', async (t) => {
  const daemon = await startDaemon(t);
  const name = `${host}/team/tls:v1`;
  await load(daemon, layered([name]));
  await daemon.dockerOk(['push', name]);
  await daemon.dockerOk(['rmi', name]);
  t.match(await daemon.dockerOk(['pull', name]), 'Status: Downloaded newer image');
});

const ask = async (endpoint: Partial<Endpoint>, certificates = '/nonexistent'): Promise<unknown> => {
  const transport = new Transport({ certificates, userAgent: 'test', environment: {} });
  const whole: Endpoint = {
    url: registry.url,
    verify: true,
    ca: '',
    mirror: false,
    resolves: true,
    namespace: '',
    ...endpoint,
  };
  try {
    return await new RepositoryClient({
      transport,
      endpoint: whole,
      authorizer: new Authorizer(transport, noCredentials),
      path: 'team/none',
      actions: 'pull',
      signal: AbortSignal.timeout(10_000),
    }).blobSize(`sha256:${'0'.repeat(64)}`);
  } finally {
    transport.close();
  }
};

t.test('certificates', async (t) => {
  await t.rejects(ask({}), {
    message: /tls: failed to verify certificate: x509: certificate signed by unknown authority/,
  });
  t.equal(await ask({ verify: false }), undefined, 'any certificate');
  t.equal(await ask({ ca: registry.certificate }), undefined, 'an authority of daemon.json');
  const certificates = mkdtempSync('/tmp/tsd-certs-');
  t.teardown(() => rmSync(certificates, { recursive: true }));
  await t.rejects(ask({}, certificates), /unknown authority/);
  mkdirSync(join(certificates, host));
  copyFileSync(registry.certificate, join(certificates, host, 'ca.crt'));
  t.equal(await ask({}, certificates), undefined, 'certs.d');
  copyFileSync(registry.certificate, join(certificates, host, 'client.cert'));
  await t.rejects(ask({}, certificates), /missing key client\.key for client certificate client\.cert/);
  const plain = await startRegistry(t);
  const wrong = { url: plain.url.replace('http:', 'https:'), verify: false };
  await t.rejects(ask(wrong), /http: server gave HTTP response to HTTPS client/);
});
