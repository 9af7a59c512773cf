import t from 'tap';
import { deviceProgram } from './device-program.ts';
import type { DeviceRule } from './resources.ts';

const MKNOD = 1;
const READ = 2;
const WRITE = 4;

/** Runs the program as the kernel would: is this access to this device allowed? */
function admits(rules: readonly DeviceRule[], type: 'b' | 'c', major: number, minor: number, access: number): boolean {
  const program = deviceProgram(rules);
  if (program === undefined) return true;
  const bytes = Buffer.from(program);
  const context: Readonly<Record<number, number>> = { 0: (access << 16) | (type === 'b' ? 1 : 2), 4: major, 8: minor };
  const registers = [0, 0, 0, 0, 0, 0, 0];
  for (let at = 0; at < bytes.length / 8; at++) {
    const code = bytes.readUInt8(at * 8);
    const to = bytes.readUInt8(at * 8 + 1) & 0xf;
    const from = bytes.readUInt8(at * 8 + 1) >> 4;
    const offset = bytes.readInt16LE(at * 8 + 2);
    const immediate = bytes.readInt32LE(at * 8 + 4);
    const value = registers[to] ?? 0;
    if (code === 0x61) registers[to] = context[offset] ?? Number.NaN;
    else if (code === 0xb7) registers[to] = immediate;
    else if (code === 0xbf) registers[to] = registers[from] ?? 0;
    else if (code === 0x57) registers[to] = value & immediate;
    else if (code === 0x77) registers[to] = value >> immediate;
    else if (code === 0x15) at += value === immediate ? offset : 0;
    else if (code === 0x55) at += value !== immediate ? offset : 0;
    else if (code === 0x45) at += (value & immediate) !== 0 ? offset : 0;
    else if (code === 0x95) return registers[0] === 1;
    else throw new Error(`code ${code}`);
  }
  throw new Error('no exit');
}

const nothing: DeviceRule = { allow: false, type: 'a', access: 'rwm' };

t.test('an allow-list', async (t) => {
  const rules: readonly DeviceRule[] = [
    nothing,
    { allow: true, type: 'c', access: 'm' },
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
    { allow: true, type: 'c', major: 136, access: 'rw' },
    { allow: true, type: 'b', major: 7, minor: 0, access: 'r' },
  ];
  t.ok(admits(rules, 'c', 1, 3, READ | WRITE));
  t.ok(admits(rules, 'c', 9, 9, MKNOD));
  t.notOk(admits(rules, 'c', 9, 9, READ));
  t.notOk(admits(rules, 'b', 9, 9, MKNOD));
  t.ok(admits(rules, 'c', 136, 77, READ | WRITE));
  t.notOk(admits(rules, 'c', 136, 77, READ | MKNOD), 'no single rule covers both');
  t.ok(admits(rules, 'b', 7, 0, READ));
  t.notOk(admits(rules, 'b', 7, 0, READ | WRITE));
  t.notOk(admits(rules, 'b', 7, 1, READ));
  t.notOk(admits(rules, 'b', 1, 3, READ), 'a block device is no character device');
});

t.test('a later rule wins, one for all makes the earlier void', async (t) => {
  const every: DeviceRule = { allow: true, type: 'a', access: 'rwm' };
  t.equal(deviceProgram([nothing, every]), undefined);
  t.notOk(admits([every, { allow: false, type: 'c', major: 1, minor: 1, access: 'w' }], 'c', 1, 1, READ | WRITE));
  t.ok(admits([every, { allow: false, type: 'c', major: 1, minor: 1, access: 'w' }], 'c', 1, 1, READ));
  t.notOk(admits([every, nothing], 'c', 1, 3, READ));
  t.notOk(admits([], 'c', 1, 3, READ));
});
