// Owns the meaning of a bridge network's options (com.docker.network.*). Pure.
import { type EngineError, invalidArgument, notImplemented } from '../base/errors.ts';
import { parseAddress } from '../supervisor/network/ip-address.ts';

const BRIDGE = 'com.docker.network.bridge.';
const NAME = `${BRIDGE}name`;
const ICC = `${BRIDGE}enable_icc`;
const MASQUERADE = `${BRIDGE}enable_ip_masquerade`;
const HOST_BINDING = `${BRIDGE}host_binding_ipv4`;
const INHIBIT_IPV4 = `${BRIDGE}inhibit_ipv4`;
const MTU = 'com.docker.network.driver.mtu';
const PREFIX = 'com.docker.network.container_iface_prefix';

export interface BridgeOptions {
  /** Empty: derived from the network's id. */
  readonly name: string;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Where ports without an address are published; empty: everywhere. */
  readonly hostBinding: string;
  /** 0: the daemon's. */
  readonly mtu: number;
  readonly interfacePrefix: string;
}

/** The options of the predefined bridge, as Docker shows them. */
export function defaultBridgeOptions(config: {
  readonly bridgeName: string;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  readonly hostBindingIp: string;
  readonly mtu: number;
}): Record<string, string> {
  return {
    [`${BRIDGE}default_bridge`]: 'true',
    [ICC]: String(config.icc),
    [MASQUERADE]: String(config.ipMasq),
    [HOST_BINDING]: config.hostBindingIp === '' ? '0.0.0.0' : config.hostBindingIp,
    [NAME]: config.bridgeName,
    [MTU]: String(config.mtu === 0 ? 1500 : config.mtu),
  };
}

/** In Docker's words, which name Go's own. */
const unparsable = (key: string, value: string, why: string): EngineError =>
  invalidArgument(`failed to parse ${key} value: ${value} (${why})`);

/** Go's strconv.ParseBool. */
function flag(options: Readonly<Record<string, string>>, key: string, fallback: boolean): boolean {
  const value = options[key];
  if (value === undefined) return fallback;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value)) return false;
  throw unparsable(key, value, `strconv.ParseBool: parsing "${value}": invalid syntax`);
}

/** Whether the kernel takes it as an interface name. */
export const isLinkName = (name: string): boolean =>
  /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..' && Buffer.byteLength(name) <= 15;

/** Throws invalid-argument for a value without sense, not-implemented for a gateway mode that this daemon has not. */
export function parseBridgeOptions(options: Readonly<Record<string, string>>): BridgeOptions {
  const name = options[NAME] ?? '';
  if (name !== '' && !isLinkName(name)) {
    throw invalidArgument(
      `invalid value for option ${NAME}: "${name}" is no interface name (at most 15 bytes, no blank, no "/" and no ":")`,
    );
  }
  const mtu = Number(options[MTU] ?? '0');
  if (!Number.isInteger(mtu) || mtu < 0 || mtu > 65535) {
    const given = options[MTU] ?? '';
    if (Number.isInteger(mtu)) throw invalidArgument(`invalid MTU number: ${given} (expected bytes, up to 65535)`);
    throw unparsable(MTU, given, `strconv.Atoi: parsing "${given}": invalid syntax`);
  }
  const hostBinding = options[HOST_BINDING] ?? '';
  if (hostBinding !== '' && parseAddress(hostBinding)?.family !== 4) {
    throw unparsable(HOST_BINDING, hostBinding, 'nil ip');
  }
  const interfacePrefix = options[PREFIX] ?? 'eth';
  if (!isLinkName(`${interfacePrefix}000`)) {
    throw invalidArgument(
      `invalid value for option ${PREFIX}: "${interfacePrefix}" (expected at most 12 bytes of an interface name)`,
    );
  }
  for (const family of ['ipv4', 'ipv6']) {
    const key = `${BRIDGE}gateway_mode_${family}`;
    const mode = options[key] ?? 'nat';
    if (mode !== '' && mode !== 'nat')
      throw notImplemented(`option ${key}: gateway mode "${mode}" is not supported yet (supported: nat)`);
  }
  if (flag(options, INHIBIT_IPV4, false)) throw notImplemented(`option ${INHIBIT_IPV4} is not supported yet`);
  return {
    name,
    icc: flag(options, ICC, true),
    masquerade: flag(options, MASQUERADE, true),
    hostBinding: hostBinding === '0.0.0.0' ? '' : hostBinding,
    mtu,
    interfacePrefix,
  };
}
