// Owns the construction of the services and their connections, and the order in which they come up and go down. Decides nothing else.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { boundingSet, close, duplicate, kernelFeatures, measureTree, socketPair, writeAll } from '../addon/index.ts';
import { MAX_API, MIN_API } from '../api-spec/index.ts';
import { faultOf } from './base/fault.ts';
import { instanceOf } from './base/ids.ts';
import { privateDirectory } from './boot.ts';
import { BuildService } from './build/service.ts';
import type { DaemonConfig, ReloadableConfig } from './config.ts';
import { ContainerService } from './containers/service.ts';
import { EventBus } from './events/bus.ts';
import type { EventQuery, HttpServices } from './http/ports.ts';
import { ImageService } from './images/service.ts';
import type { DaemonLog } from './logger.ts';
import { NetworkService } from './networks/service.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from './runtime/defaults.ts';
import { createRuntime } from './runtime/launch.ts';
import type { HostFeatures } from './runtime/types.ts';
import { BuildCacheTable } from './store/build-cache.ts';
import { ContainerTable } from './store/containers.ts';
import { Database } from './store/database.ts';
import { EventTable } from './store/events.ts';
import { ExecTable } from './store/execs.ts';
import { HealthTable } from './store/health.ts';
import { MetaTable } from './store/meta.ts';
import { openCgroups } from './supervisor/cgroup/detect.ts';
import { hostFacts } from './system/host.ts';
import { LeakCheck } from './system/leaks.ts';
import { SystemService } from './system/service.ts';
import type { Build } from './version.ts';
import { VolumeService } from './volumes/service.ts';

export interface EngineParts {
  readonly config: DaemonConfig;
  /** What SIGHUP changes, as it is at the moment. */
  readonly live: () => ReloadableConfig;
  readonly build: Build;
  readonly log: DaemonLog;
  /** Real paths. */
  readonly dataRoot: string;
  readonly execRoot: string;
}

export interface RunningEngine {
  readonly services: HttpServices;
  /** Brings kernel and database together. Before listening. */
  restore(): Promise<void>;
  /** Tells of a reload as an event. */
  reloaded(attributes: Readonly<Record<string, string>>): void;
  /** Lets everything that runs go on, and closes what is this daemon's. */
  release(): void;
}

function readWord(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function hostFeatures(cgroups: {
  readonly mode: HostFeatures['cgroup'];
  readonly controllers: readonly string[];
}): HostFeatures {
  return {
    boundingSet: boundingSet(),
    seccomp: kernelFeatures().seccomp,
    apparmor: readWord('/sys/module/apparmor/parameters/enabled') === 'Y',
    selinux: existsSync('/sys/fs/selinux/enforce'),
    cgroup: cgroups.mode,
    cgroupControllers: cgroups.controllers,
    kernelRelease: release(),
  };
}

/** Constructs everything over the two roots. Nothing of the host is changed but directories and the database. */
export function createEngine({ config, live, build, log, dataRoot, execRoot }: EngineParts): RunningEngine {
  for (const name of ['containers', 'rw', 'layers', 'images', 'volumes', 'tmp', 'seccomp']) {
    privateDirectory(join(dataRoot, name), 'data-root');
  }
  for (const name of ['containers', 'staging']) privateDirectory(join(execRoot, name), 'exec-root');
  const instance = instanceOf(dataRoot);
  const { room } = log;
  const database = new Database(join(dataRoot, 'tsd.db'));
  const events = new EventTable(database);
  const meta = new MetaTable(database);
  const id = meta.get('id') ?? randomUUID();
  meta.set('id', id);
  const bus = new EventBus(database, events);
  const cgroups = openCgroups();
  const host = hostFeatures(cgroups);
  const fault = faultOf(process.env);

  const networks = new NetworkService(
    {
      instance,
      bridge: config.bridge,
      bip: config.bip,
      fixedCidr: config.fixedCidr,
      defaultGateway: config.defaultGateway,
      icc: config.icc,
      ipMasq: config.ipMasq,
      hostBindingIp: config.hostBindingIp,
      mtu: config.mtu,
      defaultAddressPools: config.defaultAddressPools,
      iptables: config.iptables,
      ipForward: config.ipForward,
      ipForwardNoDrop: config.ipForwardNoDrop,
      fault,
    },
    database,
    events,
    room('networks'),
  );
  const volumes: VolumeService = new VolumeService({
    database,
    events,
    dataRoot,
    usage: { containersOf: (volume) => containers.containersOfVolume(volume) },
    log: room('volumes'),
  });
  const images: ImageService = new ImageService({
    database,
    events,
    dataRoot,
    usage: {
      containersOf: (imageId) => {
        const building = builds.imagesInUse().has(imageId) ? [{ id: 'build', running: true }] : [];
        return [...containers.containersOf(imageId), ...building];
      },
    },
    log: room('images'),
    registry: { settings: live, userAgent: `tsd/${build.version}` },
  });
  const runtimeLog = room('runtime');
  const runtime = createRuntime({
    dataRoot,
    cgroups,
    report: (what, error) => runtimeLog.warn({ err: error }, `${what} failed`),
    fault,
  });
  const containers: ContainerService = new ContainerService({
    instance,
    dataRoot,
    execRoot,
    bootId: readWord('/proc/sys/kernel/random/boot_id'),
    table: new ContainerTable(database, events),
    execs: new ExecTable(database, events),
    healths: new HealthTable(database, events),
    images,
    networks,
    volumes,
    runtime,
    cgroups,
    host,
    defaults: {
      cgroupnsMode: host.cgroup === 'v2' ? 'private' : 'host',
      logConfig: { Type: config.logDriver, Config: config.logOpts },
      shmSize: config.defaultShmSize,
      // A getter: SIGHUP changes them.
      get ulimits() {
        return live().defaultUlimits.map((limit) => ({ ...limit }));
      },
      init: config.init,
      runtimes: [...new Set([config.defaultRuntime, 'runc', 'io.containerd.runc.v2', ...config.runtimes])],
      maskedPaths: defaultMaskedPaths,
      readonlyPaths: defaultReadonlyPaths,
      dns: config.dns,
      dnsSearch: config.dnsSearch,
      dnsOptions: config.dnsOptions,
      hostGateway: config.hostGateway,
    },
    cgroupParent: config.cgroupParent,
    log: room('containers'),
    fault,
  });

  const builds: BuildService = new BuildService({
    dataRoot,
    execRoot,
    images,
    containers,
    table: new BuildCacheTable(database),
    events,
    pull: (request, report) => images.registry.pull(request, report),
    log: room('build'),
  });

  let listeners = 0;
  const eventSource = {
    stream: (query: EventQuery) => counted(bus.stream(query), (step) => (listeners += step)),
  };
  const system = new SystemService(
    {
      version: build.version,
      commit: build.commit,
      buildTime: build.time,
      apiVersion: MAX_API,
      minApiVersion: MIN_API,
      id,
      dataRoot,
      debug: () => live().debug,
      labels: () => live().labels,
      insecureRegistries: () => live().insecureRegistries,
      registryMirrors: () => live().registryMirrors,
      experimental: config.experimental,
      defaultRuntime: config.defaultRuntime,
      runtimes: config.runtimes,
      logDriver: config.logDriver,
      addressPools: config.defaultAddressPools,
      firewall: config.iptables ? 'iptables' : 'none',
      warnings: [],
    },
    {
      containers,
      images,
      volumes,
      host: hostFacts(),
      leakCheck: new LeakCheck(instance, [containers, images, volumes], room('leaks')),
      features: host,
      eventListeners: () => listeners,
      sizeOf: async (path) => (await measureTree(path)).bytes,
    },
  );

  return {
    services: {
      containers,
      images,
      registry: images.registry,
      networks,
      volumes,
      builds,
      events: eventSource,
      system,
      descriptors: { duplicate, writeAll, close, socketPair },
    },
    restore: async () => {
      await images.sweep();
      await networks.restore();
      await containers.reconcile();
      await builds.sweep();
      await volumes.sweep();
    },
    reloaded: (attributes) => {
      events.append({
        type: 'daemon',
        action: 'reload',
        actorId: id,
        attributes: { name: hostFacts().name, ...attributes },
      });
    },
    release: () => {
      containers.release();
      images.registry.close();
      bus.close();
      networks.close();
      database.close();
    },
  };
}

/** Passes a stream on and tells when it begins and ends. */
async function* counted<T>(stream: AsyncIterable<T>, step: (by: number) => void): AsyncGenerator<T> {
  step(1);
  try {
    yield* stream;
  } finally {
    step(-1);
  }
}
