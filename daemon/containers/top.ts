// Owns `docker top`: the processes of a container's control group, read from /proc. No process is started for it.
import type { ContainerTopResponse } from '../../api-spec/index.ts';
import {
  machineMemory,
  namesById,
  type ProcessFacts,
  readProcess,
  TICKS_PER_SECOND,
  uptime,
} from '../supervisor/process/proc.ts';
import { containerEvent, type Engine, resolve } from './engine.ts';
import { hasProcess, refusalError } from './lifecycle.ts';
import { cgroupPath } from './paths.ts';
import { psColumns, psTable } from './ps.ts';
import type { ContainerRecord } from './types.ts';

/** Path of the control group of a record. */
export const groupOf = (engine: Engine, record: Pick<ContainerRecord, 'id' | 'hostConfig'>): string =>
  cgroupPath(engine.instance, record.hostConfig.CgroupParent || engine.cgroupParent, record.id);

/** Throws conflict in Docker's words unless the container has a process. */
export function requireProcess(record: ContainerRecord): void {
  if (hasProcess(record.state)) return;
  throw refusalError(record.state === 'restarting' ? 'restarting' : 'not-running', 'exec', record);
}

/** The table of `docker top`; user names are those of the host, as in Docker. */
export function topOf(engine: Engine, reference: string, psArguments: string): ContainerTopResponse {
  const record = resolve(engine.table, reference);
  requireProcess(record);
  psColumns(psArguments);
  const processes = engine.cgroups
    .processes(groupOf(engine, record))
    .map(readProcess)
    .filter((facts): facts is ProcessFacts => facts !== undefined)
    .sort((a, b) => a.pid - b.pid);
  const users = namesById('/etc/passwd');
  const groups = namesById('/etc/group');
  const now = Date.now();
  const table = psTable(psArguments, processes, {
    userName: (id) => users.get(id),
    groupName: (id) => groups.get(id),
    nowMs: now,
    bootMs: now - uptime() * 1000,
    ticksPerSecond: TICKS_PER_SECOND,
    memoryBytes: machineMemory(),
  });
  engine.table.tell(containerEvent(record, 'top'));
  return table;
}
