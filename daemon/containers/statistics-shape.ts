// Owns Docker's shape of a container's resource usage: readings of the kernel become the fields of the API. Pure.
import type { ContainerStats } from '../../api-spec/index.ts';
import type { BlockIoEntry, CgroupStatistics } from '../supervisor/cgroup/cgroup.ts';
import type { InterfaceCounters } from '../supervisor/process/proc.ts';

type CpuStats = ContainerStats['cpu_stats'];

/** Go's zero time: no sample before. */
export const NO_TIME = '0001-01-01T00:00:00Z';

export const noCpu: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** One reading of everything. */
export interface Reading {
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly cgroup: CgroupStatistics;
  /** v1 counts as Docker on v1 shows them, v2 as on v2. */
  readonly version: 1 | 2;
  readonly interfaces: readonly InterfaceCounters[];
  readonly machine: { readonly totalNs: number; readonly processors: number; readonly memoryBytes: number };
}

interface Named {
  readonly id: string;
  /** Without the slash. */
  readonly name: string;
}

/** What is told of a container without a process. */
export const emptyStatistics = ({ id, name }: Named): ContainerStats => ({
  read: NO_TIME,
  preread: NO_TIME,
  pids_stats: {},
  blkio_stats: {
    io_service_bytes_recursive: null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  },
  num_procs: 0,
  storage_stats: {},
  cpu_stats: noCpu,
  precpu_stats: noCpu,
  memory_stats: {},
  name: `/${name}`,
  id,
});

function cpuStats({ cgroup: { cpu }, machine }: Reading): CpuStats {
  return {
    cpu_usage: {
      total_usage: cpu?.totalUsage ?? 0,
      ...(cpu?.perCpuUsage === undefined ? {} : { percpu_usage: [...cpu.perCpuUsage] }),
      usage_in_kernelmode: cpu?.systemUsage ?? 0,
      usage_in_usermode: cpu?.userUsage ?? 0,
    },
    system_cpu_usage: machine.totalNs,
    online_cpus: machine.processors,
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttledTime ?? 0,
    },
  };
}

/** Without a limit the machine's memory is the limit, so that percentages mean something. */
function memoryStats({ cgroup: { memory }, machine, version }: Reading): ContainerStats['memory_stats'] {
  if (memory === undefined) return {};
  const limit = Math.min(memory.limit ?? machine.memoryBytes, machine.memoryBytes);
  return {
    usage: memory.usage,
    // v2 has no such numbers in Docker's answer.
    ...(version === 1 && memory.maxUsage !== undefined ? { max_usage: memory.maxUsage } : {}),
    stats: { ...memory.details },
    ...(version === 1 && memory.failures > 0 ? { failcnt: memory.failures } : {}),
    limit,
  };
}

type Entries = NonNullable<ContainerStats['blkio_stats']['io_service_bytes_recursive']>;

const title = (operation: string): string => operation.charAt(0).toUpperCase() + operation.slice(1);
const entries = (list: readonly BlockIoEntry[], version: 1 | 2): Entries =>
  list.map(({ major, minor, operation, value }) => ({
    major,
    minor,
    // As the kernel writes them: v1 in title case.
    op: version === 1 ? title(operation) : operation,
    value,
  }));

function blockStats({ cgroup: { blockIo }, version }: Reading): ContainerStats['blkio_stats'] {
  // v2 has bytes and operations alone; dockerd answers null for the rest there, and empty lists on v1.
  const none = version === 1 ? [] : null;
  const listed = (list: readonly BlockIoEntry[] | undefined): Entries | null =>
    version === 2 && (list === undefined || list.length === 0) ? null : entries(list ?? [], version);
  return {
    io_service_bytes_recursive: listed(
      blockIo?.serviceBytes.filter(({ operation }) => version === 1 || operation !== 'discard'),
    ),
    io_serviced_recursive: version === 1 ? entries(blockIo?.serviced ?? [], 1) : null,
    io_queue_recursive: none,
    io_service_time_recursive: none,
    io_wait_time_recursive: none,
    io_merged_recursive: none,
    io_time_recursive: none,
    sectors_recursive: none,
  };
}

/** A sample without a past: `withPrevious` adds it. */
export function statisticsOf(named: Named, reading: Reading): ContainerStats {
  const { pids, pressure } = reading.cgroup;
  const networks = Object.fromEntries(
    reading.interfaces.map((counters) => [
      counters.name,
      {
        rx_bytes: counters.rxBytes,
        rx_packets: counters.rxPackets,
        rx_errors: counters.rxErrors,
        rx_dropped: counters.rxDropped,
        tx_bytes: counters.txBytes,
        tx_packets: counters.txPackets,
        tx_errors: counters.txErrors,
        tx_dropped: counters.txDropped,
      },
    ]),
  );
  const pressures = Object.fromEntries(Object.entries(pressure ?? {}).filter(([, value]) => value !== undefined));
  return {
    read: reading.time,
    preread: NO_TIME,
    pids_stats:
      pids === undefined ? {} : { current: pids.current, ...(pids.limit === undefined ? {} : { limit: pids.limit }) },
    blkio_stats: blockStats(reading),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(reading),
    precpu_stats: noCpu,
    memory_stats: memoryStats(reading),
    name: `/${named.name}`,
    id: named.id,
    ...(reading.interfaces.length === 0 ? {} : { networks }),
    ...(Object.keys(pressures).length === 0 ? {} : { pressure_stats: pressures }),
  };
}

/** The sample with the one before it, from which clients reckon percentages. */
export const withPrevious = (sample: ContainerStats, previous: ContainerStats | undefined): ContainerStats =>
  previous === undefined ? sample : { ...sample, preread: previous.read, precpu_stats: previous.cpu_stats };
