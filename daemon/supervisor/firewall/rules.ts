// Owns what the host's packet filter should say, as data and as input of iptables-restore. Pure: runs nothing, knows no container.
//
// All rules stand in chains of this instance. The built-in chains get one jump each, made once:
//
//   filter FORWARD      -> TSD-<i>-FORWARD   who may pass between bridges and the world
//   nat    PREROUTING   -> TSD-<i>-PORTS     published ports, for what comes to an address of the host
//   nat    OUTPUT       -> TSD-<i>-LOCAL     the same for the host's own programs, and the ports published on loopback only
//   nat    POSTROUTING  -> TSD-<i>-MASQ      the host's address for what leaves a bridge
//   raw    PREROUTING   -> TSD-<i>-RAW       nothing from a bridge may reach the host's loopback
//
// The filter table has no rule for a single port: what was redirected by a published port has the conntrack state DNAT, and one rule a
// bridge lets that in. So the cost of the filter does not grow with ports, and no start without ports touches the rules at all.

export type IpFamily = 4 | 6;
export type Table = 'filter' | 'nat' | 'raw';

/** A bridge and the subnets of one family on it. */
export interface FirewallBridge {
  readonly link: string;
  readonly subnets: readonly string[];
  readonly masquerade: boolean;
  /** Containers on it may reach each other. */
  readonly icc: boolean;
  /** Nothing passes between it and anything else. */
  readonly internal: boolean;
}

export interface FirewallPort {
  readonly link: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The unspecified address: every address of the host. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

export interface FirewallState {
  readonly instance: string;
  readonly bridges: readonly FirewallBridge[];
  readonly ports: readonly FirewallPort[];
  /** The administrator's chain DOCKER-USER exists: it is asked first. */
  readonly userChain: boolean;
  /** Sets the policy of FORWARD to DROP. */
  readonly dropForward: boolean;
}

export interface Hook {
  readonly table: Table;
  readonly chain: string;
  /** The rule behind `-A CHAIN`, as iptables-save prints it. */
  readonly rule: string;
}

export const chainOf = (instance: string, purpose: string): string => `TSD-${instance}-${purpose}`;

/** The jumps from the built-in chains. */
export function hooks(instance: string): readonly Hook[] {
  const chain = (purpose: string): string => chainOf(instance, purpose);
  return [
    { table: 'filter', chain: 'FORWARD', rule: `-j ${chain('FORWARD')}` },
    { table: 'nat', chain: 'PREROUTING', rule: `-m addrtype --dst-type LOCAL -j ${chain('PORTS')}` },
    { table: 'nat', chain: 'OUTPUT', rule: `-m addrtype --dst-type LOCAL -j ${chain('LOCAL')}` },
    { table: 'nat', chain: 'POSTROUTING', rule: `-j ${chain('MASQ')}` },
    { table: 'raw', chain: 'PREROUTING', rule: `-j ${chain('RAW')}` },
  ];
}

function forwardRules(state: FirewallState): string[] {
  const chain = `-A ${chainOf(state.instance, 'FORWARD')}`;
  const rules = state.userChain ? [`${chain} -j DOCKER-USER`] : [];
  for (const bridge of state.bridges) {
    rules.push(`${chain} -o ${bridge.link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`);
    if (bridge.internal) {
      rules.push(`${chain} -i ${bridge.link} ! -o ${bridge.link} -j DROP`);
    } else {
      rules.push(`${chain} -o ${bridge.link} -m conntrack --ctstate DNAT -j ACCEPT`);
    }
    // Neither other bridges nor other hosts reach a container except by a published port.
    rules.push(`${chain} ! -i ${bridge.link} -o ${bridge.link} -j DROP`);
    rules.push(`${chain} -i ${bridge.link} -o ${bridge.link} -j ${bridge.icc ? 'ACCEPT' : 'DROP'}`);
  }
  // Behind the refusals of every bridge: what leaves one bridge must not enter another.
  for (const bridge of state.bridges) {
    if (!bridge.internal) rules.push(`${chain} -i ${bridge.link} ! -o ${bridge.link} -j ACCEPT`);
  }
  return rules;
}

function masqueradeRules(state: FirewallState, family: IpFamily): string[] {
  const chain = `-A ${chainOf(state.instance, 'MASQ')}`;
  return state.bridges.flatMap((bridge) => [
    ...bridge.subnets.flatMap((subnet) => [
      ...(bridge.masquerade && !bridge.internal ? [`${chain} -s ${subnet} ! -o ${bridge.link} -j MASQUERADE`] : []),
      // A container that comes back to its own bridge by a published port: the answer must go through the host as well.
      `${chain} -s ${subnet} -o ${bridge.link} -m conntrack --ctstate DNAT -j MASQUERADE`,
    ]),
    // The host's own 127.0.0.1 would be no address to answer to.
    ...(family === 4 ? [`${chain} -s 127.0.0.0/8 -o ${bridge.link} -j MASQUERADE`] : []),
  ]);
}

function rawRules(state: FirewallState, family: IpFamily): string[] {
  const chain = `-A ${chainOf(state.instance, 'RAW')}`;
  return family === 6 ? [] : state.bridges.map((bridge) => `${chain} -d 127.0.0.0/8 -i ${bridge.link} -j DROP`);
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';
const isUnspecified = (address: string): boolean => address === '' || address === '0.0.0.0' || address === '::';

function portRules(instance: string, port: FirewallPort, family: IpFamily): string[] {
  const destination = isUnspecified(port.hostIp) ? '' : ` -d ${port.hostIp}/${family === 4 ? 32 : 128}`;
  const target = family === 4 ? port.containerIp : `[${port.containerIp}]`;
  const rule = `${destination} -p ${port.protocol} -m ${port.protocol} --dport ${port.hostPort} -j DNAT --to-destination ${target}:${port.containerPort}`;
  // What is published on loopback is for the host's own programs: no packet from outside is ever redirected by it.
  return [
    ...(isLoopback(port.hostIp) ? [] : [`${chainOf(instance, 'PORTS')}${rule}`]),
    `${chainOf(instance, 'LOCAL')}${rule}`,
  ];
}

const familyOf = (port: FirewallPort): IpFamily => (port.containerIp.includes(':') ? 6 : 4);

function section(table: Table, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`*${table}`, ...lines, 'COMMIT'];
}

const inputOf = (lines: readonly string[]): string => (lines.length === 0 ? '' : `${lines.join('\n')}\n`);

/**
 * Everything of one family, for `iptables-restore --noflush`: one transaction a table. A chain that is declared is emptied first, so the
 * text can be applied again and again. `present` are the jumps that are there already. `withPorts` false leaves the ports as they are.
 */
export function restoreInput(
  state: FirewallState,
  family: IpFamily,
  present: readonly Hook[],
  withPorts: boolean,
): string {
  const declare = (purpose: string): string => `:${chainOf(state.instance, purpose)} - [0:0]`;
  const has = (hook: Hook): boolean =>
    present.some((one) => one.table === hook.table && one.chain === hook.chain && one.rule === hook.rule);
  const jumps = (table: Table): string[] =>
    hooks(state.instance)
      .filter((hook) => hook.table === table && !has(hook))
      .map((hook) => `-I ${hook.chain} 1 ${hook.rule}`);
  const ports = state.ports
    .filter((port) => familyOf(port) === family)
    .flatMap((port) => portRules(state.instance, port, family));
  return inputOf([
    ...section('filter', [
      ...(state.dropForward ? [':FORWARD DROP [0:0]'] : []),
      declare('FORWARD'),
      ...forwardRules(state),
      ...jumps('filter'),
    ]),
    ...section('nat', [
      ...(withPorts ? [declare('PORTS'), declare('LOCAL')] : []),
      declare('MASQ'),
      ...(withPorts ? ports.map((rule) => `-A ${rule}`) : []),
      ...masqueradeRules(state, family),
      ...jumps('nat'),
    ]),
    ...section('raw', [declare('RAW'), ...rawRules(state, family), ...jumps('raw')]),
  ]);
}

/** Adds and removes published ports of one family, nothing else. Empty when there is nothing to do. */
export function portInput(
  instance: string,
  family: IpFamily,
  change: { readonly add: readonly FirewallPort[]; readonly remove: readonly FirewallPort[] },
): string {
  const rules = (ports: readonly FirewallPort[], verb: string): string[] =>
    ports
      .filter((port) => familyOf(port) === family)
      .flatMap((port) => portRules(instance, port, family).map((rule) => `${verb} ${rule}`));
  return inputOf(section('nat', [...rules(change.remove, '-D'), ...rules(change.add, '-A')]));
}

/** What `iptables-save` told. */
export interface Saved {
  readonly hooks: readonly Hook[];
  /** `TABLE CHAIN`. */
  readonly chains: ReadonlySet<string>;
  readonly userChain: boolean;
}

/** Reads the output of iptables-save: the jumps and chains of this instance that are there. */
export function readSaved(instance: string, output: string): Saved {
  const wanted = hooks(instance);
  const found: Hook[] = [];
  const chains = new Set<string>();
  let table = '';
  for (const line of output.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined) chains.add(`${table} ${chain}`);
    const hook = wanted.find((one) => one.table === table && line.trim() === `-A ${one.chain} ${one.rule}`);
    if (hook !== undefined) found.push(hook);
  }
  return { hooks: found, chains, userChain: chains.has('filter DOCKER-USER') };
}

/** A line of iptables-save: `-A CHAIN …`, or `:CHAIN` for a chain itself. */
export interface SavedRule {
  readonly family: IpFamily;
  readonly table: string;
  readonly rule: string;
}

/** How the kernel's rules differ from what is meant. */
export interface FirewallAudit {
  readonly stray: readonly SavedRule[];
  readonly missing: readonly SavedRule[];
}

/** Lines by table: rules, and chains without policy and counters. */
function linesOf(text: string): { readonly table: string; readonly rule: string }[] {
  const lines: { table: string; rule: string }[] = [];
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    else if (line.startsWith(':')) lines.push({ table, rule: line.split(' ')[0] ?? '' });
    else if (line.startsWith('-A ')) lines.push({ table, rule: line.trim() });
    else if (line.startsWith('-I ')) lines.push({ table, rule: line.replace(/^-I (\S+) 1 /, '-A $1 ').trim() });
  }
  return lines;
}

/**
 * Compares the output of iptables-save with what the state means. `required` false: nothing has to be there, but what is there has to be
 * meant. The order of rules is not looked at: they are written in one transaction.
 */
export function auditRules(
  state: Omit<FirewallState, 'userChain' | 'dropForward'> & { readonly required: boolean },
  family: IpFamily,
  output: string,
): FirewallAudit {
  const prefix = chainOf(state.instance, '');
  const isOwn = (rule: string): boolean =>
    rule.startsWith(`:${prefix}`) || rule.startsWith(`-A ${prefix}`) || rule.includes(` -j ${prefix}`);
  const found = linesOf(output).filter(({ rule }) => isOwn(rule));
  const { userChain } = readSaved(state.instance, output);
  const wanted = linesOf(restoreInput({ ...state, userChain, dropForward: false }, family, [], true));
  const counts = new Map<string, number>();
  for (const { table, rule } of wanted) counts.set(`${table} ${rule}`, (counts.get(`${table} ${rule}`) ?? 0) + 1);
  const stray: SavedRule[] = [];
  for (const { table, rule } of found) {
    const count = counts.get(`${table} ${rule}`) ?? 0;
    if (count > 0) counts.set(`${table} ${rule}`, count - 1);
    else stray.push({ family, table, rule });
  }
  if (!state.required && found.length === 0) return { stray, missing: [] };
  const missing = wanted.filter(({ table, rule }) => {
    const count = counts.get(`${table} ${rule}`) ?? 0;
    if (count > 0) counts.set(`${table} ${rule}`, count - 1);
    return count > 0;
  });
  return { stray, missing: missing.map((one) => ({ family, ...one })) };
}

/** Takes rules and chains of one family away; one transaction a table. Empty when there is nothing to do. */
export function removalInput(rules: readonly SavedRule[], family: IpFamily): string {
  const tables = Map.groupBy(
    rules.filter((one) => one.family === family),
    ({ table }) => table,
  );
  return inputOf(
    [...tables].flatMap(([table, list]) => {
      const chains = list.filter(({ rule }) => rule.startsWith(':')).map(({ rule }) => rule.slice(1));
      // Rules of a chain that goes go with it.
      const single = list.filter(({ rule }) => rule.startsWith('-A ') && !chains.includes(rule.split(' ')[1] ?? ''));
      return [
        `*${table}`,
        ...single.map(({ rule }) => `-D${rule.slice(2)}`),
        ...chains.map((chain) => `-F ${chain}`),
        ...chains.map((chain) => `-X ${chain}`),
        'COMMIT',
      ];
    }),
  );
}
