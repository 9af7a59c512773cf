// Owns how a test starts a program that is under test itself: outside of tap's hooks, and not to outlive the test.

/**
 * The command line that runs `command` without what tap puts into every process that a test spawns, whatever environment is given:
 * NODE_OPTIONS with tap's module loader. The pid is the command's own.
 */
export const plain = (command: string, args: readonly string[]): [string, string[]] => [
  '/usr/bin/env',
  ['-u', 'NODE_OPTIONS', command, ...args],
];

/** As `plain`, for a server: the kernel kills it when the test's process dies, so that a broken test leaves none running. */
export const server = (command: string, args: readonly string[]): [string, string[]] => [
  '/usr/bin/setpriv',
  ['--pdeathsig', 'KILL', '/usr/bin/env', '-u', 'NODE_OPTIONS', command, ...args],
];
