// Owns the schema of a container's resource usage. Must not know any endpoint.
import { z } from 'zod';
import { dateTime, int64, string, uint32, uint64 } from '../fields.ts';

const blkioEntries = z.array(z.object({ major: uint64, minor: uint64, op: string, value: uint64 })).nullable();

/** Processor use in nanoseconds. */
export const ContainerCpuStats = z.object({
  cpu_usage: z.object({
    total_usage: uint64,
    percpu_usage: z.array(uint64).optional(),
    usage_in_kernelmode: uint64,
    usage_in_usermode: uint64,
  }),
  system_cpu_usage: uint64.optional(),
  online_cpus: uint32.optional(),
  throttling_data: z.object({ periods: uint64, throttled_periods: uint64, throttled_time: uint64 }),
});
export type ContainerCpuStats = z.output<typeof ContainerCpuStats>;

export const ContainerNetworkStats = z.object({
  rx_bytes: uint64,
  rx_packets: uint64,
  rx_errors: uint64,
  rx_dropped: uint64,
  tx_bytes: uint64,
  tx_packets: uint64,
  tx_errors: uint64,
  tx_dropped: uint64,
  endpoint_id: string.optional(),
  instance_id: string.optional(),
});
export type ContainerNetworkStats = z.output<typeof ContainerNetworkStats>;

/** Pressure stall information: shares of time in percent, `total` in microseconds. */
const pressureLine = z.object({ avg10: z.number(), avg60: z.number(), avg300: z.number(), total: uint64 });
export const Pressure = z.object({ some: pressureLine, full: pressureLine.optional() });
export type Pressure = z.output<typeof Pressure>;

/** One sample; memory in bytes. `preread` and `precpu_stats` are those of the sample before. */
export const ContainerStats = z.object({
  id: string.optional(),
  name: string.optional(),
  os_type: string.optional(),
  read: dateTime,
  preread: dateTime,
  pids_stats: z.object({ current: uint64.optional(), limit: uint64.optional() }),
  blkio_stats: z.object({
    io_service_bytes_recursive: blkioEntries,
    io_serviced_recursive: blkioEntries.optional(),
    io_queue_recursive: blkioEntries.optional(),
    io_service_time_recursive: blkioEntries.optional(),
    io_wait_time_recursive: blkioEntries.optional(),
    io_merged_recursive: blkioEntries.optional(),
    io_time_recursive: blkioEntries.optional(),
    sectors_recursive: blkioEntries.optional(),
  }),
  num_procs: uint32,
  storage_stats: z.object({
    read_count_normalized: uint64.optional(),
    read_size_bytes: uint64.optional(),
    write_count_normalized: uint64.optional(),
    write_size_bytes: uint64.optional(),
  }),
  cpu_stats: ContainerCpuStats,
  precpu_stats: ContainerCpuStats,
  memory_stats: z.object({
    usage: uint64.optional(),
    max_usage: uint64.optional(),
    stats: z.record(z.string(), uint64).optional(),
    failcnt: uint64.optional(),
    limit: uint64.optional(),
    commitbytes: int64.optional(),
    commitpeakbytes: int64.optional(),
    privateworkingset: int64.optional(),
  }),
  networks: z.record(z.string(), ContainerNetworkStats).optional(),
  /** An extension of this engine, where the kernel counts it. */
  pressure_stats: z
    .object({ cpu: Pressure.optional(), memory: Pressure.optional(), io: Pressure.optional() })
    .optional(),
});
export type ContainerStats = z.output<typeof ContainerStats>;
