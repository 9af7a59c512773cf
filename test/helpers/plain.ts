// Owns the way out of tap's hooks: tap puts NODE_OPTIONS into every process that a test spawns, whatever environment is given, and
// Node programs under test would then run with tap's module loader inside.

/** The command line that runs `command` without it. `env` becomes the command, so the pid is the command's own. */
export const plain = (command: string, args: readonly string[]): [string, string[]] => [
  '/usr/bin/env',
  ['-u', 'NODE_OPTIONS', command, ...args],
];
