// Owns the benchmark: tsd beside dockerd beside the bare kernel floor, in one run and interleaved, so that a noisy moment hits
// all of them. Prints a table of medians and ratios and writes every sample as JSON.
// Usage: bench.ts [--rounds=N] [--out=FILE] [--check] [--no-dockerd]      needs root
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestDaemon } from '../helpers/daemon.ts';
import { type DockerResult, runDocker } from '../helpers/docker.ts';
import { Dockerd, dockerdInstalled } from '../helpers/dockerd.ts';
import { busyboxImage, busyboxTar, makeDockerArchive } from '../helpers/image.ts';
import { processesOf } from '../helpers/leftovers.ts';
import { median, type Row, ratio, table } from './statistics.ts';

const checkout = join(import.meta.dirname, '../..');
const idleContainers = 10;
const warmUp = 3;

interface Engine {
  readonly name: string;
  readonly socket: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Pids of the engine itself. */
  daemons(): readonly number[];
  /** Pids of what it keeps beside each container. */
  keepers(): readonly number[];
  cleanup(): Promise<void>;
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};

/** Proportional set size in MiB: shared pages count for their share. */
const pss = (pid: number): number => {
  const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1024;
};
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const startTsd = async (): Promise<Engine> => {
  const daemon = new TestDaemon();
  await daemon.start();
  const isMonitor = (pid: number): boolean => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('tsd-monitor');
  return {
    name: 'tsd',
    socket: daemon.socket,
    environment: daemon.dockerEnvironment(),
    daemons: () => (daemon.pid === undefined ? [] : [daemon.pid]),
    keepers: () =>
      processesOf({ instance: daemon.instance, root: daemon.root, bridge: daemon.bridge }).filter(isMonitor),
    cleanup: () => daemon.cleanup(),
  };
};

const startDockerd = async (): Promise<Engine> => {
  const daemon = new Dockerd();
  await daemon.start();
  const shims = (wanted: boolean) => () =>
    daemon.processes().filter((pid) => commandOf(pid).includes('containerd-shim') === wanted);
  return {
    name: 'dockerd',
    socket: daemon.socket,
    environment: daemon.dockerEnvironment(),
    daemons: shims(false),
    keepers: shims(true),
    cleanup: () => daemon.cleanup(),
  };
};

type Call = (method: string, path: string, body?: unknown) => Promise<unknown>;

/** A client that keeps its connection, as an SDK does. Rejects on a status of 400 and above. */
const apiOf = (socket: string): Call => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const call = request({ socketPath: socket, agent, method, path, headers }, (answer) => {
        let whole = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          whole += part;
        });
        answer.on('error', reject);
        answer.on('end', () => {
          if ((answer.statusCode ?? 0) >= 400) reject(new Error(`${method} ${path}: ${answer.statusCode} ${whole}`));
          else resolve(whole === '' ? undefined : JSON.parse(whole));
        });
      });
      call.on('error', reject);
      call.end(text);
    });
};

/** Milliseconds of create, start, wait and remove of a container that runs `true`. */
const apiCycle = async (api: Call, network: string): Promise<number> => {
  const begin = performance.now();
  const { Id } = (await api('POST', '/v1.41/containers/create', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { NetworkMode: network },
  })) as { Id: string };
  await api('POST', `/v1.41/containers/${Id}/start`);
  const { StatusCode } = (await api('POST', `/v1.41/containers/${Id}/wait`)) as { StatusCode: number };
  await api('DELETE', `/v1.41/containers/${Id}`);
  const time = performance.now() - begin;
  if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`);
  return time;
};

const mustSucceed = (result: DockerResult): DockerResult => {
  if (result.code !== 0) throw new Error(`docker: exit code ${result.code}: ${result.stderr}`);
  return result;
};

const dockerRun = async (engine: Engine): Promise<number> => {
  const begin = performance.now();
  mustSucceed(await runDocker(engine.environment, ['run', '--rm', 'busybox', 'true']));
  return performance.now() - begin;
};

interface Floor {
  cycle(network: string): number;
  cleanup(): void;
}

/** Compiles floor.cc and unpacks a root file system for it. */
const makeFloor = (): Floor => {
  const build = join(checkout, 'build/bench');
  mkdirSync(build, { recursive: true });
  const program = join(build, 'floor');
  execFileSync('g++', ['-O2', '-std=c++20', '-o', program, join(import.meta.dirname, 'floor.cc')], {
    stdio: 'inherit',
  });
  const root = mkdtempSync('/tmp/tsd-floor-');
  mkdirSync(join(root, 'lower'));
  mkdirSync(join(root, 'scratch'));
  execFileSync('tar', ['-xf', '-', '-C', join(root, 'lower')], { input: busyboxTar() });
  return {
    cycle: (network) => {
      const printed = execFileSync(program, ['1', join(root, 'lower'), join(root, 'scratch'), network], {
        encoding: 'utf8',
      });
      return Number(printed.trim()) / 1000;
    },
    cleanup: () => rmSync(root, { recursive: true, force: true }),
  };
};

/** Calls every measurement once a round, in turn; the first rounds warm up and are not counted. */
const interleave = async (
  name: string,
  rounds: number,
  measurements: Readonly<Record<string, () => Promise<number> | number>>,
): Promise<Row> => {
  process.stderr.write(`${name}: ${rounds} rounds\n`);
  const samples: Record<string, number[]> = {};
  for (let round = -warmUp; round < rounds; round++) {
    for (const [engine, measure] of Object.entries(measurements)) {
      const value = await measure();
      if (round >= 0) samples[engine] = [...(samples[engine] ?? []), value];
    }
  }
  return { name, unit: 'ms', samples };
};

const apiRow = async (engines: readonly Engine[], floor: Floor, network: string, rounds: number): Promise<Row> => {
  const measurements: Record<string, () => Promise<number> | number> = {};
  for (const engine of engines) {
    const api = apiOf(engine.socket);
    measurements[engine.name] = () => apiCycle(api, network);
  }
  measurements.floor = () => floor.cycle(network);
  return await interleave(`create+start+wait+remove, ${network}`, rounds, measurements);
};

const memoryRows = async (engines: readonly Engine[]): Promise<Row[]> => {
  const daemon: Record<string, number[]> = {};
  const idle: Record<string, number[]> = {};
  for (const engine of engines) {
    process.stderr.write(`memory: ${idleContainers} idle containers on ${engine.name}\n`);
    const names = Array.from({ length: idleContainers }, (_, index) => `idle${index}`);
    for (const name of names) {
      mustSucceed(await runDocker(engine.environment, ['run', '-d', '--name', name, 'busybox', 'sleep', '1000']));
    }
    daemon[engine.name] = [sum(engine.daemons().map(pss))];
    idle[engine.name] = [sum(engine.keepers().map(pss)) / idleContainers];
    mustSucceed(await runDocker(engine.environment, ['rm', '-f', ...names]));
  }
  return [
    { name: `daemon with ${idleContainers} containers, PSS`, unit: 'MiB', samples: daemon },
    { name: 'kept beside an idle container, PSS', unit: 'MiB', samples: idle },
  ];
};

/** What the design promises, as sentences with whether they hold. */
const verdicts = (rows: readonly Row[]): { readonly text: string; readonly met: boolean }[] => {
  const found: { text: string; met: boolean }[] = [];
  for (const row of rows) {
    const share = ratio(row, 'tsd', 'dockerd');
    if (row.name.startsWith('create+start') && share !== undefined) {
      found.push({ text: `${row.name}: at most a fifth of dockerd's time (${share.toFixed(2)})`, met: share <= 0.2 });
    }
    if (row.name.startsWith('kept beside')) {
      const value = median(row.samples.tsd ?? []);
      found.push({ text: `an idle container keeps at most 1 MiB (${value.toFixed(2)} MiB)`, met: value <= 1 });
    }
  }
  return found;
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '30' },
      out: { type: 'string', default: join(checkout, 'bench-results.json') },
      check: { type: 'boolean', default: false },
      'no-dockerd': { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number from 1, received "${values.rounds}"`);
  if (process.getuid?.() !== 0) throw new Error('the benchmark makes namespaces and mounts: run it as root');

  const engines: Engine[] = [];
  const floor = makeFloor();
  const rows: Row[] = [];
  try {
    engines.push(await startTsd());
    if (values['no-dockerd']) process.stderr.write('dockerd is left out, as asked\n');
    else if (dockerdInstalled()) engines.push(await startDockerd());
    else process.stderr.write('dockerd is not installed (apt-get install docker.io): measured without it\n');
    const image = makeDockerArchive(busyboxImage());
    for (const engine of engines) mustSucceed(await runDocker(engine.environment, ['load', '-q'], { input: image }));
    rows.push(await apiRow(engines, floor, 'bridge', rounds));
    rows.push(await apiRow(engines, floor, 'none', rounds));
    const runs = Object.fromEntries(engines.map((engine) => [engine.name, () => dockerRun(engine)]));
    rows.push(await interleave('docker run --rm busybox true', Math.ceil(rounds / 2), runs));
    rows.push(...(await memoryRows(engines)));
  } finally {
    floor.cleanup();
    for (const engine of engines) await engine.cleanup();
  }

  const promises = verdicts(rows);
  process.stdout.write(`\nMedians of ${rounds} rounds, kernel ${release()}, ${cpus().length} cores\n\n`);
  process.stdout.write(`${table(rows, ['tsd', 'dockerd', 'floor'])}\n\n`);
  for (const { text, met } of promises) process.stdout.write(`${met ? 'met    ' : 'NOT MET'}  ${text}\n`);
  const result = { kernel: release(), cores: cpus().length, node: process.version, rounds, rows, promises };
  writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
  process.stdout.write(`\nEvery sample is in ${values.out}\n`);
  if (values.check && promises.some(({ met }) => !met)) process.exitCode = 1;
};

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
