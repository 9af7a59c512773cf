// Owns answers of many JSON values, one a line, with back-pressure. Knows no endpoint.
import type { ServerResponse } from 'node:http';
import { errorLine } from './error-handler.ts';

/** Writes JSON lines to a response. The headers go out with the first line or at `open`. */
export class JsonLines {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** True once the status cannot be changed any more. */
  get opened(): boolean {
    return this.#response.headersSent;
  }

  /** Sends the headers now: clients of events and wait act on them. */
  open(): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    if (!this.#response.hasHeader('Content-Type')) this.#response.setHeader('Content-Type', 'application/json');
    this.#response.statusCode = 200;
    this.#response.flushHeaders();
  }

  /** Sends a line; resolves when the client can take more. */
  async write(value: unknown): Promise<void> {
    if (this.push(value) || this.#response.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#response.once('drain', resolve).once('close', resolve);
    await promise;
    this.#response.off('drain', resolve).off('close', resolve);
  }

  /** Sends a line without waiting; false when the client is slow. */
  push(value: unknown): boolean {
    if (this.#response.destroyed) return true;
    this.open();
    return this.#response.write(`${JSON.stringify(value)}\n`);
  }

  /** Ends a stream that failed under way: the error is its last line. */
  fail(error: unknown): void {
    this.push(errorLine(error));
    this.end();
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }
}
