// Owns the reading of /proc/PID/mountinfo (proc_pid_mountinfo(5)). Pure; changes no mount.

export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of st_dev. */
  readonly device: string;
  /** Of the file system, what is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  /** Per mount: `rw`, `nosuid`, … */
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, `propagate_from:3`, `unbindable`. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Per file system. */
  readonly superOptions: readonly string[];
}

/** Blank, tab, newline and backslash stand as three octal digits. */
const unescaped = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** One line; undefined when it is malformed. Super options may hold blanks only in an escaped form. */
export function parseMountInfoLine(line: string): MountInfo | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [id, parent, device, root, mountPoint, options] = fields;
  const [type, source, superOptions] = fields.slice(dash + 1);
  if (dash < 0 || device === undefined || root === undefined || mountPoint === undefined || type === undefined) {
    return undefined;
  }
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescaped(root),
    mountPoint: unescaped(mountPoint),
    options: (options ?? '').split(','),
    propagation: fields.slice(6, dash),
    type,
    source: unescaped(source ?? ''),
    superOptions: (superOptions ?? '').split(','),
  };
}

export const parseMountInfo = (text: string): MountInfo[] =>
  text
    .split('\n')
    .map(parseMountInfoLine)
    .filter((mount) => mount !== undefined);

/** The mount that a path is on: the longest mount point above it, the last one where several are stacked. */
export function mountOf(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  let best: MountInfo | undefined;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    const above = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (above && (best === undefined || mountPoint.length >= best.mountPoint.length)) best = mount;
  }
  return best;
}
