// Owns one daemon under test: its own data-root, exec-root, socket, bridge and pidfile below a temporary directory, its log,
// its start, death and restart, and the check that nothing of it is left. Knows no test framework beyond what it is given.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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
import { request } from 'node:http';
import { join } from 'node:path';
import { instanceOf } from '../../daemon/base/ids.ts';
import { type DockerOptions, type DockerResult, runDocker } from './docker.ts';
import { busyboxImage, makeDockerArchive } from './image.ts';
import { type Instance, leftoversOf, removeInstance } from './leftovers.ts';
import { server } from './plain.ts';
import { waitReady } from './ready.ts';

/** The part of a tap test that is needed: its end. */
export interface Teardown {
  teardown(work: () => unknown): unknown;
}

export interface DaemonOptions {
  /** Flags beside the ones that keep the instance apart; a flag given here replaces the one of the same name. */
  readonly flags?: readonly string[];
  /** The content of daemon.json. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The executable; the checkout's daemon/tsd when absent. */
  readonly program?: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

const checkout = join(import.meta.dirname, '../..');

export class TestDaemon {
  readonly root: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  readonly pidfile: string;
  readonly bridge: string;
  readonly logFile: string;
  readonly instance: string;
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve('never started');

  constructor(options: DaemonOptions = {}) {
    this.#options = options;
    this.root = realpathSync(mkdtempSync('/tmp/tsd-test-'));
    this.dataRoot = join(this.root, 'data');
    this.execRoot = join(this.root, 'exec');
    this.socket = join(this.root, 'tsd.sock');
    this.pidfile = join(this.root, 'tsd.pid');
    this.bridge = `tsdt${randomBytes(4).toString('hex')}`;
    this.logFile = join(this.root, 'daemon.log');
    mkdirSync(this.dataRoot, { mode: 0o700 });
    mkdirSync(join(this.root, 'docker-config'));
    this.instance = instanceOf(realpathSync(this.dataRoot));
    writeFileSync(join(this.root, 'daemon.json'), JSON.stringify(options.config ?? {}));
    writeFileSync(this.logFile, '');
  }

  /** The pid of the running daemon; undefined when it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What DOCKER_HOST is set to. */
  get host(): string {
    return `unix://${this.socket}`;
  }

  /** Everything that the daemon wrote since the directory was made, over restarts. */
  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** The command line, without the program. */
  flags(): string[] {
    const own: [string, string][] = [
      ['--config-file', join(this.root, 'daemon.json')],
      ['--data-root', this.dataRoot],
      ['--exec-root', this.execRoot],
      ['--host', this.host],
      ['--bridge', this.bridge],
      ['--pidfile', this.pidfile],
    ];
    const given = this.#options.flags ?? [];
    const names = new Set(given.map((flag) => flag.split('=')[0]));
    return [...own.filter(([name]) => !names.has(name)).map(([name, value]) => `${name}=${value}`), ...given];
  }

  /** Starts the daemon and waits until it answers. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error('the daemon runs already');
    const log = openSync(this.logFile, 'a');
    const child = spawn(...server(this.#options.program ?? join(checkout, 'daemon/tsd'), this.flags()), {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.#options.env },
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    }).then((how) => {
      if (this.#child === child) this.#child = undefined;
      return String(how);
    });
    try {
      await waitReady({ socket: this.socket, log: this.logFile, exited: this.#exited });
    } catch (error) {
      await this.kill('SIGKILL');
      throw new Error(`${error instanceof Error ? error.message : error}\n--- daemon log\n${this.log()}`);
    }
  }

  /** Sends a signal and waits for the end; tells how it ended. SIGTERM is the orderly way. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    this.#child?.kill(signal);
    return await this.#exited;
  }

  /** Resolves when the process has ended by itself, with how. */
  async ended(): Promise<string> {
    return await this.#exited;
  }

  /** Kills (SIGKILL unless said otherwise) and starts again on the same directories. */
  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal);
    await this.start();
  }

  /** Runs the docker command against this daemon. */
  async docker(args: readonly string[], options: DockerOptions = {}): Promise<DockerResult> {
    return await runDocker(this.dockerEnvironment(), args, options);
  }

  /** Runs docker and gives its standard output without the last line feed; throws when it fails. */
  async dockerOk(args: readonly string[], options: DockerOptions = {}): Promise<string> {
    const result = await this.docker(args, options);
    if (result.code !== 0) {
      throw new Error(`docker ${args.join(' ')}: exit code ${result.code}\n${result.stdout}${result.stderr}`);
    }
    return result.stdout.replace(/\n$/, '');
  }

  /** Environment variables for a client of this daemon, with a configuration of its own. */
  dockerEnvironment(): Record<string, string> {
    return { DOCKER_HOST: this.host, DOCKER_CONFIG: join(this.root, 'docker-config') };
  }

  /** Loads the busybox image that most tests run, as `busybox:latest`. */
  async loadBusybox(): Promise<void> {
    await this.dockerOk(['load', '--quiet'], { input: makeDockerArchive(busyboxImage()) });
  }

  /** One plain request; `body` is sent as JSON unless it is bytes. */
  async api(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const bytes =
      body === undefined
        ? undefined
        : body instanceof Uint8Array
          ? Buffer.from(body)
          : Buffer.from(JSON.stringify(body));
    const type = body instanceof Uint8Array ? 'application/x-tar' : 'application/json';
    return await new Promise((resolve, reject) => {
      const call = request(
        {
          socketPath: this.socket,
          method,
          path,
          agent: false,
          headers: {
            ...(bytes === undefined ? {} : { 'content-type': type, 'content-length': String(bytes.length) }),
            ...headers,
          },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject);
          answer.on('end', () => {
            const whole = Buffer.concat(parts);
            let json: unknown;
            try {
              json = JSON.parse(whole.toString('utf8'));
            } catch {
              json = undefined;
            }
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: whole, json });
          });
        },
      );
      call.on('error', reject);
      call.end(bytes);
    });
  }

  #kernelNames(): Instance {
    return { instance: this.instance, root: this.root, bridge: this.bridge };
  }

  /** What of this instance's containers the host still holds, once the kernel has had time to finish (it removes some behind). */
  async leftovers(): Promise<string[]> {
    const patience = Date.now() + 10_000;
    for (;;) {
      const found = leftoversOf(this.#kernelNames());
      if (found.length === 0 || Date.now() > patience) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /**
   * Removes all containers, stops the daemon, takes the instance out of the kernel and deletes its directory.
   * @throws Error naming what a container left behind
   */
  async cleanup(): Promise<void> {
    let trouble: string[] = [];
    try {
      if (this.#child === undefined && existsSync(join(this.dataRoot, 'tsd.db'))) await this.start();
      if (this.#child !== undefined) {
        const all = await this.api('GET', '/containers/json?all=1');
        for (const { Id } of Array.isArray(all.json) ? (all.json as { Id: string }[]) : []) {
          const removed = await this.api('DELETE', `/containers/${Id}?force=1&v=1`);
          if (removed.status >= 400 && removed.status !== 404) trouble.push(`remove ${Id}: ${removed.body.toString()}`);
        }
        trouble.push(...(await this.leftovers()));
        await this.kill('SIGTERM');
      }
    } catch (error) {
      trouble = [...trouble, String(error)];
      await this.kill('SIGKILL');
    } finally {
      if (trouble.length > 0) trouble.push(`--- daemon log\n${this.log().split('\n').slice(-80).join('\n')}`);
      removeInstance(this.#kernelNames());
      rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
    }
    if (trouble.length > 0) throw new Error(`left behind by the daemon under test:\n${trouble.join('\n')}`);
  }
}

/** Starts a daemon of its own for a test and takes it away, with the check, when the test ends. */
export const startDaemon = async (t: Teardown, options: DaemonOptions = {}): Promise<TestDaemon> => {
  const daemon = new TestDaemon(options);
  t.teardown(() => daemon.cleanup());
  await daemon.start();
  return daemon;
};
