// Checks the reading of flags and daemon.json. No file is read: the text is given.
import t from 'tap';
import { type DaemonConfig, helpText, loadConfig, parseCommandLine } from './config.ts';

const load = (args: readonly string[], file?: string): DaemonConfig => {
  const line = parseCommandLine(args);
  if (line.action !== 'run') throw new Error(line.action);
  return loadConfig(line.flags, (path) => {
    if (file === undefined) throw Object.assign(new Error(`open ${path}`), { code: 'ENOENT' });
    return file;
  });
};

t.test('defaults', async (t) => {
  const config = load([]);
  t.match(config, {
    dataRoot: '/var/lib/tsd',
    execRoot: '/var/run/tsd',
    pidfile: '/var/run/tsd.pid',
    hosts: [{ kind: 'unix', path: '/var/run/tsd.sock' }],
    bridge: 'tsd0',
    logLevel: 'info',
    iptables: true,
    defaultShmSize: 67108864,
    mtu: 1500,
    warnings: [],
  });
});

t.test('flags in every form', async (t) => {
  const config = load([
    '-D',
    '-l',
    'warn',
    '--iptables=false',
    '--bridge',
    'br9',
    '-H',
    'unix:///run/a.sock',
    '--host=tcp://127.0.0.1:0',
    '--tls=false',
    '--log-opt',
    'max-size=1m',
    '--log-opt=max-file=2',
    '--default-address-pool',
    'base=10.0.0.0/8,size=24',
    '--default-ulimit',
    'nofile=10:20',
    '--label',
    'a=b',
    '-p=/x/pid',
  ]);
  t.match(config, {
    debug: true,
    logLevel: 'warn',
    iptables: false,
    bridge: 'br9',
    hosts: [
      { kind: 'unix', path: '/run/a.sock' },
      { kind: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    logOpts: { 'max-size': '1m', 'max-file': '2' },
    defaultAddressPools: [{ base: '10.0.0.0/8', size: 24 }],
    defaultUlimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
    labels: ['a=b'],
    pidfile: '/x/pid',
  });
  t.match(load(['-Dl', 'error']), { debug: true, logLevel: 'error' });
  t.same(load(['-H', ':4000', '--tls=false']).hosts, [{ kind: 'tcp', host: '127.0.0.1', port: 4000 }]);
  t.same(load(['-H', 'tcp://[::1]', '--tlsverify']).hosts, [{ kind: 'tcp', host: '::1', port: 2376 }]);
});

t.test('help and version end the reading', async (t) => {
  t.same(parseCommandLine(['--version']), { action: 'version' });
  t.same(parseCommandLine(['-D', '--help']), { action: 'help' });
  t.match(helpText(), /--data-root string/);
});

t.test('the file', async (t) => {
  const config = load(
    [],
    '{"debug": true, "hosts": ["unix:///a.sock"], "default-ulimits": {"nofile": {"Name":"nofile","Hard":2,"Soft":1}}}',
  );
  t.match(config, {
    debug: true,
    hosts: [{ kind: 'unix', path: '/a.sock' }],
    defaultUlimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
  });
  t.match(load([], ''), { debug: false });
});

t.test('what is refused', async (t) => {
  const refused = (name: string, args: readonly string[], file: string | undefined, message: RegExp) =>
    t.throws(() => load(args, file), { kind: 'invalid-argument', message }, name);
  refused(
    'both',
    ['--debug', '--label', 'a=b'],
    '{"debug": false, "labels": ["c=d"]}',
    /the following directives are specified both as a flag and in the configuration file: debug: \(from flag: true, from file: false\), labels: \(from flag: \[a=b\], from file: \[c=d\]\)/,
  );
  refused(
    'unknown key',
    [],
    '{"lables": []}',
    /the following directives don't match any configuration option: lables \(did you mean "labels"\?\)/,
  );
  refused(
    'not JSON',
    [],
    '{"debug":',
    /unable to configure the Docker daemon with file .*: the file is not valid JSON/,
  );
  refused('wrong type', [], '{"debug": "yes"}', /debug: expected true or false, received string/);
  refused('missing file', ['--config-file', '/nope.json'], undefined, /open \/nope.json: no such file or directory/);
  refused('unknown flag', ['--debugg'], undefined, /unknown flag: --debugg \(did you mean --debug\?\)/);
  refused('unknown letter', ['-Z'], undefined, /unknown shorthand flag: 'Z' in -Z/);
  refused('argument', ['x'], undefined, /accepts no arguments/);
  refused('no value', ['--bridge'], undefined, /flag needs an argument: --bridge/);
  refused('number', ['--mtu', 'x'], undefined, /invalid argument "x" for "--mtu" flag/);
  refused('level', ['-l', 'loud'], undefined, /invalid logging level: loud/);
  refused('open tcp', ['-H', 'tcp://0.0.0.0:2375'], undefined, /without TLS gives root/);
  refused('relative socket', ['-H', 'unix://a.sock'], undefined, /absolute path/);
  refused('scheme', ['-H', 'npipe://x'], undefined, /invalid bind address/);
  refused('label', ['--label', 'x'], undefined, /bad attribute format: x/);
  refused(
    'ulimit',
    ['--default-ulimit', 'nofile=9:3'],
    undefined,
    /soft limit must be less than or equal to hard limit/,
  );
});

t.test('what is set without effect is said', async (t) => {
  t.match(load(['--live-restore', '--ipv6=false']).warnings, [/--live-restore is accepted/]);
});
