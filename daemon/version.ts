// Owns the version of this build, as the package says it. Reads package.json once.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Build {
  readonly version: string;
  /** Commit that a packager put into package.json; empty in a checkout. */
  readonly commit: string;
  readonly time: string;
}

/** The package.json named tsd above this file, in a checkout and in an installed package alike. */
export function readBuild(start: string = import.meta.dirname): Build {
  for (let directory = start; ; directory = dirname(directory)) {
    const path = join(directory, 'package.json');
    if (existsSync(path)) {
      const manifest = JSON.parse(readFileSync(path, 'utf8')) as {
        name?: string;
        version?: string;
        gitHead?: string;
        buildTime?: string;
      };
      if (manifest.name === 'tsd') {
        return { version: manifest.version ?? '0.0.0', commit: manifest.gitHead ?? '', time: manifest.buildTime ?? '' };
      }
    }
    if (directory === dirname(directory)) return { version: '0.0.0', commit: '', time: '' };
  }
}
