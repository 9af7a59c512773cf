// Small pure parts together: names, detach keys, log options, hosts files, network plan, environment, host config.
import t from 'tap';
import { parseDetachKeys } from './detach-keys.ts';
import { type ContainerDefaults, checkHostConfig, warningsOf, withDefaults } from './host-config.ts';
import { hostsFile, resolvConf } from './hosts-files.ts';
import { checkLogConfig, logOptionsOf, logWarnings, parseSize } from './log-config.ts';
import { checkName, generateName } from './names.ts';
import { initialNetworking, networkPlan } from './network-plan.ts';
import { cgroupPath } from './paths.ts';
import { bindMount, environment, tmpfsMounts } from './spec-input.ts';

const defaults: ContainerDefaults = {
  cgroupnsMode: 'host',
  logConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
  shmSize: 67_108_864,
  ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
  init: false,
  runtimes: ['runc', 'tsd'],
  maskedPaths: ['/proc/kcore'],
  readonlyPaths: ['/proc/sys'],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  hostGateway: '',
};

t.test('names', async (t) => {
  t.equal(checkName('/web'), 'web');
  for (const bad of ['@', 'a', '-a', 'a b', 'ä1', '']) {
    t.throws(() => checkName(bad), {
      kind: 'invalid-argument',
      message: `Invalid container name (${bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    });
  }
  t.match(
    generateName(() => false),
    /^[a-z]+_[a-z]+$/,
  );
  let asked = 0;
  t.match(
    generateName(() => ++asked < 20),
    /^[a-z]+_[a-z]+\d+$/,
    'a digit when names run out',
  );
});

t.test('detach keys', async (t) => {
  t.same([...parseDetachKeys('')], [16, 17]);
  t.same([...parseDetachKeys('ctrl-@,a,ctrl-[,ctrl-_')], [0, 97, 27, 31]);
  t.throws(() => parseDetachKeys('ctrl-1'), {
    kind: 'invalid-argument',
    message: /Invalid detach keys \(ctrl-1\) provided/,
  });
});

t.test('log options', async (t) => {
  t.equal(parseSize('10m'), 10_485_760);
  t.equal(parseSize('1.5k'), 1536);
  t.equal(parseSize('5'), 5);
  t.throws(() => parseSize('zz'), { message: "invalid size: 'zz'" });
  t.throws(() => checkLogConfig({ Type: 'zork' }), {
    message: /error looking up logging plugin zork: plugin "zork" not found/,
  });
  t.throws(() => checkLogConfig({ Type: 'json-file', Config: { 'max-sizee': '1' } }), {
    message: /^unknown log opt 'max-sizee' for json-file log driver.*max-size/,
  });
  const check = (Type: string, Config: Record<string, string>) => () => checkLogConfig({ Type, Config });
  t.doesNotThrow(check('local', { 'max-size': '1m', 'max-file': '3', compress: 'true' }));
  t.throws(check('local', { tag: 'x' }), { message: /^unknown log opt 'tag' for log driver local/ });
  t.throws(check('json-file', { mode: 'foo' }), { message: 'logger: logging mode not supported: foo' });
  t.throws(check('json-file', { 'max-buffer-size': '1m' }), {
    message: "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  });
  t.throws(check('json-file', { mode: 'non-blocking', 'max-buffer-size': 'x' }), {
    message: "error parsing option max-buffer-size: invalid size: 'x'",
  });
  t.same(logWarnings({ Type: 'json-file', Config: { compress: 'true' } }).length, 1);
  t.same(logWarnings(undefined), []);
  const names = { id: 'f'.repeat(64), name: 'web', imageId: `sha256:${'a'.repeat(64)}`, imageReference: 'busybox' };
  t.same(
    logOptionsOf(
      {
        Type: 'json-file',
        Config: { 'max-size': '1k', 'max-file': '3', labels: 'a,x', env: 'E', tag: '{{.Name}}/{{.ID}}' },
      },
      { Labels: { a: '1', b: '2' }, Env: ['E=v', 'F=w'] },
      names,
    ),
    { driver: 'json-file', maxSize: 1024, maxFile: 3, attrs: { a: '1', E: 'v', tag: `web/${'f'.repeat(12)}` } },
  );
  t.match(logOptionsOf({ Type: 'none' }, {}, names), { driver: 'none' });
  const bounds = (Type: string, Config: Record<string, string>) => {
    const { maxSize, maxFile } = logOptionsOf({ Type, Config }, {}, names);
    return [maxSize, maxFile];
  };
  t.same(bounds('json-file', {}), [20_000_000, 5], 'bounded where nothing is said');
  t.same(bounds('json-file', { 'max-size': '-1' }), [0, 1], 'unbounded on request');
  t.same(bounds('json-file', { 'max-size': '1k' }), [1024, 1]);
  t.same(bounds('local', { 'max-size': '1k' }), [1024, 5]);
  t.same(bounds('local', { 'max-file': '2' }), [20_000_000, 2]);
});

t.test('hosts and resolv.conf', async (t) => {
  t.equal(
    hostsFile({
      hostname: 'foo',
      domainname: 'bar.x',
      addresses: ['172.17.0.2', ''],
      extraHosts: ['a:1.2.3.4', 'b:host-gateway', 'c=[::5]'],
      hostGateway: '172.17.0.1',
    }),
    '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n' +
      '1.2.3.4\ta\n172.17.0.1\tb\n::5\tc\n172.17.0.2\tfoo.bar.x foo\n',
  );
  const host = '# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.b c\noptions ndots:1\n';
  const base = { host, dns: [], search: [], options: [], ownNetwork: true };
  t.equal(resolvConf(base), 'nameserver 10.0.0.1\nsearch a.b c\noptions ndots:1\n');
  t.equal(
    resolvConf({ ...base, ownNetwork: false }),
    'nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.b c\noptions ndots:1\n',
  );
  t.equal(resolvConf({ ...base, dns: ['1.1.1.1'], search: ['.'], options: ['x'] }), 'nameserver 1.1.1.1\noptions x\n');
  t.equal(resolvConf({ ...base, host: 'nameserver ::1\n' }), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
});

t.test('network plan', async (t) => {
  t.same(networkPlan({}, {}), {
    kind: 'networks',
    namespace: 'own',
    joins: [{ network: 'bridge', settings: {}, defaultRoute: true }],
  });
  t.same(networkPlan({ NetworkMode: 'host' }, {}), {
    kind: 'networks',
    namespace: 'host',
    joins: [{ network: 'host', settings: {}, defaultRoute: false }],
  });
  t.match(networkPlan({ NetworkMode: 'none' }, {}), { namespace: 'own' });
  t.same(networkPlan({ NetworkMode: 'container:x' }, {}), { kind: 'container', reference: 'x' });
  const endpoints = { EndpointsConfig: { b: { GwPriority: 5 }, a: null, main: { Aliases: ['x'] } } };
  t.match(networkPlan({ NetworkMode: 'main' }, endpoints), {
    joins: [
      { network: 'main', settings: { Aliases: ['x'] }, defaultRoute: false },
      { network: 'a', defaultRoute: false },
      { network: 'b', defaultRoute: true },
    ],
  });
  t.match(
    networkPlan({ NetworkMode: 'main' }, { EndpointsConfig: { out: {}, main: {} } }, (name) => name === 'main'),
    {
      joins: [
        { network: 'main', defaultRoute: false },
        { network: 'out', defaultRoute: true },
      ],
    },
  );
});

t.test('networks that are left and joined later', async (t) => {
  t.same(initialNetworking({ NetworkMode: 'main' }, {}), { EndpointsConfig: { main: {} } });
  t.same(initialNetworking({ NetworkMode: 'default' }, { EndpointsConfig: { default: { MacAddress: 'x' } } }), {
    EndpointsConfig: { bridge: { MacAddress: 'x' } },
  });
  t.same(initialNetworking({ NetworkMode: 'container:x' }, {}), {});
  t.match(networkPlan({ NetworkMode: 'zeta' }, { EndpointsConfig: { zeta: {}, alpha: {} } }), {
    joins: [
      { network: 'zeta', defaultRoute: false },
      { network: 'alpha', defaultRoute: true },
    ],
  });
  t.match(networkPlan({ NetworkMode: 'zeta' }, { EndpointsConfig: { alpha: {} } }), {
    joins: [{ network: 'alpha', defaultRoute: true }],
  });
  t.same(networkPlan({ NetworkMode: 'none' }, { EndpointsConfig: {} }), {
    kind: 'networks',
    namespace: 'own',
    joins: [],
  });
});

t.test('environment', async (t) => {
  t.same(environment({ Env: ['A=1', 'PATH=/x', 'HOSTNAME'] }, 'h', '/root'), ['PATH=/x', 'A=1', 'HOME=/root']);
  t.same(environment({ Tty: true, Env: ['HOME=/h'] }, 'h', '/root'), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=h',
    'TERM=xterm',
    'HOME=/h',
  ]);
});

t.test('binds and tmpfs for the spec', async (t) => {
  const mount = {
    type: 'bind',
    name: '',
    source: '/s',
    destination: '/d',
    driver: '',
    mode: 'ro',
    rw: false,
    propagation: 'rslave',
    copyUp: false,
  } as const;
  t.same(bindMount({}, mount, '/s'), {
    source: '/s',
    target: '/d',
    readOnly: true,
    recursiveReadOnly: true,
    recursive: true,
    propagation: 'rslave',
  });
  t.match(bindMount({ Mounts: [{ Target: '/d/', BindOptions: { NonRecursive: true } }] }, mount, '/s'), {
    recursive: false,
    recursiveReadOnly: false,
  });
  t.same(
    tmpfsMounts({
      Tmpfs: { '/a': 'size=1m,ro' },
      Mounts: [{ Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } }],
    }),
    [
      { target: '/a', options: ['size=1m', 'ro'] },
      { target: '/b', options: ['size=5', 'mode=700'] },
    ],
  );
});

t.test('host config', async (t) => {
  const filled = withDefaults({ Memory: 100 }, defaults);
  t.match(filled, {
    NetworkMode: 'bridge',
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    ConsoleSize: [0, 0],
    CgroupnsMode: 'host',
    IpcMode: 'private',
    ShmSize: 67_108_864,
    Runtime: 'runc',
    MemorySwap: 200,
    MaskedPaths: ['/proc/kcore'],
    Ulimits: [{ Name: 'nofile' }],
  });
  t.equal(withDefaults({ Privileged: true }, defaults).MaskedPaths, undefined);
  t.same(withDefaults({ MaskedPaths: [] }, defaults).MaskedPaths, []);
  t.same(withDefaults({ LogConfig: { Type: 'none' } }, defaults).LogConfig, { Type: 'none', Config: {} });
  t.equal(withDefaults({ NetworkMode: 'default' }, defaults).NetworkMode, 'bridge');
  const refused = (host: Parameters<typeof checkHostConfig>[0], message: string, config = {}) =>
    t.throws(() => checkHostConfig(host, config, defaults), { kind: 'invalid-argument', message });
  refused(
    { RestartPolicy: { Name: 'foo' } },
    "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  );
  refused(
    { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } },
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  );
  refused(
    { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: -3 } },
    'invalid restart policy: maximum retry count cannot be negative',
  );
  refused(
    { RestartPolicy: { Name: 'always' }, AutoRemove: true },
    "can't create 'AutoRemove' container with restart policy",
  );
  refused({ ExtraHosts: ['zork'] }, 'bad format for add-host: "zork"');
  refused({ Runtime: 'zork' }, 'unknown or invalid runtime name: zork');
  refused({ NetworkMode: 'container:x' }, 'conflicting options: hostname and the network mode', { Hostname: 'h' });
  t.same(warningsOf({ NetworkMode: 'host', PortBindings: { '80/tcp': [] } }), [
    'Published ports are discarded when using host network mode',
  ]);
});

t.test('cgroup path', async (t) => {
  t.equal(cgroupPath('1a2b3c4d', '', 'id'), '/tsd-1a2b3c4d/id');
  t.equal(cgroupPath('1a2b3c4d', 'mine/', 'id'), '/mine/id');
});
