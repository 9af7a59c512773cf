// Owns what a container's record means for its spec: environment, hostname, mounts. Pure.
import type { HostConfig } from '../../api-spec/index.ts';
import { DEFAULT_PATH } from '../runtime/defaults.ts';
import type { BindMount, HostFeatures, ResolvedUser, SpecInput, TmpfsMount } from '../runtime/types.ts';
import { argvOf } from './merge-config.ts';
import type { ContainerRecord, MountPoint } from './types.ts';

const keyOf = (variable: string): string => variable.split('=', 1)[0] ?? '';

/** Docker's order: PATH, HOSTNAME, TERM, then the configuration's (in place where the key is known), HOME last. A key alone removes. */
export function environment(
  config: { readonly Env?: readonly string[]; readonly Tty?: boolean },
  hostname: string,
  home: string,
): readonly string[] {
  const variables = new Map<string, string>([
    ['PATH', `PATH=${DEFAULT_PATH}`],
    ['HOSTNAME', `HOSTNAME=${hostname}`],
  ]);
  if (config.Tty === true) variables.set('TERM', 'TERM=xterm');
  for (const variable of config.Env ?? []) {
    if (variable.includes('=')) variables.set(keyOf(variable), variable);
    else variables.delete(variable);
  }
  if (!variables.has('HOME')) variables.set('HOME', `HOME=${home}`);
  return [...variables.values()];
}

const asked = (hostConfig: HostConfig, destination: string) =>
  (hostConfig.Mounts ?? []).find((mount) => mount.Target !== undefined && sameTarget(mount.Target, destination));

const sameTarget = (target: string, destination: string): boolean =>
  target === destination || target.replace(/\/+$/, '') === destination;

/** True when the missing host path of a bind is made (-v, or --mount with bind-create-src). */
export const createsSource = (hostConfig: HostConfig, mount: MountPoint): boolean => {
  const mine = asked(hostConfig, mount.destination);
  return mine === undefined || mine.BindOptions?.CreateMountpoint === true;
};

/** A bind or volume as the runtime takes it; `source` is the host directory. */
export function bindMount(hostConfig: HostConfig, mount: MountPoint, source: string): BindMount {
  const options = asked(hostConfig, mount.destination)?.BindOptions;
  return {
    source,
    target: mount.destination,
    readOnly: !mount.rw,
    recursiveReadOnly: !mount.rw && options?.ReadOnlyNonRecursive !== true && options?.NonRecursive !== true,
    recursive: options?.NonRecursive !== true,
    propagation: (mount.propagation === '' ? 'rprivate' : mount.propagation) as BindMount['propagation'],
  };
}

/** `--tmpfs` and `--mount type=tmpfs`. */
export function tmpfsMounts(hostConfig: HostConfig): readonly TmpfsMount[] {
  const short = Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) => ({
    target,
    options: options.split(',').filter((option) => option !== ''),
  }));
  const long = (hostConfig.Mounts ?? [])
    .filter((mount) => mount.Type === 'tmpfs')
    .map((mount) => ({
      target: mount.Target ?? '',
      options: [
        ...(mount.ReadOnly === true ? ['ro'] : []),
        ...((mount.TmpfsOptions?.SizeBytes ?? 0) > 0 ? [`size=${mount.TmpfsOptions?.SizeBytes}`] : []),
        ...((mount.TmpfsOptions?.Mode ?? 0) > 0 ? [`mode=${(mount.TmpfsOptions?.Mode ?? 0).toString(8)}`] : []),
        ...(mount.TmpfsOptions?.Options ?? []).map((option) => option.join('=')),
      ],
    }));
  return [...short, ...long];
}

export interface SpecParts {
  readonly user: ResolvedUser;
  readonly binds: readonly BindMount[];
  readonly cgroupPath: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly network: 'own' | 'host';
  readonly joinPid?: number;
  readonly joinIpc?: number;
  readonly host: HostFeatures;
}

export function specInput(record: Pick<ContainerRecord, 'id' | 'config' | 'hostConfig'>, parts: SpecParts): SpecInput {
  const { config, hostConfig, id } = record;
  return {
    id,
    config,
    hostConfig,
    args: argvOf(config),
    env: environment(config, parts.hostname, parts.user.home),
    tmpfs: tmpfsMounts(hostConfig),
    ...parts,
  };
}
