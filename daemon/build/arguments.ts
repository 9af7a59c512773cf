// Owns the build arguments: which ones are there at which place of a Dockerfile, and which reach a RUN. Pure.
import type { Lookup } from './words.ts';

/** Known without ARG, to RUN alone, and part of no key and no history. */
const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

export const platformText = ({ os, architecture, variant }: Platform): string =>
  `${os}/${architecture}${variant === '' ? '' : `/${variant}`}`;

function platformArguments(prefix: string, platform: Platform): [string, string][] {
  return [
    [`${prefix}PLATFORM`, platformText(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant],
  ];
}

export class BuildArguments {
  readonly #given: ReadonlyMap<string, string>;
  readonly #global: Map<string, string>;
  readonly #used = new Set<string>();

  /** `given`: of the request; null values count as not given. */
  constructor(given: Readonly<Record<string, string | null>>, build: Platform, target: Platform) {
    this.#given = new Map(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null));
    this.#global = new Map([...platformArguments('BUILD', build), ...platformArguments('TARGET', target)]);
    for (const name of this.#global.keys()) {
      const value = this.#given.get(name);
      if (value !== undefined) this.#global.set(name, value);
    }
  }

  /** An ARG before the first FROM. `fallback`: its own value, expanded. */
  declareGlobal(name: string, fallback: string | undefined): void {
    this.#used.add(name);
    const value = this.#given.get(name) ?? fallback;
    if (value !== undefined) this.#global.set(name, value);
  }

  readonly global: Lookup = (name) => this.#global.get(name);

  /** The value of an ARG in a stage; undefined: it has none. */
  inStage(name: string, fallback: string | undefined): string | undefined {
    this.#used.add(name);
    return this.#given.get(name) ?? fallback ?? this.#global.get(name);
  }

  /** Proxy variables that were given, for RUN. */
  proxies(declared: ReadonlyMap<string, string>): readonly string[] {
    return proxies
      .filter((name) => this.#given.has(name) && !declared.has(name))
      .map((name) => `${name}=${this.#given.get(name)}`);
  }

  /** Names that were given and asked for nowhere. */
  unused(): readonly string[] {
    const known = new Set([...this.#used, ...proxies, 'SOURCE_DATE_EPOCH']);
    return [...this.#given.keys()].filter((name) => !known.has(name) && !this.#isPlatform(name)).sort();
  }

  /** SOURCE_DATE_EPOCH of the request, in seconds since 1970. */
  get sourceDate(): number | undefined {
    const text = this.#given.get('SOURCE_DATE_EPOCH');
    return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
  }

  #isPlatform(name: string): boolean {
    return /^(?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT)$/.test(name);
  }
}
