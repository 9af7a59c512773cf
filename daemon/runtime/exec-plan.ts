// Owns the plan of an exec session: a further process in a running container's namespaces. Pure.
import type { OciSpec } from './oci-spec.ts';
import { cgroupLines, credentialLines, rlimitLines } from './plan.ts';
import { type CgroupView, SlotCounter } from './plan-mounts.ts';
import { clone, openFlag, ops, type Plan, type PlanLine } from './plan-ops.ts';
import type { SeccompFilter } from './seccomp-filters.ts';

export interface ExecPlanInput {
  /** The container's spec with this session's process in place of its own. */
  readonly spec: OciSpec;
  /** First process of the container; the monitor is its parent, so the number cannot have another meaning while it opens the paths. */
  readonly pid: number;
  readonly cgroup: CgroupView;
  readonly seccomp?: SeccompFilter;
  readonly consoleSize?: readonly [number, number];
}

/** In the order of joining. The mount namespace last: until then host paths mean the host's. */
const joined = [
  ['user', clone.user],
  ['ipc', clone.ipc],
  ['uts', clone.uts],
  ['net', clone.network],
  ['pid', clone.pid],
  ['cgroup', clone.cgroup],
  ['mnt', clone.mount],
] as const;

/** The whole plan; ends in `exec`. */
export function buildExecPlan(input: ExecPlanInput): Plan {
  const { spec, pid } = input;
  const { process } = spec;
  const slots = new SlotCounter(0);
  const entering = cgroupLines(input.cgroup, slots);
  const types = new Set(spec.linux.namespaces.map(({ type }) => type));
  const has = { user: types.has('user'), ipc: types.has('ipc'), uts: types.has('uts'), net: types.has('network') };
  const wanted: Readonly<Record<(typeof joined)[number][0], boolean>> = {
    ...has,
    pid: types.has('pid'),
    cgroup: types.has('cgroup'),
    mnt: true,
  };
  const open: PlanLine[] = [];
  const join: PlanLine[] = [];
  for (const [file, flag] of joined) {
    if (!wanted[file]) continue;
    const slot = slots.take();
    open.push(ops.open(slot, `/proc/${pid}/ns/${file}`, openFlag.readOnly));
    join.push(ops.setNamespace(slot, flag));
  }
  const { uid, gid } = process.user;
  const [rows, columns] = input.consoleSize ?? [0, 0];
  return [
    ...entering.host,
    ...open,
    ops.clone(0, entering.cgroup),
    ...entering.child,
    ...join,
    // Only a child is in the joined pid namespace; CLONE_PARENT makes it the monitor's.
    ops.clone(clone.parent, undefined),
    ops.session(),
    ops.keyring(),
    process.terminal ? ops.console(rows, columns, uid, gid) : ops.stdio(uid, gid),
    ...rlimitLines(process.rlimits),
    ...(process.oomScoreAdj === undefined ? [] : [ops.oomScore(process.oomScoreAdj)]),
    ops.umask(process.user.umask ?? 0o022),
    ops.workingDirectory(process.cwd, 0, 0),
    ...credentialLines(process, input.seccomp),
    ops.environment(process.env),
    ops.exec(process.args),
  ];
}
