// Owns the tolerance of request bodies: what Go's JSON decoder accepts and zod would not. Must not know any field by name.
import { z } from 'zod';

type Normaliser = (value: unknown) => unknown;

/** Mark on a list schema: a bare string is taken as a list of one (Cmd, Entrypoint). */
export const STRING_OR_LIST = 'x-string-or-list';

/**
 * A schema that takes a JSON body the way dockerd does and answers the output of `schema`:
 * `null` for a field is the same as leaving it out, `null` for an element of a list or map is that type's zero value
 * (kept where the schema says nullable), field names match regardless of case when there is no exact match, unknown fields are dropped.
 * Wrong types stay errors.
 */
export function tolerant<T extends z.ZodType>(schema: T) {
  return z.preprocess(compile(schema), schema);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Builds the normaliser of a schema once, so that a request only runs closures. */
function compile(schema: z.core.$ZodType): Normaliser {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  switch (def.type) {
    case 'optional': {
      const inner = compile(def.innerType);
      return (value) => (value === null || value === undefined ? undefined : inner(value));
    }
    case 'nullable': {
      const inner = compile(def.innerType);
      return (value) => (value === null ? null : inner(value));
    }
    case 'object':
      return compileObject(def.shape);
    case 'array':
      return compileArray(schema, def.element);
    case 'record': {
      const inner = compile(def.valueType);
      return (value) => {
        if (value === null) {
          return {};
        }
        return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, v]) => [key, inner(v)])) : value;
      };
    }
    case 'string':
      return (value) => (value === null ? '' : value);
    case 'number':
      return (value) => (value === null ? 0 : value);
    case 'boolean':
      return (value) => (value === null ? false : value);
    default:
      return (value) => value;
  }
}

function compileArray(schema: z.core.$ZodType, element: z.core.$ZodType): Normaliser {
  const inner = compile(element);
  const acceptsString = z.globalRegistry.get(schema)?.[STRING_OR_LIST] === true;
  return (value) => {
    if (value === null) {
      return [];
    }
    if (acceptsString && typeof value === 'string') {
      return [value];
    }
    return Array.isArray(value) ? value.map(inner) : value;
  };
}

function compileObject(shape: Readonly<Record<string, z.core.$ZodType>>): Normaliser {
  const fields = new Map(Object.entries(shape).map(([key, field]) => [key, compile(field)]));
  const canonical = new Map([...fields.keys()].map((key) => [key.toLowerCase(), key]));
  return (value) => {
    if (value === null) {
      return {};
    }
    if (!isObject(value)) {
      return value;
    }
    const result: Record<string, unknown> = {};
    for (const [key, fieldValue] of Object.entries(value)) {
      const name = fields.has(key) ? key : canonical.get(key.toLowerCase());
      const normalise = name === undefined ? undefined : fields.get(name);
      if (name === undefined || normalise === undefined || (name !== key && Object.hasOwn(value, name))) {
        continue;
      }
      const normal = normalise(fieldValue);
      if (normal !== undefined) {
        result[name] = normal;
      }
    }
    return result;
  };
}
