// Owns health checks without a process in the container: a connection, or an HTTP request, made from within its network namespace.
// What answers is an attacker's input: little of it is read, nothing is followed.
import { Agent, type IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import { close, connectTcp, SystemError } from '../../addon/index.ts';
import { messageOf } from '../base/errors.ts';
import type { NativeProbe } from './extensions.ts';
import { MAX_OUTPUT } from './health-policy.ts';

const LOOPBACK = ['127.0.0.1', '::1'] as const;

export interface CheckResult {
  /** 0 healthy, 1 not, -1 no answer in time. */
  readonly exitCode: number;
  readonly output: string;
}

export interface CheckOptions {
  readonly timeoutMs: number;
  readonly timeoutText: string;
  readonly ended: AbortSignal;
}

/** Takes `namespace`, a descriptor of the network namespace, and closes it. Never rejects for what the container does. */
export async function nativeCheck(namespace: number, probe: NativeProbe, options: CheckOptions): Promise<CheckResult> {
  let descriptor: number;
  try {
    descriptor = await connect(namespace, probe.port);
  } catch (error) {
    return { exitCode: 1, output: messageOf(error) };
  } finally {
    close(namespace);
  }
  if (probe.kind === 'tcp') {
    close(descriptor);
    return { exitCode: 0, output: `tcp port ${probe.port} is open` };
  }
  return get(descriptor, probe.port, probe.path, options);
}

/** A connection to the port on the namespace's loopback, by IPv4 and then by IPv6. */
async function connect(namespace: number, port: number): Promise<number> {
  let last = '';
  for (const address of LOOPBACK) {
    try {
      return await connectTcp(namespace, address, port);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // The first address tells more: many containers have no IPv6.
      if (last === '') last = `tcp port ${port}: ${error.code}`;
    }
  }
  throw new Error(last);
}

async function get(
  descriptor: number,
  port: number,
  path: string,
  { timeoutMs, timeoutText, ended }: CheckOptions,
): Promise<CheckResult> {
  const socket = new Socket({ fd: descriptor, readable: true, writable: true });
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([late, ended]);
  const agent = new Agent({ keepAlive: false });
  agent.createConnection = () => socket;
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request({
        agent,
        signal,
        path,
        headers: { host: `localhost:${port}`, 'user-agent': 'tsd-health', accept: '*/*' },
      });
      call.on('response', resolve).on('error', reject).end();
    });
    const body = await beginningOf(answer);
    const status = answer.statusCode ?? 0;
    const healthy = status >= 200 && status < 400;
    return { exitCode: healthy ? 0 : 1, output: `HTTP ${status}${body === '' ? '' : `: ${body}`}` };
  } catch (error) {
    if (late.aborted) return { exitCode: -1, output: `Health check exceeded timeout (${timeoutText})` };
    return { exitCode: 1, output: `http port ${port}: ${messageOf(error)}` };
  } finally {
    socket.destroy();
  }
}

/** The first bytes of a body; one that does not end within the time is cut where it is. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      if (size >= MAX_OUTPUT) break;
    }
  } catch {
    // The status is what counts, and that has come.
  }
  return Buffer.concat(parts).subarray(0, MAX_OUTPUT).toString('utf8');
}
