import t from 'tap';
import { argvOf, checkConfig, mergeConfig } from './merge-config.ts';

t.test('entrypoint and command', async (t) => {
  const image = { Entrypoint: ['/entry'], Cmd: ['default'] };
  const argv = (request: Parameters<typeof mergeConfig>[1]) => argvOf(mergeConfig(image, request));
  t.same(argv({}), ['/entry', 'default']);
  t.same(argv({ Cmd: ['x'] }), ['/entry', 'x']);
  t.same(argv({ Entrypoint: ['/mine'] }), ['/mine'], 'a given entrypoint drops the command of the image');
  t.same(argv({ Entrypoint: ['/mine'], Cmd: ['x'] }), ['/mine', 'x']);
  t.same(argv({ Entrypoint: [''] }), [], 'one empty text resets both');
  t.same(argv({ Entrypoint: [''], Cmd: ['sh'] }), ['sh']);
  t.same(argv({ Entrypoint: [] }), ['default'], 'an empty list resets the entrypoint alone');
  t.same(argv({ Cmd: [] }), ['/entry', 'default']);
});

t.test('environment by key, maps by name, texts when empty', async (t) => {
  const image = {
    Env: ['PATH=/bin', 'A=image', 'B=image'],
    Labels: { a: 'image', b: 'image' },
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    User: 'app',
    WorkingDir: '/srv',
    StopSignal: 'SIGINT',
    StopTimeout: 7,
    OnBuild: ['RUN x'],
  };
  const merged = mergeConfig(image, {
    Env: ['A=mine', 'C'],
    Labels: { a: 'mine' },
    ExposedPorts: { '81/tcp': {} },
    Volumes: {},
    User: '',
    Image: 'x',
  });
  t.same(merged.Env, ['A=mine', 'C', 'PATH=/bin', 'B=image']);
  t.same(merged.Labels, { a: 'mine', b: 'image' });
  t.same(merged.ExposedPorts, { '80/tcp': {}, '81/tcp': {} });
  t.same(merged.Volumes, { '/data': {} });
  t.match(merged, { User: 'app', WorkingDir: '/srv', StopSignal: 'SIGINT', StopTimeout: 7, Image: 'x' });
  t.equal(merged.OnBuild, undefined);
  t.match(mergeConfig(image, { User: '0', WorkingDir: '/', StopSignal: 'TERM', StopTimeout: 0 }), {
    User: '0',
    WorkingDir: '/',
    StopSignal: 'TERM',
    StopTimeout: 0,
  });
  t.same(mergeConfig({}, {}), { User: '', WorkingDir: '', Labels: {} }, 'empty maps and lists are left out');
});

t.test('health check field by field', async (t) => {
  const image = { Healthcheck: { Test: ['CMD', 'probe'], Interval: 5_000_000_000, Retries: 3 } };
  t.match(mergeConfig(image, { Healthcheck: { Interval: 1_000_000_000 } }).Healthcheck, {
    Test: ['CMD', 'probe'],
    Interval: 1_000_000_000,
    Retries: 3,
  });
  t.same(mergeConfig(image, { Healthcheck: { Test: ['NONE'] } }).Healthcheck?.Test, ['NONE']);
  t.match(mergeConfig(image, {}).Healthcheck, image.Healthcheck);
});

t.test('refusals', async (t) => {
  const refused = (config: Parameters<typeof checkConfig>[0], message: string | RegExp) =>
    t.throws(() => checkConfig({ Cmd: ['x'], ...config }), { kind: 'invalid-argument', message });
  refused({ Cmd: [] }, 'no command specified');
  refused({ WorkingDir: 'rel' }, "the working directory 'rel' is invalid, it needs to be an absolute path");
  refused({ Env: ['=x'] }, 'invalid environment variable: =x');
  refused({ Env: [''] }, 'invalid environment variable: ');
  refused({ StopSignal: 'NOPE' }, 'invalid signal: NOPE');
  refused({ Healthcheck: { Interval: 1 } }, 'Interval in Healthcheck cannot be less than 1ms');
  refused({ Healthcheck: { Retries: -1 } }, 'Retries in Healthcheck cannot be negative');
  refused({ Hostname: 'x'.repeat(65) }, /at most 64/);
  t.doesNotThrow(() => checkConfig({ Cmd: ['x'], Env: ['A', 'B='], StopSignal: '9' }));
});
