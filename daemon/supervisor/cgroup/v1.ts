// Owns the files of cgroup v1 (Documentation/admin-guide/cgroup-v1): limits -> writes (pure), readings -> numbers. One hierarchy at a
// time; host-cgroups.ts puts them together.
import type { BlockIoEntry, CgroupStatistics } from './cgroup.ts';
import { parseKeyed, parseNumbers, readControl, readNumber } from './files.ts';
import type { DeviceRate, DeviceRule, LinuxResources } from './resources.ts';

/** A value for a file of a controller. The first of `files` that exists is meant. */
export interface LimitWrite {
  readonly controller: string;
  readonly files: readonly string[];
  readonly value: string;
  /** Of a file with a line a device: which line is meant. */
  readonly device?: string;
}

const write = (controller: string, file: string, value: string | number): LimitWrite => ({
  controller,
  files: [file],
  value: String(value),
});

const number = (value: number | undefined): string => (value === undefined ? '*' : String(value));

/** `c 1:3 rwm` for devices.allow and devices.deny. */
export const deviceText = ({ type, major, minor, access }: DeviceRule): string =>
  type === 'a' ? 'a' : `${type} ${number(major)}:${number(minor)} ${access}`;

const deviceWrites = (rules: readonly DeviceRule[]): readonly LimitWrite[] =>
  rules.map((rule) => write('devices', rule.allow ? 'devices.allow' : 'devices.deny', deviceText(rule)));

function memoryWrites({ memory }: LinuxResources): readonly LimitWrite[] {
  if (memory === undefined) return [];
  const { limit, swap, reservation, swappiness, disableOOMKiller } = memory;
  return [
    ...(limit === undefined ? [] : [write('memory', 'memory.limit_in_bytes', limit)]),
    ...(swap === undefined ? [] : [write('memory', 'memory.memsw.limit_in_bytes', swap)]),
    ...(reservation === undefined ? [] : [write('memory', 'memory.soft_limit_in_bytes', reservation)]),
    ...(swappiness === undefined ? [] : [write('memory', 'memory.swappiness', swappiness)]),
    ...(disableOOMKiller === true ? [write('memory', 'memory.oom_control', 1)] : []),
  ];
}

function cpuWrites({ cpu }: LinuxResources): readonly LimitWrite[] {
  if (cpu === undefined) return [];
  const { shares, period, quota, burst, realtimePeriod, realtimeRuntime, cpus, mems } = cpu;
  return [
    ...(shares === undefined ? [] : [write('cpu', 'cpu.shares', shares)]),
    ...(period === undefined ? [] : [write('cpu', 'cpu.cfs_period_us', period)]),
    ...(quota === undefined ? [] : [write('cpu', 'cpu.cfs_quota_us', quota)]),
    ...(burst === undefined ? [] : [write('cpu', 'cpu.cfs_burst_us', burst)]),
    ...(realtimePeriod === undefined ? [] : [write('cpu', 'cpu.rt_period_us', realtimePeriod)]),
    ...(realtimeRuntime === undefined ? [] : [write('cpu', 'cpu.rt_runtime_us', realtimeRuntime)]),
    ...(cpus === undefined ? [] : [write('cpuset', 'cpuset.cpus', cpus)]),
    ...(mems === undefined ? [] : [write('cpuset', 'cpuset.mems', mems)]),
  ];
}

const rateWrites = (file: string, rates: readonly DeviceRate[] | undefined): readonly LimitWrite[] =>
  (rates ?? []).map(({ major, minor, rate }) => ({
    ...write('blkio', file, `${major}:${minor} ${rate}`),
    device: `${major}:${minor}`,
  }));

function blockIoWrites({ blockIO }: LinuxResources): readonly LimitWrite[] {
  if (blockIO === undefined) return [];
  const { weight, weightDevice = [] } = blockIO;
  return [
    ...(weight === undefined
      ? []
      : [{ controller: 'blkio', files: ['blkio.weight', 'blkio.bfq.weight'], value: String(weight) }]),
    ...weightDevice.map((entry) => ({
      controller: 'blkio',
      files: ['blkio.weight_device', 'blkio.bfq.weight_device'],
      value: `${entry.major}:${entry.minor} ${entry.weight}`,
      device: `${entry.major}:${entry.minor}`,
    })),
    ...rateWrites('blkio.throttle.read_bps_device', blockIO.throttleReadBpsDevice),
    ...rateWrites('blkio.throttle.write_bps_device', blockIO.throttleWriteBpsDevice),
    ...rateWrites('blkio.throttle.read_iops_device', blockIO.throttleReadIOPSDevice),
    ...rateWrites('blkio.throttle.write_iops_device', blockIO.throttleWriteIOPSDevice),
  ];
}

/** Every limit as writes, in an order in which each is accepted in a fresh group. */
export function v1Writes(resources: LinuxResources): readonly LimitWrite[] {
  const { pids, hugepageLimits = [], network } = resources;
  return [
    ...deviceWrites(resources.devices ?? []),
    ...memoryWrites(resources),
    ...cpuWrites(resources),
    ...blockIoWrites(resources),
    ...(pids === undefined ? [] : [write('pids', 'pids.max', pids.limit < 0 ? 'max' : pids.limit)]),
    ...hugepageLimits.map(({ pageSize, limit }) => write('hugetlb', `hugetlb.${pageSize}.limit_in_bytes`, limit)),
    ...(network?.classID === undefined ? [] : [write('net_cls', 'net_cls.classid', network.classID)]),
  ];
}

/** Above this a v1 memory limit means none (PAGE_COUNTER_MAX in bytes). */
const UNLIMITED = 2 ** 62;
const limited = (value: number | undefined): number | undefined =>
  value === undefined || value >= UNLIMITED ? undefined : value;

/** Nanoseconds of a tick of cpuacct.stat (USER_HZ is 100 on every architecture of the engine). */
const TICK = 10_000_000;

/** Lines `8:0 Read 4096`; the sum without a device is left out. */
export function parseBlockIo(text: string | undefined): readonly BlockIoEntry[] {
  const entries: BlockIoEntry[] = [];
  for (const line of (text ?? '').split('\n')) {
    const [, major, minor, operation, value] = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line) ?? [];
    if (operation === undefined) continue;
    entries.push({
      major: Number(major),
      minor: Number(minor),
      operation: operation.toLowerCase(),
      value: Number(value),
    });
  }
  return entries;
}

/** Directory of a controller's group; undefined when the controller is not mounted. */
export type DirectoryOf = (controller: string) => string | undefined;

function cpuStatistics(directoryOf: DirectoryOf): CgroupStatistics['cpu'] {
  const accounting = directoryOf('cpuacct');
  const cpu = directoryOf('cpu');
  if (accounting === undefined) return undefined;
  const ticks = parseKeyed(readControl(`${accounting}/cpuacct.stat`));
  const throttling = cpu === undefined ? {} : parseKeyed(readControl(`${cpu}/cpu.stat`));
  const perCpu = readControl(`${accounting}/cpuacct.usage_percpu`);
  return {
    totalUsage: readNumber(`${accounting}/cpuacct.usage`) ?? 0,
    userUsage: (ticks.user ?? 0) * TICK,
    systemUsage: (ticks.system ?? 0) * TICK,
    ...(perCpu === undefined ? {} : { perCpuUsage: parseNumbers(perCpu.trim().replaceAll(' ', '\n')) }),
    periods: throttling.nr_periods ?? 0,
    throttledPeriods: throttling.nr_throttled ?? 0,
    throttledTime: throttling.throttled_time ?? 0,
  };
}

function memoryStatistics(directory: string | undefined): CgroupStatistics['memory'] {
  if (directory === undefined) return undefined;
  const usage = readNumber(`${directory}/memory.usage_in_bytes`) ?? 0;
  const withSwap = readNumber(`${directory}/memory.memsw.usage_in_bytes`);
  return {
    usage,
    maxUsage: readNumber(`${directory}/memory.max_usage_in_bytes`),
    limit: limited(readNumber(`${directory}/memory.limit_in_bytes`)),
    failures: readNumber(`${directory}/memory.failcnt`) ?? 0,
    ...(withSwap === undefined ? {} : { swapUsage: Math.max(0, withSwap - usage) }),
    details: parseKeyed(readControl(`${directory}/memory.stat`)),
  };
}

function blockIoStatistics(directory: string | undefined): CgroupStatistics['blockIo'] {
  if (directory === undefined) return undefined;
  const read = (name: string): readonly BlockIoEntry[] => {
    const scheduler = parseBlockIo(readControl(`${directory}/blkio.bfq.${name}_recursive`));
    return scheduler.length > 0
      ? scheduler
      : parseBlockIo(readControl(`${directory}/blkio.throttle.${name}_recursive`));
  };
  return { serviceBytes: read('io_service_bytes'), serviced: read('io_serviced') };
}

/** One reading of every controller that is mounted. */
export function v1Statistics(directoryOf: DirectoryOf): CgroupStatistics {
  const pids = directoryOf('pids');
  return {
    cpu: cpuStatistics(directoryOf),
    memory: memoryStatistics(directoryOf('memory')),
    pids:
      pids === undefined
        ? undefined
        : { current: readNumber(`${pids}/pids.current`) ?? 0, limit: readNumber(`${pids}/pids.max`) },
    blockIo: blockIoStatistics(directoryOf('blkio')),
  };
}
