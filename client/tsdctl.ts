// Owns the process: standard streams, exit code. Everything else is in cli/main.ts.
import { main } from './cli/main.ts';

// The reader of a pipe went away (`tsdctl logs x | head`): nothing is left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
});
// Explicitly: an open stdin would hold the process. Writes to files, pipes and terminals are synchronous on Linux.
process.exit(code);
