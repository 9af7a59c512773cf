// Owns the `--change` instructions of import and commit: the part of the Dockerfile language that sets an image's config. Pure.
// Behaviour as documented in the Dockerfile reference; error texts are Docker's.
import type { ContainerConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { parseDuration } from '../base/timestamp.ts';
import { expandWord, splitWords } from './shell-words.ts';

type Writable = { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };

interface State {
  readonly config: Writable;
  cmdSet: boolean;
}

type Instruction = (state: State, rest: string, name: string) => void;

const instructions: Readonly<Record<string, Instruction>> = {
  cmd(state, rest) {
    state.config.Cmd = command(rest);
    state.cmdSet = true;
  },
  entrypoint(state, rest) {
    const value = command(rest);
    if (value.length === 0) delete state.config.Entrypoint;
    else state.config.Entrypoint = value;
    if (!state.cmdSet) delete state.config.Cmd;
  },
  env(state, rest, name) {
    for (const [key, value] of pairs(state, rest, name)) {
      const entries = (state.config.Env ?? []).filter((entry) => entry.split('=', 1)[0] !== key);
      state.config.Env = [...entries, `${key}=${value}`];
    }
  },
  label(state, rest, name) {
    state.config.Labels = { ...state.config.Labels, ...Object.fromEntries(pairs(state, rest, name)) };
  },
  expose(state, rest, name) {
    const ports = splitWords(rest).map((word) => expand(state, word));
    if (ports.length === 0) throw invalidArgument(`${name} requires at least one argument`);
    const exposed = ports.flatMap(portsOf).map((port) => [port, {}]);
    state.config.ExposedPorts = { ...state.config.ExposedPorts, ...Object.fromEntries(exposed) };
  },
  onbuild(state, rest, name) {
    const trigger = rest.trim();
    const inner = trigger.split(/\s/, 1)[0]?.toUpperCase() ?? '';
    if (inner === '') throw invalidArgument(`${name} requires at least one argument`);
    if (inner === 'ONBUILD') throw invalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (inner === 'MAINTAINER' || inner === 'FROM') {
      throw invalidArgument(`${inner} isn't allowed as an ONBUILD trigger`);
    }
    state.config.OnBuild = [...(state.config.OnBuild ?? []), trigger];
  },
  user(state, rest, name) {
    state.config.User = single(state, rest, name);
  },
  volume(state, rest, name) {
    const list = jsonList(rest) ?? splitWords(rest);
    if (list.length === 0) throw invalidArgument(`${name} requires at least one argument`);
    const paths = list.map((word) => expand(state, word).trim());
    if (paths.includes('')) throw invalidArgument('VOLUME specified can not be an empty string');
    state.config.Volumes = { ...state.config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  workdir(state, rest, name) {
    const path = single(state, rest, name);
    state.config.WorkingDir = clean(path.startsWith('/') ? path : `${state.config.WorkingDir ?? ''}/${path}`);
  },
  stopsignal(state, rest, name) {
    const signal = single(state, rest, name);
    if (!/^(?:\d{1,2}|(?:SIG)?[A-Z][A-Z0-9]*(?:[+-]\d+)?)$/i.test(signal)) {
      throw invalidArgument(`Invalid signal: ${signal}`);
    }
    state.config.StopSignal = signal;
  },
  healthcheck(state, rest, name) {
    state.config.Healthcheck = healthcheck(rest, name);
  },
};

/**
 * The config after the instructions, which come as the client gave them (each may hold several lines). Throws invalid-argument.
 * `config` is not changed.
 */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  const state: State = { config: structuredClone(config), cmdSet: false };
  for (const change of changes) {
    for (const line of logicalLines(change)) {
      const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
      const instruction = Object.hasOwn(instructions, word.toLowerCase())
        ? instructions[word.toLowerCase()]
        : undefined;
      if (instruction === undefined) throw invalidArgument(`${word.toLowerCase()} is not a valid change command`);
      instruction(state, rest.trim(), word.toUpperCase());
    }
  }
  return state.config;
}

/** Lines without comments and blank ones; a backslash at the end joins the next one. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const continued = /\\[ \t]*$/.test(line);
    open += continued ? line.replace(/\\[ \t]*$/, '') : line;
    if (continued) continue;
    lines.push(open.trim());
    open = '';
  }
  if (open.trim() !== '') lines.push(open.trim());
  return lines;
}

function expand(state: State, word: string): string {
  const variables = new Map<string, string>();
  for (const entry of state.config.Env ?? []) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return expandWord(word, (name) => variables.get(name));
}

function jsonList(rest: string): string[] | undefined {
  if (!rest.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

function command(rest: string): string[] {
  return jsonList(rest) ?? (rest === '' ? [] : ['/bin/sh', '-c', rest]);
}

function single(state: State, rest: string, name: string): string {
  if (rest === '') throw invalidArgument(`${name} requires exactly one argument`);
  return expand(state, rest);
}

/** `KEY=value KEY2="two words"`, or the older `KEY the rest of the line`. */
function pairs(state: State, rest: string, name: string): [string, string][] {
  const words = splitWords(rest);
  const [first] = words;
  if (first === undefined) throw invalidArgument(`${name} requires at least one argument`);
  if (!first.includes('=')) {
    const value = rest.slice(first.length).trim();
    if (value === '') throw invalidArgument(`${name} must have two arguments`);
    return [[expand(state, first), expand(state, value)]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw invalidArgument(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    }
    const key = expand(state, word.slice(0, equals));
    if (key === '') throw invalidArgument(`${name} names can not be blank`);
    return [key, expand(state, word.slice(equals + 1))];
  });
}

/** `80`, `80/udp`, `8000-8002/tcp`. */
function portsOf(spec: string): string[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(spec);
  const start = Number(match?.[1]);
  const end = Number(match?.[2] ?? match?.[1]);
  if (match === null) throw invalidArgument(`invalid containerPort: ${spec}`);
  if (!(start >= 0 && end >= start && end <= 65535)) throw invalidArgument(`invalid containerPort: ${spec}`);
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: end - start + 1 }, (_, index) => `${start + index}/${protocol}`);
}

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function healthcheck(rest: string, name: string): ContainerConfig['Healthcheck'] {
  const flags = new Map<string, string>();
  let left = rest;
  for (;;) {
    const match = /^--([a-z-]+)=(\S*)\s*/.exec(left);
    if (match === null) break;
    flags.set(match[1] ?? '', match[2] ?? '');
    left = left.slice(match[0].length);
  }
  const [, type = '', probe = ''] = /^(\S*)\s*(.*)$/s.exec(left) ?? [];
  if (type === '') throw invalidArgument(`${name} requires at least one argument`);
  if (type.toUpperCase() === 'NONE') {
    if (probe !== '') throw invalidArgument('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD')
    throw invalidArgument(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (probe === '') throw invalidArgument('Missing command after HEALTHCHECK CMD');
  const list = jsonList(probe);
  const result: Record<string, unknown> = { Test: list === undefined ? ['CMD-SHELL', probe] : ['CMD', ...list] };
  const durations: Readonly<Record<string, string>> = {
    interval: 'Interval',
    timeout: 'Timeout',
    'start-period': 'StartPeriod',
    'start-interval': 'StartInterval',
  };
  for (const [flag, value] of flags) {
    if (flag === 'retries') {
      if (!/^\d+$/.test(value) || Number(value) < 1) {
        throw invalidArgument(`--retries must be at least 1 (not ${value})`);
      }
      result.Retries = Number(value);
      continue;
    }
    const key = durations[flag];
    if (key === undefined) throw invalidArgument(`unknown flag: ${flag}`);
    const duration = parseDuration(value);
    if (duration === undefined) throw invalidArgument(`time: invalid duration ${JSON.stringify(value)}`);
    if (duration < 1_000_000n) throw invalidArgument(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
    result[key] = Number(duration);
  }
  return result as ContainerConfig['Healthcheck'];
}
