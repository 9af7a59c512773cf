// Owns the field types that schemas are built of. Must not know any endpoint.
import { z } from 'zod';
import { STRING_OR_LIST } from './tolerant.ts';

function integerBetween(format: string, low: number, high: number) {
  return z
    .number({ error: (issue) => `expected integer, received ${describeType(issue.input)}` })
    .refine((value) => Number.isInteger(value) && value >= low && value <= high, {
      error: (issue) => `expected integer (${format}), received ${String(issue.input)}`,
    })
    .meta({ type: 'integer', format });
}

function describeType(value: unknown): string {
  return value === undefined ? 'undefined' : value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

/** 64-bit integer of Docker's API. Above 2^53 with the precision of a JavaScript number. */
export const int64 = integerBetween('int64', -(2 ** 63), 2 ** 63);
export const uint64 = integerBetween('uint64', 0, 2 ** 64);
export const uint32 = integerBetween('uint32', 0, 2 ** 32 - 1);
export const uint16 = integerBetween('uint16', 0, 65535);
/** Duration in nanoseconds. */
export const nanoseconds = integerBetween('int64', -(2 ** 63), 2 ** 63);

export const string = z.string();
export const boolean = z.boolean();
export const strings = z.array(z.string());
export const stringMap = z.record(z.string(), z.string());
/** A set in Go's JSON: the keys count, the values are empty objects. */
export const stringSet = z.record(z.string(), z.object({}));
/** A command: a list; a bare string is accepted as a list of one. */
export const command = z.array(z.string()).meta({ [STRING_OR_LIST]: true });
/** RFC 3339 time with nanoseconds. */
export const dateTime = z.string().meta({ format: 'date-time' });

type ListKeys<S> = { readonly [K in keyof S]?: true };

/**
 * The object with the named fields always there and possibly null: how dockerd shows lists and maps that were never set.
 * (For fields that are there and never null use zod's `required`.)
 */
export function listed<S extends z.core.$ZodLooseShape, const K extends ListKeys<S>>(object: z.ZodObject<S>, keys: K) {
  const extra = Object.fromEntries(
    Object.keys(keys).map((key) => {
      const field: unknown = object.shape[key as keyof S];
      return [key, z.nullable(field instanceof z.ZodOptional ? field.unwrap() : (field as z.ZodType))];
    }),
  );
  return object.extend(extra) as unknown as z.ZodObject<
    Omit<S, keyof K> & {
      [P in keyof K & keyof S]: z.ZodNullable<S[P] extends z.ZodOptional<infer I> ? I : S[P]>;
    }
  >;
}
