// Owns the meaning of `--user` and `--group-add`: resolved against the text of the container's own passwd and group files. Pure; the
// files are read by the caller (regular files, size-capped), and nothing of them is trusted.
import { EngineError, invalidArgument } from '../base/errors.ts';
import type { ResolvedUser } from './types.ts';

/** Largest user or group id: what is above would be negative, or wrap to 0, in places of the kernel and of programs (CVE-2024-40635). */
export const MAX_ID = 2 ** 31 - 1;

/** Bytes of passwd and group files that are read; longer ones are refused. */
export const MAX_ACCOUNT_FILE = 4 * 1024 * 1024;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const outOfRange = (): EngineError => invalidArgument(`uids and gids must be in range 0-${MAX_ID}`);

/** The id that a text of digits names; undefined when it is a name. Throws invalid-argument when it is out of range or signed. */
function idOf(text: string): number | undefined {
  if (/^[+-]\d+$/.test(text)) throw outOfRange();
  if (!/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id > MAX_ID) throw outOfRange();
  return id;
}

/** Fields of each line that is not empty. */
const lines = (file: string): readonly (readonly string[])[] =>
  file
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));

/** A number of a file: only plain digits count, so that a line without a number is nobody's, least of all root's. */
const fileId = (text: string | undefined): number =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : -1;

/** Entries of passwd(5) whose ids are numbers; others are left out. */
export const parsePasswd = (file: string): readonly PasswdEntry[] =>
  lines(file)
    .map(([name = '', , uid, gid, , home = '']) => ({ name, uid: fileId(uid), gid: fileId(gid), home }))
    .filter((entry) => entry.name !== '' && entry.uid >= 0 && entry.gid >= 0);

/** Entries of group(5) whose ids are numbers; others are left out. */
export const parseGroup = (file: string): readonly GroupEntry[] =>
  lines(file)
    .map(([name = '', , gid, members = '']) => ({
      name,
      gid: fileId(gid),
      members: members.split(',').map((member) => member.trim()),
    }))
    .filter((entry) => entry.name !== '' && entry.gid >= 0);

function splitUser(user: string): { readonly userPart: string; readonly groupPart: string } {
  const [userPart = '', groupPart = '', ...rest] = user.split(':');
  if (rest.length > 0 || /[\s\u0000-\u001f\u007f]/.test(user)) {
    throw invalidArgument(`invalid user ${JSON.stringify(user)}: expected NAME|UID[:GROUP|GID] without blanks`);
  }
  return { userPart, groupPart };
}

function groupId(part: string, groups: readonly GroupEntry[], missing: (name: string) => string): number {
  const id = idOf(part);
  const found = groups.find((group) => (id === undefined ? group.name === part : group.gid === id));
  const gid = found?.gid ?? id;
  if (gid === undefined) throw new EngineError('internal', missing(part));
  if (gid > MAX_ID) throw outOfRange();
  return gid;
}

/**
 * Resolves `user` (`name`, `uid`, `user:group`, `:group`; empty: uid 0) as Docker does. An id without an entry is itself, with group 0 and
 * home `/`. Supplementary groups: the primary group first (so that a set-group-id program cannot drop it: CVE-2022-36109), then the groups that
 * list the user (only when no group was asked for), then `groupAdd`. Errors carry Docker's text.
 */
export function resolveUser(
  user: string,
  groupAdd: readonly string[],
  files: { readonly passwd?: string; readonly group?: string },
): ResolvedUser {
  const { userPart, groupPart } = splitUser(user);
  const groups = parseGroup(files.group ?? '');
  const wanted = userPart === '' ? 0 : idOf(userPart);
  const entry = parsePasswd(files.passwd ?? '').find((line) =>
    wanted === undefined ? line.name === userPart : line.uid === wanted,
  );
  if (entry === undefined && wanted === undefined) {
    throw new EngineError('internal', `unable to find user ${userPart}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? wanted ?? 0;
  let gid = entry?.gid ?? 0;
  let memberOf: readonly number[] = [];
  if (groupPart !== '') {
    gid = groupId(groupPart, groups, (name) => `unable to find group ${name}: no matching entries in group file`);
  } else if (entry !== undefined) {
    memberOf = groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid);
  }
  const added = groupAdd.map((name) => groupId(name, groups, (missing) => `Unable to find group ${missing}`));
  const additionalGids = [...new Set([gid, ...memberOf, ...added])];
  if ([uid, ...additionalGids].some((id) => id > MAX_ID)) throw outOfRange();
  const home = entry?.home ?? '';
  return { uid, gid, additionalGids, home: home.startsWith('/') ? home : '/', name: entry?.name ?? '' };
}
