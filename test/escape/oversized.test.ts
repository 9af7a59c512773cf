// CVE-2021-43784: lengths that do not fit into the 16 bits of a netlink attribute wrap, and data becomes instructions. What is too long is
// refused or arrives whole; nothing is cut and nothing of it is taken for something else.
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);

/** A text that would read as another mapping or option when it wrapped. */
const long = (bytes: number): string => 'x'.repeat(bytes);

interface Created {
  readonly Id?: string;
  readonly message?: string;
}

const attempt = async (
  body: Readonly<Record<string, unknown>>,
): Promise<{ status: number; output: string; message: string }> => {
  const { daemon } = attack;
  const created = await daemon.api('POST', '/containers/create', { Image: 'attack', ...body });
  const { Id, message = '' } = created.json as Created;
  if (Id === undefined) return { status: created.status, output: '', message };
  const started = await daemon.api('POST', `/containers/${Id}/start`);
  let output = '';
  if (started.status === 204) {
    await daemon.api('POST', `/containers/${Id}/wait`);
    output = (await daemon.api('GET', `/containers/${Id}/logs?stdout=1&stderr=1`)).body.toString('latin1');
  }
  await daemon.api('DELETE', `/containers/${Id}?force=1`);
  return { status: started.status, output, message: (started.json as Created | undefined)?.message ?? '' };
};

for (const size of [65_535, 65_536, 65_537, 70_000]) {
  t.test(`CVE-2021-43784: texts of ${size} bytes`, async (t) => {
    const before = attack.host();
    const whole = await attempt({ Cmd: ['sh', '-c', 'env | grep ^A= | wc -c'], Env: [`A=${long(size)}`] });
    t.match(whole.output, String(size + 3), 'an environment variable arrives whole');
    const source = attack.shared('source');
    const refused: Readonly<Record<string, unknown>> = {
      target: { Cmd: ['true'], HostConfig: { Binds: [`${source}:/${long(size)}`] } },
      'deep target': { Cmd: ['true'], HostConfig: { Binds: [`${source}:/${'d/'.repeat(size / 2)}`] } },
      source: { Cmd: ['true'], HostConfig: { Binds: [`/${long(size)}:/x`] } },
      tmpfs: { Cmd: ['true'], HostConfig: { Tmpfs: { '/x': `size=${long(size)}` } } },
      hostname: { Cmd: ['true'], Hostname: long(size) },
      domainname: { Cmd: ['true'], Domainname: long(size) },
      sysctl: { Cmd: ['true'], HostConfig: { Sysctls: { 'net.core.somaxconn': `1${'0'.repeat(size)}` } } },
      'sysctl name': { Cmd: ['true'], HostConfig: { Sysctls: { [`net.${long(size)}`]: '1' } } },
      device: {
        Cmd: ['true'],
        HostConfig: {
          Devices: [{ PathOnHost: '/dev/null', PathInContainer: `/dev/${long(size)}`, CgroupPermissions: 'r' }],
        },
      },
      'working directory': { Cmd: ['true'], WorkingDir: `/${long(size)}` },
      user: { Cmd: ['true'], User: long(size) },
      program: { Cmd: [`/${long(size)}`] },
      mac: { Cmd: ['true'], NetworkingConfig: { EndpointsConfig: { bridge: { MacAddress: long(size) } } } },
    };
    for (const [what, body] of Object.entries(refused)) {
      const { status, message } = await attempt(body as Readonly<Record<string, unknown>>);
      t.ok(status >= 400, `${what} is refused`);
      t.ok(message.length > 0 && message.length < size * 3, `${what}: with a message`);
    }
    t.same(attack.host(), before);
  });
}

t.test('CVE-2021-43784: many groups and many mounts', async (t) => {
  const groups = Array.from({ length: 20_000 }, (_, index) => String(index + 1));
  const some = await attempt({
    Cmd: ['sh', '-c', 'grep Groups /proc/self/status | wc -w'],
    HostConfig: { GroupAdd: groups },
  });
  t.ok(
    some.status >= 400 || some.output.includes('20002'),
    `${some.status} ${some.output.slice(0, 100)} ${some.message.slice(0, 200)}`,
  );
  const tooMany = Array.from({ length: 70_000 }, (_, index) => String(index + 1));
  t.ok((await attempt({ Cmd: ['true'], HostConfig: { GroupAdd: tooMany } })).status >= 400, 'more than NGROUPS_MAX');
  const tmpfs = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`/m/${index}`, '']));
  const mounts = await attempt({
    Cmd: ['sh', '-c', 'grep -c " /m/" /proc/self/mountinfo'],
    HostConfig: { Tmpfs: tmpfs },
  });
  t.match(mounts.output, '200');
});
