// Checks the wire shapes: Docker's words for states and times, and what each API version sees.
import t from 'tap';
import type { ContainerRecord, ContainerState, ContainerView } from '../../containers/types.ts';
import type { Image } from '../../images/types.ts';
import type { Endpoint } from '../../networks/types.ts';
import { presentContainer, summarizeContainer } from './container.ts';
import { humanDuration, statusText } from './container-status.ts';
import { presentUsage } from './disk-usage.ts';
import { presentEvent } from './event.ts';
import { presentHistory, presentImage, sharedSizes, summarizeImage, totalLayerSize } from './image.ts';
import { presentPorts } from './network-settings.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;
const names = {
  nameOf: (id: string) => ({ n1: 'bridge', n2: 'mine' })[id],
  idOf: (name: string) => ({ bridge: 'n1', mine: 'n2' })[name],
};

const record = (part: Partial<ContainerRecord> = {}): ContainerRecord => ({
  id: 'ab'.repeat(32),
  name: 'web',
  state: 'running',
  createdNs: NOW - 100n * SECOND,
  imageId: 'sha256:1',
  imageReference: 'busybox',
  config: {
    Image: 'busybox',
    Entrypoint: ['sh'],
    Cmd: ['-c', 'echo a b'],
    Hostname: 'h',
    ExposedPorts: { '81/udp': {} },
  },
  hostConfig: {
    NetworkMode: 'mine',
    MemorySwappiness: -1,
    PidsLimit: 0,
    PortBindings: { '80/tcp': [{ HostPort: '8080' }] },
  },
  networkingConfig: { EndpointsConfig: { mine: { Aliases: ['a'] } } },
  mounts: [],
  pid: 5,
  startTime: 1n,
  startedNs: NOW - 90n * SECOND,
  finishedNs: 0n,
  exitCode: 0,
  oomKilled: false,
  error: '',
  restartCount: 0,
  manuallyStopped: false,
  autoRemove: false,
  bootId: '',
  extensions: {},
  ...part,
});

const endpoint: Endpoint = {
  id: 'e1',
  networkId: 'n2',
  containerId: 'ab'.repeat(32),
  ipAddress: '10.0.0.2',
  prefixLength: 24,
  gateway: '10.0.0.1',
  ipv6Address: '',
  ipv6PrefixLength: 0,
  ipv6Gateway: '',
  macAddress: '02:00:00:00:00:01',
  hostLink: 've0',
  interfaceName: 'eth0',
  aliases: ['a'],
  links: [],
  ports: [{ protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 8080 }],
};

const view = (part: Partial<ContainerRecord> = {}, endpoints: readonly Endpoint[] = [endpoint]): ContainerView => ({
  record: record(part),
  endpoints,
  logPath: '/l',
  hostnamePath: '/h',
  hostsPath: '/o',
  resolvConfPath: '/r',
  execIds: [],
  graphDriver: { name: 'overlay2', data: {} },
});

t.test('lengths of time in words', async (t) => {
  const table: [number, string][] = [
    [0, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3000, '50 minutes'],
    [3600, 'About an hour'],
    [5399, 'About an hour'],
    [5400, '2 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [14 * 86400, '2 weeks'],
    [60 * 86400, '2 months'],
    [730 * 86400, '2 years'],
  ];
  for (const [seconds, words] of table) t.equal(humanDuration(BigInt(seconds) * SECOND), words);
});

t.test('states in words', async (t) => {
  const text = (state: ContainerState, part: Partial<ContainerRecord> = {}) =>
    statusText(record({ state, ...part }), NOW);
  const ended = { finishedNs: NOW - 5n * SECOND, exitCode: 3 };
  t.equal(text('created'), 'Created');
  t.equal(text('starting'), 'Created');
  t.equal(text('running'), 'Up About a minute');
  t.equal(text('stopping'), 'Up About a minute');
  t.equal(text('paused'), 'Up About a minute (Paused)');
  t.equal(text('restarting', ended), 'Restarting (3) 5 seconds ago');
  t.equal(text('exited', ended), 'Exited (3) 5 seconds ago');
  t.equal(text('removing'), 'Removal In Progress');
  t.equal(text('dead'), 'Dead');
});

t.test('inspect by version', async (t) => {
  const old = presentContainer(view(), names, '1.41');
  t.match(old, {
    Path: 'sh',
    Args: ['-c', 'echo a b'],
    Name: '/web',
    State: { Status: 'running', Running: true, Pid: 5, FinishedAt: '0001-01-01T00:00:00Z' },
    HostConfig: { KernelMemory: 0, MemorySwappiness: null, PidsLimit: null, Binds: null },
    NetworkSettings: {
      Bridge: '',
      IPAddress: '',
      SandboxKey: '/proc/5/ns/net',
      Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '81/udp': null },
      Networks: { mine: { IPAddress: '10.0.0.2', NetworkID: 'n2', Aliases: ['a', 'abababababab'] } },
    },
  });
  t.notOk('DNSNames' in (old.NetworkSettings.Networks.mine ?? {}));
  const now = presentContainer(view(), names, '1.55');
  t.notOk('IPAddress' in now.NetworkSettings);
  t.notOk('KernelMemory' in now.HostConfig);
  t.same(now.NetworkSettings.Networks.mine?.Aliases, ['a']);
  t.same(now.NetworkSettings.Networks.mine?.DNSNames, ['web', 'a', 'abababababab', 'h']);
  const bridged = presentContainer(
    view({ networkingConfig: {}, hostConfig: {} }, [{ ...endpoint, networkId: 'n1', ports: [] }]),
    names,
    '1.50',
  );
  t.equal(bridged.NetworkSettings.IPAddress, '10.0.0.2', 'the default bridge has its place at the top');
  const fresh = presentContainer(view({ state: 'created', startedNs: 0n, pid: 0 }, []), names, '1.50');
  t.match(fresh, {
    State: { Pid: 0, Running: false },
    NetworkSettings: { SandboxID: '', Ports: {}, Networks: { mine: { NetworkID: '' } } },
  });
});

t.test('the list', async (t) => {
  const entry = summarizeContainer(view(), names, 'busybox', NOW, '1.50');
  t.match(entry, {
    Names: ['/web'],
    Command: "sh -c 'echo a b'",
    State: 'running',
    Status: 'Up About a minute',
    Created: 1_699_999_900,
  });
  t.same(presentPorts(view()), [
    { PrivatePort: 81, Type: 'udp' },
    { IP: '0.0.0.0', PrivatePort: 80, Type: 'tcp', PublicPort: 8080 },
  ]);
  t.notOk('Health' in entry);
  t.ok('Health' in summarizeContainer(view(), names, 'busybox', NOW, '1.52'));
});

const image = (part: Partial<Image>): Image => ({
  id: 'sha256:1',
  config: { Cmd: ['sh'], Env: [], Labels: {} },
  architecture: 'amd64',
  variant: '',
  os: 'linux',
  author: '',
  comment: '',
  created: '2024-01-02T03:04:05Z',
  diffIds: ['a', 'b'],
  size: 30,
  repoTags: ['x:1'],
  repoDigests: [],
  history: [
    { created: '2024-01-01T00:00:00Z', createdBy: 'first', comment: '', emptyLayer: false, size: 10 },
    { created: '', createdBy: 'none', comment: '', emptyLayer: true, size: 0 },
    { created: '2024-01-02T03:04:05Z', createdBy: 'last', comment: 'c', emptyLayer: false, size: 20 },
  ],
  parent: '',
  lastTaggedNs: 0n,
  ...part,
});

t.test('images', async (t) => {
  const one = image({});
  t.match(presentImage(one, ['/top', '/low'], '1.43'), {
    VirtualSize: 30,
    Container: '',
    Parent: '',
    Config: { Hostname: '', Cmd: ['sh'] },
    GraphDriver: { Data: { UpperDir: '/top', LowerDir: '/low' } },
  });
  const now = presentImage(one, ['/top'], '1.55');
  t.same(now.Config, { Cmd: ['sh'] });
  t.notOk('Parent' in now || 'VirtualSize' in now || 'Container' in now);
  t.same(summarizeImage(image({ repoTags: [] }), { version: '1.42' }).RepoTags, ['<none>:<none>']);
  t.same(summarizeImage(image({ repoTags: [] }), { version: '1.43' }).RepoTags, []);
  t.match(presentHistory(one), [
    { Id: 'sha256:1', CreatedBy: 'last', Tags: ['x:1'], Size: 20 },
    { Id: '<missing>', CreatedBy: 'none', Tags: [] },
    { Id: '<missing>', CreatedBy: 'first', Size: 10 },
  ]);
  const other = image({ id: 'sha256:2', diffIds: ['a', 'c'] });
  t.same(
    [...sharedSizes([one, other])],
    [
      ['sha256:1', 10],
      ['sha256:2', 10],
    ],
  );
  t.equal(totalLayerSize([one, other]), 50);
});

t.test('events and disk usage by version', async (t) => {
  const event = { timeNs: NOW + 1n, type: 'image', action: 'tag', actorId: 'x', attributes: {} };
  t.match(
    JSON.stringify(presentEvent(event, '1.50')),
    /^\{"status":"tag","id":"x","Type":"image".*"timeNano":1700000000000000001\}$/,
  );
  t.match(JSON.stringify(presentEvent(event, '1.52')), /^\{"Type":"image"/);
  const usage = {
    layersSize: 50,
    images: [summarizeImage(image({}), { version: '1.52', sharedSize: 10, containers: 0 })],
    containers: [
      { ...summarizeContainer(view({ state: 'exited', finishedNs: 1n }), names, 'x', NOW, '1.52'), SizeRw: 7 },
    ],
    buildCache: [],
  };
  t.match(presentUsage(usage, false, '1.51'), { LayersSize: 50, Images: [{ Id: 'sha256:1' }], BuildCache: [] });
  t.match(presentUsage(usage, false, '1.52'), {
    ImageUsage: { TotalCount: 1, ActiveCount: 0, Reclaimable: 20, TotalSize: 50 },
    ContainerUsage: { TotalCount: 1, ActiveCount: 0, Reclaimable: 7 },
  });
});
