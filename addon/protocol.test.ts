// Owns the comparison of the protocol's numbers: C++ (addon/src/monitor/protocol.h), TypeScript (daemon/runtime) and the contract
// (docs/monitor-protocol.md). All three are read as text, so that none depends on another.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const header = read('addon/src/monitor/protocol.h');
const protocol = read('daemon/runtime/protocol.ts');
const operations = read('daemon/runtime/plan-ops.ts');
const contract = read('docs/monitor-protocol.md');

/** `open_stdin`, `openStdin` and `errno_` in the contract's way: `open-stdin`, `errno`. */
const plain = (name: string): string =>
  name
    .replace(/_$/, '')
    .replaceAll('_', '-')
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function cppNumbers(namespace: string): Map<string, number> {
  const body = new RegExp(`namespace ${namespace} \\{(.*?)\\n\\}`, 's').exec(header)?.[1] ?? '';
  return new Map(
    [...body.matchAll(/constexpr \w+ (\w+) = (\d+);/g)].map((match) => [plain(match[1] ?? ''), Number(match[2])]),
  );
}

function tsNumbers(source: string, name: string): Map<string, number> {
  const body = new RegExp(`export const ${name} = \\{(.*?)\\}`, 's').exec(source)?.[1] ?? '';
  return new Map([...body.matchAll(/'?([\w-]+)'?: (\d+)/g)].map((match) => [plain(match[1] ?? ''), Number(match[2])]));
}

const sorted = (numbers: Map<string, number>): [string, number][] => [...numbers].sort((a, b) => a[1] - b[1]);

t.test('messages', async (t) => {
  const cpp = cppNumbers('message');
  t.ok(cpp.size >= 17);
  t.same(sorted(tsNumbers(protocol, 'messageType')), sorted(cpp));
  for (const [name, number] of cpp) t.match(contract, `| ${number} | ${name} |`);
});

t.test('fields', async (t) => {
  const cpp = cppNumbers('field');
  t.ok(cpp.size >= 35);
  t.same(sorted(tsNumbers(protocol, 'fieldTag')), sorted(cpp));
  for (const [name, number] of cpp) t.match(contract, new RegExp(`(^|[ ·(])${name}\\s+${number}\\b`, 'm'), name);
});

t.test('operations', async (t) => {
  const cpp = cppNumbers('op');
  t.ok(cpp.size >= 39);
  t.same(sorted(tsNumbers(operations, 'opNumber')), sorted(cpp));
  for (const [name, number] of cpp) t.match(contract, `| ${number} | ${name} |`);
  const table = read('addon/src/monitor/plan.cc');
  for (const [name] of cpp) t.match(table, `, "${name}", "`, `${name} is in the table`);
});

t.test('streams and states', async (t) => {
  t.same(sorted(tsNumbers(protocol, 'stream')), sorted(cppNumbers('stream')));
  const states = /enum class MonitorState[^{]*\{(.*?)\}/s.exec(header)?.[1] ?? '';
  const cpp = new Map([...states.matchAll(/(\w+) = (\d+)/g)].map((match) => [match[1] ?? '', Number(match[2])]));
  t.same(sorted(tsNumbers(protocol, 'monitorState')), sorted(cpp));
});
