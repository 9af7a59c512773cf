// Owns a real dockerd to compare with: Debian's, in a network and a mount namespace of its own, on directories of its own, so
// that it shares nothing with the host, with tsd or with another such peer. Never touches an installed docker service.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type DockerOptions, type DockerResult, runDocker } from './docker.ts';
import { server } from './plain.ts';
import { waitReady } from './ready.ts';

const program = '/usr/sbin/dockerd';

/** Whether there is a dockerd on this machine (`scripts/setup.sh --test` installs one). */
export const dockerdInstalled = (): boolean => existsSync(program);

// The shell becomes dockerd, so its pid is dockerd's. The mounts end with the namespace.
const script = `set -e
ip link set lo up
mkdir -p /run/docker /etc/docker
mount -t tmpfs -o mode=0700 tmpfs /run/docker
mount -t tmpfs -o mode=0755 tmpfs /etc/docker
exec ${program} "$@"`;

export class Dockerd {
  readonly root: string;
  readonly socket: string;
  readonly logFile: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve('never started');

  constructor(flags: readonly string[] = []) {
    this.root = realpathSync(mkdtempSync('/tmp/tsd-peer-'));
    this.socket = join(this.root, 'docker.sock');
    this.logFile = join(this.root, 'dockerd.log');
    this.#flags = flags;
    mkdirSync(join(this.root, 'docker-config'));
    writeFileSync(this.logFile, '');
  }

  get host(): string {
    return `unix://${this.socket}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  dockerEnvironment(): Record<string, string> {
    return { DOCKER_HOST: this.host, DOCKER_CONFIG: join(this.root, 'docker-config') };
  }

  async docker(args: readonly string[], options: DockerOptions = {}): Promise<DockerResult> {
    return await runDocker(this.dockerEnvironment(), args, options);
  }

  /** Starts it and waits until it answers. @throws Error with the end of its log */
  async start(): Promise<void> {
    const log = openSync(this.logFile, 'a');
    const flags = [
      `--data-root=${this.root}/data`,
      `--exec-root=${this.root}/exec`,
      `--host=${this.host}`,
      `--pidfile=${this.root}/docker.pid`,
      ...this.#flags,
    ];
    const command = ['-n', '-m', '--propagation', 'private', 'sh', '-c', script, 'dockerd', ...flags];
    const child = spawn(...server('unshare', command), {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    try {
      await waitReady({ socket: this.socket, log: this.logFile, exited: this.#exited });
    } catch (error) {
      await this.cleanup();
      throw error;
    }
  }

  /** Pids of dockerd, its containerd and its shims. */
  processes(): number[] {
    const listed = spawnSync('pgrep', ['-f', '--', this.root], { encoding: 'utf8' }).stdout;
    return listed
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Removes its containers, stops it and deletes its directory. */
  async cleanup(): Promise<void> {
    if (this.#child?.exitCode === null && existsSync(this.socket)) {
      const ids = (await this.docker(['ps', '-aq'])).stdout.split('\n').filter((id) => id !== '');
      if (ids.length > 0) await this.docker(['rm', '-f', ...ids]);
    }
    this.#child?.kill('SIGTERM');
    await this.#exited;
    this.#child = undefined;
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone
      }
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
