// Owns the merge of an image's configuration with a request, and the checks of the result, with Docker's rules and messages. Pure.
import type { ContainerConfig, HealthConfig } from '../../api-spec/index.ts';
import { EngineError, invalidArgument } from '../base/errors.ts';
import { parseSignal } from './signals.ts';

const keyOf = (variable: string): string => variable.split('=', 1)[0] ?? '';

/** The image's variables first; one of the request with the same key takes their place. */
function mergeEnv(image: readonly string[], request: readonly string[]): string[] {
  const own = new Set(request.map(keyOf));
  return [...request, ...image.filter((variable) => !own.has(keyOf(variable)))];
}

const filled = (list: readonly string[] | undefined): list is readonly string[] =>
  list !== undefined && list.length > 0;

function mergeHealth(image: HealthConfig | undefined, request: HealthConfig | undefined): HealthConfig | undefined {
  if (image === undefined) return request;
  if (request === undefined) return image;
  const pick = (own: number | undefined, inherited: number | undefined): number | undefined =>
    own === undefined || own === 0 ? inherited : own;
  return {
    Test: filled(request.Test) ? request.Test : image.Test,
    Interval: pick(request.Interval, image.Interval),
    Timeout: pick(request.Timeout, image.Timeout),
    StartPeriod: pick(request.StartPeriod, image.StartPeriod),
    StartInterval: pick(request.StartInterval, image.StartInterval),
    Retries: pick(request.Retries, image.Retries),
  };
}

const orImage = (own: string | undefined, image: string | undefined): string =>
  own === undefined || own === '' ? (image ?? '') : own;

/**
 * The configuration that is frozen with the container. A given entrypoint drops the image's command; an entrypoint of one empty text resets
 * both. Environment by key, labels, ports and volumes by name with the request's first.
 */
export function mergeConfig(image: ContainerConfig, request: ContainerConfig): ContainerConfig {
  const merged: ContainerConfig = {
    ...request,
    User: orImage(request.User, image.User),
    WorkingDir: orImage(request.WorkingDir, image.WorkingDir),
    ExposedPorts: { ...image.ExposedPorts, ...request.ExposedPorts },
    Env: mergeEnv(image.Env ?? [], request.Env ?? []),
    Labels: { ...image.Labels, ...request.Labels },
    Volumes: { ...image.Volumes, ...request.Volumes },
    Healthcheck: mergeHealth(image.Healthcheck, request.Healthcheck),
    Shell: filled(request.Shell) ? request.Shell : image.Shell,
    OnBuild: undefined,
  };
  if (orImage(request.StopSignal, image.StopSignal) !== '') {
    merged.StopSignal = orImage(request.StopSignal, image.StopSignal);
  }
  if (request.StopTimeout === undefined && image.StopTimeout !== undefined) merged.StopTimeout = image.StopTimeout;
  // As Docker: an empty list keeps the image's command but not its entrypoint; one empty text (`--entrypoint ''`) resets both.
  if (!filled(request.Entrypoint)) {
    if (!filled(request.Cmd)) {
      merged.Cmd = image.Cmd;
      if (image.ArgsEscaped === true) merged.ArgsEscaped = true;
    }
    if (request.Entrypoint === undefined) merged.Entrypoint = image.Entrypoint;
  }
  const [first] = merged.Entrypoint ?? [];
  if (merged.Entrypoint?.length === 1 && first === '') merged.Entrypoint = undefined;
  return withoutEmpty(merged);
}

/** Drops what is undefined and maps without entries, so that the frozen JSON has only what means something. */
function withoutEmpty(config: ContainerConfig): ContainerConfig {
  const entries = Object.entries(config).filter(([key, value]) => {
    if (value === undefined) return false;
    if (key === 'Labels') return true;
    if (Array.isArray(value)) return value.length > 0;
    return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
  });
  return Object.fromEntries(entries) as ContainerConfig;
}

/** Entrypoint and command as one argv. */
export const argvOf = (config: ContainerConfig): readonly string[] => [
  ...(config.Entrypoint ?? []),
  ...(config.Cmd ?? []),
];

/** Nanoseconds of a millisecond: Docker's least duration of a health check. */
const LEAST_DURATION = 1_000_000;

function checkHealth(health: HealthConfig): void {
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[field] ?? 0;
    if (value !== 0 && value < LEAST_DURATION) {
      throw invalidArgument(`${field} in Healthcheck cannot be less than 1ms`);
    }
  }
  if ((health.Retries ?? 0) < 0) throw invalidArgument('Retries in Healthcheck cannot be negative');
  const [kind] = health.Test ?? [];
  if (kind !== undefined && !['', 'NONE', 'CMD', 'CMD-SHELL'].includes(kind)) {
    throw invalidArgument(`Unknown healthcheck type "${kind}" (expected NONE, CMD or CMD-SHELL)`);
  }
}

/** Checks of the merged configuration that need nothing else. Throws invalid-argument. */
export function checkConfig(config: ContainerConfig): void {
  const workdir = config.WorkingDir ?? '';
  if (workdir !== '' && !workdir.startsWith('/')) {
    throw invalidArgument(`the working directory '${workdir}' is invalid, it needs to be an absolute path`);
  }
  for (const variable of config.Env ?? []) {
    if (keyOf(variable) === '') throw invalidArgument(`invalid environment variable: ${variable}`);
    if (variable.includes('\0'))
      throw invalidArgument(`invalid environment variable: ${keyOf(variable)} has a NUL byte`);
  }
  if ((config.StopSignal ?? '') !== '') parseSignal(config.StopSignal ?? '');
  if (config.Healthcheck !== undefined) checkHealth(config.Healthcheck);
  if (argvOf(config).length === 0) throw new EngineError('invalid-argument', 'no command specified');
  if (argvOf(config).some((arg) => arg.includes('\0'))) {
    throw invalidArgument('invalid command: an argument has a NUL byte');
  }
  if ((config.Hostname ?? '').includes('\0') || (config.Hostname ?? '').length > 64) {
    throw invalidArgument(`invalid hostname "${config.Hostname ?? ''}": at most 64 bytes are allowed`);
  }
}
