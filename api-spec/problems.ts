// Owns the text of validation failures: which field, what was expected. Must not know status codes or endpoints.
import type { z } from 'zod';

/** Marks an issue whose message is the whole answer (messages that clients know). Given as `params` of a custom issue. */
export const VERBATIM = { verbatim: true } as const;

/** The path as one writes it in JavaScript: `HostConfig.Binds[0]`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') {
      text += `[${part}]`;
    } else if (/^[\w.-]+$/.test(String(part)) && !String(part).includes('.')) {
      text += text === '' ? String(part) : `.${String(part)}`;
    } else {
      text += `[${JSON.stringify(String(part))}]`;
    }
  }
  return text;
}

/**
 * One line for a failed validation, each issue as `field: expected …`. `where` says what was read (`body`, `query`).
 */
export function describeProblems(error: z.core.$ZodError, where: string): string {
  const verbatim = error.issues.find((issue) => issue.code === 'custom' && issue.params?.verbatim === true);
  if (verbatim) {
    return verbatim.message;
  }
  const lines = error.issues.map((issue) => {
    const path = fieldPath(issue.path);
    const text = issue.message.replace(/^Invalid input: /, '').replace('received undefined', 'but it is missing');
    return path === '' ? text : `${path}: ${text}`;
  });
  return `invalid ${where}: ${lines.join('; ')}`;
}
