// Owns faults that tests ask for: a named step fails when it is reached. Without TSD_TEST=1 there are none, and nothing asks for them.
import { internal } from './errors.ts';

/** Throws when the step is to fail this time. Absent (`undefined`) outside of tests: callers write `fault?.('step')`. */
export type Fault = (step: string) => void;

/**
 * Reads `TSD_FAULT=step[:count],…`: each step fails `count` times, and always without a count. Honoured with TSD_TEST=1 alone. Throws
 * internal for a count that is no number.
 */
export function faultOf(environment: Readonly<Record<string, string | undefined>>): Fault | undefined {
  const { TSD_TEST: test, TSD_FAULT: text = '' } = environment;
  if (test !== '1' || text === '') return undefined;
  const left = new Map(
    text.split(',').map((entry): [string, number] => {
      const [step = '', count] = entry.split(':');
      if (count !== undefined && !/^\d+$/.test(count)) throw internal(`TSD_FAULT: ${entry}: expected step[:count]`);
      return [step, count === undefined ? Number.POSITIVE_INFINITY : Number(count)];
    }),
  );
  return (step) => {
    const count = left.get(step) ?? 0;
    if (count === 0) return;
    left.set(step, count - 1);
    throw internal(`${step}: a fault that the test asked for`);
  };
}
