// Owns the reading of `-v`, `--mount` and image VOLUMEs into mount points, with Docker's rules and messages. Pure: makes no volume and
// looks at no path; create.ts does both with the answer.
import { posix } from 'node:path';
import type { HostConfig } from '../../api-spec/index.ts';
import { EngineError, invalidArgument, notImplemented } from '../base/errors.ts';

/** A mount as asked for; `name` is empty for an anonymous volume, which create.ts names. */
export interface MountWish {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  readonly name: string;
  /** Host path of a bind, reference of an image; empty else. */
  readonly source: string;
  readonly destination: string;
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
  readonly copyUp: boolean;
  readonly subpath?: string;
  /** Binds by -v make their missing source; --mount refuses. */
  readonly createSource: boolean;
  readonly volumeDriver: string;
  readonly volumeOptions: Readonly<Record<string, string>>;
  readonly volumeLabels: Readonly<Record<string, string>>;
}

const propagations = new Set(['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared']);
const labelModes = new Set(['z', 'Z']);
const accessModes = new Set(['ro', 'rw']);
const consistencies = new Set(['consistent', 'cached', 'delegated', 'default']);

const clean = (path: string): string => {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
};

interface Mode {
  readonly rw: boolean;
  readonly propagation: string;
  readonly noCopy: boolean;
}

/** `ro,z,rshared,nocopy`; each kind at most once. */
function parseMode(mode: string): Mode {
  const invalid = (): EngineError => new EngineError('internal', `invalid mode: ${mode}`);
  let access: string | undefined;
  let label: string | undefined;
  let propagation: string | undefined;
  let copy: string | undefined;
  let consistency: string | undefined;
  for (const part of mode === '' ? [] : mode.split(',')) {
    if (accessModes.has(part) && access === undefined) access = part;
    else if (labelModes.has(part) && label === undefined) label = part;
    else if (propagations.has(part) && propagation === undefined) propagation = part;
    else if (part === 'nocopy' && copy === undefined) copy = part;
    else if (consistencies.has(part) && consistency === undefined) consistency = part;
    else throw invalid();
  }
  return { rw: access !== 'ro', propagation: propagation ?? '', noCopy: copy !== undefined };
}

const plain = { volumeDriver: '', volumeOptions: {}, volumeLabels: {} } as const;

/** One of HostConfig.Binds. Errors have Docker's text (and, as there, the kind internal for a text that cannot be read). */
export function parseBind(spec: string, volumeDriver: string): MountWish {
  const broken = (why?: string): EngineError =>
    new EngineError('internal', `invalid volume specification: '${spec}'${why === undefined ? '' : `: ${why}`}`);
  const parts = spec.split(':');
  const [first = '', second, third] = parts;
  if (parts.length > 3 || first === '' || (parts.length === 2 && second === '')) throw broken();
  const anonymous =
    parts.length === 1 || (parts.length === 2 && !(second ?? '').startsWith('/') && isMode(second ?? ''));
  const source = anonymous ? '' : first;
  const target = anonymous ? first : (second ?? '');
  const mode = (anonymous ? second : third) ?? '';
  const type = source.startsWith('/') ? 'bind' : 'volume';
  const parsed = parseMode(mode);
  const config = `invalid mount config for type "${type}"`;
  if (target === '') throw broken(`${config}: field Target must not be empty`);
  if (!target.startsWith('/')) throw broken(`${config}: invalid mount path: '${target}' mount path must be absolute`);
  const destination = clean(target);
  if (destination === '/') throw broken(`${config}: invalid specification: destination can't be '/'`);
  if (type === 'bind') {
    if (parsed.noCopy) throw broken(`${config}: field VolumeOptions must not be specified`);
    return {
      type,
      name: '',
      source: clean(source),
      destination,
      mode,
      rw: parsed.rw,
      propagation: parsed.propagation === '' ? 'rprivate' : parsed.propagation,
      copyUp: false,
      createSource: true,
      ...plain,
    };
  }
  if (parsed.propagation !== '') throw broken(`${config}: field BindOptions must not be specified`);
  return {
    type,
    name: source,
    source: '',
    destination,
    // What dockerd shows for a volume without a mode.
    mode: mode === '' ? 'z' : mode,
    rw: parsed.rw,
    propagation: '',
    copyUp: !parsed.noCopy,
    createSource: false,
    ...plain,
    volumeDriver,
  };
}

/** `/a:ro` is an anonymous volume with a mode. */
function isMode(text: string): boolean {
  try {
    parseMode(text);
    return text !== '';
  } catch {
    return false;
  }
}

type Mount = NonNullable<HostConfig['Mounts']>[number];

/** A path that cannot leave the directory that it is taken from, by its text alone. */
const isLocal = (path: string): boolean =>
  !path.startsWith('/') && path !== '..' && !posix.normalize(path).startsWith('../') && posix.normalize(path) !== '..';

/** One of HostConfig.Mounts. Throws invalid-argument in Docker's words. */
export function parseMount(mount: Mount): MountWish {
  const type = mount.Type ?? '';
  const bad = (why: string): EngineError => invalidArgument(`invalid mount config for type "${type}": ${why}`);
  if (type === 'cluster' || type === 'npipe') {
    throw notImplemented(`mounts of type "${type}" are not supported; use bind, volume, image or tmpfs`);
  }
  if (type !== 'bind' && type !== 'volume' && type !== 'tmpfs' && type !== 'image') throw bad('mount type unknown');
  const target = mount.Target ?? '';
  const source = mount.Source ?? '';
  if (target === '') throw bad('field Target must not be empty');
  if (!target.startsWith('/')) throw bad(`invalid mount path: '${target}' mount path must be absolute`);
  const destination = clean(target);
  if (destination === '/') throw bad("invalid specification: destination can't be '/'");
  const base = { destination, rw: mount.ReadOnly !== true, createSource: false, ...plain };
  if (type !== 'bind' && mount.BindOptions !== undefined) throw bad('field BindOptions must not be specified');
  if (type !== 'volume' && mount.VolumeOptions !== undefined) throw bad('field VolumeOptions must not be specified');
  if (type !== 'tmpfs' && mount.TmpfsOptions !== undefined) throw bad('field TmpfsOptions must not be specified');
  if (type !== 'image' && mount.ImageOptions !== undefined) throw bad('field ImageOptions must not be specified');
  if (type === 'tmpfs') {
    if (source !== '') throw bad('field Source must not be specified');
    return { ...base, type, name: '', source: '', mode: '', propagation: '', copyUp: false };
  }
  if (type === 'bind') {
    if (source === '') throw bad('field Source must not be empty');
    if (!source.startsWith('/')) throw bad(`invalid mount path: '${source}' mount path must be absolute`);
    const propagation = mount.BindOptions?.Propagation ?? '';
    if (propagation !== '' && !propagations.has(propagation)) throw bad(`invalid propagation mode: ${propagation}`);
    return {
      ...base,
      type,
      name: '',
      source: clean(source),
      mode: '',
      propagation: propagation === '' ? 'rprivate' : propagation,
      copyUp: false,
      createSource: mount.BindOptions?.CreateMountpoint === true,
    };
  }
  const subpath = (type === 'image' ? mount.ImageOptions?.Subpath : mount.VolumeOptions?.Subpath) ?? '';
  if (!isLocal(subpath)) throw bad(`subpath must be a relative path within the ${type}`);
  const part = subpath === '' ? {} : { subpath };
  if (type === 'image') {
    if (source === '') throw bad('field Source must not be empty');
    return { ...base, ...part, type, name: '', source, mode: '', rw: false, propagation: '', copyUp: false };
  }
  return {
    ...part,
    ...base,
    type,
    name: source,
    source: '',
    mode: 'z',
    propagation: '',
    copyUp: mount.VolumeOptions?.NoCopy !== true,
    volumeDriver: mount.VolumeOptions?.DriverConfig?.Name ?? '',
    volumeOptions: mount.VolumeOptions?.DriverConfig?.Options ?? {},
    volumeLabels: mount.VolumeOptions?.Labels ?? {},
  };
}

/** An anonymous volume of the image's (or the request's) VOLUMEs. */
const imageVolume = (destination: string): MountWish => ({
  type: 'volume',
  name: '',
  source: '',
  destination,
  mode: '',
  rw: true,
  propagation: '',
  copyUp: true,
  createSource: false,
  ...plain,
});

/**
 * All mounts of a container: Binds and Mounts (two at one place are an error), mounts of other containers (`inherited`, which those take
 * the place of), then anonymous volumes for `volumes` where nothing else is.
 */
export function collectMounts(
  hostConfig: HostConfig,
  volumes: Readonly<Record<string, unknown>>,
  inherited: readonly MountWish[],
): readonly MountWish[] {
  const byTarget = new Map<string, MountWish>(inherited.map((wish) => [wish.destination, wish]));
  const asked = new Set<string>();
  for (const path of Object.keys(hostConfig.Tmpfs ?? {})) {
    if (!path.startsWith('/')) throw invalidArgument(`invalid mount path: '${path}' mount path must be absolute`);
    const destination = clean(path);
    if (destination === '/') throw invalidArgument("invalid specification: destination can't be '/'");
    asked.add(destination);
  }
  const wishes = [
    ...(hostConfig.Binds ?? []).map((bind) => parseBind(bind, hostConfig.VolumeDriver ?? '')),
    ...(hostConfig.Mounts ?? []).map(parseMount),
  ];
  for (const wish of wishes) {
    if (asked.has(wish.destination)) throw invalidArgument(`Duplicate mount point: ${wish.destination}`);
    asked.add(wish.destination);
    byTarget.set(wish.destination, wish);
  }
  for (const path of Object.keys(volumes)) {
    const destination = clean(path.startsWith('/') ? path : `/${path}`);
    if (destination === '/' || asked.has(destination) || byTarget.has(destination)) continue;
    byTarget.set(destination, imageVolume(destination));
  }
  return [...byTarget.values()];
}
