// Owns running iptables: one iptables-save to look, one iptables-restore a change. What the rules are is rules.ts' matter.
import { spawn } from 'node:child_process';
import {
  auditRules,
  type FirewallAudit,
  type FirewallPort,
  type FirewallState,
  type IpFamily,
  portInput,
  readSaved,
  removalInput,
  restoreInput,
  type Saved,
  type SavedRule,
} from './rules.ts';

/** Seconds to wait for another program that holds the tables. */
const LOCK_PATIENCE = '10';

/** iptables is missing or refused a transaction; the message says which rule. */
export class FirewallError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FirewallError';
  }
}

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], input: string): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => stdout.push(data));
  child.stderr.on('data', (data: Buffer) => stderr.push(data));
  child.on('error', (error) => {
    const missing = 'code' in error && error.code === 'ENOENT';
    reject(
      new FirewallError(
        missing
          ? `${program} is needed for bridge networks and is not in PATH: install the package iptables, or start the daemon with --iptables=false`
          : `${program}: ${error.message}`,
      ),
    );
  });
  child.on('close', (code) => {
    resolve({ code: code ?? -1, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
  });
  // A program that ends early closes its input; its exit code says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return promise;
}

/** The line of the input that the error text names, if it does. */
function offending(input: string, stderr: string): string {
  const line = /line:? (\d+)/.exec(stderr)?.[1];
  const text = line === undefined ? undefined : input.split('\n')[Number(line) - 1];
  return text === undefined ? '' : ` (at: ${text})`;
}

/** The rules of one instance in the kernel's tables of the daemon's network namespace. Changes go one after another. */
export class Iptables {
  readonly #instance: string;
  readonly #applied = new Set<IpFamily>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(instance: string) {
    this.#instance = instance;
  }

  /** Makes the tables say what `state` says, jumps included. */
  apply(state: Omit<FirewallState, 'instance' | 'userChain'>, family: IpFamily, withPorts: boolean): Promise<void> {
    return this.#oneByOne(async () => {
      const saved = await this.#look(family);
      const whole = { ...state, instance: this.#instance, userChain: saved.userChain };
      await this.#restore(restoreInput(whole, family, saved.hooks, withPorts || !this.#hasPorts(saved)), family);
      this.#applied.add(family);
    });
  }

  /** Has this object made the rules of the family? */
  hasApplied(family: IpFamily): boolean {
    return this.#applied.has(family);
  }

  /** How the tables differ from what `state` says. A host without IPv6 tables has no rules of IPv6. */
  audit(
    state: Pick<FirewallState, 'bridges' | 'ports'> & { readonly required: boolean },
    family: IpFamily,
  ): Promise<FirewallAudit> {
    return this.#oneByOne(async () => {
      let output: string;
      try {
        output = await this.#save(family);
      } catch (error) {
        if (!state.required) return { stray: [], missing: [] };
        throw error;
      }
      return auditRules({ ...state, instance: this.#instance }, family, output);
    });
  }

  /** Removes what an audit has found. */
  removeRules(rules: readonly SavedRule[]): Promise<void> {
    return this.#oneByOne(async () => {
      for (const family of [4, 6] as const) await this.#restore(removalInput(rules, family), family);
    });
  }

  /** Publishes and withdraws ports: one transaction for both families' tables each, none when there is nothing to do. */
  changePorts(change: {
    readonly add: readonly FirewallPort[];
    readonly remove: readonly FirewallPort[];
  }): Promise<void> {
    return this.#oneByOne(async () => {
      for (const family of [4, 6] as const) await this.#restore(portInput(this.#instance, family, change), family);
    });
  }

  #hasPorts(saved: Saved): boolean {
    return saved.chains.has(`nat TSD-${this.#instance}-PORTS`) && saved.chains.has(`nat TSD-${this.#instance}-LOCAL`);
  }

  async #look(family: IpFamily): Promise<Saved> {
    return readSaved(this.#instance, await this.#save(family));
  }

  async #save(family: IpFamily): Promise<string> {
    const program = family === 4 ? 'iptables-save' : 'ip6tables-save';
    const { code, stdout, stderr } = await run(program, [], '');
    if (code !== 0) throw new FirewallError(`${program} failed: ${stderr.trim()}`);
    return stdout;
  }

  async #restore(input: string, family: IpFamily): Promise<void> {
    if (input === '') return;
    const program = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
    const { code, stderr } = await run(program, ['--noflush', '--wait', LOCK_PATIENCE], input);
    if (code !== 0)
      throw new FirewallError(`${program} failed: ${stderr.trim().replaceAll('\n', ' ')}${offending(input, stderr)}`);
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#tail.then(work);
    this.#tail = next.catch(() => undefined);
    return next;
  }
}
