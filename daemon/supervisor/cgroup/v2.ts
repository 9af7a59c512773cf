// Owns the files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst): limits -> writes (pure), readings -> numbers.
import type { BlockIoEntry, CgroupStatistics, Pressure, PressureLine } from './cgroup.ts';
import { parseKeyed, readControl, readNumber } from './files.ts';
import type { BlockIoResources, CpuResources, LinuxResources, MemoryResources } from './resources.ts';
import type { LimitWrite } from './v1.ts';

const write = (controller: string, file: string, value: string | number): LimitWrite => ({
  controller,
  files: [file],
  value: String(value),
});
const orMax = (value: number): string => (value < 0 ? 'max' : String(value));

/**
 * cpu.weight (1 to 10000, 100 the default) of shares (2 to 262144, 1024 the default): a curve through the three pairs of ends and defaults,
 * so that a share keeps its meaning against groups of which nothing was said.
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const doublings = Math.log2(shares);
  return Math.ceil(10 ** ((doublings * doublings + 125 * doublings) / 612 - 7 / 34));
}

/** io.weight (1 to 10000) of a blkio weight (10 to 1000), in proportion. */
export const ioWeight = (weight: number): number => 1 + Math.floor(((weight - 10) * 9999) / 990);

function memoryWrites(memory: MemoryResources | undefined): readonly LimitWrite[] {
  if (memory === undefined) return [];
  const { limit, swap, reservation, high } = memory;
  const writes: LimitWrite[] = [];
  // Swap alone: what v1 counts together with memory.
  if (swap !== undefined && swap < 0) writes.push(write('memory', 'memory.swap.max', 'max'));
  else if (swap !== undefined && limit !== undefined && limit >= 0) {
    writes.push(write('memory', 'memory.swap.max', Math.max(0, swap - limit)));
  }
  if (limit !== undefined) writes.push(write('memory', 'memory.max', orMax(limit)));
  if (reservation !== undefined) writes.push(write('memory', 'memory.low', orMax(reservation)));
  if (high !== undefined) writes.push(write('memory', 'memory.high', orMax(high)));
  return writes;
}

function cpuWrites(cpu: CpuResources | undefined): readonly LimitWrite[] {
  if (cpu === undefined) return [];
  const { shares, quota, period, burst, cpus, mems } = cpu;
  const writes: LimitWrite[] = [];
  if (shares !== undefined) writes.push(write('cpu', 'cpu.weight', weightOfShares(shares)));
  if (quota !== undefined || period !== undefined) {
    const share = quota === undefined || quota <= 0 ? 'max' : String(quota);
    writes.push(write('cpu', 'cpu.max', period === undefined ? share : `${share} ${period}`));
  }
  if (burst !== undefined) writes.push(write('cpu', 'cpu.max.burst', burst));
  if (cpus !== undefined) writes.push(write('cpuset', 'cpuset.cpus', cpus));
  if (mems !== undefined) writes.push(write('cpuset', 'cpuset.mems', mems));
  return writes;
}

function blockIoWrites(blockIo: BlockIoResources | undefined): readonly LimitWrite[] {
  if (blockIo === undefined) return [];
  const { weight, weightDevice = [] } = blockIo;
  const writes: LimitWrite[] = [];
  if (weight !== undefined) {
    writes.push({ controller: 'io', files: ['io.bfq.weight'], value: String(weight) });
    writes.push({ controller: 'io', files: ['io.weight'], value: String(ioWeight(weight)) });
  }
  for (const entry of weightDevice) {
    const device = `${entry.major}:${entry.minor}`;
    writes.push({ controller: 'io', files: ['io.bfq.weight'], value: `${device} ${entry.weight}`, device });
  }
  const rates = [
    ['rbps', blockIo.throttleReadBpsDevice],
    ['wbps', blockIo.throttleWriteBpsDevice],
    ['riops', blockIo.throttleReadIOPSDevice],
    ['wiops', blockIo.throttleWriteIOPSDevice],
  ] as const;
  for (const [key, list] of rates) {
    for (const { major, minor, rate } of list ?? []) {
      const device = `${major}:${minor}`;
      writes.push({
        controller: 'io',
        files: ['io.max'],
        value: `${device} ${key}=${rate === 0 ? 'max' : rate}`,
        device,
      });
    }
  }
  return writes;
}

/** Every limit as writes. Devices are not among them: they take a program (see host-cgroups.ts). */
export function v2Writes(resources: LinuxResources): readonly LimitWrite[] {
  const { pids, hugepageLimits = [], unified = {} } = resources;
  return [
    ...memoryWrites(resources.memory),
    ...cpuWrites(resources.cpu),
    ...blockIoWrites(resources.blockIO),
    ...(pids === undefined ? [] : [write('pids', 'pids.max', orMax(pids.limit))]),
    ...hugepageLimits.map(({ pageSize, limit }) => write('hugetlb', `hugetlb.${pageSize}.max`, limit)),
    ...Object.entries(unified).map(([file, value]) => write(file.slice(0, file.indexOf('.')), file, value)),
  ];
}

/** Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0` of io.stat. */
export function parseIoStat(text: string | undefined): CgroupStatistics['blockIo'] {
  const serviceBytes: BlockIoEntry[] = [];
  const serviced: BlockIoEntry[] = [];
  const kinds = [
    ['rbytes', serviceBytes, 'read'],
    ['wbytes', serviceBytes, 'write'],
    ['dbytes', serviceBytes, 'discard'],
    ['rios', serviced, 'read'],
    ['wios', serviced, 'write'],
    ['dios', serviced, 'discard'],
  ] as const;
  for (const line of (text ?? '').split('\n')) {
    const [device = '', ...pairs] = line.split(' ');
    const [major, minor] = device.split(':').map(Number);
    if (major === undefined || minor === undefined) continue;
    const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
    for (const [key, list, operation] of kinds) {
      const value = values.get(key);
      if (value !== undefined) list.push({ major, minor, operation, value: Number(value) });
    }
  }
  return { serviceBytes, serviced };
}

function pressureLine(text: string): PressureLine {
  const values = new Map(text.split(' ').map((pair) => pair.split('=') as [string, string]));
  const value = (name: string): number => Number(values.get(name) ?? 0);
  return { avg10: value('avg10'), avg60: value('avg60'), avg300: value('avg300'), total: value('total') };
}

/** Lines `some avg10=… avg60=… avg300=… total=…` and `full …`. */
export function parsePressure(text: string | undefined): Pressure | undefined {
  if (text === undefined) return undefined;
  const lines = new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line]));
  const some = lines.get('some');
  const full = lines.get('full');
  if (some === undefined) return undefined;
  return { some: pressureLine(some), ...(full === undefined ? {} : { full: pressureLine(full) }) };
}

/** cpu.stat counts microseconds. */
const US = 1000;

/** Pressure alone: a group has it whichever controllers are elsewhere. */
export function v2Pressure(directory: string): CgroupStatistics['pressure'] {
  const of = (resource: string): Pressure | undefined =>
    parsePressure(readControl(`${directory}/${resource}.pressure`));
  return { cpu: of('cpu'), memory: of('memory'), io: of('io') };
}

/** One reading of every controller that is enabled in the group. */
export function v2Statistics(directory: string): CgroupStatistics {
  const read = (file: string): string | undefined => readControl(`${directory}/${file}`);
  const cpu = parseKeyed(read('cpu.stat'));
  const memory = readNumber(`${directory}/memory.current`);
  const events = parseKeyed(read('memory.events'));
  const pids = readNumber(`${directory}/pids.current`);
  const io = read('io.stat');
  return {
    cpu: {
      totalUsage: (cpu.usage_usec ?? 0) * US,
      userUsage: (cpu.user_usec ?? 0) * US,
      systemUsage: (cpu.system_usec ?? 0) * US,
      periods: cpu.nr_periods ?? 0,
      throttledPeriods: cpu.nr_throttled ?? 0,
      throttledTime: (cpu.throttled_usec ?? 0) * US,
    },
    memory:
      memory === undefined
        ? undefined
        : {
            usage: memory,
            maxUsage: readNumber(`${directory}/memory.peak`),
            limit: readNumber(`${directory}/memory.max`),
            failures: events.max ?? 0,
            swapUsage: readNumber(`${directory}/memory.swap.current`),
            details: parseKeyed(read('memory.stat')),
          },
    pids: pids === undefined ? undefined : { current: pids, limit: readNumber(`${directory}/pids.max`) },
    blockIo: io === undefined ? undefined : parseIoStat(io),
    pressure: v2Pressure(directory),
  };
}
