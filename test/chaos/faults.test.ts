// Every step of a launch and of the set-up of networks and storage made to fail in turn: the error names the step, nothing is left behind,
// and the next try succeeds.
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import type { Leaks } from '../../api-spec/index.ts';
import { Client, routes } from '../../client/index.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { Docker } from '../helpers/engine.ts';

t.setTimeout(600_000);

const env: Record<string, string> = { TSD_TEST: '1' };
const daemon = new TestDaemon({ env });
t.teardown(() => daemon.cleanup());
await daemon.start();
await daemon.loadBusybox();
const docker = new Docker(daemon);
const client = new Client({ host: daemon.host });
const leaks = async (): Promise<Leaks['Leaks']> => (await client.call(routes.TsdLeaks)).body.Leaks;

/** The daemon anew, with these steps failing once each. */
async function withFaults(steps: readonly string[]): Promise<void> {
  env.TSD_FAULT = steps.map((step) => `${step}:1`).join(',');
  await daemon.restart('SIGTERM');
}

/** Descriptors of the daemon but sockets of clients, by what they lead to. */
const descriptors = (): string[] =>
  readdirSync(`/proc/${daemon.pid}/fd`)
    .map((fd) => {
      try {
        return readlinkSync(`/proc/${daemon.pid}/fd/${fd}`);
      } catch {
        return ''; // it has been closed meanwhile
      }
    })
    .filter((target) => /^(net:|\/$|mnt:)|overlay|containers/.test(target))
    .sort();

const create = ['-p', '127.0.0.1::80', '-v', '/volume', '--network', 'faulty', 'busybox', 'sleep', '1000'];
const createSteps = ['directory', 'layer'];
const networkSteps = ['bridge', 'rules', 'network'];
const startSteps = [
  ...['sandbox', 'ports', 'publish', 'link', 'linked', 'endpoint', 'network-files'],
  ...['root', 'user', 'binds', 'run-directory', 'plan', 'cgroup', 'monitor', 'launch', 'go', 'hold', 'settle'],
];

t.test('networks', async (t) => {
  await withFaults(networkSteps);
  for (const step of networkSteps) {
    const { code, stderr } = await docker.run(['network', 'create', '--ipv6', '--subnet', 'fd00:17::/64', 'faulty']);
    t.equal(code, 1, step);
    t.match(stderr, `Failed to create network faulty: ${step}: a fault`);
    t.same(await leaks(), [], step);
    t.equal(await docker.ok('network', 'ls', '-q', '-f', 'name=faulty'), '');
  }
  await docker.ok('network', 'create', '--ipv6', '--subnet', 'fd00:17::/64', 'faulty');
  t.same(await leaks(), []);
});

t.test('create', async (t) => {
  await withFaults(createSteps);
  for (const step of createSteps) {
    const { code, stderr } = await docker.run(['create', '--name', 'box', ...create]);
    t.equal(code, 1, step);
    t.match(stderr, `${step}: a fault`);
    t.same(await leaks(), [], step);
    t.equal(await docker.ok('volume', 'ls', '-q'), '', 'the anonymous volume is gone again');
  }
  await docker.ok('create', '--name', 'box', ...create);
});

for (const step of startSteps) {
  t.test(`start: ${step}`, async (t) => {
    await withFaults([step]);
    const before = descriptors();
    const { code, stderr } = await docker.run(['start', 'box']);
    t.equal(code, 1);
    t.match(stderr, `${step}: a fault`);
    t.same(await leaks(), []);
    t.same(descriptors(), before, 'no descriptor either');
    t.match(
      await docker.inspect('box', '{{.State.Running}} {{.State.Error}}'),
      new RegExp(`^false .*${step}: a fault`),
    );
    await docker.ok('start', 'box');
    t.equal(await docker.inspect('box', '{{.State.Running}}{{.State.Error}}'), 'true');
    t.same(await leaks(), []);
    await docker.ok('kill', 'box');
    await docker.run(['wait', 'box']);
    t.same(await leaks(), []);
  });
}

t.test('each line of the plan, in the monitor', async (t) => {
  const most = 400;
  await withFaults(Array.from({ length: most }, (_, index) => `plan.${index}`));
  const before = descriptors();
  let failures = 0;
  for (; failures < most; failures += 1) {
    const { code, stderr } = await docker.run(['start', 'box']);
    if (code === 0) break;
    if (!/write|open|fault/.test(stderr)) t.fail(`line ${failures}: the error does not name the step: ${stderr}`);
  }
  t.ok(failures > 20 && failures < most, `${failures} lines failed one after another, then it started`);
  t.same(await leaks(), []);
  await docker.ok('kill', 'box');
  await docker.run(['wait', 'box']);
  t.same(await leaks(), []);
  t.same(descriptors(), before);
  await docker.ok('rm', '-v', 'box');
  await docker.ok('network', 'rm', 'faulty');
  t.same(await leaks(), []);
  console.error(`faults: ${networkSteps.length + createSteps.length + startSteps.length + failures}, leaks: 0`);
});
