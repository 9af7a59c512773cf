// Owns the face of the containers room: finds the container that a reference names, takes its lock where a step needs it, and calls the step.
import type { Readable } from 'node:stream';
import type {
  ContainerStats,
  ContainerTopResponse,
  ContainerUpdateRequest,
  EndpointSettings,
  FilesystemChange,
} from '../../api-spec/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { Leak } from '../base/leak.ts';
import { attach, PendingAttaches, prepareAttach } from './attach.ts';
import { Background } from './background.ts';
import { commitContainer } from './commit.ts';
import { checkFree, createContainer } from './create.ts';
import { type ContainersOptions, containerEvent, current, type Engine, resolve } from './engine.ts';
import { createExec, inspectExec, killExec, resizeExec, startExec } from './exec.ts';
import { watchExit } from './exit.ts';
import { changesOf, exportContainer, readArchive, statPath, writeArchive } from './files.ts';
import { stopAllChecks } from './health.ts';
import { hasProcess, isRunning, next, refusalError } from './lifecycle.ts';
import { listContainers, viewOf } from './list.ts';
import { logStream } from './logs.ts';
import { checkName } from './names.ts';
import { connectNetwork, disconnectNetwork } from './networks-live.ts';
import { findContainerLeaks, reconcile } from './reconcile.ts';
import { pruneContainers, removeUnderLock } from './remove.ts';
import { startUnderLock } from './start.ts';
import { Readers, sampleOf, statistics } from './statistics.ts';
import {
  killContainer,
  killForRemoval,
  pauseContainer,
  resizeContainer,
  restartContainer,
  stopContainer,
  unpauseContainer,
} from './stop.ts';
import { topOf } from './top.ts';
import type {
  ArchiveRequest,
  AttachOptions,
  ClientConnection,
  CommitOptions,
  Containers,
  ContainerView,
  CreateRequest,
  ExecRecord,
  ExecRequest,
  ExecStart,
  ListRequest,
  LogsRequest,
  PathStat,
  StatisticsMode,
  WaitCondition,
} from './types.ts';
import { updateContainer } from './update.ts';
import { Waiters, type WaitResult } from './wait.ts';

/** Of `rm -f` against one who keeps starting the container. */
const FORCED_ATTEMPTS = 10;

type Filters = Readonly<Record<string, readonly string[]>>;

export class ContainerService implements Containers {
  readonly #engine: Engine;
  readonly #readers: Readers;

  constructor(options: ContainersOptions) {
    const engine: Engine = {
      ...options,
      lock: new KeyedLock(),
      live: new Map(),
      sessions: new Map(),
      checks: new Map(),
      pending: new PendingAttaches(),
      waiters: new Waiters(),
      background: new Background(options.log),
      restarts: new Map(),
      logLosses: new Map(),
      kept: new Set(),
      watch: (id, process) => watchExit(engine, id, process),
      swept: Promise.withResolvers<void>(),
      closing: { value: false },
    };
    this.#engine = engine;
    this.#readers = new Readers((id) => sampleOf(engine, id));
  }

  create(request: CreateRequest): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
    return createContainer(this.#engine, request);
  }

  async start(reference: string): Promise<'started' | 'already-running'> {
    const { id } = resolve(this.#engine.table, reference);
    return this.#engine.lock.run(id, () => startUnderLock(this.#engine, id, 'start'));
  }

  async stop(
    reference: string,
    options: { readonly timeout?: number; readonly signal?: string },
  ): Promise<'stopped' | 'not-running'> {
    return stopContainer(this.#engine, resolve(this.#engine.table, reference).id, options);
  }

  restart(reference: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void> {
    return restartContainer(this.#engine, reference, options);
  }

  kill(reference: string, signal: string): Promise<void> {
    return killContainer(this.#engine, reference, signal);
  }

  async pause(reference: string): Promise<void> {
    await pauseContainer(this.#engine, reference);
  }

  async unpause(reference: string): Promise<void> {
    await unpauseContainer(this.#engine, reference);
  }

  async rename(reference: string, name: string): Promise<void> {
    const engine = this.#engine;
    if (name === '') throw invalidArgument('Neither old nor new names may be empty');
    const { id } = resolve(engine.table, reference);
    await engine.lock.run(id, () => {
      const record = current(engine.table, id);
      const verdict = next(record.state, 'rename');
      if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'rename', record);
      if (name.replace(/^\//, '') === record.name) {
        throw invalidArgument('Renaming a container with the same name as its current name');
      }
      try {
        const free = checkName(name);
        checkFree(engine, free);
        const renamed = { ...record, name: free };
        engine.table.update(id, { name: free }, [containerEvent(renamed, 'rename', { oldName: `/${record.name}` })]);
        engine.networks.rename(id, free);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        throw new EngineError(error.kind, `Error when allocating new name: ${error.message}`, error);
      }
    });
  }

  async remove(reference: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void> {
    const engine = this.#engine;
    const { id } = resolve(engine.table, reference);
    for (let attempt = 1; ; attempt++) {
      if (options.force) await killForRemoval(engine, id);
      const again = await engine.lock.run(id, () => this.#removeNow(id, options, attempt < FORCED_ATTEMPTS));
      if (!again) return;
    }
  }

  /** True when somebody has started it again between the kill and the lock, and another attempt is due. Runs under the lock. */
  async #removeNow(
    id: string,
    options: { readonly force: boolean; readonly volumes: boolean },
    mayRetry: boolean,
  ): Promise<boolean> {
    const engine = this.#engine;
    const record = engine.table.byId(id);
    // It removed itself at its exit.
    if (record === undefined && options.force) return false;
    const { exitCode, state } = current(engine.table, id);
    if (options.force && mayRetry && isRunning(state)) return true;
    await removeUnderLock(engine, id, { volumes: options.volumes, exitCode });
    return false;
  }

  prune(filters: Filters): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }> {
    return pruneContainers(this.#engine, filters);
  }

  async wait(reference: string, condition: WaitCondition, cancel: AbortSignal): Promise<WaitResult> {
    const { id, state, exitCode } = resolve(this.#engine.table, reference);
    if (condition === 'not-running' && !isRunning(state)) return { statusCode: exitCode };
    return this.#engine.waiters.add(id, condition, cancel);
  }

  list(request: ListRequest): Promise<readonly ContainerView[]> {
    return listContainers(this.#engine, request);
  }

  async get(reference: string, options?: { readonly size?: boolean }): Promise<ContainerView> {
    return viewOf(this.#engine, resolve(this.#engine.table, reference), options?.size === true);
  }

  prepareAttach(reference: string, options: AttachOptions): { readonly id: string; readonly tty: boolean } {
    return prepareAttach(this.#engine, reference, options);
  }

  attach(id: string, options: AttachOptions, connection: ClientConnection): Promise<void> {
    return attach(this.#engine, id, options, connection);
  }

  createExec(reference: string, request: ExecRequest): string {
    return createExec(this.#engine, reference, request);
  }

  startExec(id: string, options: ExecStart, take: (() => ClientConnection) | undefined): Promise<void> {
    return startExec(this.#engine, id, options, take);
  }

  inspectExec(id: string): ExecRecord {
    return inspectExec(this.#engine, id);
  }

  resizeExec(id: string, rows: number, columns: number): Promise<void> {
    return resizeExec(this.#engine, id, rows, columns);
  }

  killExec(id: string, signal: string): Promise<void> {
    return killExec(this.#engine, id, signal);
  }

  connectNetwork(network: string, reference: string, settings: EndpointSettings): Promise<void> {
    return connectNetwork(this.#engine, network, reference, settings);
  }

  disconnectNetwork(network: string, reference: string, force: boolean): Promise<void> {
    return disconnectNetwork(this.#engine, network, reference, force);
  }

  resize(reference: string, rows: number, columns: number): Promise<void> {
    return resizeContainer(this.#engine, reference, rows, columns);
  }

  logs(reference: string, request: LogsRequest): { readonly tty: boolean; readonly stream: Readable } {
    const record = resolve(this.#engine.table, reference);
    return { tty: record.config.Tty === true, stream: logStream(this.#engine, record, request) };
  }

  update(reference: string, request: ContainerUpdateRequest): Promise<readonly string[]> {
    return updateContainer(this.#engine, reference, request);
  }

  commit(reference: string, options: CommitOptions): Promise<string> {
    return commitContainer(this.#engine, reference, options);
  }

  changes(reference: string): Promise<readonly FilesystemChange[]> {
    return changesOf(this.#engine, reference);
  }

  export(reference: string): Promise<Readable> {
    return exportContainer(this.#engine, reference);
  }

  statPath(reference: string, path: string): Promise<PathStat> {
    return statPath(this.#engine, reference, path);
  }

  readArchive(reference: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }> {
    return readArchive(this.#engine, reference, path);
  }

  writeArchive(reference: string, request: ArchiveRequest): Promise<void> {
    return writeArchive(this.#engine, reference, request);
  }

  top(reference: string, psArguments: string): ContainerTopResponse {
    return topOf(this.#engine, reference, psArguments);
  }

  statistics(reference: string, mode: StatisticsMode, cancel: AbortSignal): AsyncIterable<ContainerStats> {
    return statistics(this.#engine, this.#readers, reference, mode, cancel);
  }

  leaks(): Promise<readonly Leak[]> {
    return findContainerLeaks(this.#engine);
  }

  containersOf(imageId: string): readonly { readonly id: string; readonly running: boolean }[] {
    return this.#engine.table.ofImage(imageId).map(({ id, state }) => ({ id, running: isRunning(state) }));
  }

  containersOfVolume(volume: string): readonly string[] {
    return this.#engine.table.ofVolume(volume);
  }

  counts(): { readonly total: number; readonly running: number; readonly paused: number; readonly stopped: number } {
    let [total, running, paused] = [0, 0, 0];
    for (const [state, count] of this.#engine.table.countByState()) {
      total += count;
      if (state === 'paused') paused += count;
      else if (hasProcess(state) || state === 'restarting') running += count;
    }
    return { total, running, paused, stopped: total - running - paused };
  }

  reconcile(): Promise<void> {
    return reconcile(this.#engine);
  }

  release(): void {
    const engine = this.#engine;
    engine.closing.value = true;
    for (const { timer } of engine.restarts.values()) clearTimeout(timer);
    stopAllChecks(engine);
    engine.pending.dropAll();
    for (const [id, { process }] of engine.live) {
      try {
        process.release();
      } catch (error) {
        engine.log.warn({ err: error, container: id }, `release: ${messageOf(error)}`);
      }
    }
  }

  /** Resolves when nothing goes on behind the answers: for an orderly shutdown, and for tests. */
  settled(): Promise<void> {
    return this.#engine.background.settled();
  }
}
