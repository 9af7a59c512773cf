// Owns the measuring of what this kernel and this daemon can do, once at boot. Decides nothing.
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { boundingSet, kernelFeatures } from '../../addon/index.ts';
import type { Cgroups } from '../supervisor/cgroup/cgroup.ts';
import type { HostFeatures } from './types.ts';

function apparmorEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}

/** SELinux counts as there when its file system is mounted, whether it enforces or not. */
const selinuxEnabled = (): boolean => existsSync('/sys/fs/selinux/enforce');

export function measureHost(cgroups: Cgroups): HostFeatures {
  return {
    boundingSet: boundingSet(),
    seccomp: kernelFeatures().seccomp,
    apparmor: apparmorEnabled(),
    selinux: selinuxEnabled(),
    cgroup: cgroups.mode,
    cgroupControllers: cgroups.controllers,
    kernelRelease: release(),
  };
}
