// Owns network namespaces by descriptor. Nothing is ever mounted or named: a namespace lives as long as a descriptor or a process holds it.
import { constants } from 'node:fs';
import { close, createNetworkNamespace, openNetlink, openPath } from '../../../addon/index.ts';
import { setUp } from './link.ts';
import { decode, encode, refusals } from './rtnetlink.ts';

const LOOPBACK = 1;

/** Two descriptors, both close-on-exec, that the caller closes. */
export interface NamespaceHandle {
  readonly namespace: number;
  /** A NETLINK_ROUTE socket inside of it. */
  readonly netlink: number;
}

/** A fresh network namespace with its loopback up. Throws SystemError or NetlinkError; then nothing is left. */
export async function createNamespace(): Promise<NamespaceHandle> {
  const batch = [setUp(LOOPBACK, true)];
  const made = await createNetworkNamespace(encode(batch));
  const handle = { namespace: made.namespace, netlink: made.netlink };
  const [refusal] = refusals(batch, decode(made.replies)).values();
  if (refusal === undefined) return handle;
  closeNamespace(handle);
  throw refusal;
}

/** The namespace of a running process. Throws SystemError with ENOENT when the process is gone. */
export async function openNamespace(pid: number): Promise<NamespaceHandle> {
  const namespace = openPath(`/proc/${pid}/ns/net`, constants.O_RDONLY);
  try {
    return { namespace, netlink: await openNetlink(namespace) };
  } catch (error) {
    close(namespace);
    throw error;
  }
}

export function closeNamespace(handle: NamespaceHandle): void {
  close(handle.netlink);
  close(handle.namespace);
}
