// Owns what a leak is and how one is told from work under way. Knows no kind of thing; the rooms look, each at what is theirs.

export type LeakKind =
  | 'cgroup'
  | 'directory'
  | 'link'
  | 'mount'
  | 'namespace'
  | 'process'
  /** A row that says more than there is. */
  | 'row'
  | 'rule';

/** Something in the kernel or on the disk that no row accounts for, or a row without what it should have. */
export interface Leak {
  readonly kind: LeakKind;
  /** Says which one: of its kind there is no second of that name. */
  readonly name: string;
  /** Id of the container or network, or name of the volume, that it belongs or belonged to; absent when it cannot be told. */
  readonly owner?: string;
  /** A sentence without a full stop: what is wrong. */
  readonly problem: string;
  /** Sets it right; looks once more before. Absent: only a person can. */
  readonly heal?: () => Promise<void>;
}

/** A room that can look for what is amiss in it. */
export interface LeakSource {
  leaks(): Promise<readonly Leak[]>;
}

const keyOf = ({ kind, name }: Leak): string => `${kind} ${name}`;

/**
 * What two looks both find, with the end of the work that was under way in between: a thing that is being made or taken away is found by
 * at most one of them. `settle` gets what the first look found.
 */
export async function confirmed(
  look: () => Promise<readonly Leak[]>,
  settle: (suspects: readonly Leak[]) => Promise<void>,
): Promise<readonly Leak[]> {
  const suspects = await look();
  if (suspects.length === 0) return [];
  await settle(suspects);
  const first = new Set(suspects.map(keyOf));
  return (await look()).filter((leak) => first.has(keyOf(leak)));
}
