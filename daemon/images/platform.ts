// Owns platforms (`linux/arm64/v8`) as Docker writes and compares them. Pure but for the question which one this host is.
import { arch } from 'node:process';
import { invalidArgument } from '../base/errors.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const aliases: Readonly<Record<string, readonly [string, string]>> = {
  x86_64: ['amd64', ''],
  'x86-64': ['amd64', ''],
  x64: ['amd64', ''],
  i386: ['386', ''],
  i686: ['386', ''],
  ia32: ['386', ''],
  aarch64: ['arm64', ''],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  ppc64el: ['ppc64le', ''],
};

function normalise(os: string, architecture: string, variant: string): Platform {
  const lower = architecture.toLowerCase();
  const [name, implied] = aliases[lower] ?? [lower, ''];
  let kind = variant.toLowerCase() || implied;
  if (name === 'arm64' && (kind === '8' || kind === 'v8')) kind = '';
  if (name === 'amd64' && kind === 'v1') kind = '';
  if (name === 'arm' && kind === '') kind = 'v7';
  if (name === 'arm' && /^\d$/.test(kind)) kind = `v${kind}`;
  return { os: os.toLowerCase(), architecture: name, variant: kind };
}

export const hostPlatform = (): Platform => normalise('linux', arch === 'ppc64' ? 'ppc64le' : arch, '');

const knownSystems = new Set(['linux', 'windows', 'darwin', 'freebsd']);

/**
 * `os/arch[/variant]`, `os`, `arch`, or the JSON object that newer clients send. Empty: undefined. Throws invalid-argument in
 * containerd's words.
 */
export function parsePlatform(text: string): Platform | undefined {
  if (text === '') return undefined;
  if (text.startsWith('{')) return platformOfJson(text);
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw invalidArgument(`${JSON.stringify(text)}: invalid platform: cannot parse platform specifier`);
  }
  const host = hostPlatform();
  const [first = '', second, third] = parts;
  if (second !== undefined) return normalise(first, second, third ?? '');
  if (knownSystems.has(first.toLowerCase())) return { ...host, os: first.toLowerCase() };
  const known = normalise('linux', first, '');
  if (!/^(?:amd64|386|arm64|arm|ppc64le|s390x|riscv64|mips64le|loong64)$/.test(known.architecture)) {
    throw invalidArgument(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
  }
  return known;
}

function platformOfJson(text: string): Platform {
  try {
    const value = JSON.parse(text) as { os?: unknown; architecture?: unknown; variant?: unknown };
    if (typeof value.os === 'string' && typeof value.architecture === 'string') {
      return normalise(value.os, value.architecture, typeof value.variant === 'string' ? value.variant : '');
    }
  } catch {
    // Said below.
  }
  throw invalidArgument('platform: expected "os/arch[/variant]" or an object with os and architecture');
}

export const platformOf = (image: {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}): Platform => normalise(image.os, image.architecture, image.variant);

/** Text form; the variant only when there is one. */
export const platformName = (platform: Platform): string =>
  `${platform.os}/${platform.architecture}${platform.variant === '' ? '' : `/${platform.variant}`}`;

/** How well `offered` serves `wanted`: 0 not at all, more is better. An older ARM variant runs on a newer one. */
export function fitness(wanted: Platform, offered: Platform): number {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return 0;
  if (wanted.variant === offered.variant) return 100;
  const want = Number(/^v(\d+)$/.exec(wanted.variant)?.[1] ?? Number.NaN);
  const offer = Number(/^v(\d+)$/.exec(offered.variant)?.[1] ?? Number.NaN);
  if (wanted.architecture === 'arm' && offer <= want) return 10 + offer;
  return offered.variant === '' ? 5 : 0;
}
