// Owns the stop of the daemon that `npm run up` started. Containers go on, unless --all is given: then they are stopped and
// removed first. The other flags are the daemon's. Harmless when nothing runs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ping } from '../test/helpers/ready.ts';
import { checkout, instanceOfFlags, runningPid } from './instance.ts';

const say = (text: string): void => void process.stdout.write(`tsd: ${text}\n`);

const removeContainers = (socket: string): void => {
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, TSD_HOST: `unix://${socket}` };
  const run = (args: readonly string[]): string => {
    const result = spawnSync(join(checkout, 'client/tsdctl'), args, { encoding: 'utf8', env });
    if (result.status !== 0) throw new Error(`tsdctl ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };
  const ids = run(['ps', '-a', '-q'])
    .split('\n')
    .filter((id) => id !== '');
  if (ids.length > 0) run(['rm', '-f', ...ids]);
  say(`${ids.length} container(s) removed`);
};

/** Asks the process to end and waits until it has. It is no child of ours, so the wait has to look. */
const stop = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGTERM');
  const patience = Date.now() + 30_000;
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    if (Date.now() > patience) throw new Error(`the daemon (pid ${pid}) did not end within 30 seconds`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const main = async (args: readonly string[]): Promise<void> => {
  const flags = args.filter((flag) => flag !== '--all');
  const instance = instanceOfFlags(flags);
  if (flags.length !== args.length && (await ping(instance.socket))) removeContainers(instance.socket);
  const pid = runningPid(instance.pidfile);
  if (pid === undefined) {
    say('no daemon runs');
    return;
  }
  await stop(pid);
  say(`the daemon (pid ${pid}) has ended`);
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`tsd: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
