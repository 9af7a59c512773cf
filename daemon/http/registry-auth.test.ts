import t from 'tap';
import { buildCredentials, credentialsOf, pullCredentials, pushCredentials } from './registry-auth.ts';

const encode = (value: unknown, form: 'base64' | 'base64url' = 'base64url'): string =>
  Buffer.from(JSON.stringify(value)).toString(form);

t.test('headers', async (t) => {
  const value = { username: 'alice', password: 'ä?>~~', serveraddress: 'r.test' };
  const expected = {
    username: 'alice',
    password: 'ä?>~~',
    serverAddress: 'r.test',
    identityToken: '',
    registryToken: '',
  };
  t.strictSame(pullCredentials({ 'x-registry-auth': encode(value) }), expected);
  t.strictSame(pullCredentials({ 'x-registry-auth': encode(value, 'base64') }), expected, 'the other alphabet');
  t.equal(pullCredentials({}).username, '');
  t.equal(pullCredentials({ 'x-registry-auth': '!!' }).username, '', 'unreadable is nobody');
  t.throws(
    () => pushCredentials({}),
    /bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header: EOF/,
  );
  t.throws(() => pushCredentials({ 'x-registry-auth': '!!' }), /invalid X-Registry-Auth header/);
  t.equal(pushCredentials({ 'x-registry-auth': 'e30=' }).username, '', 'an empty object is nobody in particular');
  t.equal(credentialsOf({ auth: Buffer.from('bob:a:b').toString('base64') }).password, 'a:b');
  t.equal(credentialsOf({ identitytoken: 't', username: 1 }).identityToken, 't');
  const config = buildCredentials({ 'x-registry-config': encode({ 'r.test': value }) });
  t.equal(config.get('r.test')?.username, 'alice');
  t.equal(buildCredentials({}).size, 0);
  t.equal(buildCredentials({ 'x-registry-config': '!' }).size, 0, 'unreadable is nobody');
});
