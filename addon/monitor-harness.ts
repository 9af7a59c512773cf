// Owns what the monitor's tests share: a tiny encoder of the protocol that is independent of the daemon's, a root file system with a
// static busybox, and a monitor under test. It is no part of the engine.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as addon from './index.ts';

const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWUTS = 0x0400_0000;
const CLONE_NEWIPC = 0x0800_0000;
const CLONE_NEWPID = 0x2000_0000;
export const CLONE_PARENT = 0x8000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = 0o200000;

export type Value = number | bigint | string | Uint8Array;
export type PlanLine = readonly [op: number, ...args: Value[]];
export type Field = readonly [tag: number, value: Value];

/** A plan line's number, by the names of docs/monitor-protocol.md. */
export const op = {
  openTree: 1,
  open: 2,
  clone: 3,
  write: 10,
  setNamespace: 11,
  propagation: 13,
  root: 14,
  filesystem: 15,
  attach: 16,
  mkdir: 17,
  device: 18,
  symlink: 19,
  mask: 20,
  readonly: 21,
  sysctl: 22,
  console: 23,
  stdio: 24,
  pivotRoot: 25,
  remountRoot: 26,
  hostname: 27,
  rlimit: 29,
  workingDirectory: 31,
  user: 32,
  noNewPrivileges: 33,
  boundingSet: 34,
  capabilities: 35,
  seccomp: 36,
  deathSignal: 37,
  session: 38,
  umask: 39,
  environment: 40,
  awaitGo: 41,
  init: 42,
  exec: 43,
} as const;

function bytesOf(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return bytes;
}

export function encodePlan(lines: readonly PlanLine[]): Buffer {
  const parts: Buffer[] = [];
  for (const [number, ...args] of lines) {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(number, 0);
    head.writeUInt16LE(args.length, 2);
    parts.push(head);
    for (const arg of args) {
      const bytes = bytesOf(arg);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      parts.push(length, bytes);
    }
  }
  return Buffer.concat(parts);
}

export function encodeFrame(type: number, fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const [tag, value] of fields) {
    const bytes = bytesOf(value);
    const head = Buffer.alloc(6);
    head.writeUInt16LE(tag, 0);
    head.writeUInt32LE(bytes.length, 2);
    parts.push(head, bytes);
  }
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(1, 6);
  return Buffer.concat([header, payload]);
}

/** A message of the monitor, its fields by tag. */
export class Received {
  readonly type: number;
  readonly #fields = new Map<number, Buffer>();

  constructor(type: number, payload: Buffer) {
    this.type = type;
    for (let at = 0; at < payload.length; ) {
      const length = payload.readUInt32LE(at + 2);
      this.#fields.set(payload.readUInt16LE(at), payload.subarray(at + 6, at + 6 + length));
      at += 6 + length;
    }
  }
  number(tag: number): number {
    return Number(this.#fields.get(tag)?.readBigInt64LE() ?? -1n);
  }
  text(tag: number): string {
    return this.#fields.get(tag)?.toString() ?? '';
  }
}

/** The daemon's side of one connection: messages in order, waited for by type. */
export class Connection {
  readonly socket: Socket;
  readonly fd: number;
  readonly messages: Received[] = [];
  ended = false;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(fd: number) {
    this.fd = fd;
    this.socket = new Socket({ fd, readable: true, writable: true });
    this.socket.on('data', (piece: Buffer) => this.#push(piece));
    this.socket.on('error', () => this.#end());
    this.socket.on('close', () => this.#end());
  }

  #end(): void {
    this.ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #push(piece: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, piece]);
    while (this.#buffer.length >= 8) {
      const length = this.#buffer.readUInt32LE(0);
      if (this.#buffer.length < 8 + length) break;
      this.messages.push(new Received(this.#buffer.readUInt16LE(4), this.#buffer.subarray(8, 8 + length)));
      this.#buffer = this.#buffer.subarray(8 + length);
    }
    this.#wake();
  }

  send(type: number, fields: readonly Field[], descriptors: readonly number[] = []): void {
    const all: Field[] = descriptors.length > 0 ? [...fields, [3, descriptors.length]] : [...fields];
    try {
      addon.sendFrame(this.fd, encodeFrame(type, all), descriptors);
    } catch (error) {
      // A monitor that has just left: its last words are still to be read.
      if (!(error instanceof addon.SystemError) || error.code !== 'EPIPE') throw error;
    }
  }

  /** The first message of one of the types that `accept` takes; rejects when the connection ends before. */
  async wait(
    types: number | readonly number[],
    accept: (message: Received) => boolean = () => true,
  ): Promise<Received> {
    const wanted = typeof types === 'number' ? [types] : types;
    for (;;) {
      const found = this.messages.find((message) => wanted.includes(message.type) && accept(message));
      if (found !== undefined) return found;
      if (this.ended) throw new Error(`the monitor's connection ended before message ${wanted.join(' or ')}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async untilEnd(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A client's end of an attachment: collects what comes. */
export class AttachedClient {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #waiting: (() => void)[] = [];
  ended = false;

  constructor(fd: number) {
    this.socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    this.socket.on('data', (piece: Buffer) => {
      this.#chunks.push(piece);
      this.#wake();
    });
    this.socket.on('error', () => this.#end());
    this.socket.on('end', () => this.#end());
    this.socket.on('close', () => this.#end());
  }

  #end(): void {
    this.ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  async untilEnd(): Promise<Buffer> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.bytes();
  }

  async until(text: string): Promise<string> {
    while (!this.bytes().includes(text)) {
      if (this.ended)
        throw new Error(`the stream ended without ${JSON.stringify(text)}: ${JSON.stringify(this.bytes().toString())}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.bytes().toString();
  }
}

export interface StartOptions {
  readonly args: readonly string[];
  readonly tty?: boolean;
  readonly openStdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly logDriver?: 'json-file' | 'none';
  readonly logMaxSize?: number;
  readonly logMaxFile?: number;
  readonly logAttrs?: string;
  readonly env?: readonly string[];
  /** Lines put right before await-go. */
  readonly lines?: readonly PlanLine[];
  /** Lines put right after the root's file systems, before stdio and pivot. */
  readonly mounts?: readonly PlanLine[];
  /** Lines put before the clone. */
  readonly host?: readonly PlanLine[];
  readonly consoleSize?: readonly [number, number];
  readonly init?: boolean;
  readonly hostPid?: boolean;
  readonly id?: string;
  /** A directory descriptor in place of the sandbox's log directory. */
  readonly log?: number;
}

/** Directories of one container under test: root file system, run and log directory. */
export class Sandbox {
  readonly directory: string;
  readonly run: string;
  readonly log: string;
  readonly staging: string;
  readonly rootfs: string;
  readonly id: string;

  constructor(id = 'c0ffee') {
    this.id = id;
    this.directory = mkdtempSync(join(tmpdir(), 'tsd-monitor-'));
    this.run = join(this.directory, 'run');
    this.log = join(this.directory, 'log');
    this.staging = join(this.directory, 'staging');
    this.rootfs = join(this.directory, 'rootfs');
    for (const path of [
      this.run,
      this.log,
      this.staging,
      this.rootfs,
      join(this.directory, 'upper'),
      join(this.directory, 'work'),
    ]) {
      mkdirSync(path, { mode: 0o700 });
    }
    for (const path of ['bin', 'proc', 'dev', 'etc', 'tmp']) mkdirSync(join(this.rootfs, path), { mode: 0o755 });
    copyFileSync('/bin/busybox', join(this.rootfs, 'bin/busybox'));
    for (const applet of [
      'sh',
      'echo',
      'cat',
      'ls',
      'stty',
      'tty',
      'sleep',
      'head',
      'dd',
      'printf',
      'true',
      'false',
      'id',
      'seq',
      'yes',
      'kill',
      'ps',
      'grep',
      'readlink',
      'touch',
      'stat',
    ]) {
      symlinkSync('busybox', join(this.rootfs, 'bin', applet));
    }
    writeFileSync(join(this.rootfs, 'etc/plain'), 'no program\n', { mode: 0o644 });
  }

  /** A detached overlay mount of the root, as the daemon makes it. */
  root(): number {
    return addon.mountOverlay({
      lower: [this.rootfs],
      upper: join(this.directory, 'upper'),
      work: join(this.directory, 'work'),
    });
  }

  logText(suffix = ''): string {
    return readFileSync(join(this.log, `${this.id}-json.log${suffix}`), 'utf8');
  }

  records(suffix = ''): { log: string; stream: string; time: string; attrs?: Record<string, string> }[] {
    return this.logText(suffix)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  runFile(name: string): string {
    return readFileSync(join(this.run, name), 'utf8');
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The plan of a small container: slot 0 is the root. */
export function containerPlan(sandbox: Sandbox, options: StartOptions): PlanLine[] {
  const namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | (options.hostPid ? 0 : CLONE_NEWPID);
  const [rows, columns] = options.consoleSize ?? [0, 0];
  return [
    ...(options.host ?? []),
    [op.clone, namespaces, -1],
    [op.propagation, 0x4000 | 0x80000],
    [op.root, 0, sandbox.staging],
    [op.filesystem, 'proc', 'proc', '/proc', 0xe],
    [op.filesystem, 'tmpfs', 'tmpfs', '/dev', 2, 'mode=755', 'size=65536k'],
    [op.filesystem, 'devpts', 'devpts', '/dev/pts', 0xa, 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    [op.device, '/dev/null', 0o20666, 1, 3, 0, 0],
    [op.device, '/dev/zero', 0o20666, 1, 5, 0, 0],
    [op.symlink, 'pts/ptmx', '/dev/ptmx'],
    ...(options.mounts ?? []),
    options.tty ? [op.console, rows, columns, 0, -1] : [op.stdio, 0, 0],
    [op.pivotRoot],
    [op.hostname, 'box'],
    [op.workingDirectory, '/', 0, 0],
    ...(options.tty ? [] : ([[op.session]] as PlanLine[])),
    [op.user, 0, 0],
    [op.deathSignal, constants.signals.SIGKILL],
    [op.environment, ...(options.env ?? ['PATH=/bin', 'TERM=xterm'])],
    ...(options.lines ?? []),
    [op.awaitGo],
    ...(options.init ? ([[op.init]] as PlanLine[]) : []),
    [op.exec, ...options.args],
  ];
}

/** A monitor process with its first connection. */
export class MonitorUnderTest {
  readonly sandbox: Sandbox;
  readonly pid: number;
  readonly connection: Connection;
  #nextClient = 1;
  #ended: { code: number; signal: number } | undefined;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    const [ours, theirs] = addon.socketPair();
    this.pid = addon.spawnMonitor(theirs, sandbox.id);
    addon.close(theirs);
    this.connection = new Connection(ours);
  }

  launch(options: StartOptions, plan: readonly PlanLine[] = containerPlan(this.sandbox, options)): void {
    const descriptors = [
      addon.openPath(this.sandbox.run, O_PATH | O_DIRECTORY),
      options.log === undefined ? addon.openPath(this.sandbox.log, O_PATH | O_DIRECTORY) : addon.duplicate(options.log),
      this.sandbox.root(),
    ];
    const fields: Field[] = [
      [1, this.sandbox.id],
      [2, encodePlan(plan)],
      [4, options.tty ? 1 : 0],
      [5, options.openStdin ? 1 : 0],
      [6, options.stdinOnce ? 1 : 0],
      [7, options.logDriver ?? 'json-file'],
      [8, options.logMaxSize ?? 0],
      [9, options.logMaxFile ?? 1],
    ];
    if (options.logAttrs !== undefined) fields.push([10, options.logAttrs]);
    this.connection.send(1, fields, descriptors);
    for (const fd of descriptors) addon.close(fd);
  }

  go(): void {
    this.connection.send(2, []);
  }

  /** Attaches a client; `streams` bits 1 stdin, 2 stdout, 4 stderr. */
  attach(
    streams: number,
    options: {
      multiplexed?: boolean;
      greeting?: string;
      input?: string;
      keys?: Uint8Array;
      exec?: string;
      connection?: Connection;
    } = {},
  ): { client: AttachedClient; id: number } {
    const [ours, theirs] = addon.socketPair();
    const id = this.#nextClient++;
    const fields: Field[] = [
      [11, id],
      [12, streams],
      [13, options.multiplexed ? 1 : 0],
    ];
    if (options.greeting !== undefined) fields.push([14, options.greeting]);
    if (options.input !== undefined) fields.push([15, options.input]);
    if (options.keys !== undefined) fields.push([16, options.keys]);
    if (options.exec !== undefined) fields.push([17, options.exec]);
    (options.connection ?? this.connection).send(3, fields, [theirs]);
    addon.close(theirs);
    return { client: new AttachedClient(ours), id };
  }

  /** How the monitor process itself ended. */
  async reaped(): Promise<{ code: number; signal: number }> {
    for (;;) {
      this.#ended ??= addon.reap(this.pid);
      if (this.#ended !== undefined) return this.#ended;
      await new Promise<void>((resolve) => {
        const again = (): void => {
          clearTimeout(timer);
          process.off('SIGCHLD', again);
          resolve();
        };
        // The signal may have come between the two; the timer only guards against that.
        const timer = setTimeout(again, 100);
        process.on('SIGCHLD', again);
      });
    }
  }

  /** Ends what may still run and removes the directories. */
  async dispose(): Promise<void> {
    if (this.#ended === undefined) this.#ended = addon.reap(this.pid);
    if (this.#ended === undefined) process.kill(this.pid, 'SIGKILL');
    await this.reaped();
    this.connection.close();
    this.sandbox.remove();
  }
}

/** Launches and says go; resolves with the answer, `started` or `failed`. */
export async function start(options: StartOptions): Promise<{ monitor: MonitorUnderTest; answer: Received }> {
  const monitor = new MonitorUnderTest(new Sandbox(options.id));
  monitor.launch(options);
  monitor.go();
  return { monitor, answer: await monitor.connection.wait([102, 103]) };
}

/** The same with a client that is attached before `go`, so that it misses nothing. */
export async function startAttached(
  options: StartOptions,
  streams: number,
  attach: Parameters<MonitorUnderTest['attach']>[1] = {},
): Promise<{ monitor: MonitorUnderTest; client: AttachedClient; id: number }> {
  const monitor = new MonitorUnderTest(new Sandbox(options.id));
  monitor.launch(options);
  const { client, id } = monitor.attach(streams, attach);
  monitor.go();
  const answer = await monitor.connection.wait([102, 103]);
  if (answer.type !== 102) throw new Error(`failed: ${answer.text(28)} ${answer.number(30)} ${answer.text(31)}`);
  return { monitor, client, id };
}
