// Owns the forms of -H: which text names which socket. Opens none.
import { isIPv6 } from 'node:net';
import { invalidArgument } from '../base/errors.ts';

/** A place to listen at. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Descriptors from systemd's socket activation. */
  | { readonly kind: 'fd'; readonly name: string };

/** Reads one -H as dockerd does: `unix://PATH`, `tcp://[HOST][:PORT]`, `HOST:PORT`, `fd://[NAME]`; `tls` decides the default port. */
export function parseHost(text: string, tls: boolean): ListenAddress {
  const value = text.trim();
  if (value === '')
    throw invalidArgument('hosts: expected unix://PATH, tcp://HOST:PORT or fd://, received an empty text');
  if (value.startsWith('/')) return { kind: 'unix', path: value };
  const scheme = /^([a-z]+):\/\/(.*)$/.exec(value);
  const rest = scheme?.[2] ?? value;
  switch (scheme?.[1] ?? 'tcp') {
    case 'unix':
      if (rest === '') return { kind: 'unix', path: '/var/run/tsd.sock' };
      if (!rest.startsWith('/'))
        throw invalidArgument(`hosts: expected an absolute path after unix://, received "${value}"`);
      return { kind: 'unix', path: rest };
    case 'fd':
      return { kind: 'fd', name: rest === '*' ? '' : rest };
    case 'tcp':
      return tcp(rest, value, tls);
    default:
      throw invalidArgument(`invalid bind address (${value}): expected unix://PATH, tcp://HOST:PORT or fd://`);
  }
}

function tcp(rest: string, whole: string, tls: boolean): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:/]*))(?::(\d*))?\/?$/.exec(rest);
  if (match === null) throw invalidArgument(`invalid bind address (${whole}): expected tcp://HOST:PORT`);
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined && !isIPv6(match[1]))
    throw invalidArgument(`invalid bind address (${whole}): expected an IPv6 address in brackets`);
  const port = match[3] === undefined || match[3] === '' ? (tls ? 2376 : 2375) : Number(match[3]);
  if (port > 65535) throw invalidArgument(`invalid bind address (${whole}): expected a port of at most 65535`);
  return { kind: 'tcp', host: host === '' ? '127.0.0.1' : host, port };
}
