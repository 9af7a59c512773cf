// Owns a whole engine in the test's own process, without HTTP: its services over a temporary data-root, with busybox loaded.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { close, duplicate, socketPair } from '../../../addon/index.ts';
import { instanceOf } from '../../../daemon/base/ids.ts';
import { nowNs } from '../../../daemon/base/time.ts';
import { loadConfig, parseCommandLine } from '../../../daemon/config.ts';
import type {
  AttachOptions,
  ContainerRecord,
  Containers,
  CreateRequest,
  LogsRequest,
} from '../../../daemon/containers/types.ts';
import { createEngine, type RunningEngine } from '../../../daemon/engine.ts';
import type { EngineEvent } from '../../../daemon/http/ports.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';
import { leftoversOf, removeInstance } from '../../helpers/leftovers.ts';

export interface Teardown {
  teardown(work: () => unknown): unknown;
}

export const never = new AbortController().signal;

export const logsOf: LogsRequest = {
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  details: false,
  since: 0n,
  until: 0n,
  tail: -1,
};

type Wish = Partial<CreateRequest['config']> & {
  readonly name?: string;
  readonly host?: CreateRequest['hostConfig'];
  readonly networking?: CreateRequest['networkingConfig'];
};

/** Strips Docker's frames. */
export function demultiplex(data: Buffer): { readonly stdout: string; readonly stderr: string } {
  const parts: [Buffer[], Buffer[]] = [[], []];
  for (let at = 0; at + 8 <= data.length; ) {
    const length = data.readUInt32BE(at + 4);
    parts[data[at] === 2 ? 1 : 0].push(data.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(parts[0]).toString(), stderr: Buffer.concat(parts[1]).toString() };
}

/** A client whose connection is handed to the engine. */
export class Client {
  readonly socket: Socket;
  readonly ended: Promise<Buffer>;

  constructor(descriptor: number) {
    this.socket = new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    this.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    this.ended = new Promise((resolve, reject) => {
      this.socket.on('end', () => {
        this.socket.end();
        resolve(Buffer.concat(chunks));
      });
      this.socket.on('error', reject);
    });
  }
}

export class TestEngine {
  readonly root: string;
  readonly bridge = `tsdt${randomBytes(4).toString('hex')}`;
  #running: RunningEngine | undefined;

  constructor() {
    this.root = realpathSync(mkdtempSync('/tmp/tsd-engine-'));
    for (const name of ['data', 'exec']) mkdirSync(join(this.root, name), { mode: 0o700 });
  }

  get engine(): RunningEngine {
    if (this.#running === undefined) throw new Error('the engine does not run');
    return this.#running;
  }

  get containers(): Containers {
    return this.engine.services.containers;
  }

  get instance(): string {
    return instanceOf(join(this.root, 'data'));
  }

  async start(): Promise<void> {
    const flags = [
      '--data-root',
      join(this.root, 'data'),
      '--exec-root',
      join(this.root, 'exec'),
      '--bridge',
      this.bridge,
    ];
    const line = parseCommandLine(flags);
    if (line.action !== 'run') throw new Error(`unexpected ${line.action}`);
    const config = loadConfig(line.flags);
    const main = pino({ level: process.env.TSD_TEST_LOG ?? 'silent' }, process.stderr);
    this.#running = createEngine({
      config,
      live: () => config,
      build: { version: '0', commit: '', time: '' },
      log: { main, room: (room) => main.child({ room }), setLevel: () => undefined },
      dataRoot: join(this.root, 'data'),
      execRoot: join(this.root, 'exec'),
    });
    await this.#running.restore();
  }

  /** The orderly end of a daemon: containers go on. */
  async stop(): Promise<void> {
    await this.settled();
    this.#running?.release();
    this.#running = undefined;
  }

  /** Work behind the answers is done. */
  async settled(): Promise<void> {
    await (this.containers as unknown as { settled(): Promise<void> }).settled();
  }

  async create(wish: Wish): Promise<string> {
    const { name = '', host = {}, networking = {}, ...config } = wish;
    const { id } = await this.containers.create({
      name,
      platform: '',
      config: { Image: 'busybox', ...config },
      hostConfig: { NetworkMode: 'none', ...host },
      networkingConfig: networking,
    });
    return id;
  }

  /** Creates and starts `sh -c script`. */
  async run(script: string, wish: Wish = {}): Promise<string> {
    const id = await this.create({ Cmd: ['sh', '-c', script], ...wish });
    await this.containers.start(id);
    return id;
  }

  async exitCode(id: string): Promise<number> {
    return (await this.containers.wait(id, 'not-running', never)).statusCode;
  }

  async record(reference: string): Promise<ContainerRecord> {
    return (await this.containers.get(reference)).record;
  }

  async logs(id: string, request: Partial<LogsRequest> = {}): Promise<string> {
    const { tty, stream } = this.containers.logs(id, { ...logsOf, ...request });
    const data = Buffer.concat((await stream.toArray()) as Buffer[]);
    if (tty) return data.toString();
    const { stdout, stderr } = demultiplex(data);
    return stdout + stderr;
  }

  /** Runs to the end and answers what it wrote. */
  async output(script: string, wish: Wish = {}): Promise<string> {
    const id = await this.run(script, wish);
    await this.exitCode(id);
    const text = await this.logs(id);
    await this.containers.remove(id, { force: true, volumes: true });
    return text;
  }

  async attach(id: string, options: Partial<AttachOptions> = {}): Promise<Client> {
    const [own, theirs] = socketPair();
    const client = new Client(own);
    await this.containers.attach(
      id,
      { stdin: false, stdout: true, stderr: true, stream: true, logs: false, detachKeys: '', ...options },
      { descriptor: duplicate(theirs), input: new Uint8Array(0), greeting: Buffer.from('hello\n') },
    );
    close(theirs);
    return client;
  }

  /** Events of a container so far. */
  async events(id: string): Promise<readonly EngineEvent[]> {
    const events: EngineEvent[] = [];
    const until = nowNs();
    for await (const event of this.engine.services.events.stream({ since: 0n, until, filters: {}, signal: never })) {
      if (event.actorId === id || event.attributes.container === id) events.push(event);
    }
    return events;
  }

  /** Resolves with the first new event of a container with this action; subscribed when this returns. */
  nextEvent(id: string, action: string): Promise<EngineEvent> {
    const leave = new AbortController();
    const stream = this.engine.services.events.stream({
      filters: { event: [action], container: [id] },
      signal: leave.signal,
    });
    return (async () => {
      for await (const event of stream) {
        leave.abort();
        return event;
      }
      throw new Error(`no ${action}`);
    })();
  }

  leftovers(): readonly string[] {
    return leftoversOf({ instance: this.instance, root: this.root, bridge: this.bridge });
  }
}

/** An engine for the length of a test, with busybox. */
export async function startEngine(t: Teardown): Promise<TestEngine> {
  const engine = new TestEngine();
  t.teardown(async () => {
    for (const { record } of await engine.containers.list({ all: true, limit: 0, size: false, filters: {} })) {
      await engine.containers.remove(record.id, { force: true, volumes: true });
    }
    await engine.stop();
    removeInstance({ instance: engine.instance, root: engine.root, bridge: engine.bridge });
    rmSync(engine.root, { recursive: true, force: true });
  });
  await engine.start();
  const archive = Readable.from([makeDockerArchive(busyboxImage())]);
  await engine.engine.services.images.load(archive, { quiet: true, platform: '' }, () => undefined);
  return engine;
}
