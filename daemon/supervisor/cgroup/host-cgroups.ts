// Owns control groups as a whole on a host: one group is a directory in each hierarchy, a limit goes to the hierarchy that has its
// controller. Which value a file gets is decided in v1.ts and v2.ts.
import { type Dirent, existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { attachDeviceProgram } from '../../../addon/index.ts';
import { EngineError, messageOf, notFound, unavailable } from '../../base/errors.ts';
import type { CgroupEntry, CgroupMode, CgroupStatistics, Cgroups, Hierarchy } from './cgroup.ts';
import { deviceProgram } from './device-program.ts';
import { untilEvent } from './events.ts';
import { isBusy, isMissing, parseKeyed, parseNumbers, readControl, refusal, writeControl } from './files.ts';
import type { LinuxResources } from './resources.ts';
import { unsupportedLimits } from './unsupported.ts';
import { type LimitWrite, v1Statistics, v1Writes } from './v1.ts';
import { v2Pressure, v2Statistics, v2Writes } from './v2.ts';

const SIGKILL = 9;
/** Milliseconds between looks where the kernel tells nothing (v1 alone), and in all. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 1000;
const PATIENCE = 30_000;

const exists = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EEXIST';

export class HostCgroups implements Cgroups {
  readonly mode: CgroupMode;
  readonly controllers: readonly string[];
  readonly #hierarchies: readonly Hierarchy[];
  readonly #unified: Hierarchy | undefined;
  readonly #byController: ReadonlyMap<string, Hierarchy>;

  constructor(mode: CgroupMode, hierarchies: readonly Hierarchy[]) {
    this.mode = mode;
    this.#hierarchies = hierarchies;
    this.#unified = hierarchies.find(({ version }) => version === 2);
    this.#byController = new Map(
      hierarchies.flatMap((hierarchy) => hierarchy.controllers.map((controller) => [controller, hierarchy])),
    );
    const named = [...this.#byController.keys()].filter((name) => !name.startsWith('name='));
    // v2 has neither controller: every group can be frozen, and devices are restricted by a program.
    this.controllers = [...new Set(this.#unified === undefined ? named : [...named, 'devices', 'freezer'])].sort();
  }

  create(path: string, resources: LinuxResources): void {
    const made: string[] = [];
    try {
      for (const hierarchy of this.#hierarchies) this.#make(hierarchy, path, made);
      for (const write of this.#writes(resources)) this.#apply(path, write);
      this.#applyDevices(path, resources);
    } catch (error) {
      for (const directory of made.reverse()) {
        try {
          rmdirSync(directory);
        } catch {
          // Somebody else has put a group or a process there: it is theirs now.
        }
      }
      throw error;
    }
  }

  update(path: string, resources: LinuxResources): void {
    if (!this.exists(path)) throw notFound(`no control group ${path}`);
    const undo: { readonly file: string; readonly value: string }[] = [];
    try {
      for (const write of this.#ordered(path, this.#writes(resources))) {
        const file = this.#fileOf(path, write);
        if (file === undefined) continue;
        const before = previousValue(file, write);
        this.#apply(path, write);
        if (before !== undefined) undo.push({ file, value: before });
      }
      this.#applyDevices(path, resources);
    } catch (error) {
      for (const { file, value } of undo.reverse()) {
        try {
          writeControl(file, value);
        } catch {
          // The kernel took it before; nothing better is left to write.
        }
      }
      throw error;
    }
  }

  entries(path: string): readonly CgroupEntry[] {
    return this.#hierarchies.map(({ version, controllers, mountPoint }) => ({
      version,
      controllers,
      mountPoint,
      directory: `${mountPoint}${path}`,
    }));
  }

  async freeze(path: string): Promise<void> {
    await this.#setFrozen(path, true);
  }

  async thaw(path: string): Promise<void> {
    await this.#setFrozen(path, false);
  }

  killAll(path: string): void {
    const kill = this.#unified === undefined ? undefined : `${this.#unified.mountPoint}${path}/cgroup.kill`;
    if (kill !== undefined && existsSync(kill)) {
      writeControl(kill, '1');
      return;
    }
    // A process may fork between the reading and the signal: again until none is new.
    const killed = new Set<number>();
    for (let fresh = true; fresh; ) {
      fresh = false;
      for (const pid of this.processes(path)) {
        if (killed.has(pid)) continue;
        killed.add(pid);
        fresh = true;
        try {
          process.kill(pid, SIGKILL);
        } catch {
          // Gone by itself.
        }
      }
    }
  }

  processes(path: string): readonly number[] {
    const hierarchy = this.#unified ?? this.#byController.get('pids') ?? this.#hierarchies[0];
    if (hierarchy === undefined) return [];
    const collect = (directory: string): readonly number[] => [
      ...parseNumbers(readControl(`${directory}/cgroup.procs`)),
      ...childrenOf(directory).flatMap((name) => collect(`${directory}/${name}`)),
    ];
    return collect(`${hierarchy.mountPoint}${path}`);
  }

  oomKills(path: string): number {
    const memory = this.#byController.get('memory');
    if (memory === undefined) return 0;
    const file = memory.version === 1 ? 'memory.oom_control' : 'memory.events';
    return parseKeyed(readControl(`${memory.mountPoint}${path}/${file}`)).oom_kill ?? 0;
  }

  statistics(path: string): CgroupStatistics {
    const unified = this.#unified === undefined ? undefined : `${this.#unified.mountPoint}${path}`;
    if (this.mode === 'v2' && unified !== undefined) return v2Statistics(unified);
    const statistics = v1Statistics((controller) => {
      const hierarchy = this.#byController.get(controller);
      return hierarchy === undefined || hierarchy.version === 2 ? undefined : `${hierarchy.mountPoint}${path}`;
    });
    // Pressure is counted by the tree of v2 even when its controllers are elsewhere.
    return unified === undefined ? statistics : { ...statistics, pressure: v2Pressure(unified) };
  }

  exists(path: string): boolean {
    return this.#hierarchies.some(({ mountPoint }) => existsSync(`${mountPoint}${path}`));
  }

  async remove(path: string): Promise<void> {
    let pause = FIRST_PAUSE;
    const begin = performance.now();
    while (!(await this.#removeOnce(path))) {
      const unified = this.#unified;
      const told = unified !== undefined && (await untilEvent(`${unified.mountPoint}${path}`, 'populated', 0));
      if (told && (await this.#removeOnce(path))) return;
      if (performance.now() - begin > PATIENCE) {
        throw unavailable(`control group ${path} still has processes: ${this.processes(path).join(', ')}`);
      }
      await delay(pause, undefined, { ref: false });
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  list(parent: string): readonly string[] {
    return [...new Set(this.#hierarchies.flatMap(({ mountPoint }) => childrenOf(`${mountPoint}${parent}`)))].sort();
  }

  unsupported(resources: LinuxResources): readonly string[] {
    const memory = this.#byController.get('memory');
    const io = this.#byController.get('blkio') ?? this.#byController.get('io');
    return unsupportedLimits(resources, {
      controllers: new Set(this.controllers),
      version: memory?.version ?? (this.mode === 'v2' ? 2 : 1),
      swap:
        memory !== undefined &&
        (memory.version === 2 || existsSync(`${memory.mountPoint}/memory.memsw.limit_in_bytes`)),
      ioWeight:
        io !== undefined &&
        ['blkio.weight', 'blkio.bfq.weight', 'io.weight', 'io.bfq.weight'].some((file) => hasFile(io, file)),
    });
  }

  /** Makes the directory and its ancestors; what was made is added to `made`. */
  #make(hierarchy: Hierarchy, path: string, made: string[]): void {
    const names = path.split('/').filter((name) => name !== '');
    const leaf = `${hierarchy.mountPoint}/${names.join('/')}`;
    if (hierarchy.version === 2 && this.mode === 'v2') this.#delegate(hierarchy, names, made);
    try {
      mkdirSync(leaf);
    } catch (error) {
      if (exists(error)) return;
      if (!isMissing(error)) throw refusedGroup(leaf, error);
      this.#make(hierarchy, `/${names.slice(0, -1).join('/')}`, made);
      this.#make(hierarchy, path, made);
      return;
    }
    made.push(leaf);
    if (hierarchy.version === 1 && hierarchy.controllers.includes('cpuset')) inheritCpuset(leaf);
  }

  /** Hands the controllers down to the parent of the group, from the root on. */
  #delegate(hierarchy: Hierarchy, names: readonly string[], made: string[]): void {
    for (let depth = 0; depth < names.length; depth++) {
      const directory = [hierarchy.mountPoint, ...names.slice(0, depth)].join('/');
      const control = `${directory}/cgroup.subtree_control`;
      const enabled = readControl(control);
      if (enabled === undefined) {
        mkdirSync(directory);
        made.push(directory);
      }
      const handed = new Set((enabled ?? '').split(' '));
      const missing = hierarchy.controllers.filter((name) => !handed.has(name)).map((name) => `+${name}`);
      if (missing.length === 0) continue;
      try {
        writeControl(control, missing.join(' '));
      } catch (error) {
        throw refusal(control, missing.join(' '), error);
      }
    }
  }

  #writes(resources: LinuxResources): readonly LimitWrite[] {
    const on = (version: 1 | 2) => (write: LimitWrite) => this.#byController.get(write.controller)?.version === version;
    return [...v1Writes(resources).filter(on(1)), ...v2Writes(resources).filter(on(2))];
  }

  /** v1 wants memory and swap together never below memory alone: the greater one first. */
  #ordered(path: string, writes: readonly LimitWrite[]): readonly LimitWrite[] {
    const limit = writes.find(({ files }) => files[0] === 'memory.limit_in_bytes');
    const swap = writes.find(({ files }) => files[0] === 'memory.memsw.limit_in_bytes');
    if (limit === undefined || swap === undefined) return writes;
    const file = this.#fileOf(path, swap);
    const current = file === undefined ? 0 : Number(readControl(file) ?? 0);
    const raises = swap.value === '-1' || limit.value === '-1' || Number(limit.value) > current;
    return raises ? [swap, limit, ...writes.filter((write) => write !== swap && write !== limit)] : writes;
  }

  #fileOf(path: string, { controller, files }: LimitWrite): string | undefined {
    const hierarchy = this.#byController.get(controller);
    if (hierarchy === undefined) return undefined;
    return files.map((file) => `${hierarchy.mountPoint}${path}/${file}`).find(existsSync);
  }

  /** A limit whose file this kernel lacks is left out: `unsupported` has said so at create. */
  #apply(path: string, write: LimitWrite): void {
    const hierarchy = this.#byController.get(write.controller);
    if (hierarchy === undefined) return;
    for (const name of write.files) {
      const file = `${hierarchy.mountPoint}${path}/${name}`;
      try {
        writeControl(file, write.value);
        return;
      } catch (error) {
        if (!isMissing(error)) throw refusal(file, write.value, error);
      }
    }
  }

  /** v2 has no list of devices but a program; it counts where v1's controller is not mounted. */
  #applyDevices(path: string, { devices }: LinuxResources): void {
    if (devices === undefined || this.#unified === undefined) return;
    if (this.#byController.get('devices')?.version === 1) return;
    const program = deviceProgram(devices);
    if (program === undefined) return;
    try {
      attachDeviceProgram(`${this.#unified.mountPoint}${path}`, program);
    } catch (error) {
      throw new EngineError(
        'internal',
        `cannot restrict the devices of control group ${path}: ${messageOf(error)}`,
        error,
      );
    }
  }

  async #setFrozen(path: string, frozen: boolean): Promise<void> {
    const unified = this.#unified === undefined ? undefined : `${this.#unified.mountPoint}${path}`;
    if (unified !== undefined && existsSync(`${unified}/cgroup.freeze`)) {
      writeControl(`${unified}/cgroup.freeze`, frozen ? '1' : '0');
      await untilEvent(unified, 'frozen', frozen ? 1 : 0);
      return;
    }
    const freezer = this.#byController.get('freezer');
    if (freezer === undefined)
      throw unavailable('this host has no freezer control group: a container cannot be paused');
    const file = `${freezer.mountPoint}${path}/freezer.state`;
    const wanted = frozen ? 'FROZEN' : 'THAWED';
    const begin = performance.now();
    writeControl(file, wanted);
    // v1 tells nothing when it is done, and a process in the middle of a fork makes it start over.
    for (let pause = 1; readControl(file) !== wanted; pause = Math.min(pause * 2, 100)) {
      if (performance.now() - begin > PATIENCE) {
        writeControl(file, 'THAWED');
        throw unavailable(`control group ${path} could not be frozen`);
      }
      await delay(pause);
      writeControl(file, wanted);
    }
  }

  /** False when a process is still in one of the directories. */
  async #removeOnce(path: string): Promise<boolean> {
    const removed = await Promise.all(this.#hierarchies.map(({ mountPoint }) => removeTree(`${mountPoint}${path}`)));
    return removed.every(Boolean);
  }
}

const refusedGroup = (path: string, error: unknown): EngineError =>
  new EngineError('internal', `cannot make control group ${path}: ${messageOf(error)}`, error);

function childrenOf(directory: string): readonly string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Groups that processes of the group made below it go first. */
async function removeTree(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    if (!isBusy(error)) throw new EngineError('internal', `cannot remove ${directory}: ${messageOf(error)}`, error);
  }
  const children = childrenOf(directory);
  if (children.length === 0) return false;
  const removed = await Promise.all(children.map((name) => removeTree(`${directory}/${name}`)));
  return removed.every(Boolean) && removeTree(directory);
}

/** A new v1 cpuset has neither processors nor memory, and takes no process until it has. */
function inheritCpuset(directory: string): void {
  const parent = directory.slice(0, directory.lastIndexOf('/'));
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = readControl(`${parent}/${file}`);
    if (value !== undefined && value !== '') writeControl(`${directory}/${file}`, value);
  }
}

/** What to write to have a limit back as it was; undefined when that cannot be told. */
function previousValue(file: string, { controller, device }: LimitWrite): string | undefined {
  if (controller === 'devices') return undefined;
  const text = readControl(file);
  if (text === undefined || device === undefined) return text;
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${device} `));
  return line ?? (file.endsWith('io.max') ? `${device} rbps=max wbps=max riops=max wiops=max` : `${device} 0`);
}

/** Whether groups of a hierarchy have a file; the root itself lacks some. */
function hasFile({ mountPoint }: Hierarchy, file: string): boolean {
  if (existsSync(`${mountPoint}/${file}`)) return true;
  const [child] = childrenOf(mountPoint);
  return child !== undefined && existsSync(`${mountPoint}/${child}/${file}`);
}
