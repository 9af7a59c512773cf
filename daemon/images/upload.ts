// Owns the way of an upload from a Node stream into a descriptor that the addon reads: a socket pair, so that nothing touches the disk
// before it has been looked at. Knows no archive.
import { Socket } from 'node:net';
import { finished, type Readable } from 'node:stream';
import { close, socketPair } from '../../addon/index.ts';
import { invalidArgument, messageOf } from '../base/errors.ts';

/** The reading end and what becomes of the stream. */
export interface Upload {
  readonly fd: number;
  /** Resolves when the whole body has arrived and been handed on; rejects (invalid-argument) when it ended early. */
  readonly whole: Promise<void>;
  /** Throws the reason when the body has ended early, also when that is only about to be noticed; else returns. */
  broken(): Promise<void>;
  /** Closes the reading end; the rest of the body is read and thrown away, so that the client still hears the answer. */
  end(): void;
}

export function receive(body: Readable): Upload {
  const [writing, fd] = socketPair();
  const socket = new Socket({ fd: writing, readable: false, writable: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => undefined);
  // A reader that has seen enough closes its end: that is no failure of the body.
  socket.on('error', () => {
    body.unpipe(socket);
    body.resume();
  });
  finished(body, { writable: false }, (error) => {
    if (error === undefined || error === null) {
      resolve();
      return;
    }
    socket.destroy();
    reject(invalidArgument(`unexpected EOF: the upload ended early: ${messageOf(error)}`, error));
  });
  body.pipe(socket);
  let open = true;
  return {
    fd,
    whole: promise,
    broken() {
      // The reader may see the end of the socket a turn before the stream tells of its own.
      const turn = new Promise<void>((done) => setImmediate(done));
      return body.readableEnded || body.destroyed || body.readableAborted ? promise : Promise.race([promise, turn]);
    },
    end() {
      if (!open) return;
      open = false;
      close(fd);
    },
  };
}
