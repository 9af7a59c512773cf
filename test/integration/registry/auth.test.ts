// Registries that want to know who asks: passwords and tokens, `docker login`, and what is said to those who may not.
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { startRegistry, user } from '../../helpers/registry.ts';
import { layered, load } from './fixture.ts';

const daemon = await startDaemon(t);
const login = (host: string, password: string) =>
  daemon.docker(['login', '--username', user.name, '--password-stdin', host], { input: password });
const header = (value: object): Record<string, string> => ({
  'x-registry-auth': Buffer.from(JSON.stringify(value)).toString('base64url'),
});

t.test('password', async (t) => {
  const { host } = await startRegistry(t, { auth: 'password' });
  const name = `${host}/team/secret:v1`;
  await load(daemon, layered([name]));
  const nobody = await daemon.docker(['push', name]);
  t.equal(nobody.code, 1);
  t.match(nobody.stderr, 'no basic auth credentials');
  const wrong = await login(host, 'wrong');
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, `login attempt to http://${host}/v2/ failed with status: 401 Unauthorized`);
  const right = await login(host, user.password);
  t.match(right.stdout, 'Login Succeeded', right.stderr);
  await daemon.dockerOk(['push', name]);
  await daemon.dockerOk(['rmi', name]);
  await daemon.dockerOk(['pull', name]);
  t.equal(await daemon.dockerOk(['run', '--rm', name, 'stat', '-c', '%s', '/file0']), '200000');
  await daemon.dockerOk(['logout', host]);
  const again = await daemon.docker(['pull', name]);
  t.equal(again.code, 1);
  t.match(again.stderr, new RegExp(`"http://${host}/v2/team/secret/manifests/v1": no basic auth credentials`));
  const { username, password } = { username: user.name, password: 'wrong' };
  const refused = await daemon.api(
    'POST',
    `/images/create?fromImage=${name}`,
    undefined,
    header({ username, password }),
  );
  t.equal(refused.status, 500, 'at a 401 the client would ask for a password');
  t.match(refused.json, { message: /unauthorized: authentication required/ });
  const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64');
  const told = await daemon.api('GET', `/distribution/${name}/json`, undefined, header({ auth }));
  t.equal(told.status, 200, 'user and password in one text');
});

t.test('token', async (t) => {
  const { host, tokenRequests } = await startRegistry(t, { auth: 'token' });
  const open = `${host}/public/open:v1`;
  const closed = `${host}/private/closed:v1`;
  const image = layered([open, closed]);
  await load(daemon, image);
  const nobody = await daemon.docker(['push', closed]);
  t.match(nobody.stderr, /denied|unauthorized/);
  const wrong = await login(host, 'wrong');
  t.match(wrong.stderr, 'unauthorized: incorrect username or password');
  t.equal((await daemon.api('POST', '/auth', { username: 'alice', password: 'x', serveraddress: host })).status, 401);
  const { code, stderr } = await login(host, user.password);
  t.equal(code, 0, stderr);
  t.ok(
    tokenRequests.some((request) => request.includes('offline_token=true')),
    'asked for an identity token',
  );
  await daemon.dockerOk(['push', open]);
  t.match(await daemon.dockerOk(['push', closed]), /Mounted from public\/open/);
  t.ok(
    tokenRequests.some((request) => request.startsWith('POST ') && request.includes('grant_type=refresh_token')),
    'the identity token stands for the password',
  );
  t.notMatch(daemon.log(), user.password, 'nothing of it is in the log');
  await daemon.dockerOk(['rmi', open, closed]);
  await daemon.dockerOk(['pull', closed]);
  await daemon.dockerOk(['logout', host]);
  await daemon.dockerOk(['rmi', closed]);
  await daemon.dockerOk(['pull', open]);
  const refused = await daemon.docker(['pull', closed]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /pull access denied for .*private\/closed.*may require 'docker login'|unauthorized/);
});
