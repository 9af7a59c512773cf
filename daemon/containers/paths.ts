// Owns where a container's files lie: pure functions of the two roots and the id, so that cleaning needs no memory.
import { join } from 'node:path';

export interface Roots {
  readonly dataRoot: string;
  readonly execRoot: string;
}

/** hostname, hosts, resolv.conf and the log. */
export const containerDirectory = ({ dataRoot }: Roots, id: string): string => join(dataRoot, 'containers', id);
export const logPath = (roots: Roots, id: string): string => join(containerDirectory(roots, id), `${id}-json.log`);
/** `diff` and `work` of the overlay. */
export const layerDirectory = ({ dataRoot }: Roots, id: string): string => join(dataRoot, 'rw', id);
/** The lowest layer of every container, see rootfs.ts. */
export const baseDirectory = ({ dataRoot }: Roots): string => join(dataRoot, 'base');
/** Socket, pid and exit record of the monitor. */
export const runDirectory = ({ execRoot }: Roots, id: string): string => join(execRoot, 'containers', id);
export const stagingDirectory = ({ execRoot }: Roots): string => join(execRoot, 'staging');

/** Path of the container's control group below each hierarchy's root. */
export function cgroupPath(instance: string, parent: string, id: string): string {
  const trimmed = parent.replace(/\/+$/, '');
  const base = trimmed === '' ? `/tsd-${instance}` : trimmed.startsWith('/') ? trimmed : `/${trimmed}`;
  return `${base}/${id}`;
}
