// Owns a container record for tests of this room's pure parts. Not used by the engine.
import type { ContainerRecord } from './types.ts';

export const record = (fields: Partial<ContainerRecord> = {}): ContainerRecord => ({
  id: '0123456789abcdef'.repeat(4),
  name: 'some_name',
  state: 'created',
  createdNs: 1n,
  imageId: `sha256:${'a'.repeat(64)}`,
  imageReference: 'busybox',
  config: {},
  hostConfig: {},
  networkingConfig: {},
  mounts: [],
  pid: 0,
  startTime: 0n,
  startedNs: 0n,
  finishedNs: 0n,
  exitCode: 0,
  oomKilled: false,
  error: '',
  restartCount: 0,
  manuallyStopped: false,
  autoRemove: false,
  bootId: '',
  extensions: {},
  ...fields,
});
