// Owns waiting for a change that a v2 group tells by its cgroup.events file (`populated`, `frozen`). inotify, no polling.
import { watch } from 'node:fs';
import { parseKeyed, readControl } from './files.ts';

/**
 * Resolves true when `key` of cgroup.events in `directory` has `value`, or the group is gone; false when the host has no such file or
 * cannot watch it.
 */
export function untilEvent(directory: string, key: 'populated' | 'frozen', value: number): Promise<boolean> {
  const file = `${directory}/cgroup.events`;
  const holds = (): boolean | undefined => {
    const text = readControl(file);
    return text === undefined ? undefined : parseKeyed(text)[key] === value;
  };
  const before = holds();
  if (before !== false) return Promise.resolve(before === true);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  try {
    const watcher = watch(file, { persistent: false });
    const look = (): void => {
      if (holds() === false) return;
      watcher.close();
      resolve(true);
    };
    watcher.on('change', look);
    watcher.on('error', () => {
      watcher.close();
      resolve(false);
    });
    // The change may have come between the first look and the watch.
    look();
  } catch {
    resolve(false);
  }
  return promise;
}
