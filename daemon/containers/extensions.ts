// Owns the labels that are options of the engine (`tsd.<area>.<key>`): which there are and what they may say. Pure. Only labels of the
// client's request count: an image must not steer the host. docs/extensions.md has a row for each.
import { invalidArgument } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';

const PREFIX = 'tsd.';

export type Extensions = Readonly<Record<string, string>>;

/** A check without a process in the container. */
export type NativeProbe =
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'http'; readonly port: number; readonly path: string };

const PROBE = 'tsd.health.probe';
const ON_FAILURE = 'tsd.health.on-failure';

const failureActions = ['none', 'restart', 'stop', 'kill'] as const;
export type FailureAction = (typeof failureActions)[number];

/** `tcp:PORT` or `http:PORT[/PATH]`. Throws invalid-argument. */
export function parseProbe(text: string): NativeProbe {
  const [, kind = '', digits = '', path = ''] = /^(tcp|http):(\d{1,5})(\/[\x21-\x7e]*)?$/.exec(text) ?? [];
  const port = Number(digits);
  if (kind === '' || port < 1 || port > 65_535 || (kind === 'tcp' && path !== '')) {
    throw invalidArgument(
      `label ${PROBE}: ${JSON.stringify(text)} is no probe: expected tcp:PORT or http:PORT/PATH, as in http:8080/live`,
    );
  }
  return kind === 'tcp' ? { kind: 'tcp', port } : { kind: 'http', port, path: path === '' ? '/' : path };
}

/** Throws invalid-argument. */
export function parseFailureAction(text: string): FailureAction {
  const action = failureActions.find((each) => each === text);
  if (action === undefined) {
    throw invalidArgument(`label ${ON_FAILURE}: ${JSON.stringify(text)} is none of ${failureActions.join(', ')}`);
  }
  return action;
}

/** Every label there is, and the check of its value. */
const known: Readonly<Record<string, (text: string) => unknown>> = {
  [PROBE]: parseProbe,
  [ON_FAILURE]: parseFailureAction,
};

/** The `tsd.` labels of a request. Throws invalid-argument for one that does not exist, with the name of the near one, or a bad value. */
export function extensionsOf(labels: Readonly<Record<string, string>>): Extensions {
  const found = Object.entries(labels).filter(([name]) => name.startsWith(PREFIX));
  for (const [name, value] of found) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined;
    if (check === undefined) {
      const [near] = nearest(name, Object.keys(known));
      const hint = near === undefined ? `there are ${Object.keys(known).join(', ')}` : `did you mean ${near}?`;
      throw invalidArgument(
        `unknown label ${name}: labels that begin with ${PREFIX} are options of the engine; ${hint}`,
      );
    }
    check(value);
  }
  return Object.fromEntries(found);
}

export const nativeProbe = (extensions: Extensions): NativeProbe | undefined => {
  const text = extensions[PROBE];
  return text === undefined ? undefined : parseProbe(text);
};

export const failureAction = (extensions: Extensions): FailureAction =>
  parseFailureAction(extensions[ON_FAILURE] ?? 'none');
