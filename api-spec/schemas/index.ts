// Owns the list of all schemas and their types. Must not define any.
export * from './common.ts';
export * from './container.ts';
export * from './exec.ts';
export * from './host-config.ts';
export * from './image.ts';
export * from './network.ts';
export * from './stats.ts';
export * from './system.ts';
export * from './volume.ts';
