// Owns the entry: the command line, the checks of this host, and the compile cache. The heavy part is loaded behind them, so that
// --version, --help and refusals are quick and the next start need not compile again.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { EngineError, messageOf } from './base/errors.ts';
import { privateDirectory, requireHost } from './boot.ts';
import { helpText, loadConfig, parseCommandLine } from './config.ts';
import { readBuild } from './version.ts';

async function main(args: readonly string[]): Promise<void> {
  const line = parseCommandLine(args);
  if (line.action === 'help') return void process.stdout.write(helpText());
  if (line.action === 'version') {
    const { version, commit } = readBuild();
    return void process.stdout.write(`tsd version ${version}${commit === '' ? '' : `, build ${commit.slice(0, 7)}`}\n`);
  }
  const readConfig = () => loadConfig(line.flags);
  const config = readConfig();
  if (config.validate) return void process.stderr.write('configuration OK\n');
  requireHost();
  // Files and directories that containers see have the modes that were asked for, whatever the shell that started the daemon.
  process.umask(0o022);
  // Only root may write there: what is cached is run.
  enableCompileCache(privateDirectory(join(privateDirectory(config.dataRoot, 'data-root'), 'compiled'), 'data-root'));
  const { runDaemon } = await import('./daemon.ts');
  await runDaemon(config, readConfig);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`tsd: ${messageOf(error)}\n`);
  if (!(error instanceof EngineError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
