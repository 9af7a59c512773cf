// Owns HTTP answers written by hand on a connection that has left Node's HTTP: greetings of taken connections and refusals.
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { atLeast } from '../../api-spec/index.ts';
import { describeError, errorBody } from './error-handler.ts';

const RAW = 'application/vnd.docker.raw-stream';
const MULTIPLEXED = 'application/vnd.docker.multiplexed-stream';

/** The head that begins a taken connection, as dockerd writes it. */
export function greeting(options: { upgrade: boolean; multiplexed: boolean; version: string }): Buffer {
  if (!options.upgrade) return Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${RAW}\r\n\r\n`);
  const type = options.multiplexed && atLeast(options.version, '1.42') ? MULTIPLEXED : RAW;
  return Buffer.from(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
}

/** Answers an upgrade request with ordinary HTTP and closes. */
export function answerPlainly(
  socket: Duplex,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>>,
): void {
  const lines = Object.entries({
    ...headers,
    ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
    'Content-Length': String(Buffer.byteLength(body)),
    Date: new Date().toUTCString(),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** Answers an upgrade request with an error of the engine. */
export function refuse(socket: Duplex, error: unknown, headers: Readonly<Record<string, string>>): number {
  const { status, message } = describeError(error);
  answerPlainly(socket, status, errorBody(message), headers);
  return status;
}
