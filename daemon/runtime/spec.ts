// Owns the decision what a container may see and do: SpecInput -> OCI runtime specification, with Docker's defaults. Pure but for the
// HostLookup it is given; opens nothing, writes nothing.
import type { HostConfig } from '../../api-spec/index.ts';
import { invalidArgument, notImplemented } from '../base/errors.ts';
import { capabilityMask, containerCapabilities } from './capabilities.ts';
import { defaultDevices } from './defaults.ts';
import type { HostLookup } from './host-lookup.ts';
import type { OciDevice, OciProcess, OciSeccomp, OciSpec } from './oci-spec.ts';
import { resolveSeccomp } from './seccomp.ts';
import { checkSecurityOptions, parseSecurityOptions, type SecurityOptions } from './security-options.ts';
import { mountsOf } from './spec-mounts.ts';
import { hiddenPathsOf, namespacesOf, rlimitsOf, sysctlsOf } from './spec-process.ts';
import { type GrantedDevice, resourcesOf, validateResources } from './spec-resources.ts';
import type { SpecInput } from './types.ts';

function grantedDevices(host: HostConfig, lookup: HostLookup): readonly GrantedDevice[] {
  if (host.Privileged === true) return [];
  return (host.Devices ?? []).flatMap(
    ({ PathOnHost: from = '', PathInContainer: to = '', CgroupPermissions: access = '' }) => {
      const rights = access === '' ? 'rwm' : access;
      if (!/^[rwm]{1,3}$/.test(rights))
        throw invalidArgument(`invalid device permissions "${access}" of ${from}: expected r, w, m`);
      const target = to === '' ? from : to;
      return lookup.devices(from).map((device) => ({
        device: { ...device, path: `${target}${device.path.slice(from.length)}` },
        access: rights,
      }));
    },
  );
}

/** Of several nodes at one path the last counts. */
const byPath = (devices: readonly OciDevice[]): readonly OciDevice[] => [
  ...new Map(devices.map((device) => [device.path, device])).values(),
];

function processOf(input: SpecInput, security: SecurityOptions): OciProcess {
  const { config, hostConfig: host, user } = input;
  const [first] = input.args;
  if (first === undefined || first === '') throw invalidArgument('no command specified');
  const capabilities = containerCapabilities(
    { add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged: host.Privileged === true },
    input.host.boundingSet,
  );
  const cwd = config.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir;
  if (!cwd.startsWith('/')) {
    throw invalidArgument(`the working directory '${cwd}' is invalid, it needs to be an absolute path`);
  }
  const score = host.OomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) {
    throw invalidArgument(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
  const terminal = config.Tty === true;
  const [height = 0, width = 0] = host.ConsoleSize ?? [];
  return {
    terminal,
    ...(terminal && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: { uid: user.uid, gid: user.gid, umask: 0o022, additionalGids: user.additionalGids },
    args: input.args,
    env: input.env,
    cwd,
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: [],
      ambient: [],
    },
    rlimits: rlimitsOf(host.Ulimits),
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: score,
  };
}

function seccompOf(
  input: SpecInput,
  security: SecurityOptions,
  capabilities: readonly string[],
): OciSeccomp | undefined {
  if (security.seccomp === 'unconfined' || !input.host.seccomp) return undefined;
  // As in Docker: only a profile of the client's own holds for a privileged container.
  const own = !['', 'builtin'].includes(security.seccomp ?? '');
  if (!own && input.hostConfig.Privileged === true) return undefined;
  return resolveSeccomp(security.seccomp, {
    capabilities: capabilityMask(capabilities),
    kernelRelease: input.host.kernelRelease,
  });
}

function checkUnsupported(host: HostConfig): void {
  const runtime = host.Runtime ?? '';
  if (!['', 'runc', 'tsd', 'io.containerd.runc.v2'].includes(runtime)) {
    throw invalidArgument(`unknown or invalid runtime name: ${runtime}`);
  }
  const [request] = host.DeviceRequests ?? [];
  if (request !== undefined) {
    throw invalidArgument(
      `could not select device driver "${request.Driver ?? ''}" with capabilities: ${JSON.stringify(
        request.Capabilities ?? [],
      )
        .replaceAll('"', '')
        .replaceAll(',', ' ')}`,
    );
  }
  const userns = host.UsernsMode ?? '';
  if (userns !== '' && userns !== 'host') throw notImplemented(`user namespace mode "${userns}" is not supported yet`);
}

/** The whole specification. Throws invalid-argument, in Docker's words, for what cannot be. */
export function buildSpec(input: SpecInput, lookup: HostLookup): OciSpec {
  const { hostConfig: host } = input;
  checkUnsupported(host);
  validateResources(host, lookup);
  const security = parseSecurityOptions(host.SecurityOpt ?? []);
  checkSecurityOptions(security, input.host);
  const granted = grantedDevices(host, lookup);
  const process = processOf(input, security);
  const namespaces = namespacesOf(input);
  const own = new Set(namespaces.filter(({ path }) => path === undefined).map(({ type }) => type));
  const hidden = hiddenPathsOf(host, host.MaskedPaths === undefined ? lookup.thermalPaths() : []);
  const seccomp = seccompOf(input, security, process.capabilities.bounding);
  const devices = host.Privileged === true ? lookup.allDevices() : granted.map(({ device }) => device);
  return {
    ociVersion: '1.2.0',
    process,
    root: { path: 'rootfs', readonly: host.ReadonlyRootfs === true },
    ...(own.has('uts') ? { hostname: input.hostname } : {}),
    ...(own.has('uts') && input.domainname !== '' ? { domainname: input.domainname } : {}),
    mounts: mountsOf(input),
    ...(host.Annotations === undefined ? {} : { annotations: host.Annotations }),
    linux: {
      namespaces,
      devices: byPath([...defaultDevices, ...devices]),
      cgroupsPath: input.cgroupPath,
      resources: resourcesOf(host, granted, lookup),
      ...(seccomp === undefined ? {} : { seccomp }),
      sysctl: sysctlsOf(input, namespaces),
      maskedPaths: hidden.masked,
      readonlyPaths: hidden.readonly,
    },
  };
}
