// Owns the report about a container whose process was killed for lack of memory: taken from the kernel's log at the exit, kept as a file of
// the container, told in the event and by inspect.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastOomReport, type OomReport } from '../supervisor/process/oom-log.ts';
import type { Engine } from './engine.ts';
import { containerDirectory, type Roots } from './paths.ts';

const fileOf = (roots: Roots, id: string): string => join(containerDirectory(roots, id), 'oom.json');

/** Keeps the report of the last kill in a control group. Undefined when the kernel's log has nothing of it; never throws. */
export function takeOomReport(engine: Engine, id: string, group: string): OomReport | undefined {
  try {
    const report = lastOomReport(group);
    // An earlier run's report must not stand for this one.
    if (report === undefined) rmSync(fileOf(engine, id), { force: true });
    else writeFileSync(fileOf(engine, id), JSON.stringify(report), { mode: 0o600 });
    return report;
  } catch (error) {
    engine.log.warn({ err: error, container: id }, 'the report about the lack of memory could not be kept');
    return undefined;
  }
}

/** What was kept; undefined when there is nothing. */
export function keptOomReport(roots: Roots, id: string): OomReport | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(roots, id), 'utf8')) as OomReport;
  } catch {
    return undefined;
  }
}

/** The report as attributes of the event `oom`: who was killed, with how much, at which limit, and who else was big. Bytes. */
export function oomAttributes(report: OomReport | undefined): Readonly<Record<string, string>> {
  if (report === undefined) return {};
  const { victim, limitBytes, processes } = report;
  return {
    victim: victim.name,
    victimPid: String(victim.pid),
    victimAnonymous: String(victim.anonymousBytes),
    victimFile: String(victim.fileBytes),
    victimShared: String(victim.sharedBytes),
    ...(limitBytes === undefined ? {} : { limit: String(limitBytes) }),
    biggest: processes.map(({ name, pid, residentBytes }) => `${name}(${pid})=${residentBytes}`).join(' '),
  };
}
