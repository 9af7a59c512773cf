// Owns the turning of raw values (texts of flags, JSON of the file) into typed ones, with errors that name the option. Pure.
import { invalidArgument } from '../base/errors.ts';
import type { OptionSpec } from './options.ts';

export type Value = string | boolean | number | readonly string[] | Readonly<Record<string, string>> | JsonValue;
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A pool of addresses that networks are cut from. `size` is the prefix length of one network. */
export interface AddressPool {
  readonly base: string;
  readonly size: number;
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

const booleans: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  T: true,
  TRUE: true,
  true: true,
  True: true,
  '0': false,
  f: false,
  F: false,
  FALSE: false,
  false: false,
  False: false,
};

function bad(option: OptionSpec, text: string, why: string): Error {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  return invalidArgument(`invalid argument "${text}" for "${short}--${option.flag}" flag: ${why}\nSee 'tsd --help'.`);
}

/** The value of a flag given one or several times; the last one wins where only one can be. */
export function fromFlag(option: OptionSpec, texts: readonly string[]): Value {
  const last = texts.at(-1) ?? '';
  switch (option.kind) {
    case 'string':
      return last;
    case 'boolean': {
      const value = booleans[last];
      if (value === undefined) throw bad(option, last, 'expected true or false');
      return value;
    }
    case 'integer':
      if (!/^[+-]?\d+$/.test(last)) throw bad(option, last, 'expected a whole number');
      return Number(last);
    case 'list':
      return texts;
    case 'map':
      return pairs(option, texts);
    case 'json':
      return structured(option, texts);
  }
}

function pairs(option: OptionSpec, texts: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals < 1) throw bad(option, text, 'expected key=value');
    result[text.slice(0, equals)] = text.slice(equals + 1);
  }
  return result;
}

function structured(option: OptionSpec, texts: readonly string[]): JsonValue {
  switch (option.flag) {
    case 'default-address-pool':
      return texts.map((text) => {
        const fields = Object.fromEntries(text.split(',').map((part) => part.split('=', 2) as [string, string]));
        const { base, size } = fields;
        if (base === undefined || size === undefined || !/^\d+$/.test(size)) {
          throw bad(option, text, 'expected base=NETWORK/PREFIX,size=PREFIX');
        }
        return { base, size: Number(size) };
      });
    case 'default-ulimit':
      return Object.fromEntries(
        texts.map((text) => {
          const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
          if (match === null) throw bad(option, text, 'expected NAME=SOFT or NAME=SOFT:HARD');
          const soft = Number(match[2]);
          const name = match[1] ?? '';
          return [name, { Name: name, Soft: soft, Hard: match[3] === undefined ? soft : Number(match[3]) }];
        }),
      );
    case 'add-runtime':
      return Object.fromEntries(Object.entries(pairs(option, texts)).map(([name, path]) => [name, { path }]));
    default:
      return pairs(option, texts);
  }
}

function typeName(value: JsonValue): string {
  return value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
}

const isTextMap = (value: JsonValue): value is Record<string, string> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((one) => typeof one === 'string');

/** Checks a value of the file against the option's kind. */
export function fromFile(option: OptionSpec, value: JsonValue): Value {
  const wrong = (expected: string) =>
    invalidArgument(`${option.key}: expected ${expected}, received ${typeName(value)}`);
  switch (option.kind) {
    case 'string':
      // dockerd takes a number for sizes such as default-shm-size as well.
      if (typeof value === 'number') return String(value);
      if (typeof value !== 'string') throw wrong('a string');
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong('true or false');
      return value;
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong('a whole number');
      return value;
    case 'list':
      if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) throw wrong('a list of strings');
      return value as readonly string[];
    case 'map':
      if (!isTextMap(value)) throw wrong('an object of strings');
      return value;
    case 'json':
      if (typeof value !== 'object' || value === null) throw wrong('an object or a list');
      return value;
  }
}

/** As dockerd shows a value in a message. */
export function show(value: Value): string {
  if (Array.isArray(value)) return `[${value.map((one: Value) => show(one)).join(' ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `map[${Object.entries(value)
      .map(([key, one]) => `${key}:${show(one as Value)}`)
      .join(' ')}]`;
  }
  return String(value);
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/** Bytes of `64m`, `64MiB`, `1g`, `1048576`. Throws invalid-argument naming the option. */
export function parseSize(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(text.trim());
  const unit = units[(match?.[2] ?? '').toLowerCase()];
  if (match === null || unit === undefined)
    throw invalidArgument(`${name}: expected a size such as 64m, received "${text}"`);
  return Math.floor(Number(match[1]) * unit);
}

/** Checks and types `default-address-pools`. */
export function addressPools(value: JsonValue): readonly AddressPool[] {
  const list = Array.isArray(value) ? value : [];
  return list.map((pool: JsonValue, index: number) => {
    const { base, size } = (typeof pool === 'object' && pool !== null ? pool : {}) as {
      base?: JsonValue;
      size?: JsonValue;
    };
    if (typeof base !== 'string' || !/^[0-9a-f.:]+\/\d+$/i.test(base)) {
      throw invalidArgument(`default-address-pools[${index}].base: expected a network such as 10.10.0.0/16`);
    }
    if (typeof size !== 'number' || !Number.isInteger(size) || size < Number(base.split('/')[1]) || size > 128) {
      throw invalidArgument(
        `default-address-pools[${index}].size: expected a prefix length of at least that of ${base}`,
      );
    }
    return { base, size };
  });
}

/** Checks and types `default-ulimits`. */
export function ulimits(value: JsonValue): readonly Ulimit[] {
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  return entries.map(([key, limit]) => {
    const {
      Name = key,
      Soft,
      Hard,
    } = (typeof limit === 'object' && limit !== null ? limit : {}) as {
      Name?: JsonValue;
      Soft?: JsonValue;
      Hard?: JsonValue;
    };
    if (typeof Name !== 'string' || typeof Soft !== 'number' || typeof Hard !== 'number') {
      throw invalidArgument(`default-ulimits.${key}: expected {"Name": "${key}", "Soft": number, "Hard": number}`);
    }
    if (Hard !== -1 && (Soft > Hard || Soft === -1)) {
      throw invalidArgument(
        `default-ulimits.${key}: ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`,
      );
    }
    return { Name, Soft, Hard };
  });
}
