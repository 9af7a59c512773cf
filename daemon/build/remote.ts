// Owns contexts that come from an address: archives and single Dockerfiles over http, git repositories. What comes is unpacked like an
// upload. The one program that is started is git, never on the path of a container's start, without hooks, prompts or the host's settings.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { close, copyTree, openInRoot, removeTree, SystemError } from '../../addon/index.ts';
import { invalidArgument, messageOf } from '../base/errors.ts';
import { download, isArchive, unpackFile } from './context.ts';
import { cleanPath } from './patterns.ts';
import type { Workspace } from './workspace.ts';

const run = promisify(execFile);
const O_DIRECTORY = 0o200000;

export interface GitAddress {
  readonly repository: string;
  /** Branch, tag or commit; empty: the default branch. */
  readonly ref: string;
  /** Within the repository. */
  readonly directory: string;
}

/** `https://host/repo.git#ref:dir`, `git://…`, `git@host:repo.git`, `github.com/…`; undefined for any other address. */
export function gitAddress(text: string): GitAddress | undefined {
  const [address = '', fragment = ''] = text.split('#', 2);
  const isGit =
    /^(?:git:\/\/|git@|ssh:\/\/|github\.com\/)/.test(address) ||
    (/^https?:\/\//.test(address) && /\.git$/.test(address));
  if (!isGit) return undefined;
  const [ref = '', directory = ''] = fragment.split(':', 2);
  const repository = address.startsWith('github.com/') ? `https://${address}` : address;
  // Such a name would be taken for an option.
  if (ref.startsWith('-') || repository.startsWith('-')) throw invalidArgument(`invalid git address: ${text}`);
  return { repository, ref, directory: cleanPath(directory) };
}

/** The directory of a remote context; the descriptor is the caller's to close. Throws invalid-argument. */
export async function fetchContext(workspace: Workspace, address: string, signal: AbortSignal): Promise<number> {
  const git = gitAddress(address);
  if (git !== undefined) return cloned(workspace, git, signal);
  if (!/^https?:\/\//.test(address))
    throw invalidArgument(`remote context ${address}: expected an http, https or git address`);
  const directory = workspace.makeDirectory('remote');
  const file = join(directory, 'download');
  const { type } = await download(address, file, signal);
  const root = workspace.open(directory);
  try {
    if (await isArchive(root, 'download')) {
      const tree = await unpackFile(workspace, root, 'download');
      return tree.root;
    }
  } finally {
    close(root);
  }
  if (!/^(?:text\/plain|application\/octet-stream|)(?:;|$)/.test(type)) {
    throw invalidArgument(
      `unsupported Content-Type "${type}" of ${address}: expected an archive or a Dockerfile as text/plain`,
    );
  }
  const single = workspace.makeDirectory('context');
  await rename(file, join(single, 'Dockerfile'));
  return workspace.open(single);
}

async function cloned(
  workspace: Workspace,
  { repository, ref, directory }: GitAddress,
  signal: AbortSignal,
): Promise<number> {
  const target = workspace.makeDirectory('git');
  const config = join(workspace.makeDirectory('git-config'), 'config');
  // Commits of others decide nothing here: no hooks, no file or ext transports, no links that make files anew.
  writeFileSync(
    config,
    '[protocol "ext"]\n\tallow = never\n[protocol "file"]\n\tallow = never\n[core]\n\thooksPath = /dev/null\n',
  );
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    GIT_CONFIG_GLOBAL: config,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
  };
  const git = async (...args: string[]): Promise<void> => {
    try {
      await run('git', ['-C', target, ...args], { env, signal, maxBuffer: 1024 * 1024 });
    } catch (error) {
      signal.throwIfAborted();
      const said = (error as { readonly stderr?: string }).stderr?.trim();
      throw invalidArgument(`unable to 'git ${args[0]}' ${repository}: ${said || messageOf(error)}`, error);
    }
  };
  await git('init', '--quiet');
  const wanted = ['--quiet', '--no-tags', '--recurse-submodules=no', '--', repository, ref === '' ? 'HEAD' : ref];
  try {
    await git('fetch', '--depth', '1', ...wanted);
  } catch {
    signal.throwIfAborted();
    // Plain file servers know no shallow fetch, some servers none of a commit.
    await git('fetch', ...wanted);
  }
  await git('checkout', '--quiet', 'FETCH_HEAD');
  await removeTree(join(target, '.git'));
  const root = workspace.open(target);
  if (directory === '') return root;
  try {
    // A link in the repository leads nowhere but into it: what is used is a copy of what was reached beneath its root.
    close(openInRoot(root, directory, O_DIRECTORY));
    const copy = workspace.open(workspace.makeDirectory('context'));
    await copyTree(root, directory, copy);
    return copy;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw invalidArgument(`the directory ${directory} of ${repository} cannot be read: ${error.code}`, error);
  } finally {
    close(root);
  }
}
