// Owns a network namespace of its own for a test file, so that no test touches the host's links, rules or sysctls, and what plays the
// world in it: containers (bare namespaces) and an outside host.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { close, openNetlink } from '../../../addon/index.ts';
import type { NetworkService } from '../../../daemon/networks/service.ts';
import type { Endpoint, PortRequest, Sandbox } from '../../../daemon/networks/types.ts';
import { newAddress } from '../../../daemon/supervisor/network/address.ts';
import { findLink } from '../../../daemon/supervisor/network/bridge.ts';
import { parseMac, parsePrefix } from '../../../daemon/supervisor/network/ip-address.ts';
import { setUp } from '../../../daemon/supervisor/network/link.ts';
import { createNamespace } from '../../../daemon/supervisor/network/netns.ts';
import { RouteSocket } from '../../../daemon/supervisor/network/route-socket.ts';
import { writeSysctl } from '../../../daemon/supervisor/network/sysctl.ts';
import { makeVeth } from '../../../daemon/supervisor/network/veth.ts';

const MARK = 'TSD_TEST_PRIVATE_NETWORK';

/** True in the private namespace. Otherwise runs this file again in one and ends with its exit code. */
export async function inPrivateNetwork(file: string): Promise<boolean> {
  if (process.env[MARK] === '1') {
    const host = new RouteSocket(await openNetlink());
    await host.request([setUp(1, true)]);
    host.close();
    // A new namespace starts with the values of the host's first one.
    writeSysctl('0', 'ipv4', 'ip_forward');
    return true;
  }
  const child = spawn('unshare', ['--net', '--mount', process.execPath, ...process.execArgv, file], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
  return false;
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

function run(program: string, args: readonly string[]): Promise<Ran> {
  const { promise, resolve, reject } = Promise.withResolvers<Ran>();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.on('error', reject);
  child.on('close', (code) => resolve({ code: code ?? -1, output }));
  return promise;
}

/** Runs a program of the host in the test's own namespace, which plays the host. */
export const onHost = (...command: readonly string[]): Promise<Ran> => run(command[0] ?? '', command.slice(1));

/** Runs a program of the host inside of a sandbox. */
export const inside = (sandbox: Sandbox, ...command: readonly string[]): Promise<Ran> =>
  run('nsenter', [`--net=/proc/${process.pid}/fd/${sandbox.namespace}`, ...command]);

/** One echo request; true when it is answered within two seconds. */
export const pings = async (sandbox: Sandbox, address: string): Promise<boolean> =>
  (await inside(sandbox, 'busybox', address.includes(':') ? 'ping6' : 'ping', '-c1', '-W2', address)).code === 0;

const SERVER = `require('node:net').createServer((s) => s.end(process.argv[2] + ' ' + s.remoteAddress)).listen({ port: Number(process.argv[1]), host: '::' }, () => console.log('ready'))`;
const CLIENT = `const s = require('node:net').connect({ host: process.argv[1], port: Number(process.argv[2]) });
s.setTimeout(1500, () => s.destroy());
s.on('error', () => undefined);
s.pipe(process.stdout)`;

/** A server in the sandbox that answers every connection with its text and the peer's address. */
export async function serve(sandbox: Sandbox, port: number, text: string): Promise<{ stop(): Promise<void> }> {
  const child = spawn(
    'nsenter',
    [`--net=/proc/${process.pid}/fd/${sandbox.namespace}`, process.execPath, '-e', SERVER, String(port), text],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  return {
    async stop(): Promise<void> {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What a server at the address says; empty when it does not answer. */
export async function askFrom(sandbox: Sandbox | 'host', address: string, port: number): Promise<string> {
  const client = [process.execPath, '-e', CLIENT, address, String(port)];
  return (sandbox === 'host' ? await onHost(...client) : await inside(sandbox, ...client)).output;
}

export interface TestContainer {
  readonly id: string;
  readonly sandbox: Sandbox;
  readonly endpoint: Endpoint;
}

/** A bare namespace attached to a network as a started container would be. */
export async function startContainer(
  service: NetworkService,
  id: string,
  network: string,
  options: {
    readonly settings?: Parameters<NetworkService['attach']>[0]['settings'];
    readonly ports?: readonly PortRequest[];
  } = {},
): Promise<TestContainer> {
  const sandbox = await service.createSandbox();
  try {
    const endpoint = await service.attach({
      containerId: id,
      containerName: id,
      network,
      settings: options.settings ?? {},
      sandbox,
      defaultRoute: true,
      index: 0,
      attributes: {},
      ports: options.ports ?? [],
    });
    return { id, sandbox, endpoint };
  } catch (error) {
    closeSandbox(sandbox);
    throw error;
  }
}

export function closeSandbox(sandbox: Sandbox): void {
  close(sandbox.netlink);
  close(sandbox.namespace);
}

/** Another host on a network of the host: 203.0.113.2, with the host as 203.0.113.1 and no route to anything else. */
export async function outsideHost(): Promise<Sandbox> {
  const namespace = await createNamespace();
  const host = new RouteSocket(await openNetlink());
  const prefix = (text: string) => parsePrefix(text) ?? fail(text);
  await makeVeth(host, new RouteSocket(namespace.netlink), {
    hostName: 'uplink0',
    owner: 'uplink',
    peerName: 'eth0',
    peerNamespace: namespace.namespace,
    peerMac: parseMac('02:00:00:00:00:02') ?? fail('mac'),
    master: 0,
    mtu: 1500,
    addresses: [prefix('203.0.113.2/24')],
    gateways: [],
    isolated: false,
    hairpin: false,
  });
  const link = (await findLink(host, 'uplink0')) ?? fail('uplink0');
  await host.request([newAddress(link.index, prefix('203.0.113.1/24')), setUp(link.index, true)]);
  host.close();
  return namespace;
}

function fail(what: string): never {
  throw new Error(`the test's world is broken: ${what}`);
}
