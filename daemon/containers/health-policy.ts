// Owns the meaning of a health check: which probe, how often, and what a result does to the state. Pure; health.ts runs the probes.
import type { ContainerConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import type { HealthResult, HealthRow } from '../store/health.ts';
import { type Extensions, failureAction, type NativeProbe, nativeProbe } from './extensions.ts';

export type Probe = { readonly kind: 'command'; readonly args: readonly string[] } | NativeProbe;

/** Results that are kept. */
const KEPT = 5;
/** Bytes of a probe's output that are kept. */
export const MAX_OUTPUT = 4096;

const SECOND = 1_000_000_000;
const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** What a container is checked with; undefined: with nothing. A native probe takes the place of the image's command. */
export function probeOf(config: ContainerConfig, extensions: Extensions): Probe | undefined {
  const native = nativeProbe(extensions);
  if (native !== undefined) return native;
  const [kind, ...rest] = config.Healthcheck?.Test ?? [];
  if (kind === 'CMD' && rest.length > 0) return { kind: 'command', args: rest };
  if (kind !== 'CMD-SHELL') return undefined;
  const shell = config.Shell !== undefined && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL;
  return { kind: 'command', args: [...shell, rest[0] ?? ''] };
}

/** Throws invalid-argument for labels that contradict the request's own check, or need one that is not there. */
export function checkHealthLabels(request: ContainerConfig, merged: ContainerConfig, extensions: Extensions): void {
  const test = request.Healthcheck?.Test ?? [];
  if (nativeProbe(extensions) !== undefined && ['CMD', 'CMD-SHELL'].includes(test[0] ?? '')) {
    throw invalidArgument('label tsd.health.probe: the request has a health check of its own; give one of the two');
  }
  if (failureAction(extensions) !== 'none' && probeOf(merged, extensions) === undefined) {
    throw invalidArgument(
      'label tsd.health.on-failure: the container has no health check; add one, or tsd.health.probe',
    );
  }
}

/** Lengths in nanoseconds. */
export interface HealthTimes {
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** Docker's defaults where the configuration has 0 or nothing. */
export function timesOf({ Healthcheck: given = {} }: ContainerConfig): HealthTimes {
  const or = (value: number | undefined, otherwise: number): number =>
    value === undefined || value <= 0 ? otherwise : value;
  return {
    interval: or(given.Interval, 30 * SECOND),
    timeout: or(given.Timeout, 30 * SECOND),
    startPeriod: or(given.StartPeriod, 0),
    startInterval: or(given.StartInterval, 5 * SECOND),
    retries: or(given.Retries, 3),
  };
}

/** Nanoseconds between two probes, `sinceStart` nanoseconds after the container's start. */
export function intervalAt(times: HealthTimes, status: HealthRow['status'], sinceStart: number): number {
  return sinceStart < times.startPeriod && status === 'starting' ? times.startInterval : times.interval;
}

/** The state of a container that has just been started; the log of its last run stays. */
export const startedHealth = (before: HealthRow | undefined): HealthRow => ({
  status: 'starting',
  failingStreak: 0,
  log: before?.log ?? [],
});

/** What a result makes of the state. Failures within the start period do not count while it is starting. */
export function judge(before: HealthRow, result: HealthResult, times: HealthTimes, startedNs: bigint): HealthRow {
  const log = [...before.log, result].slice(-KEPT);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const sinceStart = Number(result.startNs - startedNs);
  if (before.status === 'starting' && sinceStart < times.startPeriod) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= times.retries ? 'unhealthy' : before.status, failingStreak, log };
}

/** A length of time as Go prints it: `1m30s`, `1.5s`, `500ms`. */
export function goDuration(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 1000) return `${ns}ns`;
  if (ns < 1_000_000) return `${ns / 1000}µs`;
  if (ns < SECOND) return `${ns / 1_000_000}ms`;
  const hours = Math.floor(ns / (3600 * SECOND));
  const minutes = Math.floor((ns / (60 * SECOND)) % 60);
  const seconds = `${(ns % (60 * SECOND)) / SECOND}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
