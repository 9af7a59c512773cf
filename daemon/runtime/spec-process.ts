// Owns the small decisions of a spec: namespaces by HostConfig's modes, resource limits, sysctls, hidden paths. Pure.
import type { HostConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { defaultMaskedPaths, defaultNetworkSysctls, defaultReadonlyPaths } from './defaults.ts';
import type { OciNamespace, OciRlimit } from './oci-spec.ts';
import type { SpecInput } from './types.ts';

/** RLIMIT_* of x86-64 and arm64 by Docker's names (include/uapi/asm-generic/resource.h). */
export const rlimitNumbers: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** `--ulimit` as limits of the process; -1 is unlimited. Throws invalid-argument naming the near name. */
export function rlimitsOf(ulimits: HostConfig['Ulimits']): readonly OciRlimit[] {
  const limits = new Map<string, OciRlimit>();
  for (const { Name: name = '', Soft: soft = 0, Hard: hard = 0 } of ulimits ?? []) {
    const lower = name.toLowerCase().replace(/^rlimit_/, '');
    if (!(lower in rlimitNumbers)) {
      const near = nearest(lower, Object.keys(rlimitNumbers));
      const hint = near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`;
      throw invalidArgument(`invalid ulimit type: ${name}${hint}`);
    }
    if (hard !== -1 && (soft === -1 || soft > hard)) {
      throw invalidArgument(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    limits.set(lower, { type: `RLIMIT_${lower.toUpperCase()}`, soft, hard });
  }
  return [...limits.values()];
}

/** A namespace of `/proc/PID/ns`. */
const joined = (type: OciNamespace['type'], pid: number | undefined, file: string): OciNamespace => {
  if (pid === undefined) throw invalidArgument(`the container whose ${type} namespace is to be shared is not running`);
  return { type, path: `/proc/${pid}/ns/${file}` };
};

/** Whether processes of the container see a cgroup namespace of their own: Docker's default is private on v2 alone. */
export function privateCgroups(host: HostConfig, mode: SpecInput['host']['cgroup']): boolean {
  const asked = host.CgroupnsMode ?? '';
  if (asked === 'private') return true;
  if (asked === 'host') return false;
  if (asked !== '') throw invalidArgument(`invalid CgroupnsMode "${asked}": expected private or host`);
  return mode === 'v2';
}

/** The network namespace is made before the launch; it stands here without a path. */
export function namespacesOf(input: SpecInput): readonly OciNamespace[] {
  const { hostConfig: host } = input;
  const namespaces: OciNamespace[] = [{ type: 'mount' }];
  if (input.network === 'own') namespaces.push({ type: 'network' });
  const uts = host.UTSMode ?? '';
  if (uts !== '' && uts !== 'host') throw invalidArgument(`invalid UTS mode: ${uts}`);
  if (uts === '') namespaces.push({ type: 'uts' });
  const pid = host.PidMode ?? '';
  if (pid.startsWith('container:')) namespaces.push(joined('pid', input.joinPid, 'pid'));
  else if (pid === '' || pid === 'private') namespaces.push({ type: 'pid' });
  else if (pid !== 'host') throw invalidArgument(`invalid PID mode: ${pid}`);
  const ipc = host.IpcMode ?? '';
  if (ipc.startsWith('container:')) namespaces.push(joined('ipc', input.joinIpc, 'ipc'));
  else if (['', 'private', 'shareable', 'none'].includes(ipc)) namespaces.push({ type: 'ipc' });
  else if (ipc !== 'host') throw invalidArgument(`invalid IPC mode: ${ipc}`);
  if (privateCgroups(host, input.host.cgroup)) namespaces.push({ type: 'cgroup' });
  return namespaces;
}

const ipcSysctls: ReadonlySet<string> = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

function checkSysctl(name: string, namespaces: ReadonlySet<string>): void {
  if (!/^[a-zA-Z0-9_-]+([./][a-zA-Z0-9_:@-]+)+$/.test(name)) {
    throw invalidArgument(`invalid sysctl name ${JSON.stringify(name)}`);
  }
  const dotted = name.replaceAll('/', '.');
  if (ipcSysctls.has(dotted) || dotted.startsWith('fs.mqueue.')) {
    if (namespaces.has('ipc')) return;
    throw invalidArgument(`sysctl "${name}" is not allowed in the hosts ipc namespace`);
  }
  if (dotted.startsWith('net.')) {
    if (namespaces.has('network')) return;
    throw invalidArgument(`sysctl "${name}" not allowed in host network namespace`);
  }
  if (dotted === 'kernel.domainname') {
    if (namespaces.has('uts')) return;
    throw invalidArgument(`sysctl "${name}" is not allowed in the hosts UTS namespace`);
  }
  if (dotted === 'kernel.hostname') {
    throw invalidArgument(`sysctl "${name}" is not allowed as it conflicts with the OCI "hostname" field`);
  }
  throw invalidArgument(`sysctl "${name}" is not in a separate kernel namespace`);
}

/** Defaults of a network namespace of its own, then the user's. Throws invalid-argument for what no namespace of the container covers. */
export function sysctlsOf(input: SpecInput, namespaces: readonly OciNamespace[]): Readonly<Record<string, string>> {
  const own = new Set(namespaces.map(({ type }) => type as string));
  const given = input.hostConfig.Sysctls ?? {};
  for (const name of Object.keys(given)) checkSysctl(name, own);
  const fresh = input.network === 'own' && !(input.hostConfig.NetworkMode ?? '').startsWith('container:');
  return { ...(fresh ? defaultNetworkSysctls : {}), ...given };
}

/** `MaskedPaths` and `ReadonlyPaths`: absent are the defaults, an empty list is none; privileged has none unless it asks. */
export function hiddenPathsOf(
  host: HostConfig,
  thermalPaths: readonly string[],
): { readonly masked: readonly string[]; readonly readonly: readonly string[] } {
  if (host.Privileged === true) return { masked: [], readonly: [] };
  return {
    masked: host.MaskedPaths ?? [...defaultMaskedPaths, ...thermalPaths],
    readonly: host.ReadonlyPaths ?? defaultReadonlyPaths,
  };
}
