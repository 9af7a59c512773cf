// Owns the ground of the escape suite: a daemon of its own, attack images with the payload in them, and a picture of the host that an
// attack must leave as it was. The attacks themselves are in payload.cc and in the tests.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Teardown, TestDaemon } from '../helpers/daemon.ts';
import { type DockerOptions, DockerProcess, type DockerResult } from '../helpers/docker.ts';
import { busyboxTar, type ImageConfig, makeDockerArchive } from '../helpers/image.ts';
import { makeTar, type TarEntry } from '../helpers/tar.ts';

const checkout = join(import.meta.dirname, '../..');

/** Compiles the payload; a second takes the place of a cache that could be stale. */
const compilePayload = (directory: string): Buffer => {
  const program = join(directory, 'payload');
  const source = join(import.meta.dirname, 'payload.cc');
  execFileSync('g++', ['-std=c++20', '-O1', '-static', '-s', '-o', program, source]);
  return readFileSync(program);
};

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/** Every entry below a directory with what can be told of it. */
const treeOf = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const stat = lstatSync(path);
      const content = stat.isFile() ? textOf(path) : stat.isSymbolicLink() ? readlinkSync(path) : '';
      return `${name} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`;
    });

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

export class Attack {
  readonly daemon: TestDaemon;
  /** A directory of the host that attackers name and must not reach: /host-secret of the images' links points at it. */
  readonly target: string;
  readonly #payload: Buffer;
  readonly #scratch: string;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.#scratch = mkdtempSync(join(tmpdir(), 'tsd-escape-'));
    this.#payload = compilePayload(this.#scratch);
    this.target = join(this.#scratch, 'host');
    mkdirSync(this.target);
    writeFileSync(join(this.target, 'secret'), 'of the host\n');
    mkdirSync(join(this.target, 'etc'));
  }

  removeScratch(): void {
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  /** A directory of the host to share with containers. */
  shared(name: string): string {
    const path = join(this.#scratch, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Busybox with /attack, `extra` and a configuration, as `tag`. With `layers` those alone are the image. */
  async image(tag: string, extra: readonly TarEntry[] = [], config: ImageConfig = {}): Promise<void> {
    const payload: TarEntry = { path: 'attack', data: this.#payload, mode: 0o755 };
    await this.#load(tag, [busyboxTar([payload, ...extra])], config);
  }

  /** An image of these entries alone: where busybox's own directories would be in the way of a link. */
  async bareImage(tag: string, entries: readonly TarEntry[], config: ImageConfig = {}): Promise<void> {
    const busybox: TarEntry[] = [
      { path: 'bin', type: 'directory' },
      { path: 'bin/busybox', data: readFileSync('/bin/busybox'), mode: 0o755 },
      ...['sh', 'ls', 'cat', 'true', 'sleep', 'id', 'stat', 'mount', 'touch', 'readlink'].map(
        (name): TarEntry => ({ path: `bin/${name}`, type: 'symlink', linkTarget: 'busybox' }),
      ),
      { path: 'attack', data: this.#payload, mode: 0o755 },
    ];
    await this.#load(tag, [makeTar([...busybox, ...entries])], config);
  }

  async #load(tag: string, layers: readonly Buffer[], config: ImageConfig): Promise<void> {
    const complete = { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'], ...config };
    const archive = makeDockerArchive({ layers, tags: [`${tag}:latest`], config: complete });
    await this.daemon.dockerOk(['load', '--quiet'], { input: archive });
  }

  run(args: readonly string[], options?: DockerOptions): Promise<DockerResult> {
    return this.daemon.docker(args, options);
  }

  /** Both streams of a run that may fail. */
  async output(...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await this.daemon.docker(args);
    return stdout + stderr;
  }

  /** Standard output; throws when docker fails. */
  ok(...args: readonly string[]): Promise<string> {
    return this.daemon.dockerOk(args);
  }

  spawn(args: readonly string[]): DockerProcess {
    return new DockerProcess(this.daemon.dockerEnvironment(), args);
  }

  /** What an escape would change: kernel switches, programs of the engine and of the host, device nodes, mounts, the marked directory. */
  host(): Readonly<Record<string, unknown>> {
    const stat = (path: string): string => {
      const { mode, rdev, uid, gid } = lstatSync(path);
      return `${mode.toString(8)} ${rdev} ${uid}:${gid}`;
    };
    return {
      corePattern: textOf('/proc/sys/kernel/core_pattern'),
      modprobe: textOf('/proc/sys/kernel/modprobe'),
      hostname: textOf('/proc/sys/kernel/hostname'),
      domainname: textOf('/proc/sys/kernel/domainname'),
      panic: textOf('/proc/sys/kernel/panic'),
      hotplug: textOf('/sys/kernel/uevent_helper'),
      agents: readdirSync('/sys/fs/cgroup').map((name) => textOf(`/sys/fs/cgroup/${name}/release_agent`)),
      monitor: hash(join(checkout, 'addon/build/Release/tsd-monitor')),
      addon: hash(join(checkout, 'addon/build/Release/tsd.node')),
      busybox: hash('/bin/busybox'),
      passwd: textOf('/etc/passwd'),
      root: readdirSync('/').sort(),
      devices: readdirSync('/dev')
        .filter((name) => !['pts', 'shm', 'mqueue', 'loop'].some((changing) => name.startsWith(changing)))
        .sort(),
      null: stat('/dev/null'),
      zero: stat('/dev/zero'),
      tty: stat('/dev/tty'),
      mounts: textOf('/proc/self/mountinfo')
        .split('\n')
        .filter((line) => line.includes(this.daemon.root) || line.includes(this.#scratch) || line.includes(' /dev')),
      target: treeOf(this.target),
    };
  }
}

/** A daemon with the images `busybox` and `attack` (busybox with the payload), taken away when the test ends. */
export const startAttack = async (t: Teardown): Promise<Attack> => {
  const daemon = new TestDaemon();
  const attack = new Attack(daemon);
  t.teardown(async () => {
    await daemon.cleanup();
    attack.removeScratch();
  });
  await daemon.start();
  await attack.image('attack');
  return attack;
};

/** The lines of a payload's output that say that it got something. */
export const gains = (output: string): string[] => output.split('\n').filter((line) => line.startsWith('gain:'));
