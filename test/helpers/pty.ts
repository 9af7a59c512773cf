// Owns a command on a real pseudo-terminal, as a person at a keyboard has it: typing, waiting for what is shown, the window's size.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

export interface PtyOptions {
  readonly rows?: number;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until all is killed; a minute when absent. */
  readonly timeout?: number;
}

export class Pty {
  readonly #child: ChildProcess;
  readonly #control: Writable;
  /** The exit code; 128 plus the number for a signal. */
  readonly exit: Promise<number>;
  #shown = '';
  #read = 0;
  #ended = false;
  #waiting: (() => void)[] = [];

  /** Starts the command with the terminal as its controlling one. */
  constructor(command: readonly string[], options: PtyOptions = {}) {
    const size = [String(options.rows ?? 24), String(options.columns ?? 80)];
    const child = spawn('python3', [join(import.meta.dirname, 'terminal.py'), ...size, ...command], {
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
      env: { ...process.env, TERM: 'xterm', ...options.env },
    });
    this.#child = child;
    this.#control = child.stdio[3] as Writable;
    this.#control.on('error', () => {});
    child.stdin?.on('error', () => {});
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text;
      this.#wake();
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    this.exit = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        this.#ended = true;
        this.#wake();
        resolve(code ?? 137);
      });
    });
  }

  /** Everything that the terminal has shown. */
  get shown(): string {
    return this.#shown;
  }

  /** Types: "\x03" is Ctrl-C, "\x10\x11" Ctrl-P Ctrl-Q, "\x04" Ctrl-D, "\r" Return. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Changes the window's size, as a terminal program does when its window is pulled. */
  resize(rows: number, columns: number): void {
    this.#control.write(`resize ${rows} ${columns}\n`);
  }

  /**
   * Waits until what was shown since the last call matches, and steps behind the match.
   * @returns the text up to the end of the match
   * @throws Error when the command ends before
   */
  async expect(pattern: RegExp | string): Promise<string> {
    for (;;) {
      const fresh = this.#shown.slice(this.#read);
      const match = typeof pattern === 'string' ? undefined : pattern.exec(fresh);
      const at = typeof pattern === 'string' ? fresh.indexOf(pattern) : (match?.index ?? -1);
      if (at >= 0) {
        const end = at + (typeof pattern === 'string' ? pattern.length : (match?.[0].length ?? 0));
        this.#read += end;
        return fresh.slice(0, end);
      }
      if (this.#ended) throw new Error(`the command ended without showing ${pattern}; shown: ${JSON.stringify(fresh)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
