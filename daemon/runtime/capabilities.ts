// Owns capability names, numbers and sets: Docker's default, `--cap-add` and `--cap-drop`. Pure; what the host can give comes as a mask.
import { invalidArgument } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';

/** In the order of their numbers, capabilities(7). */
export const capabilityNames = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** What a container has unless told otherwise, as Docker's documentation lists it. */
export const defaultCapabilities: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const numbers: ReadonlyMap<string, number> = new Map(capabilityNames.map((name, number) => [name, number]));

/** Mask of names; names that are none are left out. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = numbers.get(name);
    if (number !== undefined) mask |= 1n << BigInt(number);
  }
  return mask;
}

/** Names of a mask, in the order of their numbers. Bits without a name are left out. */
export const namesOfMask = (mask: bigint): readonly string[] =>
  capabilityNames.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);

/** `net_admin`, `CAP_NET_ADMIN` -> `CAP_NET_ADMIN`; `all` -> `ALL`. Throws invalid-argument, prefixed by `field`, for a name that is none. */
function normalize(names: readonly string[], field: 'CapAdd' | 'CapDrop'): readonly string[] {
  return names.map((given) => {
    const upper = given.trim().toUpperCase();
    if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (numbers.has(name)) return name;
    const near = nearest(name, capabilityNames);
    const hint = near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`;
    throw invalidArgument(`invalid ${field}: unknown capability: "${name}"${hint}`);
  });
}

export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * The capabilities of a container as names in the order of their numbers, limited to `available` (the daemon's own bounding set): ALL and
 * privileged give what there is; a single one that this daemon lacks is invalid-argument.
 * `ALL` in `add` wins over `ALL` in `drop`, as in Docker.
 */
export function containerCapabilities(request: CapabilityRequest, available: bigint): readonly string[] {
  const add = normalize(request.add, 'CapAdd');
  const drop = normalize(request.drop, 'CapDrop');
  for (const name of add) {
    if (name !== 'ALL' && !request.privileged && (capabilityMask([name]) & available) === 0n) {
      throw invalidArgument(
        `invalid CapAdd: capability not supported by your kernel or not available in the current environment: "${name}"`,
      );
    }
  }
  if (request.privileged) return namesOfMask(available);
  if (add.includes('ALL')) return namesOfMask(available & ~capabilityMask(drop));
  const base = drop.includes('ALL') ? 0n : capabilityMask(defaultCapabilities) & ~capabilityMask(drop);
  return namesOfMask((base | capabilityMask(add)) & available);
}
