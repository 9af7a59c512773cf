// Owns how configuration instructions change an image's config, and what history shows of them, in Docker's form. Pure.
import type { ContainerConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { applyChanges } from '../images/changes.ts';
import type { Command, CommandLine, Pair } from './dockerfile/types.ts';
import { cleanPath } from './patterns.ts';
import { expandWord, type Lookup } from './words.ts';

export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHELL = ['/bin/sh', '-c'];

export type ConfigCommand = Extract<
  Command,
  {
    readonly keyword:
      | 'ENV'
      | 'LABEL'
      | 'CMD'
      | 'ENTRYPOINT'
      | 'EXPOSE'
      | 'VOLUME'
      | 'USER'
      | 'WORKDIR'
      | 'STOPSIGNAL'
      | 'MAINTAINER'
      | 'SHELL'
      | 'HEALTHCHECK'
      | 'ONBUILD';
  }
>;

type Writable = { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };

export interface StageState {
  config: ContainerConfig;
  author: string;
  /** CMD was given in this stage: a later ENTRYPOINT keeps it. */
  cmdSet: boolean;
}

export const shellOf = (config: ContainerConfig): readonly string[] =>
  config.Shell !== undefined && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL;

export function environmentOf(config: ContainerConfig): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const entry of config.Env ?? []) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return variables;
}

/** The config that a stage begins with: the base's, without its triggers, with a PATH. */
export function initialConfig(base: ContainerConfig): ContainerConfig {
  const { OnBuild: _triggers, ...config } = base;
  const env = config.Env ?? [];
  return env.some((entry) => entry.startsWith('PATH=')) ? config : { ...config, Env: [...env, DEFAULT_PATH] };
}

export const argvOf = (command: CommandLine, config: ContainerConfig): readonly string[] =>
  command.form === 'exec' ? command.argv : [...shellOf(config), command.text];

const quoted = (list: readonly string[]): string => `[${list.map((item) => JSON.stringify(item)).join(' ')}]`;

/** What history shows of a step that runs nothing. */
export const nopCommand = (config: ContainerConfig, comment: string): string =>
  `${shellOf(config).join(' ')} #(nop) ${comment}`;

/** Absolute path of a WORKDIR, below the one so far. */
export function workdirOf(config: ContainerConfig, path: string): string {
  return `/${cleanPath(path.startsWith('/') ? path : `${config.WorkingDir ?? ''}/${path}`)}`;
}

/** Changes `state`; returns the text for history behind `#(nop) `. Throws invalid-argument. */
export function applyConfig(state: StageState, command: ConfigCommand, lookup: Lookup, escapeMark: string): string {
  const config: Writable = { ...state.config };
  const expand = (word: string): string => expandWord(word, lookup, escapeMark);
  const expandPairs = (pairs: readonly Pair[]): [string, string][] =>
    pairs.map(({ key, value }) => [expand(key), expand(value)]);
  const done = (comment: string): string => {
    state.config = config;
    return comment;
  };
  switch (command.keyword) {
    case 'ENV': {
      const pairs = expandPairs(command.pairs);
      for (const [key, value] of pairs) {
        const env = config.Env ?? [];
        const at = env.findIndex((entry) => entry.split('=', 1)[0] === key);
        config.Env = at < 0 ? [...env, `${key}=${value}`] : env.with(at, `${key}=${value}`);
      }
      return done(` ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`);
    }
    case 'LABEL': {
      const pairs = expandPairs(command.pairs);
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
      return done(` LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`);
    }
    case 'CMD':
      config.Cmd = [...emptyIsNone(command.command, config)];
      state.cmdSet = true;
      return done(` CMD ${quoted(config.Cmd)}`);
    case 'ENTRYPOINT': {
      const argv = emptyIsNone(command.command, config);
      if (argv.length === 0) delete config.Entrypoint;
      else config.Entrypoint = [...argv];
      if (!state.cmdSet) delete config.Cmd;
      return done(` ENTRYPOINT ${quoted(argv)}`);
    }
    case 'EXPOSE': {
      const words = command.words.flatMap((word) => expand(word).split(/\s+/)).filter((word) => word !== '');
      config.ExposedPorts = applyChanges({ ExposedPorts: config.ExposedPorts ?? {} }, [
        `EXPOSE ${words.join(' ')}`,
      ]).ExposedPorts;
      return done(` EXPOSE ${words.join(' ')}`);
    }
    case 'VOLUME': {
      const paths = command.words.map((word) => expand(word).trim());
      if (paths.includes('')) throw invalidArgument('VOLUME specified can not be an empty string');
      config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return done(` VOLUME [${paths.join(' ')}]`);
    }
    case 'USER':
      config.User = expand(command.word);
      return done(` USER ${config.User}`);
    case 'WORKDIR':
      config.WorkingDir = workdirOf(config, expand(command.word));
      return done(`WORKDIR ${config.WorkingDir}`);
    case 'STOPSIGNAL':
      config.StopSignal = applyChanges({}, [`STOPSIGNAL ${expand(command.word)}`]).StopSignal;
      return done(` STOPSIGNAL ${config.StopSignal}`);
    case 'MAINTAINER':
      state.author = command.word;
      return done(` MAINTAINER ${command.word}`);
    case 'SHELL':
      config.Shell = [...command.argv];
      return done(` SHELL [${command.argv.join(' ')}]`);
    case 'HEALTHCHECK':
      config.Healthcheck = applyChanges({}, [`HEALTHCHECK ${command.rest}`]).Healthcheck;
      return done(` HEALTHCHECK ${command.rest}`);
    case 'ONBUILD':
      config.OnBuild = [...(config.OnBuild ?? []), command.trigger];
      return done(` ONBUILD ${command.trigger}`);
  }
}

const emptyIsNone = (command: CommandLine, config: ContainerConfig): readonly string[] =>
  command.form === 'shell' && command.text === '' ? [] : argvOf(command, config);
