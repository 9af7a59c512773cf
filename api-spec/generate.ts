// Owns the writing of openapi.json beside this file (`npm run openapi`). Must not generate anything itself.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildOpenApi, routes } from './index.ts';

const file = join(import.meta.dirname, 'openapi.json');
writeFileSync(file, `${JSON.stringify(buildOpenApi(routes), null, 2)}\n`);
process.stdout.write(`${file}\n`);
