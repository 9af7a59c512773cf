// Owns the sentences that tell a user which limits this host cannot keep. Pure.
import type { LinuxResources } from './resources.ts';

export interface LimitSupport {
  readonly controllers: ReadonlySet<string>;
  readonly version: 1 | 2;
  readonly swap: boolean;
  readonly ioWeight: boolean;
}

const mounted = 'or the cgroup is not mounted';

function memorySentences({ memory }: LinuxResources, host: LimitSupport): readonly string[] {
  if (memory === undefined) return [];
  const { limit, swap, reservation, swappiness, disableOOMKiller } = memory;
  const sentences: string[] = [];
  const has = host.controllers.has('memory');
  if (limit !== undefined && !has) {
    sentences.push(`Your kernel does not support memory limit capabilities ${mounted}. Limitation discarded.`);
  } else if (swap !== undefined && swap !== -1 && !host.swap) {
    sentences.push(`Your kernel does not support swap limit capabilities ${mounted}. Memory limited without swap.`);
  }
  if (swappiness !== undefined && (!has || host.version === 2)) {
    sentences.push(
      `Your kernel does not support memory swappiness capabilities ${mounted}. Memory swappiness discarded.`,
    );
  }
  if (reservation !== undefined && !has) {
    sentences.push(`Your kernel does not support memory soft limit capabilities ${mounted}. Limitation discarded.`);
  }
  if (disableOOMKiller === true && (!has || host.version === 2)) {
    sentences.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
  } else if (disableOOMKiller === true && limit === undefined) {
    sentences.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  return sentences;
}

function cpuSentences({ cpu }: LinuxResources, host: LimitSupport): readonly string[] {
  if (cpu === undefined) return [];
  const sentences: string[] = [];
  if (!host.controllers.has('cpu')) {
    if (cpu.shares !== undefined)
      sentences.push(`Your kernel does not support CPU shares ${mounted}. Shares discarded.`);
    if (cpu.quota !== undefined || cpu.period !== undefined) {
      sentences.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    }
  }
  if ((cpu.cpus !== undefined || cpu.mems !== undefined) && !host.controllers.has('cpuset')) {
    sentences.push(`Your kernel does not support cpuset ${mounted}. Cpuset discarded.`);
  }
  return sentences;
}

function blockIoSentences({ blockIO }: LinuxResources, host: LimitSupport): readonly string[] {
  if (blockIO === undefined) return [];
  const has = host.controllers.has(host.version === 2 ? 'io' : 'blkio');
  const sentences: string[] = [];
  if (blockIO.weight !== undefined && !host.ioWeight) {
    sentences.push(`Your kernel does not support Block I/O weight ${mounted}. Weight discarded.`);
  }
  if (blockIO.weightDevice !== undefined && !host.ioWeight) {
    sentences.push(`Your kernel does not support Block I/O weight_device ${mounted}. Weight-device discarded.`);
  }
  const rates = [
    ['BPS', 'read', blockIO.throttleReadBpsDevice],
    ['BPS', 'write', blockIO.throttleWriteBpsDevice],
    ['IOPS', 'read', blockIO.throttleReadIOPSDevice],
    ['IOPS', 'write', blockIO.throttleWriteIOPSDevice],
  ] as const;
  for (const [unit, direction, list] of rates) {
    if (list === undefined || has) continue;
    sentences.push(
      `Your kernel does not support ${unit} Block I/O ${direction} limit ${mounted}. Block I/O ${unit} ${direction} limit discarded.`,
    );
  }
  return sentences;
}

/** A sentence for each limit in `resources` that cannot be kept. */
export function unsupportedLimits(resources: LinuxResources, host: LimitSupport): readonly string[] {
  const pids =
    resources.pids !== undefined && !host.controllers.has('pids')
      ? [`Your kernel does not support PIDs limit capabilities ${mounted}. PIDs limit discarded.`]
      : [];
  return [
    ...memorySentences(resources, host),
    ...cpuSentences(resources, host),
    ...blockIoSentences(resources, host),
    ...pids,
  ];
}
