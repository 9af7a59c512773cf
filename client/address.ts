// Owns the reading of daemon addresses (DOCKER_HOST's forms). Must not connect.

export const DEFAULT_HOST = 'unix:///var/run/tsd.sock';

/** Where a daemon listens, in the terms of node:http. `text` is for messages. */
export type Address =
  | { readonly kind: 'unix'; readonly socketPath: string; readonly text: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly base: string;
      readonly text: string;
    };

const FORMS = 'expected unix:///PATH or tcp://HOST:PORT';

/**
 * Parses `unix:///path`, `tcp://host[:port][/base]` or `http://…`. The port is 2375 when none is given, as Docker's.
 * Throws an Error that names the address and the forms there are.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix://')) {
    const socketPath = text.slice('unix://'.length);
    if (!socketPath.startsWith('/')) {
      throw new Error(`invalid host ${JSON.stringify(text)}: the path of the socket must be absolute; ${FORMS}`);
    }
    return { kind: 'unix', socketPath, text };
  }
  const match = /^(tcp|http):\/\/(.+)$/.exec(text);
  if (!match) {
    throw new Error(`invalid host ${JSON.stringify(text)}: ${FORMS}`);
  }
  let url: URL;
  try {
    url = new URL(`http://${match[2]}`);
  } catch {
    throw new Error(`invalid host ${JSON.stringify(text)}: ${FORMS}`);
  }
  return {
    kind: 'tcp',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (/:80(?:\/|$)/.test(text) ? 80 : 2375) : Number(url.port),
    base: url.pathname.replace(/\/+$/, ''),
    text,
  };
}

/** The address from the environment: TSD_HOST, else DOCKER_HOST, else the daemon's default socket. */
export function hostFromEnvironment(environment: Readonly<Record<string, string | undefined>>): string {
  return environment.TSD_HOST || environment.DOCKER_HOST || DEFAULT_HOST;
}
