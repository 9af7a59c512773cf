// Tests of argument parsing.
import t from 'tap';
import { command, helpText, parseCommand } from './command.ts';

const options = {
  detach: { short: 'd', help: 'Background' },
  env: { short: 'e', value: 'NAME=VALUE', many: true, help: 'Environment' },
  interactive: { short: 'i', help: 'Stdin' },
  name: { value: 'NAME', help: 'Name' },
  'no-trunc': { help: 'Full' },
  'sig-proxy': { on: true, help: 'Signals' },
  tty: { short: 't', help: 'Terminal' },
} as const;

const run = command({
  name: 'run',
  usage: 'IMAGE [ARG...]',
  summary: 'Run',
  options,
  arguments: [1, Number.POSITIVE_INFINITY],
  stopAtFirst: true,
  run: async () => 0,
});
const ps = command({ ...run, name: 'ps', arguments: [0, 1], stopAtFirst: false });

t.test('options end at the image', async (t) => {
  const { values, positionals } = parseCommand(run, [
    '-it',
    '-e',
    'A=b',
    '-eC=d',
    '--env=E=f=g',
    '--name',
    'web',
    'busybox',
    'ls',
    '-d',
    '--name',
    'x',
    '--',
    '--env',
  ]);
  t.strictSame(values, {
    detach: false,
    env: ['A=b', 'C=d', 'E=f=g'],
    interactive: true,
    name: 'web',
    'no-trunc': false,
    'sig-proxy': true,
    tty: true,
  });
  t.strictSame(positionals, ['busybox', 'ls', '-d', '--name', 'x', '--', '--env']);
  t.strictSame(parseCommand(run, ['-d', '--', '-image']).positionals, ['-image']);
});

t.test('options anywhere', async (t) => {
  const { values, positionals } = parseCommand(ps, ['one', '-d', '--no-trunc']);
  t.ok(values.detach && values['no-trunc']);
  t.strictSame(positionals, ['one']);
});

t.test('booleans with a value', async (t) => {
  const { values } = parseCommand(ps, ['--sig-proxy=false', '--detach=true', '--tty=0', '--no-trunc=1']);
  t.match(values, { 'sig-proxy': false, detach: true, tty: false, 'no-trunc': true });
  t.strictSame(parseCommand(run, ['x', '--tty=true']).positionals, ['x', '--tty=true']);
  t.throws(() => parseCommand(ps, ['--tty=maybe']), {
    message: 'invalid value "maybe" for --tty: expected true or false',
  });
});

t.test('usage errors', async (t) => {
  t.throws(() => parseCommand(run, []), { name: 'UsageError', message: 'requires at least 1 argument' });
  t.throws(() => parseCommand(ps, ['a', 'b']), { message: 'requires at most 1 argument' });
  t.throws(() => parseCommand({ ...run, arguments: [0, 0] }, ['a']), { message: 'requires exactly 0 arguments' });
  t.throws(() => parseCommand(run, ['--bogus', 'x']), /Unknown option '--bogus'/);
  t.throws(() => parseCommand(run, ['--name']), /--name/);
});

t.test('help', async (t) => {
  t.match(helpText(ps), /^Usage: {2}tsdctl ps IMAGE/);
  t.match(helpText(ps), / {2}-e, --env NAME=VALUE {3}Environment\n {6}|/);
});
