// Owns the running of the stock docker command: to its end, or in the background with its output watched as it comes.
import { type ChildProcess, spawn } from 'node:child_process';

export interface DockerOptions {
  /** Standard input; /dev/null when absent. */
  readonly input?: Uint8Array | string;
  /** Milliseconds until the command is killed; two minutes when absent. */
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than `docker`, with the same environment. */
  readonly program?: string;
}

export interface DockerResult {
  /** The exit code; 128 plus the number for a signal as a shell tells it, 124 at the time-out. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/** A docker command that runs: its output so far, a wait for a text in it, its input, its end. */
export class DockerProcess {
  readonly child: ChildProcess;
  /** Resolves when the process has ended and its output is read. */
  readonly done: Promise<DockerResult>;
  #stdout = '';
  #stderr = '';
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(environment: Readonly<Record<string, string>>, args: readonly string[], options: DockerOptions = {}) {
    const child = spawn(options.program ?? 'docker', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment, ...options.env },
    });
    this.child = child;
    child.stdin.on('error', () => {}); // the command may end before it has read all
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#wake();
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, options.timeout ?? 120_000);
    this.done = new Promise((resolve, reject) => {
      child.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        this.#ended = true;
        this.#wake();
        resolve({
          code: late ? 124 : (code ?? 128 + (signalNumbers[signal ?? ''] ?? 0)),
          stdout: this.#stdout,
          stderr: late ? `${this.#stderr}(killed at the time-out)` : this.#stderr,
        });
      });
    });
    this.done.catch(() => {}); // told to whoever waits for it
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Sends text to the command's standard input. */
  write(text: string | Uint8Array): void {
    this.child.stdin?.write(text);
  }

  /** Ends the command's standard input. */
  end(text?: string | Uint8Array): void {
    if (text === undefined) this.child.stdin?.end();
    else this.child.stdin?.end(text);
  }

  /** Waits until the output (both streams, in this order) matches; rejects when the command ends without. */
  async until(pattern: RegExp | string): Promise<string> {
    for (;;) {
      const all = this.#stdout + this.#stderr;
      if (typeof pattern === 'string' ? all.includes(pattern) : pattern.test(all)) return all;
      if (this.#ended) throw new Error(`the command ended without ${pattern}: ${all}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Runs a docker command to its end. A failing exit code is a result, not an error. */
export const runDocker = async (
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
  options: DockerOptions = {},
): Promise<DockerResult> => {
  const running = new DockerProcess(environment, args, options);
  running.end(options.input);
  return await running.done;
};
