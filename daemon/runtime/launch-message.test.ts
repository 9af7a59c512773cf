import t from 'tap';
import { launchError, monitorLost } from './launch-message.ts';
import { parseExitRecord } from './run-directory.ts';

const start =
  'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ';
const attempt = { kind: 'container', program: 'foo', cwd: '/srv' } as const;

t.test('words, kinds and exit codes', async (t) => {
  const cases = [
    [
      { step: 'exec', errno: 2, detail: 'foo' },
      'exec: "foo": executable file not found in $PATH',
      'invalid-argument',
      127,
    ],
    [{ step: 'exec', errno: 13, detail: 'foo' }, 'exec: "foo": permission denied', 'invalid-argument', 126],
    [{ step: 'exec', errno: 21, detail: 'foo' }, 'exec: "foo": is a directory', 'invalid-argument', 126],
    [{ step: 'exec', errno: 8, detail: 'foo' }, 'exec: "foo": exec format error', 'invalid-argument', 126],
    [{ step: 'exec', errno: 12, detail: 'foo' }, 'exec: "foo": cannot allocate memory', 'internal', 128],
    [
      { step: 'working-directory', errno: 20, detail: 'x' },
      'chdir to cwd ("/srv") set in config.json failed: not a directory',
      'internal',
      128,
    ],
    [
      { step: 'open-tree', errno: 2, detail: '/x' },
      'error mounting "/x" to rootfs: no such file or directory',
      'internal',
      128,
    ],
    [{ step: 'sysctl', errno: 22, detail: 'net.x' }, 'write sysctl key net.x: invalid argument', 'internal', 128],
    [{ step: 'pivot-root', errno: 1, detail: '' }, 'pivot-root: operation not permitted', 'internal', 128],
  ] as const;
  for (const [failure, text, kind, exitCode] of cases) {
    t.match(launchError(failure, attempt), {
      message: `${start}error during container init: ${text}`,
      kind,
      exitCode,
      ...failure,
    });
  }
  t.match(
    launchError({ step: 'exec', errno: 2, detail: '' }, { ...attempt, program: '/x' }).message,
    'exec: "/x": stat /x: no such file or directory',
  );
  t.equal(
    launchError({ step: 'exec', errno: 2, detail: '' }, { ...attempt, kind: 'exec' }).message,
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "foo": executable file not found in $PATH',
  );
  t.match(monitorLost(attempt, 'process 7'), {
    step: 'monitor',
    exitCode: 128,
    message: /ended before the process was started: process 7/,
  });
});

t.test('exit records', async (t) => {
  t.same(
    parseExitRecord('version 1\npid 7\nstart-time 8\nstarted-at 9\nfinished-at 10\ncode 137\nsignal 9\nnew thing\n'),
    {
      record: { code: 137, signal: 9, finishedAt: 10n, pid: 7, monitorLost: false },
      startedAt: 9n,
    },
  );
  t.equal(parseExitRecord(''), undefined);
  t.equal(parseExitRecord('code x\n'), undefined);
});
