// Owns the look at the host after a test: what a daemon instance made in the kernel and should have taken away again.
// Also removes what an instance keeps while it may come back (its bridge, its chains, its own cgroup directory).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Instance {
  /** Eight hexadecimal digits that the instance puts into every kernel name. */
  readonly instance: string;
  /** Every file of the instance lies below it. */
  readonly root: string;
  readonly bridge: string;
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const list = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** The instance's own directory in every cgroup hierarchy that has one. */
const cgroupsOf = (instance: string): string[] => {
  const base = '/sys/fs/cgroup';
  return [base, ...list(base).map((name) => join(base, name))]
    .map((hierarchy) => join(hierarchy, `tsd-${instance}`))
    .filter((path) => existsSync(path));
};

const subdirectories = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));

const processesBelow = (path: string): number[] => [
  ...readText(join(path, 'cgroup.procs'))
    .split('\n')
    .filter((line) => line !== '')
    .map(Number),
  ...subdirectories(path).flatMap(processesBelow),
];

/** Links that carry the instance's alias, and its bridge. */
const linksOf = ({ instance, bridge }: Instance): string[] =>
  list('/sys/class/net').filter(
    (name) => name === bridge || readText(`/sys/class/net/${name}/ifalias`).trim().startsWith(`tsd:${instance}`),
  );

const isBridge = (name: string): boolean => existsSync(`/sys/class/net/${name}/bridge`);

/** Pids of the instance's monitors and containers: in its cgroups, or with a working file below its root. */
export const processesOf = ({ instance, root }: Instance): number[] => {
  const pids = new Set(cgroupsOf(instance).flatMap(processesBelow));
  for (const name of list('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const descriptors = readdirSync(`/proc/${name}/fd`);
      if (!readText(`/proc/${name}/comm`).startsWith('tsd-monitor')) continue;
      if (descriptors.some((fd) => readlinkSync(`/proc/${name}/fd/${fd}`).startsWith(`${root}/`)))
        pids.add(Number(name));
    } catch {
      // the process is gone, or the descriptor
    }
  }
  return [...pids];
};

/** One line for each thing of a container that is still there. Empty is good. */
export const leftoversOf = (of: Instance): string[] => {
  const found: string[] = [];
  for (const path of cgroupsOf(of.instance)) found.push(...subdirectories(path).map((child) => `cgroup ${child}`));
  found.push(
    ...linksOf(of)
      .filter((name) => !isBridge(name))
      .map((name) => `link ${name}`),
  );
  for (const line of readText('/proc/self/mountinfo').split('\n')) {
    const target = line.split(' ')[4];
    if (target?.startsWith(`${of.root}/`)) found.push(`mount ${target}`);
  }
  for (const pid of processesOf(of)) {
    found.push(`process ${pid} ${readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()}`);
  }
  return found;
};

/** Lines for iptables-restore that take the instance's chains out of one table, from what iptables-save printed of it. */
export const chainRemoval = (saved: string, instance: string): string => {
  const own = `TSD-${instance}`;
  const out: string[] = [];
  for (const part of saved.split(/^(?=\*)/m)) {
    if (!part.includes(own)) continue;
    const lines = part.split('\n');
    const chains = lines.filter((line) => line.startsWith(`:${own}`)).map((line) => line.slice(1).split(' ')[0]);
    out.push(lines[0] ?? '');
    for (const line of lines) {
      if (line.startsWith('-A ') && !line.startsWith(`-A ${own}`) && line.includes(own)) out.push(`-D${line.slice(2)}`);
    }
    for (const chain of chains) out.push(`-F ${chain}`);
    for (const chain of chains) out.push(`-X ${chain}`);
    out.push('COMMIT');
  }
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
};

/** Removes what stays while an instance may come back. Throws nothing: what cannot go is for leftoversOf to tell. */
export const removeInstance = (of: Instance): void => {
  for (const pid of processesOf(of)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone
    }
  }
  for (const name of linksOf(of)) spawnSync('ip', ['link', 'delete', name]);
  for (const family of ['iptables', 'ip6tables']) {
    try {
      const saved = execFileSync(`${family}-save`, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const removal = chainRemoval(saved, of.instance);
      if (removal !== '') spawnSync(`${family}-restore`, ['--noflush'], { input: removal });
    } catch {
      // no such program: then there are no such rules
    }
  }
  const removeTree = (path: string): void => {
    for (const child of subdirectories(path)) removeTree(child);
    try {
      rmdirSync(path);
    } catch {
      // busy: leftoversOf tells
    }
  };
  for (const path of cgroupsOf(of.instance)) removeTree(path);
};
