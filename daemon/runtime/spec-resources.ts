// Owns the way from the limits of a HostConfig to `linux.resources`, with Docker's checks, defaults and messages. Pure; the devices that
// paths name come from a HostLookup.
import type { HostConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import type {
  BlockIoResources,
  CpuResources,
  DeviceRate,
  DeviceRule,
  LinuxResources,
  MemoryResources,
} from '../supervisor/cgroup/resources.ts';
import { defaultDeviceRules, everyDevice } from './defaults.ts';
import type { HostLookup } from './host-lookup.ts';
import type { OciDevice } from './oci-spec.ts';

const MIB = 1024 * 1024;
const MINIMUM_MEMORY = 6 * MIB;
/** Period in microseconds in which `--cpus` is counted. */
const CPUS_PERIOD = 100_000;

/** The numbers of a cpuset list (`0-2,7`); undefined when it is none. */
export function parseCpuset(list: string): readonly number[] | undefined {
  const numbers: number[] = [];
  for (const part of list.split(',')) {
    const [, first, last] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    const to = Number(last ?? first);
    if (to < Number(first)) return undefined;
    for (let number = Number(first); number <= to; number++) numbers.push(number);
  }
  return numbers;
}

function checkMemory(host: HostConfig): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, MemoryReservation: reservation = 0 } = host;
  const swappiness = host.MemorySwappiness ?? -1;
  if (memory !== 0 && memory < MINIMUM_MEMORY) throw invalidArgument('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalidArgument('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    throw invalidArgument('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw invalidArgument(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (reservation !== 0 && reservation < MINIMUM_MEMORY) {
    throw invalidArgument('Minimum memory reservation allowed is 6MB');
  }
  if (memory > 0 && memory < reservation) {
    throw invalidArgument('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function checkCpu(host: HostConfig, lookup: HostLookup): void {
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0, CpuShares: shares = 0 } = host;
  if (shares < 0) throw invalidArgument(`invalid CPU shares (${shares}): value must be a positive integer`);
  if (nano > 0 && period > 0) throw invalidArgument('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano > 0 && quota > 0) throw invalidArgument('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (nano !== 0) {
    const count = parseCpuset(lookup.cpus())?.length ?? 1;
    if (nano < 0 || nano > count * 1e9) {
      throw invalidArgument(`Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
    }
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalidArgument('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) throw invalidArgument('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  const { CpuRealtimePeriod: rtPeriod = 0, CpuRealtimeRuntime: rtRuntime = 0 } = host;
  if (rtPeriod !== 0 && rtRuntime !== 0 && rtRuntime > rtPeriod) {
    throw invalidArgument('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

function checkCpuset(name: 'cpus' | 'mems', requested: string, available: string): void {
  if (requested === '') return;
  const wanted = parseCpuset(requested);
  if (wanted === undefined) throw invalidArgument(`Invalid value ${requested} for cpuset ${name}`);
  const there = new Set(parseCpuset(available) ?? []);
  if (wanted.some((number) => !there.has(number))) {
    const what = name === 'cpus' ? 'CPUs' : 'memory nodes';
    throw invalidArgument(`Requested ${what} are not available - requested ${requested}, available: ${available}`);
  }
}

function checkBlockIo(host: HostConfig): void {
  const weights = [host.BlkioWeight ?? 0, ...(host.BlkioWeightDevice ?? []).map((entry) => entry.Weight ?? 0)];
  if (weights.some((weight) => weight !== 0 && (weight < 10 || weight > 1000))) {
    throw invalidArgument('Range of blkio weight is from 10 to 1000');
  }
}

/** Throws invalid-argument in Docker's words when a limit cannot be meant. */
export function validateResources(host: HostConfig, lookup: HostLookup): void {
  checkMemory(host);
  checkCpu(host, lookup);
  checkCpuset('cpus', host.CpusetCpus ?? '', lookup.cpus());
  checkCpuset('mems', host.CpusetMems ?? '', lookup.memoryNodes());
  checkBlockIo(host);
}

/** Leaves out what is undefined; undefined when nothing is left. */
function present<T extends object>(object: T): T | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}

/** A number that is 0 when nobody asked for it. */
const asked = (value: number | undefined): number | undefined =>
  value === undefined || value === 0 ? undefined : value;

function memoryResources(host: HostConfig): MemoryResources | undefined {
  const limit = asked(host.Memory);
  // As documented for --memory-swap: not given with a memory limit means as much swap again.
  const swap = asked(host.MemorySwap) ?? (limit === undefined ? undefined : limit * 2);
  const swappiness = host.MemorySwappiness ?? -1;
  return present<MemoryResources>({
    limit,
    swap,
    reservation: asked(host.MemoryReservation),
    swappiness: swappiness === -1 ? undefined : swappiness,
    disableOOMKiller: host.OomKillDisable === true ? true : undefined,
  });
}

function cpuResources(host: HostConfig): CpuResources | undefined {
  const nano = asked(host.NanoCpus);
  return present<CpuResources>({
    shares: asked(host.CpuShares),
    quota: nano === undefined ? asked(host.CpuQuota) : Math.round((nano * CPUS_PERIOD) / 1e9),
    period: nano === undefined ? asked(host.CpuPeriod) : CPUS_PERIOD,
    realtimeRuntime: asked(host.CpuRealtimeRuntime),
    realtimePeriod: asked(host.CpuRealtimePeriod),
    cpus: host.CpusetCpus === '' ? undefined : host.CpusetCpus,
    mems: host.CpusetMems === '' ? undefined : host.CpusetMems,
  });
}

type Rates = HostConfig['BlkioDeviceReadBps'];

function rates(list: Rates, lookup: HostLookup): readonly DeviceRate[] | undefined {
  if (list === undefined || list.length === 0) return undefined;
  return list.map(({ Path = '', Rate = 0 }) => ({ ...lookup.blockDevice(Path), rate: Rate }));
}

function blockIoResources(host: HostConfig, lookup: HostLookup): BlockIoResources | undefined {
  const weights = host.BlkioWeightDevice ?? [];
  return present<BlockIoResources>({
    weight: asked(host.BlkioWeight),
    weightDevice:
      weights.length === 0
        ? undefined
        : weights.map(({ Path = '', Weight = 0 }) => ({ ...lookup.blockDevice(Path), weight: Weight })),
    throttleReadBpsDevice: rates(host.BlkioDeviceReadBps, lookup),
    throttleWriteBpsDevice: rates(host.BlkioDeviceWriteBps, lookup),
    throttleReadIOPSDevice: rates(host.BlkioDeviceReadIOps, lookup),
    throttleWriteIOPSDevice: rates(host.BlkioDeviceWriteIOps, lookup),
  });
}

/** `c 1:3 rwm` (numbers or `*`) as a rule. Throws invalid-argument in Docker's words. */
export function parseDeviceRule(text: string): DeviceRule {
  const [, type, major, minor, access] = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined || access === undefined) throw invalidArgument(`invalid device cgroup rule format: '${text}'`);
  return {
    allow: true,
    type: type as DeviceRule['type'],
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

/** A device with the rights of its cgroup rule. */
export interface GrantedDevice {
  readonly device: OciDevice;
  readonly access: string;
}

const deviceRules = (host: HostConfig, granted: readonly GrantedDevice[]): readonly DeviceRule[] =>
  host.Privileged === true
    ? everyDevice
    : [
        ...defaultDeviceRules,
        ...granted.map(
          ({ device, access }): DeviceRule => ({
            allow: true,
            type: device.type === 'b' ? 'b' : 'c',
            major: device.major,
            minor: device.minor,
            access,
          }),
        ),
        ...(host.DeviceCgroupRules ?? []).map(parseDeviceRule),
      ];

/** Everything of HostConfig that a cgroup enforces. Throws invalid-argument for rules and block devices that are none. */
export function resourcesOf(host: HostConfig, granted: readonly GrantedDevice[], lookup: HostLookup): LinuxResources {
  const pids = host.PidsLimit ?? 0;
  const resources: LinuxResources = {
    devices: deviceRules(host, granted),
    memory: memoryResources(host),
    cpu: cpuResources(host),
    blockIO: blockIoResources(host, lookup),
    pids: pids > 0 ? { limit: pids } : undefined,
  };
  return present(resources) ?? {};
}
