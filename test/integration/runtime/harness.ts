// Owns a place to run containers from, below the containers room: a busybox root, directories, the runtime on this kernel. For tests.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createNetworkNamespace, duplicate, mountOverlay } from '../../../addon/index.ts';
import { instanceOf, newId } from '../../../daemon/base/ids.ts';
import { measureHost } from '../../../daemon/runtime/host-features.ts';
import { createRuntime } from '../../../daemon/runtime/launch.ts';
import type {
  AttachRequest,
  ContainerProcess,
  LaunchInput,
  Runtime,
  SpecInput,
} from '../../../daemon/runtime/types.ts';
import { resolveUser } from '../../../daemon/runtime/user.ts';
import type { Cgroups } from '../../../daemon/supervisor/cgroup/cgroup.ts';
import { openCgroups } from '../../../daemon/supervisor/cgroup/detect.ts';

const applets =
  'sh echo cat ls id stat sleep true false env hostname mount umount mknod readlink wc head grep tty stty ps kill dd nproc touch mkdir sysctl chmod test pwd seq ip cut sort';
const passwd = 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n';
const group = 'root:x:0:\nwheel:x:10:root,www\nwww:x:33:\n';

function busyboxRoot(directory: string): void {
  for (const name of ['bin', 'etc', 'root', 'tmp', 'proc', 'dev', 'sys'])
    mkdirSync(join(directory, name), { recursive: true });
  copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
  for (const applet of applets.split(' ')) symlinkSync('busybox', join(directory, 'bin', applet));
  writeFileSync(join(directory, 'etc/passwd'), passwd);
  writeFileSync(join(directory, 'etc/group'), group);
}

export interface Run {
  readonly process: ContainerProcess;
  readonly id: string;
  readonly runDirectory: string;
  readonly logDirectory: string;
  readonly spec: SpecInput;
  /** What json-file has of a stream, once the container has ended. */
  output(stream?: 'stdout' | 'stderr'): string;
}

export type RunOptions = Partial<Omit<LaunchInput, 'spec'>> & { readonly spec?: Partial<SpecInput> };

/** Everything below one temporary directory; `remove` takes it away. */
export class Place {
  readonly directory: string;
  readonly cgroups: Cgroups;
  readonly runtime: Runtime;
  readonly instance: string;
  readonly reports: string[] = [];
  readonly #groups: string[] = [];

  constructor() {
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), 'tsd-runtime-')));
    for (const name of ['image', 'run', 'logs', 'staging', 'rw'])
      mkdirSync(join(this.directory, name), { mode: 0o700 });
    busyboxRoot(join(this.directory, 'image'));
    this.instance = instanceOf(this.directory);
    this.cgroups = openCgroups();
    this.runtime = this.newRuntime();
  }

  /** A second daemon, as it were. */
  newRuntime(): Runtime {
    return createRuntime({
      dataRoot: this.directory,
      cgroups: this.cgroups,
      report: (what, error) => this.reports.push(`${what}: ${String(error)}`),
    });
  }

  spec(id: string, more: Partial<SpecInput> = {}): SpecInput {
    const config = more.config ?? {};
    return {
      id,
      config,
      hostConfig: {},
      user: resolveUser(config.User ?? '', more.hostConfig?.GroupAdd ?? [], { passwd, group }),
      args: ['true'],
      env: ['PATH=/bin', 'HOME=/root'],
      hostname: id.slice(0, 12),
      domainname: '',
      binds: [],
      tmpfs: [],
      cgroupPath: `/tsd-${this.instance}/${id}`,
      network: 'own',
      host: measureHost(this.cgroups),
      ...more,
    };
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const id = newId();
    const directoryOf = (kind: string): string => {
      const path = join(this.directory, kind, id);
      mkdirSync(path, { mode: 0o700 });
      return path;
    };
    const runDirectory = directoryOf('run');
    const logDirectory = directoryOf('logs');
    const rw = directoryOf('rw');
    for (const name of ['diff', 'work']) mkdirSync(join(rw, name));
    const root = mountOverlay({
      lower: [join(this.directory, 'image')],
      upper: join(rw, 'diff'),
      work: join(rw, 'work'),
    });
    const spec = this.spec(id, { args, ...options.spec });
    const network = spec.network === 'own' ? await createNetworkNamespace() : undefined;
    this.#groups.push(spec.cgroupPath);
    try {
      const process = await this.runtime.launch({
        rootDescriptor: root,
        networkNamespace: network?.namespace,
        runDirectory,
        logDirectory,
        stagingDirectory: join(this.directory, 'staging'),
        log: { driver: 'json-file', maxSize: 0, maxFile: 1, attrs: {} },
        attaches: [],
        ...options,
        spec,
      });
      const output = (stream?: string): string =>
        readFileSync(join(logDirectory, `${id}-json.log`), 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { log: string; stream: string })
          .filter((record) => stream === undefined || record.stream === stream)
          .map((record) => record.log)
          .join('');
      return { process, id, runDirectory, logDirectory, spec, output };
    } finally {
      closeSync(root);
      if (network !== undefined) {
        closeSync(network.namespace);
        closeSync(network.netlink);
      }
    }
  }

  /** Runs to the end; throws when it fails to start. */
  async outputOf(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<{ code: number; out: string; err: string }> {
    const run = await this.run(args, options);
    const { code } = await run.process.exited;
    return { code, out: run.output('stdout'), err: run.output('stderr') };
  }

  sh(script: string, options: RunOptions = {}): Promise<{ code: number; out: string; err: string }> {
    return this.outputOf(['sh', '-c', script], options);
  }

  async remove(): Promise<void> {
    for (const path of this.#groups) {
      if (this.cgroups.exists(path)) this.cgroups.killAll(path);
      await this.cgroups.remove(path);
    }
    await this.cgroups.remove(`/tsd-${this.instance}`);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Two ends of a connection: one for a test to talk by, the other's descriptor to hand over. */
export async function clientPair(
  directory: string,
): Promise<{ readonly socket: Socket; readonly request: AttachRequest }> {
  const path = join(directory, `c${Math.random().toString(36).slice(2, 10)}`);
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, resolve);
  await new Promise<void>((listening) => server.listen(path, listening));
  const socket = createConnection({ path, allowHalfOpen: true });
  const theirs = await promise;
  server.close();
  const handle = (theirs as unknown as { _handle: { fd: number } })._handle;
  const descriptor = duplicate(handle.fd);
  // Only its descriptor goes on: no shutdown.
  theirs.destroy();
  return {
    socket,
    request: { descriptor, stdin: true, stdout: true, stderr: true, multiplexed: false, detachKeys: new Uint8Array() },
  };
}

export async function readAll(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

/** Where a namespace file of a process points. */
export const namespaceOf = (pid: number | 'self', kind: string): string => readlinkSync(`/proc/${pid}/ns/${kind}`);

/** Until something outside of this process has come true; a minute at the most. */
export async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 6000) throw new Error('waited for a minute in vain');
    await delay(10);
  }
}
