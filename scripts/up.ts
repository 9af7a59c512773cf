// Owns the first minutes of a person with tsd: a running daemon, a first image, a first container, and what to try next.
// Set-up is scripts/setup.sh's. Flags are the daemon's. Harmless to run again: what is there stays.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { busyboxImage, makeDockerArchive } from '../test/helpers/image.ts';
import { ping, waitReady } from '../test/helpers/ready.ts';
import { checkout, instanceOfFlags, type ServiceInstance } from './instance.ts';

const say = (text: string): void => void process.stdout.write(`tsd: ${text}\n`);

const startDaemon = async (instance: ServiceInstance, flags: readonly string[]): Promise<void> => {
  mkdirSync(dirname(instance.socket), { recursive: true });
  mkdirSync(dirname(instance.logFile), { recursive: true });
  const log = openSync(instance.logFile, 'a', 0o640);
  const daemon = spawn(join(checkout, 'daemon/tsd'), flags, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  const exited = new Promise<string>((resolve) => {
    daemon.once('error', (error) => resolve(error.message));
    daemon.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  try {
    await waitReady({ socket: instance.socket, log: instance.logFile, exited });
  } catch (error) {
    const tail = spawnSync('tail', ['-n', '20', instance.logFile], { encoding: 'utf8' }).stdout;
    throw new Error(`${error instanceof Error ? error.message : error}\n--- ${instance.logFile}\n${tail}`);
  }
  daemon.unref();
  say(`the daemon runs (pid ${daemon.pid}), log in ${instance.logFile}`);
};

const tsdctl = (instance: ServiceInstance, args: readonly string[], input?: Buffer): SpawnSyncReturns<string> => {
  const result = spawnSync(join(checkout, 'client/tsdctl'), args, {
    encoding: 'utf8',
    input: input ?? '',
    env: { ...process.env, DOCKER_HOST: `unix://${instance.socket}`, TSD_HOST: `unix://${instance.socket}` },
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`tsdctl ${args.join(' ')}: exit code ${result.status}\n${result.stderr}`);
  return result;
};

const main = async (flags: readonly string[]): Promise<void> => {
  const instance = instanceOfFlags(flags);
  if (await ping(instance.socket)) say(`a daemon answers on ${instance.socket} already`);
  else await startDaemon(instance, flags);

  if (tsdctl(instance, ['images', '-q']).stdout.trim() === '') {
    say("making a first image, busybox:latest, from this host's static busybox");
    tsdctl(instance, ['load'], makeDockerArchive(busyboxImage()));
  }
  const first = tsdctl(instance, ['images', '-q']).stdout.split('\n')[0] ?? '';
  const names = tsdctl(instance, ['images']).stdout;
  const image = /^busybox\s+latest\s/m.test(names) ? 'busybox' : first;
  say('running a first container:');
  const ran = tsdctl(instance, [
    'run',
    '--rm',
    image,
    'sh',
    '-c',
    'echo "Hello from container $(hostname), uid $(id -u), kernel $(uname -r)"',
  ]);
  process.stdout.write(`\n    ${ran.stdout.trimEnd()}\n\n`);
  process.stdout.write(`Try next:

    export DOCKER_HOST=unix://${instance.socket}
    docker run --rm -it ${image} sh
    docker ps --all

Stop the daemon with "npm run down"; containers go on without it.
`);
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`tsd: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
