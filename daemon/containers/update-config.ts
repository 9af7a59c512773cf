// Owns what an update changes: the request laid over the frozen limits, Docker's refusals of combinations, and the part of it that a
// running container's control group has to be told. Pure.
import type { ContainerUpdateRequest, HostConfig } from '../../api-spec/index.ts';
import { conflict } from '../base/errors.ts';

/** Numbers that an update takes; 0 is "as it was". */
const numbers = [
  'BlkioWeight',
  'CpuShares',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'NanoCpus',
  'Memory',
  'MemorySwap',
  'MemoryReservation',
] as const;
const texts = ['CpusetCpus', 'CpusetMems'] as const;
const rateLists = ['BlkioDeviceReadBps', 'BlkioDeviceWriteBps', 'BlkioDeviceReadIOps', 'BlkioDeviceWriteIOps'] as const;

/** Throws conflict in Docker's words for what cannot stand beside the limits that are there. */
function checkConflicts(before: HostConfig, request: ContainerUpdateRequest): void {
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0, Memory: memory = 0 } = request;
  const had = (key: 'CpuPeriod' | 'CpuQuota' | 'NanoCpus'): boolean => (before[key] ?? 0) > 0;
  const conflicting = (what: string) => conflict(`Conflicting options: ${what}`);
  if (nano > 0 && had('CpuPeriod')) {
    throw conflicting('Nano CPUs cannot be updated as CPU Period has already been set');
  }
  if (nano > 0 && had('CpuQuota')) {
    throw conflicting('Nano CPUs cannot be updated as CPU Quota has already been set');
  }
  if (quota > 0 && had('NanoCpus')) {
    throw conflicting('CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  if (period > 0 && had('NanoCpus')) {
    throw conflicting('CPU Period cannot be updated as NanoCPUs has already been set');
  }
  const swap = before.MemorySwap ?? 0;
  if (memory > 0 && memory > swap && swap !== -1 && (request.MemorySwap ?? 0) === 0) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  const policy = request.RestartPolicy?.Name ?? '';
  if (before.AutoRemove === true && policy !== '' && policy !== 'no') {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
}

/** Those of `request` by name over those that were. */
function mergedUlimits(before: HostConfig['Ulimits'], request: HostConfig['Ulimits']): HostConfig['Ulimits'] {
  const own = new Set((request ?? []).map(({ Name }) => Name));
  return [...(before ?? []).filter(({ Name }) => !own.has(Name)), ...(request ?? [])];
}

/**
 * The configuration after the update. The caller checks it as a whole (runtime/spec-resources.ts validateResources) before anything is
 * written. Throws conflict.
 */
export function updatedConfig(before: HostConfig, request: ContainerUpdateRequest): HostConfig {
  checkConflicts(before, request);
  const after: HostConfig = { ...before };
  for (const key of numbers) {
    const value = request[key];
    if (value !== undefined && value !== 0) after[key] = value;
  }
  for (const key of texts) {
    const value = request[key];
    if (value !== undefined && value !== '') after[key] = value;
  }
  for (const key of rateLists) {
    const list = request[key];
    if (list !== undefined && list.length > 0) after[key] = list;
  }
  if ((request.BlkioWeightDevice ?? []).length > 0) after.BlkioWeightDevice = request.BlkioWeightDevice;
  if (request.PidsLimit !== undefined) after.PidsLimit = request.PidsLimit;
  if ((request.Ulimits ?? []).length > 0) after.Ulimits = mergedUlimits(before.Ulimits, request.Ulimits);
  const policy = request.RestartPolicy?.Name ?? '';
  if (policy !== '') {
    after.RestartPolicy = { Name: policy, MaximumRetryCount: request.RestartPolicy?.MaximumRetryCount ?? 0 };
  }
  return after;
}

/** A list of rates with the devices that are no longer in it set free (rate 0). */
function rates(before: HostConfig['BlkioDeviceReadBps'], after: HostConfig['BlkioDeviceReadBps']): typeof after {
  const named = new Set((after ?? []).map(({ Path }) => Path));
  const freed = (before ?? []).filter(({ Path }) => !named.has(Path)).map(({ Path }) => ({ Path, Rate: 0 }));
  return [...freed, ...(after ?? [])];
}

/** Only what differs between two configurations, for the control group of a running container. */
export function changedLimits(before: HostConfig, after: HostConfig): HostConfig {
  const changed: HostConfig = {};
  for (const key of [...numbers, 'PidsLimit'] as const) if (before[key] !== after[key]) changed[key] = after[key];
  for (const key of texts) if (before[key] !== after[key]) changed[key] = after[key];
  for (const key of rateLists) if (before[key] !== after[key]) changed[key] = rates(before[key], after[key]);
  if (before.BlkioWeightDevice !== after.BlkioWeightDevice) changed.BlkioWeightDevice = after.BlkioWeightDevice;
  if (before.Ulimits !== after.Ulimits) changed.Ulimits = after.Ulimits;
  // One is told in terms of the other: v2 has swap alone, v1 both together.
  if (changed.Memory !== undefined || changed.MemorySwap !== undefined) {
    changed.Memory = after.Memory;
    changed.MemorySwap = after.MemorySwap;
  }
  return changed;
}
