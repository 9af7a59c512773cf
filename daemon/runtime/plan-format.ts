// Owns the readable text of a launch plan, for snapshots and for people. Pure; never parsed again.
import { attribute, clone, fileType, type OpName, type Plan, type PlanArgument, propagation } from './plan-ops.ts';

type Kind =
  | 'slot'
  | 'text'
  | 'number'
  | 'octal'
  | 'mask'
  | 'attributes'
  | 'namespaces'
  | 'propagation'
  | 'recursive'
  | 'directory'
  | 'device'
  | 'bytes';

/** Kinds of an op's arguments; the last one holds for all that follow. */
const kinds: Readonly<Record<OpName, readonly Kind[]>> = {
  'open-tree': ['slot', 'text', 'recursive'],
  open: ['slot', 'text', 'octal'],
  clone: ['namespaces', 'slot'],
  write: ['slot', 'text'],
  'set-namespace': ['slot', 'namespaces'],
  unshare: ['namespaces'],
  propagation: ['propagation'],
  root: ['slot', 'text'],
  filesystem: ['text', 'text', 'text', 'attributes', 'text'],
  attach: ['slot', 'text', 'attributes', 'propagation', 'recursive', 'directory'],
  mkdir: ['text', 'octal', 'number'],
  device: ['text', 'device', 'number'],
  symlink: ['text'],
  mask: ['text'],
  readonly: ['text'],
  sysctl: ['text'],
  console: ['number'],
  stdio: ['number'],
  'pivot-root': [],
  'remount-root': ['attributes'],
  hostname: ['text'],
  domainname: ['text'],
  rlimit: ['number'],
  'oom-score': ['text'],
  'working-directory': ['text', 'number'],
  user: ['number'],
  'no-new-privileges': [],
  'bounding-set': ['mask'],
  capabilities: ['mask'],
  seccomp: ['number', 'bytes', 'mask'],
  'death-signal': ['number'],
  session: [],
  umask: ['octal'],
  environment: ['text'],
  'await-go': [],
  init: [],
  exec: ['text'],
  'process-label': ['text'],
  keyring: [],
  'mount-attributes': ['text', 'attributes', 'attributes', 'propagation', 'recursive'],
};

/** Names of set bits, `-` for none. */
function bits(value: number, names: Readonly<Record<string, number>>): string {
  const set = Object.entries(names).filter(([, bit]) => (value & bit) !== 0);
  return set.length === 0 ? '-' : set.map(([name]) => name).join('+');
}

function format(argument: PlanArgument, kind: Kind): string {
  if (argument instanceof Uint8Array) return `<${argument.length} bytes>`;
  if (typeof argument === 'string') return /^[^\s"']+$/.test(argument) ? argument : JSON.stringify(argument);
  const value = Number(argument);
  switch (kind) {
    case 'slot':
      return value < 0 ? '-' : `#${value}`;
    case 'octal':
      return `0${value.toString(8)}`;
    case 'mask':
      return `0x${BigInt(argument).toString(16)}`;
    case 'attributes':
      return bits(value, attribute);
    case 'namespaces':
      return bits(value, clone);
    case 'propagation':
      return bits(value, propagation);
    case 'recursive':
      return value === 0 ? '-' : 'recursive';
    case 'directory':
      return value === 0 ? 'file' : 'directory';
    case 'device':
      return `${(value & 0o170000) === fileType.block ? 'block' : 'character'} 0${(value & 0o7777).toString(8)}`;
    default:
      return String(argument);
  }
}

/** One line of text a line of the plan. */
export function formatPlan(plan: Plan): string {
  return plan
    .map(({ op, args }) => {
      const known = kinds[op];
      const texts = args.map((argument, index) => format(argument, known[index] ?? known.at(-1) ?? 'text'));
      return [op.padEnd(17), ...texts].join(' ').trimEnd();
    })
    .join('\n');
}
