// Owns what older clients see differently in info and version. Pure.
import { atLeast, type SystemInfo, type SystemVersion } from '../../../api-spec/index.ts';

/** `docker info` for a client of this version. */
export function presentInfo(info: SystemInfo, version: string): SystemInfo {
  const view: SystemInfo = { ...info };
  const before = (limit: string): boolean => !atLeast(version, limit);
  if (before('1.42')) view.KernelMemory = true;
  if (before('1.52')) view.KernelMemoryTCP = info.CgroupVersion === '1';
  if (before('1.50')) Object.assign(view, { BridgeNfIptables: true, BridgeNfIp6tables: true });
  if (before('1.49')) {
    view.RegistryConfig = {
      ...info.RegistryConfig,
      AllowNondistributableArtifactsCIDRs: [],
      AllowNondistributableArtifactsHostnames: [],
    };
    const expected = (commit: { ID: string }) => ({ ...commit, Expected: commit.ID });
    view.ContainerdCommit = expected(info.ContainerdCommit);
    view.RuncCommit = expected(info.RuncCommit);
    view.InitCommit = expected(info.InitCommit);
    delete view.FirewallBackend;
  }
  if (before('1.50')) delete view.DiscoveredDevices;
  if (before('1.46')) delete view.Containerd;
  return view;
}

/** `docker version` for a client of this version. */
export function presentVersion(version: SystemVersion): SystemVersion {
  return version;
}
