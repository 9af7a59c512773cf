import t from 'tap';
import { buildExecPlan } from './exec-plan.ts';
import { buildPlan, type PlanInput } from './plan.ts';
import { formatPlan } from './plan-format.ts';
import type { CgroupView } from './plan-mounts.ts';
import { encodePlan, opNumber, ops } from './plan-ops.ts';
import { buildSpec } from './spec.ts';
import { fakeLookup, hybridView, specInput } from './testing.ts';

const filter = { flags: 4, program: new Uint8Array(4000) };

const planInput = (more: Partial<PlanInput> = {}): PlanInput => ({
  spec: buildSpec(specInput(), fakeLookup),
  root: 0,
  network: 1,
  staging: '/run/tsd/staging',
  cgroup: hybridView,
  files: new Set(['/data/containers/c0ffee/hosts']),
  seccomp: filter,
  init: false,
  ...more,
});

const v2View: CgroupView = {
  mode: 'v2',
  isPrivate: true,
  entries: [
    {
      version: 2,
      controllers: ['cpu', 'memory'],
      directory: '/sys/fs/cgroup/tsd-12345678/c0ffee',
      mountPoint: '/sys/fs/cgroup',
    },
  ],
};

t.test('the plan of a default container', async (t) => {
  t.matchSnapshot(formatPlan(buildPlan(planInput())));
});

t.test('the plan on pure v2, with a terminal, a user, no-new-privileges, init and a read-only root', async (t) => {
  const input = specInput({
    config: { Tty: true, WorkingDir: '/srv' },
    hostConfig: {
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Ulimits: [{ Name: 'nofile', Soft: 1024, Hard: -1 }],
      Sysctls: { 'net.core.somaxconn': '512' },
    },
    user: { uid: 1000, gid: 100, additionalGids: [100, 29], home: '/', name: '' },
    domainname: 'example.org',
    host: { ...specInput().host, cgroup: 'v2' },
  });
  const plan = buildPlan(
    planInput({ spec: buildSpec(input, fakeLookup), cgroup: v2View, init: true, consoleSize: [24, 80] }),
  );
  t.matchSnapshot(formatPlan(plan));
});

t.test('the plan of a privileged container on the host network', async (t) => {
  const input = specInput({
    hostConfig: { Privileged: true, NetworkMode: 'host', PidMode: 'host', UTSMode: 'host' },
    network: 'host',
  });
  const plan = buildPlan(planInput({ spec: buildSpec(input, fakeLookup), network: undefined, seccomp: undefined }));
  t.matchSnapshot(formatPlan(plan));
});

t.test("the plan in another container's pid and ipc namespaces", async (t) => {
  const input = specInput({ hostConfig: { PidMode: 'container:x', IpcMode: 'container:x' }, joinPid: 77, joinIpc: 77 });
  const plan = buildPlan(planInput({ spec: buildSpec(input, fakeLookup) }));
  const text = formatPlan(plan);
  t.match(text, /open +#\d+ \/proc\/77\/ns\/pid 00\nopen +#\d+ \/proc\/77\/ns\/ipc 00\nclone +- #\d+\n/);
  t.match(text, /set-namespace +#\d+ pid\n.*set-namespace +#\d+ ipc\nclone +parent\+mount\+uts -\n/s);
  t.match(text, /set-namespace +#\d+ mount\nopen-tree +#\d+ \/dev\/shm recursive\nset-namespace +#\d+ mount\n/);
});

t.test('the plan of an exec session', async (t) => {
  const spec = buildSpec(specInput(), fakeLookup);
  t.matchSnapshot(formatPlan(buildExecPlan({ spec, cgroup: hybridView, seccomp: filter })));
});

t.test('order', async (t) => {
  const names = buildPlan(planInput()).map(({ op }) => op);
  const first = (op: string) => names.indexOf(op as (typeof names)[number]);
  const last = (op: string) => names.lastIndexOf(op as (typeof names)[number]);
  t.ok(last('open-tree') < first('clone'), 'host paths are opened before the clone');
  t.ok(first('write') < first('root'), 'in the cgroups before anything of the image');
  t.ok(last('sysctl') < first('readonly'), 'sysctls before /proc/sys is read-only');
  t.ok(last('attach') < first('mask') && last('filesystem') < first('mask'), 'masks after mounts');
  t.ok(first('bounding-set') < first('user') && first('user') < first('capabilities'));
  t.ok(first('capabilities') < first('death-signal'), 'death signal after credentials');
  t.ok(first('seccomp') < first('user'), 'the filter while CAP_SYS_ADMIN is there');
  t.equal(names.at(-1), 'exec');
});

t.test('a user-made /dev has no nodes of ours', async (t) => {
  const bind = {
    source: '/dev',
    target: '/dev',
    readOnly: false,
    recursiveReadOnly: false,
    recursive: true,
    propagation: 'rprivate',
  } as const;
  const plan = buildPlan(planInput({ spec: buildSpec(specInput({ binds: [bind] }), fakeLookup) }));
  t.notMatch(formatPlan(plan), /^(device|symlink) .*\/dev\//m);
  t.notMatch(formatPlan(plan), /filesystem +(devpts|mqueue)/);
});

t.test('binds: read-only above, writable below, and the reverse', async (t) => {
  const bind = (readOnly: boolean, recursiveReadOnly: boolean, propagation: 'rprivate' | 'private' | 'rslave') => ({
    source: '/srv',
    target: '/mnt',
    readOnly,
    recursiveReadOnly,
    recursive: true,
    propagation,
  });
  const linesOf = (...args: Parameters<typeof bind>): string =>
    formatPlan(buildPlan(planInput({ spec: buildSpec(specInput({ binds: [bind(...args)] }), fakeLookup) })))
      .split('\n')
      .filter((line) => line.includes('/mnt'))
      .join('\n');
  t.equal(linesOf(false, false, 'rprivate'), 'attach            #6 /mnt - private recursive directory');
  t.equal(linesOf(true, true, 'rslave'), 'attach            #6 /mnt ro slave recursive directory');
  t.equal(
    linesOf(true, false, 'rprivate'),
    'attach            #6 /mnt - private recursive directory\nmount-attributes  /mnt ro - - -',
  );
  t.equal(
    linesOf(true, true, 'private'),
    'attach            #6 /mnt - private - directory\nmount-attributes  /mnt ro - - recursive',
  );
});

t.test('the encoding is the documented one', async (t) => {
  t.equal(
    Buffer.from(encodePlan([ops.mask('/a'), ops.clone(0, undefined)])).toString('hex'),
    [
      '1400',
      '0100',
      '02000000',
      '2f61',
      '0300',
      '0200',
      '08000000',
      '0000000000000000',
      '08000000',
      'ffffffffffffffff',
    ].join(''),
  );
  t.equal(new Set(Object.values(opNumber)).size, Object.keys(opNumber).length);
});
