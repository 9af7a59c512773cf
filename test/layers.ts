// Owns the table of who may import whom, and the check of every import against it. Reads sources as text; runs none of them.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export interface Import {
  /** What stands between the quotes. */
  readonly specifier: string;
  /** `import type`: erased before anything runs. */
  readonly typeOnly: boolean;
  readonly line: number;
}

interface Room {
  /** Folders or files, the most telling first; a path belongs to the room whose prefix is longest. */
  readonly at: readonly string[];
  readonly imports: readonly string[];
  /** Rooms of which only types may come. */
  readonly types?: readonly string[];
  /** Packages from node_modules; node: built-ins are free for all but where `builtins` says otherwise. */
  readonly packages?: readonly string[];
}

const services = ['runtime', 'supervisor', 'addon', 'store', 'base'];
const serviceTypes = ['api-spec'];

/** The rooms of docs and design, bottom to top. A room may always import itself. */
export const rooms: Readonly<Record<string, Room>> = {
  'api-spec': { at: ['api-spec'], imports: [], packages: ['zod'] },
  client: { at: ['client'], imports: ['api-spec'] },
  addon: { at: ['addon'], imports: [] },
  base: { at: ['daemon/base'], imports: [] },
  store: { at: ['daemon/store'], imports: ['base'], types: ['api-spec'], packages: ['better-sqlite3'] },
  supervisor: { at: ['daemon/supervisor'], imports: ['base', 'addon'] },
  runtime: { at: ['daemon/runtime'], imports: ['base', 'supervisor', 'addon'], types: serviceTypes },
  images: { at: ['daemon/images'], imports: services, types: serviceTypes },
  networks: { at: ['daemon/networks'], imports: services, types: serviceTypes, packages: ['dns-packet'] },
  volumes: { at: ['daemon/volumes'], imports: services, types: serviceTypes },
  containers: {
    at: ['daemon/containers'],
    imports: ['images', 'networks', 'volumes', ...services],
    types: [...serviceTypes, 'events'],
  },
  events: {
    at: ['daemon/events'],
    imports: ['containers', 'images', 'networks', 'volumes', 'store', 'base'],
    types: serviceTypes,
  },
  build: {
    at: ['daemon/build'],
    imports: ['containers', 'images', 'networks', 'volumes', ...services],
    types: serviceTypes,
  },
  system: {
    at: ['daemon/system'],
    imports: ['containers', 'images', 'networks', 'volumes', ...services],
    types: serviceTypes,
  },
  http: {
    at: ['daemon/http'],
    imports: ['api-spec', 'base', 'containers', 'images', 'networks', 'volumes', 'events', 'build', 'system'],
    types: ['config', 'runtime'],
    packages: ['fastify', '@fastify/websocket', 'zod', 'pino', 'ws'],
  },
  config: { at: ['daemon/config', 'daemon/config.ts'], imports: ['base'] },
  main: {
    at: ['daemon'],
    imports: [
      'config',
      'http',
      'system',
      'build',
      'events',
      'containers',
      'images',
      'networks',
      'volumes',
      'api-spec',
      ...services,
    ],
    packages: ['pino'],
  },
};

const importPattern =
  /(?:^|[;}\s])(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?(['"])([^'"\n]+)\2|\bimport\s*\(\s*(['"])([^'"\n]+)\4\s*\)/g;

/** Blanks out comments, keeping line breaks; quotes and templates are stepped over so that "//" within them stays. */
const withoutComments = (source: string): string =>
  source.replace(
    /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (all: string, quoted: string | undefined) => quoted ?? all.replace(/[^\n]/g, ' '),
  );

/** Every static and dynamic import and re-export of a source text. */
export const readImports = (source: string): Import[] => {
  const text = withoutComments(source);
  const found: Import[] = [];
  for (const match of text.matchAll(importPattern)) {
    const specifier = match[3] ?? match[5] ?? '';
    const braces = /\{([^}]*)\}/.exec(match[0])?.[1];
    const everyNameIsType =
      braces !== undefined &&
      /^\s*(import|export)\s*\{/.test(match[0].trimStart()) &&
      braces
        .split(',')
        .filter((name) => name.trim() !== '')
        .every((name) => /^\s*type\s/.test(name));
    found.push({
      specifier,
      typeOnly: match[1] !== undefined || everyNameIsType,
      line: text.slice(0, match.index + match[0].indexOf(specifier)).split('\n').length,
    });
  }
  return found;
};

/** The room a path (relative to the checkout) lies in; undefined for scripts, tests and the rest that may import all. */
export const roomOf = (path: string): string | undefined => {
  let best: string | undefined;
  let length = -1;
  for (const [name, room] of Object.entries(rooms)) {
    for (const prefix of room.at) {
      if ((path === prefix || path.startsWith(`${prefix}/`)) && prefix.length > length) {
        best = name;
        length = prefix.length;
      }
    }
  }
  return best;
};

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const violation = (from: string, imported: Import, file: string): string | undefined => {
  const { specifier, typeOnly } = imported;
  const room = rooms[from];
  if (room === undefined || specifier.startsWith('node:')) return undefined;
  if (!specifier.startsWith('.')) {
    const name = packageName(specifier);
    if (typeOnly || (room.packages ?? []).includes(name)) return undefined;
    return `${from} may not import the package ${name} (allowed: ${(room.packages ?? []).join(', ') || 'none'})`;
  }
  const target = relative('.', resolve(dirname(file), specifier));
  const to = roomOf(target);
  if (specifier.endsWith('.node')) return 'only addon/index.ts loads the native part';
  if (to === from) return undefined;
  if (to === undefined) return `${from} may not import ${target}, which lies outside of the rooms`;
  if (to === 'addon' && target !== 'addon/index.ts') return `${from} may import addon/index.ts alone, not ${target}`;
  if (room.imports.includes(to)) return undefined;
  if (typeOnly && (room.types ?? []).includes(to)) return undefined;
  const allowed = [...room.imports, ...(room.types ?? []).map((name) => `${name} (types)`)];
  return `${from} may not import ${to} (allowed: ${allowed.join(', ') || 'none'})`;
};

/**
 * Checks one source text.
 * @param file path relative to the checkout, which decides the room; tests beside the sources are free
 * @returns one line for each violation: "file:line: why"
 */
export const checkSource = (file: string, source: string): string[] => {
  const from = roomOf(file);
  if (from === undefined || file.endsWith('.test.ts')) return [];
  const found: string[] = [];
  for (const imported of readImports(source)) {
    const why = violation(from, imported, file);
    if (why !== undefined) found.push(`${file}:${imported.line}: ${why}`);
  }
  return found;
};

/** Every TypeScript source of the rooms below `root`, as paths relative to it. */
export const listSources = (root: string): string[] =>
  ['addon', 'api-spec', 'client', 'daemon']
    .flatMap((folder) => {
      try {
        return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
          (name) => `${folder}/${name}`,
        );
      } catch {
        return [];
      }
    })
    .filter((path) => path.endsWith('.ts') && !path.includes('node_modules/') && !path.startsWith('addon/build/'))
    .sort();

/** All violations of a checkout. */
export const checkTree = (root: string): string[] =>
  listSources(root).flatMap((path) => checkSource(path, readFileSync(join(root, path), 'utf8')));

if (import.meta.main) {
  const found = checkTree(join(import.meta.dirname, '..'));
  for (const line of found) process.stderr.write(`${line}\n`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
