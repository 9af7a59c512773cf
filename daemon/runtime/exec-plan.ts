// Owns the plan of an exec session: a further process in a running container's namespaces. Pure.
import type { OciNamespace, OciSpec } from './oci-spec.ts';
import { cgroupLines, credentialLines, rlimitLines, TERMINAL_GROUP } from './plan.ts';
import { type CgroupView, SlotCounter } from './plan-mounts.ts';
import { clone, ops, type Plan } from './plan-ops.ts';
import type { SeccompFilter } from './seccomp-filters.ts';

export interface ExecPlanInput {
  /** The container's spec with this session's process in place of its own. */
  readonly spec: OciSpec;
  readonly cgroup: CgroupView;
  readonly seccomp?: SeccompFilter;
  readonly consoleSize?: readonly [number, number];
}

const namespaceFlags: Readonly<Record<OciNamespace['type'], number>> = {
  mount: clone.mount,
  uts: clone.uts,
  ipc: clone.ipc,
  pid: clone.pid,
  network: clone.network,
  cgroup: clone.cgroup,
  user: clone.user,
};

/** The whole plan; ends in `exec`. */
export function buildExecPlan(input: ExecPlanInput): Plan {
  const { spec } = input;
  const { process } = spec;
  const entering = cgroupLines(input.cgroup, new SlotCounter(0));
  const namespaces = spec.linux.namespaces.reduce((flags, { type }) => flags | namespaceFlags[type], 0);
  const { uid, gid } = process.user;
  const [rows, columns] = input.consoleSize ?? [0, 0];
  return [
    ...entering.host,
    ops.clone(0, entering.cgroup),
    ...entering.child,
    ops.setNamespaces(namespaces),
    // Only a child is in the joined pid namespace; CLONE_PARENT makes it the monitor's.
    ops.clone(clone.parent, undefined),
    ops.session(),
    ops.keyring(),
    process.terminal ? ops.console(rows, columns, uid, TERMINAL_GROUP) : ops.stdio(uid, gid),
    ...rlimitLines(process.rlimits),
    ...(process.oomScoreAdj === undefined ? [] : [ops.oomScore(process.oomScoreAdj)]),
    ops.umask(process.user.umask ?? 0o022),
    ops.workingDirectory(process.cwd, 0, 0),
    // The session's clients are attached before it can write its first word.
    ops.awaitGo(),
    ...credentialLines(process, input.seccomp),
    ops.environment(process.env),
    ops.exec(process.args),
  ];
}
