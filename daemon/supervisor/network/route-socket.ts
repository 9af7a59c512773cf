// Owns talking over one netlink socket: a batch out, its answers and refusals back. Knows no message; chooses no descriptor.
import { close, netlinkTransact } from '../../../addon/index.ts';
import { decode, encode, type NetlinkError, type Reply, type Request, refusals } from './rtnetlink.ts';

export interface Outcome {
  readonly replies: readonly Reply[];
  /** By index of the request. */
  readonly refused: ReadonlyMap<number, NetlinkError>;
}

/** A NETLINK_ROUTE socket of some network namespace. Batches go one after another, off the main thread. */
export class RouteSocket {
  readonly descriptor: number;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** Sends a batch; the kernel works through it in order and does not stop at a refusal. Rejects with SystemError only when the socket fails. */
  attempt(requests: readonly Request[]): Promise<Outcome> {
    const next = this.#tail.then(async () => {
      const replies = decode(await netlinkTransact(this.descriptor, encode(requests)));
      return { replies, refused: refusals(requests, replies) };
    });
    this.#tail = next.catch(() => undefined);
    return next;
  }

  /** As attempt(), but throws the first refusal (NetlinkError) of a message that is not optional. */
  async request(requests: readonly Request[]): Promise<readonly Reply[]> {
    const { replies, refused } = await this.attempt(requests);
    for (const [index, { optional }] of requests.entries()) {
      const refusal = refused.get(index);
      if (refusal !== undefined && optional !== true) throw refusal;
    }
    return replies;
  }

  /** Resolves when all that was sent has been answered. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  /** For those who own the descriptor: closes it when all that was sent has been answered, as a worker may still wait on it. */
  close(): void {
    void this.#tail.then(() => close(this.descriptor));
  }
}
