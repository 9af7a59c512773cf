// Owns the parsing of `--security-opt`. Pure; what the options do is decided where they are used.
import { invalidArgument, notImplemented } from '../base/errors.ts';
import type { HostFeatures } from './types.ts';

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** `unconfined`, a profile as JSON text, or absent: the default. */
  readonly seccomp?: string;
  readonly apparmor?: string;
  /** SELinux: parts of the label, or `disable`. */
  readonly label: readonly string[];
  readonly writableCgroups?: boolean;
}

function booleanOf(option: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw invalidArgument(`invalid --security-opt: ${JSON.stringify(option)}: expected true or false`);
}

/** Throws invalid-argument in Docker's words for what is no option. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let parsed: SecurityOptions = { noNewPrivileges: false, label: [] };
  for (const option of options) {
    if (option === 'no-new-privileges') {
      parsed = { ...parsed, noNewPrivileges: true };
      continue;
    }
    const [, key, value] = /^([^=:]*)[=:]([\s\S]*)$/.exec(option) ?? [];
    if (key === undefined || value === undefined) {
      throw invalidArgument(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    }
    if (key === 'no-new-privileges') parsed = { ...parsed, noNewPrivileges: booleanOf(option, value) };
    else if (key === 'seccomp') parsed = { ...parsed, seccomp: value };
    else if (key === 'apparmor') parsed = { ...parsed, apparmor: value };
    else if (key === 'label') parsed = { ...parsed, label: [...parsed.label, value] };
    else if (key === 'writable-cgroups') parsed = { ...parsed, writableCgroups: booleanOf(option, value) };
    else if (key === 'systempaths' && value === 'unconfined') continue;
    else throw invalidArgument(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return parsed;
}

/** A request for what this kernel lacks is an error, never silently ignored. */
export function checkSecurityOptions(options: SecurityOptions, host: HostFeatures): void {
  if (options.apparmor !== undefined && options.apparmor !== 'unconfined' && options.apparmor !== '') {
    if (!host.apparmor) {
      throw invalidArgument(
        `AppArmor is not enabled on this host: leave out --security-opt apparmor=${options.apparmor}, or boot a kernel with AppArmor`,
      );
    }
    throw notImplemented(`--security-opt apparmor=${options.apparmor}: AppArmor profiles are not supported yet`);
  }
  const label = options.label.filter((part) => part !== 'disable');
  if (label.length > 0) {
    if (!host.selinux) {
      throw invalidArgument(
        `SELinux is not enabled on this host: leave out --security-opt label=${label[0]}, or boot a kernel with SELinux`,
      );
    }
    throw notImplemented(`--security-opt label=${label[0]}: SELinux labels are not supported yet`);
  }
  if (options.seccomp !== undefined && options.seccomp !== 'unconfined' && !host.seccomp) {
    throw invalidArgument('seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
}
