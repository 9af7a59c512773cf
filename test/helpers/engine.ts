// Owns the choice of the engine that a test of Docker's behaviour runs against: tsd, or a real dockerd when TSD_TEST_ENGINE=dockerd,
// which is how such a test is itself tested.
import { type Teardown, TestDaemon } from './daemon.ts';
import { type DockerOptions, DockerProcess, type DockerResult } from './docker.ts';
import { Dockerd } from './dockerd.ts';
import { busyboxImage, makeDockerArchive } from './image.ts';
import { Pty, type PtyOptions } from './pty.ts';

export interface Engine {
  readonly host: string;
  readonly socket: string;
  readonly root: string;
  docker(args: readonly string[], options?: DockerOptions): Promise<DockerResult>;
  dockerEnvironment(): Record<string, string>;
  start(): Promise<void>;
  cleanup(): Promise<void>;
}

export const isDockerd = process.env.TSD_TEST_ENGINE === 'dockerd';

/** An engine with the busybox image, for the length of a test. */
export class Docker {
  readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Runs docker to its end; a failing exit code is a result. */
  run(args: readonly string[], options?: DockerOptions): Promise<DockerResult> {
    return this.engine.docker(args, options);
  }

  /** Standard output without the last line feed; throws when docker fails. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.engine.docker(args);
    if (result.code !== 0) {
      throw new Error(`docker ${args.join(' ')}: exit code ${result.code}\n${result.stdout}${result.stderr}`);
    }
    return result.stdout.replace(/\n$/, '');
  }

  /** Starts docker in the background. */
  spawn(args: readonly string[], options?: DockerOptions): DockerProcess {
    return new DockerProcess(this.engine.dockerEnvironment(), args, options);
  }

  /** Starts docker on a terminal. */
  terminal(args: readonly string[], options: PtyOptions = {}): Pty {
    return new Pty(['docker', ...args], { ...options, env: { ...this.engine.dockerEnvironment(), ...options.env } });
  }

  /** `docker inspect --format`. */
  inspect(name: string, format: string): Promise<string> {
    return this.ok('inspect', '--format', format, name);
  }
}

/** Starts the engine under test, loads busybox and takes all away when the test ends. */
export const startDocker = async (t: Teardown): Promise<Docker> => {
  const engine: Engine = isDockerd ? new Dockerd() : new TestDaemon();
  t.teardown(() => engine.cleanup());
  await engine.start();
  const docker = new Docker(engine);
  const loaded = await docker.run(['load', '--quiet'], { input: makeDockerArchive(busyboxImage()) });
  if (loaded.code !== 0) throw new Error(`docker load: ${loaded.stderr}`);
  return docker;
};
