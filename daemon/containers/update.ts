// Owns `docker update`: checked as a whole, then the control group of a running container, then the row; what was written is taken back
// when a later step fails.

import { setProcessLimit } from '../../addon/index.ts';
import type { ContainerUpdateRequest, HostConfig } from '../../api-spec/index.ts';
import { conflict, EngineError, messageOf } from '../base/errors.ts';
import { hostLookup } from '../runtime/host-lookup.ts';
import { rlimitNumbers, rlimitsOf } from '../runtime/spec-process.ts';
import { resourcesOf, validateResources } from '../runtime/spec-resources.ts';
import type { LinuxResources } from '../supervisor/cgroup/resources.ts';
import { containerEvent, current, type Engine, resolve } from './engine.ts';
import { checkRestartPolicy } from './host-config.ts';
import { hasProcess } from './lifecycle.ts';
import { groupOf } from './top.ts';
import type { ContainerRecord } from './types.ts';
import { changedLimits, updatedConfig } from './update-config.ts';

/** Resolves with sentences about limits that this host cannot keep. Throws invalid-argument or conflict in Docker's words. */
export function updateContainer(
  engine: Engine,
  reference: string,
  request: ContainerUpdateRequest,
): Promise<readonly string[]> {
  const { id } = resolve(engine.table, reference);
  return engine.lock.run(id, () => {
    const record = current(engine.table, id);
    if (record.state === 'removing' || record.state === 'dead') {
      throw cannotUpdate(id, conflict('container is marked for removal and cannot be "update"'));
    }
    const lookup = hostLookup();
    // What is wrong by itself, before what does not fit.
    checkRestartPolicy(request.RestartPolicy);
    const { MemorySwap: _, ...alone } = request;
    validateResources(alone, lookup);
    let after: HostConfig;
    try {
      after = updatedConfig(record.hostConfig, request);
    } catch (error) {
      throw cannotUpdate(id, error);
    }
    validateResources(after, lookup);
    rlimitsOf(after.Ulimits);
    const changed = changedLimits(record.hostConfig, after);
    const resources = limitsOf(changed);
    const warnings = engine.cgroups.unsupported(resources);
    if (hasProcess(record.state)) applyNow(engine, record, changed, resources);
    if (!engine.table.update(id, { hostConfig: after }, [containerEvent({ ...record, hostConfig: after }, 'update')])) {
      throw cannotUpdate(id, conflict('container is marked for removal and cannot be "update"'));
    }
    return warnings;
  });
}

const cannotUpdate = (id: string, error: unknown): EngineError =>
  new EngineError(
    error instanceof EngineError ? error.kind : 'internal',
    `Cannot update container ${id}: ${messageOf(error)}`,
    error,
  );

/** Limits as the control group is told them; devices are not an update's to change. */
function limitsOf(changed: HostConfig): LinuxResources {
  const { devices: _, ...resources } = resourcesOf(changed, [], hostLookup());
  const pids = changed.PidsLimit;
  return pids !== undefined && pids <= 0 ? { ...resources, pids: { limit: -1 } } : resources;
}

/** The control group takes all limits or none; process limits follow when it has. */
function applyNow(engine: Engine, record: ContainerRecord, changed: HostConfig, resources: LinuxResources): void {
  const group = groupOf(engine, record);
  try {
    engine.cgroups.update(group, resources);
    for (const { type, soft, hard } of rlimitsOf(changed.Ulimits)) {
      for (const pid of engine.cgroups.processes(group)) {
        setProcessLimit(pid, rlimitNumbers[type.replace('RLIMIT_', '').toLowerCase()] ?? 0, BigInt(soft), BigInt(hard));
      }
    }
  } catch (error) {
    throw cannotUpdate(record.id, error);
  }
}
