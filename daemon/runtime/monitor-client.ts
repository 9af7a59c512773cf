// Owns a running container as seen through its monitor: sessions, clients, signals, the end. The monitor is the parent of every process
// here, so no pid can be mistaken. Builds no plan (launch.ts and exec-plan.ts do).
import { errorName, takeDescriptor } from '../../addon/index.ts';
import { EngineError, internal, notFound } from '../base/errors.ts';
import { type Attempt, launchError, monitorLost } from './launch-message.ts';
import { closeAll, type MonitorConnection } from './monitor-connection.ts';
import { bigintField, type Message, messageType, numberField, stream, textField } from './protocol.ts';
import { readExecRecord, readExitRecord } from './run-directory.ts';
import type { AttachRequest, ContainerProcess, ExecInput, ExecProcess, ExitRecord, LogLoss, Started } from './types.ts';

const SIGKILL = 9;
const KILLED = 128 + SIGKILL;

/** An exec session's plan, made by the launcher. */
export interface ExecLaunch {
  readonly plan: Uint8Array;
  readonly attempt: Attempt;
}

interface ExecSession {
  readonly attempt: Attempt;
  readonly started: PromiseWithResolvers<void>;
  readonly exited: PromiseWithResolvers<{ readonly code: number; readonly signal: number }>;
  pid: number;
}

export interface MonitorClientOptions {
  readonly connection: MonitorConnection;
  readonly runDirectory: string;
  readonly monitorPid: number;
  readonly planExec: (input: ExecInput) => ExecLaunch;
  /** ns since 1970. */
  readonly now: () => bigint;
}

/** A container from the launch or the adoption of its monitor on. */
export class MonitorClient implements ContainerProcess {
  readonly monitorPid: number;
  readonly exited: Promise<ExitRecord>;
  readonly #options: MonitorClientOptions;
  readonly #started = Promise.withResolvers<Started>();
  readonly #exited = Promise.withResolvers<ExitRecord>();
  readonly #detached = new Map<string, (reason: string) => void>();
  readonly #execs = new Map<string, ExecSession>();
  readonly #adopted = new Map<string, ExecProcess>();
  #held: readonly number[] = [];
  #running: Started | undefined;
  #logLoss: LogLoss | undefined;
  readonly #attempt: Attempt;
  #ended = false;
  #clients = 0;

  constructor(options: MonitorClientOptions, attempt: Attempt) {
    this.#options = options;
    this.#attempt = attempt;
    this.monitorPid = options.monitorPid;
    this.exited = this.#exited.promise;
    // A start that nobody waits for (adoption) is no unhandled rejection.
    this.#started.promise.catch(() => undefined);
    options.connection.listen({
      message: (message) => this.#receive(message),
      closed: () => this.#lost(),
    });
  }

  get started(): Started {
    if (this.#running === undefined) throw internal('the container has not been started yet');
    return this.#running;
  }

  /** Resolves when PID 1 has called execve; rejects with a LaunchError. */
  untilStarted(): Promise<Started> {
    return this.#started.promise;
  }

  /** An adopted container: it runs already, with sessions by id and pid, and with held descriptors by number. */
  adopt(started: Started, execs: ReadonlyMap<string, number> = new Map(), held: readonly number[] = []): void {
    this.#running = started;
    this.#held = held;
    this.#started.resolve(started);
    for (const [id, pid] of execs) {
      const session = this.#addSession(id, { kind: 'exec', program: '', cwd: '/' });
      session.pid = pid;
      this.#adopted.set(id, this.#processOf(id, session));
    }
  }

  get sessions(): ReadonlyMap<string, ExecProcess> {
    return this.#adopted;
  }

  get logLoss(): LogLoss | undefined {
    return this.#logLoss;
  }

  attach(request: AttachRequest, onDetached?: (reason: string) => void): void {
    this.#attach(request, undefined, onDetached);
  }

  signal(signal: number): void {
    this.#send(messageType.signal, { signal });
  }

  resize(rows: number, columns: number): void {
    this.#send(messageType.resize, { rows, columns });
  }

  async exec(input: ExecInput): Promise<ExecProcess> {
    let launch: ExecLaunch;
    try {
      if (this.#ended) throw notFound('the container is not running');
      launch = this.#options.planExec(input);
    } catch (error) {
      closeAll(input.attaches.map(({ descriptor }) => descriptor));
      throw error;
    }
    const { execId } = input;
    const session = this.#addSession(execId, launch.attempt);
    this.#send(messageType.exec, { exec: execId, plan: launch.plan, tty: input.tty, openStdin: input.openStdin });
    for (const request of input.attaches) this.#attach(request, execId, input.onDetached);
    this.#send(messageType.go, { exec: execId });
    await session.started.promise;
    return this.#processOf(execId, session);
  }

  #addSession(execId: string, attempt: Attempt): ExecSession {
    const session: ExecSession = {
      attempt,
      started: Promise.withResolvers(),
      exited: Promise.withResolvers(),
      pid: 0,
    };
    session.started.promise.catch(() => undefined);
    this.#execs.set(execId, session);
    return session;
  }

  #processOf(execId: string, session: ExecSession): ExecProcess {
    return {
      get pid() {
        return session.pid;
      },
      exited: session.exited.promise,
      attach: (request) => this.#attach(request, execId),
      signal: (signal) => this.#send(messageType.signal, { signal, exec: execId }),
      resize: (rows, columns) => this.#send(messageType.resize, { rows, columns, exec: execId }),
    };
  }

  hold(descriptors: readonly number[]): void {
    this.#send(messageType.hold, {}, descriptors);
  }

  takeHeld(): readonly number[] {
    const numbers = this.#held;
    this.#held = [];
    const taken: number[] = [];
    try {
      for (const number of numbers) taken.push(takeDescriptor(this.monitorPid, number));
    } catch {
      // The monitor has gone, or the host forbids it (kernel.yama.ptrace_scope 3): as if nothing were held.
      closeAll(taken.splice(0));
    }
    return taken;
  }

  release(): void {
    this.#options.connection.close();
  }

  #attach(request: AttachRequest, exec: string | undefined, onDetached?: (reason: string) => void): void {
    const { descriptor, stdin, stdout, stderr, multiplexed, greeting, input, detachKeys } = request;
    const client = `${process.pid}-${++this.#clients}`;
    if (onDetached !== undefined) this.#detached.set(client, onDetached);
    try {
      this.#options.connection.send(
        messageType.attach,
        {
          client,
          streams: (stdin ? stream.stdin : 0) | (stdout ? stream.stdout : 0) | (stderr ? stream.stderr : 0),
          multiplexed,
          greeting,
          input,
          detachKeys: detachKeys.length === 0 ? undefined : detachKeys,
          exec,
        },
        [descriptor],
      );
    } catch {
      // The monitor has gone: the client's stream ends with its descriptor.
      this.#detached.delete(client);
      onDetached?.('error');
    } finally {
      closeAll([descriptor]);
    }
  }

  #send(...[type, fields, descriptors]: Parameters<MonitorConnection['send']>): void {
    try {
      this.#options.connection.send(type, fields, descriptors);
    } catch (error) {
      // EPIPE: the monitor has just gone, its end is told by `exited`.
      if (this.#options.connection.open && !this.#ended)
        throw new EngineError('internal', 'the monitor cannot be reached', error);
    }
  }

  #receive(message: Message): void {
    switch (message.type) {
      case messageType.started:
        this.adopt({
          pid: numberField(message, 'pid'),
          startTime: bigintField(message, 'startTime'),
          startedAt: bigintField(message, 'startedAt'),
        });
        break;
      case messageType.failed:
        this.#ended = true;
        this.#started.reject(launchError(failureOf(message), this.#attempt));
        this.#options.connection.close();
        break;
      case messageType.exited:
        this.#end({
          code: numberField(message, 'code'),
          signal: numberField(message, 'signal'),
          finishedAt: bigintField(message, 'finishedAt'),
          pid: this.#running?.pid ?? 0,
          monitorLost: false,
        });
        break;
      case messageType.logError:
        this.#logLoss = { bytes: numberField(message, 'lost'), error: errorName(numberField(message, 'errno')) };
        break;
      case messageType.detached: {
        const client = textField(message, 'client');
        const told = this.#detached.get(client);
        this.#detached.delete(client);
        told?.(textField(message, 'reason'));
        break;
      }
      default:
        this.#receiveExec(message);
    }
  }

  #receiveExec(message: Message): void {
    const id = textField(message, 'exec');
    const session = this.#execs.get(id);
    if (session === undefined) return;
    switch (message.type) {
      case messageType.execStarted:
        session.pid = numberField(message, 'pid');
        session.started.resolve();
        break;
      case messageType.execFailed: {
        this.#execs.delete(id);
        const error = launchError(failureOf(message), session.attempt);
        session.started.reject(error);
        // Somebody may hold it already: an adopted one that was caught in its start.
        session.exited.resolve({ code: error.exitCode, signal: 0 });
        break;
      }
      case messageType.execExited:
        this.#execs.delete(id);
        session.exited.resolve({ code: numberField(message, 'code'), signal: numberField(message, 'signal') });
        break;
      default:
    }
  }

  #end(record: ExitRecord): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#exited.resolve(record);
  }

  /** The connection has ended: after the last word of a monitor that leaves, or because it died. */
  #lost(): void {
    if (this.#running === undefined) {
      this.#started.reject(monitorLost(this.#attempt, `process ${this.monitorPid}`));
    } else if (!this.#ended) {
      // The record is on disk before it is told: a monitor that died in between has left it there.
      const written = readExitRecord(this.#options.runDirectory)?.record;
      this.#end(
        written ?? {
          code: KILLED,
          signal: SIGKILL,
          finishedAt: this.#options.now(),
          pid: this.#running.pid,
          monitorLost: true,
        },
      );
    }
    this.#ended = true;
    for (const [id, session] of this.#execs) {
      session.started.reject(monitorLost(session.attempt, `process ${this.monitorPid}`));
      session.exited.resolve(readExecRecord(this.#options.runDirectory, id) ?? { code: KILLED, signal: SIGKILL });
    }
    this.#execs.clear();
    for (const told of this.#detached.values()) told('error');
    this.#detached.clear();
  }
}

const failureOf = (message: Message): { step: string; errno: number; detail: string } => ({
  step: textField(message, 'step'),
  errno: numberField(message, 'errno'),
  detail: textField(message, 'detail'),
});
