// Owns exec sessions: a further process in a running container, its row, its clients, its end. The process belongs to the container's
// monitor, so a session outlives the daemon: what the row says and what the monitor says are brought together by adoptSessions().
// Takes no lock: every step is a compare-and-set of the session's row.
import { Socket } from 'node:net';
import { duplicate } from '../../addon/index.ts';
import { conflict, EngineError, invalidArgument, messageOf, notFound } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { nowNs } from '../base/time.ts';
import { LaunchError } from '../runtime/launch-error.ts';
import { readExecRecord, removeExecRecord, removeExecRecords } from '../runtime/run-directory.ts';
import type { AttachRequest, ContainerProcess, ExecProcess } from '../runtime/types.ts';
import type { NewEvent } from '../store/events.ts';
import type { ExecRow, StoredExecConfig } from '../store/execs.ts';
import { closeAll } from './attach.ts';
import { parseDetachKeys } from './detach-keys.ts';
import { containerEvent, current, type Engine, resolve } from './engine.ts';
import { execInput } from './exec-input.ts';
import { next, refusalError } from './lifecycle.ts';
import { runDirectory } from './paths.ts';
import { parseSignal } from './signals.ts';
import type { ClientConnection, ContainerRecord, ExecRequest, ExecStart } from './types.ts';

/** Docker's exit codes of sessions that could not be started. */
const EXIT_CANNOT_EXECUTE = 126;
const EXIT_NOT_FOUND = 127;
const EXIT_KILLED = 137;
const SIGKILL = 9;
/** Sessions that have ended can be inspected for so long, as in Docker. */
const KEPT_NS = 300n * 1_000_000_000n;
/** Milliseconds for a client to read why its session failed. */
const LAST_WORDS_MS = 5000;

const commandOf = (config: StoredExecConfig): string => {
  const [program = '', ...rest] = config.args;
  return `${program} ${rest.join(' ')}`;
};

const execEvent = (
  record: ContainerRecord,
  row: Pick<ExecRow, 'id'>,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): NewEvent => containerEvent(record, action, { execID: row.id, ...attributes });

/** Throws conflict in Docker's words when the container's state forbids a session. */
function checkState(record: ContainerRecord): void {
  const verdict = next(record.state, 'exec');
  if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'exec', record);
}

function checkRequest(request: ExecRequest): void {
  if (request.args.length === 0 || request.args[0] === '') throw invalidArgument('No exec command specified');
  for (const text of [...request.args, ...request.env, request.user, request.workingDirectory]) {
    if (text.includes('\0')) throw invalidArgument(`exec: ${JSON.stringify(text)} has a NUL byte`);
  }
  if (request.detachKeys === '') return;
  try {
    parseDetachKeys(request.detachKeys);
  } catch (error) {
    throw invalidArgument(`Invalid escape keys (${request.detachKeys}) provided`, error);
  }
}

/** Prepares a session; nothing runs yet. Throws not-found, conflict or invalid-argument in Docker's words. Answers its id. */
export function createExec(engine: Engine, reference: string, request: ExecRequest): string {
  const record = resolve(engine.table, reference);
  if (record.state === 'paused') {
    throw conflict(`Container ${reference} is paused, unpause the container before exec`);
  }
  checkState(record);
  checkRequest(request);
  engine.execs.deleteFinishedBefore(nowNs() - KEPT_NS);
  return insertExec(engine, record, {
    ...request,
    user: request.user === '' ? (record.config.User ?? '') : request.user,
  });
}

/** Writes the row of a session that has been checked. */
export function insertExec(engine: Engine, record: ContainerRecord, config: StoredExecConfig, probe = false): string {
  const row: ExecRow = {
    id: newId(),
    containerId: record.id,
    createdNs: nowNs(),
    finishedNs: 0n,
    state: 'created',
    config,
    pid: 0,
    probe,
  };
  engine.execs.insert(row, execEvent(record, row, `exec_create: ${commandOf(config)}`));
  return row.id;
}

function find(engine: Engine, id: string): ExecRow {
  const row = engine.execs.byId(id);
  if (row === undefined) throw notFound(`No such exec instance: ${id}`);
  return row;
}

export const inspectExec = (engine: Engine, id: string): ExecRow => find(engine, id);

/**
 * Starts a session. `take` gives the client's connection, absent: detached. It is called after everything that is refused with an ordinary
 * answer; what fails later is told on the connection, as dockerd does. Resolves when the process runs or that has been told.
 */
export async function startExec(
  engine: Engine,
  id: string,
  options: ExecStart,
  take: (() => ClientConnection) | undefined,
): Promise<void> {
  const row = find(engine, id);
  const record = current(engine.table, row.containerId);
  checkState(record);
  if (row.state !== 'created') {
    throw conflict(`Error: Exec command ${id} ${row.state === 'exited' ? 'has already run' : 'is already running'}`);
  }
  const begun = engine.execs.transition(id, ['created'], 'starting', {}, [
    execEvent(record, row, `exec_start: ${commandOf(row.config)}`),
  ]);
  if (!begun) throw conflict(`Error: Exec command ${id} is already running`);
  if (take === undefined) {
    await launch(engine, record, row, options, []);
    return;
  }
  let connection: ClientConnection;
  let kept: number;
  try {
    connection = take();
    kept = duplicate(connection.descriptor);
  } catch (error) {
    failed(engine, row, error);
    throw error;
  }
  try {
    await launch(engine, record, row, options, [attachOf(row.config, options, connection)]);
    closeAll([{ descriptor: kept }]);
  } catch (error) {
    engine.log.debug({ err: error, container: record.id }, `exec ${id}: ${messageOf(error)}`);
    lastWords(kept, `${messageOf(error)}\r\n`, !options.tty);
  }
}

function attachOf(config: StoredExecConfig, options: ExecStart, connection: ClientConnection): AttachRequest {
  return {
    descriptor: connection.descriptor,
    stdin: config.stdin,
    stdout: config.stdout,
    stderr: config.stderr,
    multiplexed: !options.tty,
    greeting: connection.greeting,
    input: connection.input,
    detachKeys: config.tty && config.stdin ? parseDetachKeys(config.detachKeys) : new Uint8Array(0),
  };
}

/** Writes the reason to the client and ends its connection; the descriptor is closed here. */
function lastWords(descriptor: number, text: string, multiplexed: boolean): void {
  const bytes = Buffer.from(text);
  const header = Buffer.alloc(multiplexed ? 8 : 0);
  if (multiplexed) {
    header[0] = 1;
    header.writeUInt32BE(bytes.length, 4);
  }
  const socket = new Socket({ fd: descriptor, readable: true, writable: true });
  const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
  socket.on('error', () => undefined).on('close', () => clearTimeout(timer));
  // What the client still sends is for nobody, but unread it would make a reset of the end.
  socket.resume().end(Buffer.concat([header, bytes]));
}

/** Starts the process and follows it. The attaches are the runtime's from here on. Throws what clients are told, with the row settled. */
async function launch(
  engine: Engine,
  record: ContainerRecord,
  row: ExecRow,
  options: ExecStart,
  attaches: readonly AttachRequest[],
): Promise<ExecProcess> {
  let starting: Promise<ExecProcess>;
  try {
    const live = engine.live.get(record.id);
    if (live === undefined) {
      closeAll(attaches);
      throw conflict(`container ${record.id} is not running`);
    }
    const input = inputOf(engine, record, live.process, row, options, attaches);
    starting = live.process.exec({
      ...input,
      attaches,
      onDetached: (reason) => {
        if (reason === 'keys') engine.table.tell(execEvent(record, row, 'exec_detach'));
        else if (row.config.killOnDisconnect) killLeft(engine, row.id);
      },
    });
  } catch (error) {
    failed(engine, row, error);
    throw error;
  }
  engine.sessions.set(row.id, starting);
  try {
    const process = await starting;
    engine.execs.transition(row.id, ['starting'], 'running', { pid: process.pid });
    follow(engine, row, process);
    return process;
  } catch (error) {
    engine.sessions.delete(row.id);
    failed(engine, row, error);
    throw inDockersWords(error);
  }
}

/** After its client has gone; a session that has ended by itself is not there any more. */
function killLeft(engine: Engine, id: string): void {
  void engine.sessions.get(id)?.then(
    (process) => process.signal(SIGKILL),
    () => undefined,
  );
}

function inputOf(
  engine: Engine,
  record: ContainerRecord,
  process: ContainerProcess,
  row: ExecRow,
  options: ExecStart,
  attaches: readonly AttachRequest[],
): ReturnType<typeof execInput> {
  try {
    return execInput(engine, record, process, row, { ...options, openStdin: attaches.some(({ stdin }) => stdin) });
  } catch (error) {
    closeAll(attaches);
    throw error;
  }
}

/** The suffix is containerd's; clients show the sentence as it is. A directory that is not there is the caller's mistake. */
function inDockersWords(error: unknown): unknown {
  if (!(error instanceof LaunchError)) return error;
  const kind = error.step === 'working-directory' ? 'invalid-argument' : error.kind;
  return new EngineError(kind, `${error.message}: unknown`, error);
}

/** The row of a session that never ran. */
function failed(engine: Engine, row: ExecRow, error: unknown): void {
  const notThere = error instanceof LaunchError && error.exitCode === EXIT_NOT_FOUND;
  engine.execs.transition(row.id, ['starting'], 'exited', {
    exitCode: notThere ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE,
    finishedNs: nowNs(),
  });
}

function follow(engine: Engine, row: ExecRow, process: ExecProcess): void {
  void process.exited.then(({ code }) => {
    engine.sessions.delete(row.id);
    // A daemon that lets go leaves the end to the next one.
    if (!engine.closing.value) settle(engine, row, code, process.pid);
  });
}

/** Takes the end of a session in, once. */
function settle(engine: Engine, row: ExecRow, exitCode: number, pid: number): void {
  const record = engine.table.byId(row.containerId);
  if (record === undefined) return;
  engine.execs.transition(
    row.id,
    ['starting', 'running'],
    'exited',
    { exitCode, finishedNs: nowNs(), ...(pid === 0 ? {} : { pid }) },
    [execEvent(record, row, 'exec_die', { exitCode: String(exitCode) })],
  );
  if (row.probe) engine.execs.delete(row.id);
  removeExecRecord(runDirectory(engine, row.containerId), row.id);
}

/** The process of a session that runs or is being started. Throws not-found, or conflict when it does neither. */
async function processOf(engine: Engine, id: string): Promise<ExecProcess> {
  const row = find(engine, id);
  const process = await engine.sessions.get(id)?.catch(() => undefined);
  if (process === undefined) {
    throw conflict(`exec ${id} is not running${row.state === 'created' ? ': it has not been started' : ''}`);
  }
  return process;
}

/** The size of the session's terminal. */
export async function resizeExec(engine: Engine, id: string, rows: number, columns: number): Promise<void> {
  for (const [name, value] of [
    ['h', rows],
    ['w', columns],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > 65_535) {
      throw invalidArgument(`invalid terminal size: ${name} is ${value}, expected 0 to 65535`);
    }
  }
  (await processOf(engine, id)).resize(rows, columns);
}

/** Signals the session's process; an empty text is SIGKILL. */
export async function killExec(engine: Engine, id: string, text: string): Promise<void> {
  const signal = text === '' ? SIGKILL : parseSignal(text);
  (await processOf(engine, id)).signal(signal);
}

/** Runs a health check's command, with its output on the given connection. Throws what says why it could not be started. */
export async function runProbe(
  engine: Engine,
  record: ContainerRecord,
  config: StoredExecConfig,
  descriptor: number,
): Promise<ExecProcess> {
  const id = insertExec(engine, record, config, true);
  const row = find(engine, id);
  const attach: AttachRequest = {
    descriptor,
    stdin: false,
    stdout: true,
    stderr: true,
    multiplexed: false,
    detachKeys: new Uint8Array(0),
  };
  engine.execs.transition(id, ['created'], 'starting', {}, [
    execEvent(record, row, `exec_start: ${commandOf(config)}`),
  ]);
  try {
    return await launch(engine, record, row, { tty: false }, [attach]);
  } catch (error) {
    engine.execs.delete(id);
    throw error;
  }
}

/** The sessions of a container that an earlier daemon started: those that run are followed, the others settled. */
export function adoptSessions(engine: Engine, record: ContainerRecord, process: ContainerProcess): void {
  const directory = runDirectory(engine, record.id);
  const known = new Set<string>();
  for (const row of engine.execs.ofContainer(record.id)) {
    if (row.state !== 'starting' && row.state !== 'running') continue;
    known.add(row.id);
    const session = process.sessions.get(row.id);
    if (session === undefined) {
      const ended = readExecRecord(directory, row.id)?.code;
      settle(engine, row, ended ?? (row.state === 'starting' ? EXIT_CANNOT_EXECUTE : EXIT_KILLED), 0);
    } else {
      engine.execs.transition(row.id, ['starting'], 'running', { pid: session.pid });
      engine.sessions.set(row.id, Promise.resolve(session));
      follow(engine, row, session);
      // Whoever asked for the check is gone, and the next one comes by itself.
      if (row.probe) session.signal(SIGKILL);
    }
  }
  removeExecRecords(directory, process.sessions);
  for (const [id, session] of process.sessions) {
    if (known.has(id)) continue;
    engine.log.warn({ container: record.id }, `exec ${id} runs without a record: it is killed`);
    session.signal(SIGKILL);
  }
}

/** The container has ended: its sessions have too, and those that were never started are dropped. */
export function endSessions(engine: Engine, record: ContainerRecord): void {
  const directory = runDirectory(engine, record.id);
  for (const row of engine.execs.ofContainer(record.id)) {
    if (row.state === 'starting' || row.state === 'running') {
      settle(engine, row, readExecRecord(directory, row.id)?.code ?? EXIT_KILLED, 0);
    }
  }
  engine.execs.deleteCreated(record.id);
  removeExecRecords(directory);
}
