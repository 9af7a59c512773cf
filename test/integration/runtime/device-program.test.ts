import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Hierarchy } from '../../../daemon/supervisor/cgroup/cgroup.ts';
import { HostCgroups } from '../../../daemon/supervisor/cgroup/host-cgroups.ts';
import type { DeviceRule } from '../../../daemon/supervisor/cgroup/resources.ts';

const mountPoint = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
  existsSync(`${path}/cgroup.controllers`),
);
if (mountPoint === undefined) throw new Error('this test needs a mounted cgroup2');
const unified: Hierarchy = { version: 2, controllers: [], mountPoint, ownPath: '/' };
const cgroups = new HostCgroups('v2', [unified]);
const path = `/tsd-devices-${process.pid}`;
t.after(async () => {
  await cgroups.remove(path);
});

const nothing: DeviceRule = { allow: false, type: 'a', access: 'rwm' };
const allow = (major: number, minor: number, access: string): DeviceRule => ({
  allow: true,
  type: 'c',
  major,
  minor,
  access,
});

/** Opens /dev/zero for reading from within the group. */
async function opens(): Promise<boolean> {
  const child = spawn('/bin/sh', ['-c', 'read go; exec head -c 1 /dev/zero > /dev/null'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  writeFileSync(`${mountPoint}${path}/cgroup.procs`, String(child.pid));
  child.stdin.end('go\n');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

t.test('a program restricts devices on v2, and is replaced by an update', async (t) => {
  t.ok(cgroups.controllers.includes('devices'));
  cgroups.create(path, { devices: [nothing, allow(1, 3, 'rwm'), allow(1, 5, 'r')] });
  t.ok(await opens());
  cgroups.update(path, { devices: [nothing, allow(1, 3, 'rwm')] });
  t.notOk(await opens());
  cgroups.update(path, { devices: [nothing, allow(1, 3, 'rwm'), allow(1, 5, 'r')] });
  t.ok(await opens(), 'nothing of the earlier programs is left');
});
