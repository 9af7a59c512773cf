// Owns how query parameters are read: Docker's booleans, numbers, lists and filters. Must not know any endpoint.
import { z } from 'zod';
import { VERBATIM } from './problems.ts';

// A parser hands over a string, or a list when a parameter is repeated; Docker takes the first of a list.
const raw = z.union([z.string(), z.array(z.string()), z.boolean(), z.number()]).optional();
type Raw = z.output<typeof raw>;

function first(value: Raw): string | undefined {
  const one = Array.isArray(value) ? value[0] : value;
  return one === undefined ? undefined : String(one);
}

/**
 * Docker's boolean. `''`, `0`, `no`, `false`, `none` in any case are false, everything else is true; absent is `absent` (false when not given).
 */
export function flag(absent = false) {
  return raw
    .transform((value) => {
      const text = first(value);
      return text === undefined ? absent : !['', '0', 'no', 'false', 'none'].includes(text.trim().toLowerCase());
    })
    .meta({ type: 'boolean', default: absent });
}

/** A string; absent when the parameter is. */
export function text() {
  return raw.transform(first).meta({ type: 'string' });
}

/** A string that must be there and not be empty. */
export function requiredText() {
  return raw
    .transform((value, context) => {
      const found = first(value);
      if (found === undefined || found === '') {
        context.addIssue({ code: 'custom', message: 'expected a value, but it is missing or empty' });
        return z.NEVER;
      }
      return found;
    })
    .meta({ type: 'string' });
}

function parseInteger(value: string, context: z.core.$RefinementCtx): number {
  const number = Number(value);
  if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number)) {
    context.issues.push({
      code: 'custom',
      input: value,
      message: `expected an integer, received ${JSON.stringify(value)}`,
    });
    return z.NEVER;
  }
  return number;
}

/** An integer; absent when the parameter is absent or empty. */
export function int() {
  return raw
    .transform((value, context): number | undefined => {
      const found = first(value);
      return found === undefined || found === '' ? undefined : parseInteger(found, context);
    })
    .meta({ type: 'integer', format: 'int64' });
}

/** An integer that must be there. */
export function requiredInt() {
  return raw
    .transform((value, context): number => parseInteger(first(value) ?? '', context))
    .meta({ type: 'integer', format: 'int64' });
}

/** A point in time or a distance into the past: Unix seconds with fraction, RFC 3339 or a Go duration. Kept as it came; the daemon parses it. */
export function timestamp() {
  return text();
}

/** Every value of a parameter that may be repeated, in order. */
export function list() {
  return raw
    .transform((value): string[] => (value === undefined ? [] : Array.isArray(value) ? value : [String(value)]))
    .meta({ type: 'array', items: { type: 'string' } });
}

/** One of `values`; absent or empty is `absent`. Another value gets `message(value)`. */
export function choice<const V extends readonly string[]>(
  values: V,
  absent: V[number],
  message: (v: string) => string,
) {
  return raw
    .transform((value, context): V[number] => {
      const found = first(value) ?? '';
      if (found === '') {
        return absent;
      }
      if (!values.includes(found)) {
        context.addIssue({ code: 'custom', message: message(found), params: VERBATIM });
        return z.NEVER;
      }
      return found;
    })
    .meta({ type: 'string', enum: [...values], default: absent });
}

/** Filter values by key. */
export type Filters = Record<string, string[]>;

/**
 * Docker's filters: JSON of `{"key": ["value"]}` or of the older `{"key": {"value": true}}`. Without `allowed` every key is taken.
 * Not that form: `invalid filter…`; a key that is not allowed: `invalid filter 'key'`, as dockerd says it.
 */
export function filters(allowed?: readonly string[]) {
  return raw
    .transform((value, context): Filters => {
      const fail = (message: string): never => {
        context.addIssue({ code: 'custom', message, params: VERBATIM });
        return z.NEVER;
      };
      const found = first(value) ?? '';
      if (found === '') {
        return {};
      }
      const parsed = parseFilters(found);
      if (parsed === undefined) {
        return fail(`invalid filter: expected JSON like {"label":["a=b"]}, received ${found}`);
      }
      const unknown = allowed && Object.keys(parsed).find((key) => !allowed.includes(key));
      return unknown === undefined ? parsed : fail(`invalid filter '${unknown}'`);
    })
    .meta({ type: 'string', contentMediaType: 'application/json', ...(allowed && { 'x-filter-keys': [...allowed] }) });
}

function parseFilters(json: string): Filters | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (value === null) {
    return {};
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    return undefined;
  }
  const result: [string, string[]][] = [];
  for (const [key, values] of Object.entries(value)) {
    const names: unknown = Array.isArray(values)
      ? values
      : typeof values === 'object' && values !== null
        ? Object.keys(values)
        : values === null
          ? []
          : undefined;
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
      return undefined;
    }
    result.push([key, names]);
  }
  return Object.fromEntries(result);
}
