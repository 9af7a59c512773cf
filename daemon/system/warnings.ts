// Owns the sentences of `info` about what this host or this daemon cannot give a container. Pure.
import { capabilityNames, namesOfMask } from '../runtime/capabilities.ts';
import type { HostFeatures } from '../runtime/types.ts';

/** What is lacking, and what a request for it comes to. */
export function hostWarnings(
  host: Pick<HostFeatures, 'apparmor' | 'selinux' | 'seccomp' | 'boundingSet'>,
): readonly string[] {
  const held = new Set(namesOfMask(host.boundingSet));
  const missing = capabilityNames.filter((name) => !held.has(name));
  return [
    ...(host.seccomp ? [] : ['WARNING: No seccomp support: containers run without a system call filter']),
    ...(host.apparmor ? [] : ['WARNING: No AppArmor support: --security-opt apparmor=PROFILE is refused']),
    ...(host.selinux ? [] : ['WARNING: No SELinux support: --security-opt label=… is refused']),
    ...(missing.length === 0
      ? []
      : [`WARNING: The daemon lacks ${missing.join(', ')}: --privileged and --cap-add ALL give what it has`]),
  ];
}
