// Owns the process: standard streams, exit code, the cache of compiled sources. Everything else is in cli/main.ts.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// In a checkout half of the start is the stripping of types and the compilation. The cache belongs to the checkout, not to /tmp, where
// others could lay a trap for root. When it cannot be written there is none.
if (import.meta.filename.endsWith('.ts')) {
  enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'tsdctl'));
}

// The reader of a pipe went away (`tsdctl logs x | head`): nothing is left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const { main } = await import('./cli/main.ts');
const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
});
// Explicitly: an open stdin would hold the process. Writes to files, pipes and terminals are synchronous on Linux.
process.exit(code);
