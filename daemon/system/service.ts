// Owns what the engine says about itself: info, version, disk usage. Changes nothing.
import type { Leaks, SystemInfo, SystemVersion } from '../../api-spec/index.ts';
import type { Containers } from '../containers/types.ts';
import type { Images } from '../images/types.ts';
import type { HostFeatures } from '../runtime/types.ts';
import type { Volumes } from '../volumes/types.ts';
import { forwardsIpv4, type HostFacts, openDescriptors } from './host.ts';
import type { LeakCheck } from './leaks.ts';
import type { System, VolumeUsageSize } from './types.ts';
import { hostWarnings } from './warnings.ts';

/** What of the configuration is shown. Those that SIGHUP changes are functions. */
export interface SystemSettings {
  readonly version: string;
  readonly commit: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly buildTime: string;
  /** Id of this instance for ever. */
  readonly id: string;
  readonly dataRoot: string;
  readonly debug: () => boolean;
  readonly labels: () => readonly string[];
  readonly insecureRegistries: () => readonly string[];
  readonly registryMirrors: () => readonly string[];
  readonly experimental: boolean;
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
  readonly logDriver: string;
  readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  readonly firewall: string;
  /** Sentences about what this host cannot do. */
  readonly warnings: readonly string[];
}

export interface SystemDependencies {
  readonly containers: Containers;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly host: HostFacts;
  readonly features: HostFeatures;
  readonly leakCheck: LeakCheck;
  /** Listeners of the event stream at this moment. */
  readonly eventListeners: () => number;
  /** Bytes of a directory tree. */
  readonly sizeOf: (path: string) => Promise<number>;
}

const SECCOMP = 'name=seccomp,profile=builtin';

export class SystemService implements System {
  readonly #settings: SystemSettings;
  readonly #parts: SystemDependencies;

  constructor(settings: SystemSettings, parts: SystemDependencies) {
    this.#settings = settings;
    this.#parts = parts;
  }

  info(): SystemInfo {
    const { containers, images, host, features, eventListeners } = this.#parts;
    const settings = this.#settings;
    const counts = containers.counts();
    return {
      ID: settings.id,
      Containers: counts.total,
      ContainersRunning: counts.running,
      ContainersPaused: counts.paused,
      ContainersStopped: counts.stopped,
      Images: images.list().length,
      Driver: 'overlay2',
      DriverStatus: [
        ['Backing Filesystem', 'extfs'],
        ['Supports d_type', 'true'],
        ['Mounts', 'detached'],
      ],
      DockerRootDir: settings.dataRoot,
      Plugins: {
        Volume: ['local'],
        Network: ['bridge', 'host', 'null'],
        Authorization: null,
        Log: ['json-file', 'local', 'none'],
      },
      ...this.#resourceSupport(),
      IPv4Forwarding: forwardsIpv4(),
      Debug: settings.debug(),
      NFd: openDescriptors(),
      NGoroutines: process.getActiveResourcesInfo().length,
      SystemTime: new Date().toISOString(),
      LoggingDriver: settings.logDriver,
      CgroupDriver: 'cgroupfs',
      CgroupVersion: features.cgroup === 'v2' ? '2' : '1',
      NEventsListener: eventListeners(),
      KernelVersion: host.kernel,
      OperatingSystem: host.operatingSystem,
      OSVersion: host.osVersion,
      OSType: 'linux',
      Architecture: host.machine,
      NCPU: host.processors,
      MemTotal: host.memory,
      IndexServerAddress: 'https://index.docker.io/v1/',
      RegistryConfig: this.#registries(),
      GenericResources: null,
      HttpProxy: '',
      HttpsProxy: '',
      NoProxy: '',
      Name: host.name,
      Labels: [...settings.labels()],
      ExperimentalBuild: settings.experimental,
      ServerVersion: settings.version,
      Runtimes: this.#runtimes(),
      DefaultRuntime: settings.defaultRuntime,
      Swarm: {
        NodeID: '',
        NodeAddr: '',
        LocalNodeState: 'inactive',
        ControlAvailable: false,
        Error: '',
        RemoteManagers: null,
      },
      LiveRestoreEnabled: true,
      Isolation: '',
      InitBinary: 'tsd-monitor',
      ContainerdCommit: { ID: '' },
      RuncCommit: { ID: '' },
      InitCommit: { ID: '' },
      SecurityOptions: this.#securityOptions(),
      ...(settings.addressPools.length === 0
        ? {}
        : { DefaultAddressPools: settings.addressPools.map((pool) => ({ Base: pool.base, Size: pool.size })) }),
      FirewallBackend: { Driver: settings.firewall },
      DiscoveredDevices: [],
      CDISpecDirs: [],
      Warnings: [...settings.warnings, ...hostWarnings(features)],
    };
  }

  version(): SystemVersion {
    const { host } = this.#parts;
    const { version, commit, apiVersion, minApiVersion, buildTime } = this.#settings;
    return {
      Platform: { Name: 'tsd - Community' },
      Components: [
        {
          Name: 'Engine',
          Version: version,
          Details: {
            ApiVersion: apiVersion,
            Arch: host.architecture,
            BuildTime: buildTime,
            Experimental: String(this.#settings.experimental),
            GitCommit: commit,
            GoVersion: '',
            KernelVersion: host.kernel,
            MinAPIVersion: minApiVersion,
            Os: 'linux',
          },
        },
        {
          Name: 'node',
          Version: process.versions.node,
          Details: { V8: process.versions.v8, OpenSSL: process.versions.openssl },
        },
        { Name: 'tsd-monitor', Version: version, Details: {} },
      ],
      Version: version,
      ApiVersion: apiVersion,
      MinAPIVersion: minApiVersion,
      GitCommit: commit,
      GoVersion: '',
      Os: 'linux',
      Arch: host.architecture,
      KernelVersion: host.kernel,
      ...(this.#settings.experimental ? { Experimental: true } : {}),
      BuildTime: buildTime,
    };
  }

  leaks(): Promise<Leaks> {
    return this.#parts.leakCheck.find();
  }

  heal(): Promise<Leaks> {
    return this.#parts.leakCheck.heal();
  }

  async volumeSizes(): Promise<readonly VolumeUsageSize[]> {
    const { volumes, containers, sizeOf } = this.#parts;
    const sizes: VolumeUsageSize[] = [];
    for (const volume of volumes.list()) {
      const size = await sizeOf(volume.mountpoint).catch(() => -1);
      sizes.push({ name: volume.name, size, references: containers.containersOfVolume(volume.name).length });
    }
    return sizes;
  }

  #resourceSupport() {
    const has = (name: string): boolean => this.#parts.features.cgroupControllers.includes(name);
    return {
      MemoryLimit: has('memory'),
      SwapLimit: has('memory'),
      CpuCfsPeriod: has('cpu'),
      CpuCfsQuota: has('cpu'),
      CPUShares: has('cpu'),
      CPUSet: has('cpuset'),
      PidsLimit: has('pids'),
      OomKillDisable: has('memory') && this.#parts.features.cgroup !== 'v2',
    };
  }

  #registries(): SystemInfo['RegistryConfig'] {
    const { insecureRegistries, registryMirrors } = this.#settings;
    const networks = insecureRegistries().filter((one) => one.includes('/'));
    const hosts = insecureRegistries().filter((one) => !one.includes('/'));
    const official = { Name: 'docker.io', Mirrors: [...registryMirrors()], Secure: true, Official: true };
    return {
      InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...networks],
      IndexConfigs: {
        'docker.io': official,
        ...Object.fromEntries(hosts.map((host) => [host, { Name: host, Mirrors: [], Secure: false, Official: false }])),
      },
      Mirrors: [...registryMirrors()],
    };
  }

  #runtimes(): SystemInfo['Runtimes'] {
    const names = new Set(['io.containerd.runc.v2', 'runc', this.#settings.defaultRuntime, ...this.#settings.runtimes]);
    return Object.fromEntries([...names].map((name) => [name, { path: 'tsd-monitor' }]));
  }

  #securityOptions(): string[] {
    const { seccomp, apparmor, selinux, cgroup } = this.#parts.features;
    return [
      ...(apparmor ? ['name=apparmor'] : []),
      ...(seccomp ? [SECCOMP] : []),
      ...(selinux ? ['name=selinux'] : []),
      ...(cgroup === 'v2' ? ['name=cgroupns'] : []),
    ];
  }
}
