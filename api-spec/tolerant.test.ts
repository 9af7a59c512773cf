// Tests of request tolerance, with bodies captured from docker CLI 28.2.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { describeProblems, routes } from './index.ts';
import { tolerant } from './tolerant.ts';

const create = routes.ContainerCreate.body;

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8'));
}

t.test('what docker CLI 28 sends for a plain create', async (t) => {
  const { HostConfig, NetworkingConfig, ...config } = create.parse(fixture('docker-28-create-plain.json'));
  t.equal(config.Image, 'busybox');
  t.notOk('Env' in config || 'Cmd' in config || 'Entrypoint' in config, 'null lists are absent');
  t.ok(HostConfig && !('Binds' in HostConfig) && !('MaskedPaths' in HostConfig));
  t.strictSame(HostConfig?.Dns, [], 'empty lists stay');
  t.equal(HostConfig?.MemorySwappiness, -1);
  const endpoint = NetworkingConfig?.EndpointsConfig?.default;
  t.ok(endpoint && !('IPAMConfig' in endpoint), 'null struct is absent');
});

t.test('what docker CLI 28 sends for a create with many options', async (t) => {
  const body = create.parse(fixture('docker-28-create-full.json'));
  t.strictSame(body.Cmd, ['-c', 'ls']);
  t.strictSame(body.Entrypoint, ['sh']);
  t.strictSame(body.ExposedPorts, { '80/udp': {} });
  t.strictSame(body.HostConfig?.PortBindings, { '80/udp': [{ HostIp: '', HostPort: '8080' }] });
  t.strictSame(body.HostConfig?.Mounts, [{ Type: 'tmpfs', Target: '/t' }]);
  t.strictSame(body.HostConfig?.Ulimits, [{ Name: 'nofile', Hard: 20, Soft: 10 }]);
  t.equal(body.HostConfig?.NanoCpus, 1_500_000_000);
  t.equal(body.HostConfig?.Init, true);
  t.equal(body.Healthcheck?.Interval, 3_000_000_000);
  t.equal(body.NetworkingConfig?.EndpointsConfig?.n1?.IPAMConfig?.IPv4Address, '10.1.0.9');
});

t.test('every field of a create may be null', async (t) => {
  const nulls = (object: z.ZodObject) => Object.fromEntries(Object.keys(object.shape).map((key) => [key, null]));
  const inner = (schema: z.core.$ZodType): z.ZodObject | undefined => {
    if (schema instanceof z.ZodObject) {
      return schema;
    }
    return schema instanceof z.ZodOptional ? inner(schema.unwrap()) : undefined;
  };
  const whole = inner(create.out);
  t.ok(whole);
  if (whole) {
    t.strictSame(create.parse(nulls(whole)), {});
    for (const [key, field] of Object.entries(whole.shape)) {
      const object = inner(field as z.core.$ZodType);
      if (object) {
        t.strictSame(create.parse({ [key]: nulls(object) }), { [key]: {} }, key);
      }
    }
  }
});

t.test('what Go’s decoder takes', async (t) => {
  t.strictSame(create.parse({ image: 'a', CMD: 'ls', hostconfig: { memory: 1 } }), {
    Image: 'a',
    Cmd: ['ls'],
    HostConfig: { Memory: 1 },
  });
  t.strictSame(create.parse({ Image: 'a', image: 'b' }), { Image: 'a' }, 'the exact name wins');
  t.strictSame(create.parse({ Nonsense: 1, HostConfig: { Nonsense: {} } }), { HostConfig: {} });
  t.strictSame(create.parse({ Labels: { a: null }, Env: [null] }), { Labels: { a: '' }, Env: [''] });
  t.strictSame(create.parse({ ExposedPorts: { '80/tcp': null } }), { ExposedPorts: { '80/tcp': {} } });
  t.strictSame(create.parse({ HostConfig: { PortBindings: { '80/tcp': null } } }), {
    HostConfig: { PortBindings: { '80/tcp': null } },
  });
  t.strictSame(create.parse({ NetworkingConfig: { EndpointsConfig: { n: null } } }), {
    NetworkingConfig: { EndpointsConfig: { n: null } },
  });
  t.strictSame(create.parse({ HostConfig: { MaskedPaths: [] } }), { HostConfig: { MaskedPaths: [] } });
  t.equal(create.parse(JSON.parse('{"HostConfig":{"Memory":9223372036854775807}}')).HostConfig?.Memory, 2 ** 63);
});

t.test('what it does not take, by path', async (t) => {
  const problem = (value: unknown) => {
    const result = create.safeParse(value);
    return result.success ? 'accepted' : describeProblems(result.error, 'body');
  };
  t.equal(
    problem({ HostConfig: { Memory: '1g' } }),
    'invalid body: HostConfig.Memory: expected integer, received string',
  );
  t.equal(
    problem({ HostConfig: { CpuShares: 1.5 } }),
    'invalid body: HostConfig.CpuShares: expected integer (int64), received 1.5',
  );
  t.equal(
    problem({ HostConfig: { BlkioWeight: 70000 } }),
    'invalid body: HostConfig.BlkioWeight: expected integer (uint16), received 70000',
  );
  t.equal(
    problem({ HostConfig: { Binds: ['/a:/b', 1] } }),
    'invalid body: HostConfig.Binds[1]: expected string, received number',
  );
  t.equal(problem({ Labels: { 'a.b': 1 } }), 'invalid body: Labels["a.b"]: expected string, received number');
  t.equal(problem({ Tty: 'yes' }), 'invalid body: Tty: expected boolean, received string');
  t.equal(problem([]), 'invalid body: expected object, received array');
  t.equal(problem(undefined), 'invalid body: expected object, but it is missing');
  t.equal(
    problem({ Tty: 1, User: 2 }),
    'invalid body: User: expected string, received number; Tty: expected boolean, received number',
  );
});

t.test('a body that may be missing', async (t) => {
  t.equal(routes.ExecStart.body.parse(undefined), undefined);
  t.equal(routes.ExecStart.body.parse(null), undefined);
  t.strictSame(routes.ExecStart.body.parse({ Detach: true, ConsoleSize: null }), { Detach: true });
});

t.test('a map keeps hostile keys as plain data', async (t) => {
  const parsed = tolerant(z.object({ Labels: z.record(z.string(), z.string()).optional() })).parse(
    JSON.parse('{"Labels":{"__proto__":"x","constructor":"y"},"__proto__":{"Labels":{"a":"b"}}}'),
  );
  t.equal(Object.getPrototypeOf(parsed), Object.prototype);
  t.equal(parsed.Labels?.constructor, 'y');
  t.equal(({} as Record<string, unknown>).x, undefined);
});
