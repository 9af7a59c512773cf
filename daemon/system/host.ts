// Owns what is read of the host for info: release files, memory, processors, forwarding. Reads files of /proc, /sys and /etc; changes nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, hostname, release } from 'node:os';

/** Text of a file; empty when it cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const architectures: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  arm: 'armv7l',
  ia32: 'i686',
};
const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

export interface HostFacts {
  readonly kernel: string;
  /** As uname says it. */
  readonly machine: string;
  /** As images name it. */
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly name: string;
}

/** What does not change while the daemon runs. */
export function hostFacts(): HostFacts {
  const osRelease = parseOsRelease(textOf('/etc/os-release') || textOf('/usr/lib/os-release'));
  return {
    kernel: release(),
    machine: architectures[process.arch] ?? process.arch,
    architecture: goArchitectures[process.arch] ?? process.arch,
    operatingSystem: osRelease.PRETTY_NAME ?? 'Linux',
    osVersion: osRelease.VERSION_ID ?? '',
    processors: cpus().length,
    memory: Number(/^MemTotal:\s+(\d+) kB/m.exec(textOf('/proc/meminfo'))?.[1] ?? 0) * 1024,
    name: hostname(),
  };
}

/** os-release(5): `KEY=value`, the value perhaps in quotes. */
export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const lines = text.matchAll(/^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/gm);
  return Object.fromEntries(
    [...lines].map(([, key = '', double, single, bare]) => [key, double ?? single ?? bare ?? '']),
  );
}

/** Descriptors that this process has open. */
export const openDescriptors = (): number => {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
};

export const forwardsIpv4 = (): boolean => textOf('/proc/sys/net/ipv4/ip_forward').trim() === '1';
