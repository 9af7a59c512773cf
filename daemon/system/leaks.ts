// Owns the question "is anything left over?" over all rooms, and the healing on request. Where to look is the rooms' matter.
import type { Leaks } from '../../api-spec/index.ts';
import { messageOf } from '../base/errors.ts';
import type { Leak, LeakSource } from '../base/leak.ts';
import type { Log } from '../base/log.ts';

type Told = Leaks['Leaks'][number];

/** Kinds in the order in which they are healed: what runs first, what it had afterwards. */
const order: readonly Leak['kind'][] = ['process', 'cgroup', 'row', 'link', 'rule', 'mount', 'namespace', 'directory'];

const told = ({ kind, name, owner, problem, heal }: Leak): Told => ({
  Kind: kind,
  Name: name,
  Problem: problem,
  Healable: heal !== undefined,
  ...(owner !== undefined ? { Owner: owner } : {}),
});

export class LeakCheck {
  readonly #instance: string;
  readonly #sources: readonly LeakSource[];
  readonly #log: Log;

  constructor(instance: string, sources: readonly LeakSource[], log: Log) {
    this.#instance = instance;
    this.#sources = sources;
    this.#log = log;
  }

  async find(): Promise<Leaks> {
    return { Instance: this.#instance, Leaks: (await this.#look()).map(told) };
  }

  /** Heals one after another; a failure is told with its leak and stops nothing. */
  async heal(): Promise<Leaks> {
    const answers: Told[] = [];
    for (const leak of await this.#look()) {
      const { kind, name, problem, heal } = leak;
      if (heal === undefined) {
        answers.push({ ...told(leak), Healed: false });
        continue;
      }
      try {
        await heal();
        this.#log.info({ kind, name }, `healed on request: ${problem}`);
        answers.push({ ...told(leak), Healed: true });
      } catch (error) {
        this.#log.warn({ err: error, kind, name }, `could not be healed: ${problem}`);
        answers.push({ ...told(leak), Healed: false, Error: messageOf(error) });
      }
    }
    return { Instance: this.#instance, Leaks: answers };
  }

  async #look(): Promise<readonly Leak[]> {
    const found = await Promise.all(this.#sources.map((source) => source.leaks()));
    return found.flat().sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  }
}
