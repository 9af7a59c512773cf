// The two commands of the README on directories of their own: up, up again, down, with a container that goes on.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { instanceOf } from '../../../daemon/base/ids.ts';
import { leftoversOf, removeInstance } from '../../helpers/leftovers.ts';
import { plain } from '../../helpers/plain.ts';

const checkout = join(import.meta.dirname, '../../..');

t.setTimeout(600_000);

t.test('up, up again, down', async (t) => {
  const root = realpathSync(mkdtempSync('/tmp/tsd-up-'));
  const bridge = `tsdu${root.slice(-6).toLowerCase()}`;
  const instance = { instance: instanceOf(`${root}/data`), root, bridge };
  const flags = [
    `--data-root=${root}/data`,
    `--exec-root=${root}/exec`,
    `--host=unix://${root}/s.sock`,
    `--bridge=${bridge}`,
    `--pidfile=${root}/pid`,
  ];
  const npm = (script: string, ...args: string[]) =>
    spawnSync(...plain('npm', ['run', '--silent', script, '--', ...flags, ...args]), {
      cwd: checkout,
      encoding: 'utf8',
      env: { ...process.env, TSD_LOG_FILE: `${root}/log` },
    });
  const docker = (...args: string[]) =>
    spawnSync('docker', args, {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_HOST: `unix://${root}/s.sock`, DOCKER_CONFIG: root },
    });
  t.teardown(() => {
    npm('down', '--all');
    removeInstance(instance);
    rmSync(root, { recursive: true, force: true });
  });

  const first = npm('up');
  t.equal(first.status, 0, first.stderr);
  t.match(first.stdout, /making a first image/);
  t.match(first.stdout, /Hello from container [0-9a-f]{12}, uid 0/);
  t.match(first.stdout, /docker run --rm -it busybox sh\n/);

  const second = npm('up');
  t.equal(second.status, 0, second.stderr);
  t.match(second.stdout, /a daemon answers on .* already/);
  t.notMatch(second.stdout, /making a first image/);
  t.match(second.stdout, /Hello from container/);

  t.equal(docker('ps', '-aq').stdout, '', 'the first containers are gone');
  t.equal(docker('run', '-d', '--name', 'stays', 'busybox', 'sleep', '1000').status, 0);
  const pid = docker('inspect', '-f', '{{.State.Pid}}', 'stays').stdout.trim();

  const down = npm('down');
  t.equal(down.status, 0, down.stderr);
  t.match(down.stdout, /the daemon \(pid \d+\) has ended/);
  t.ok(existsSync(`/proc/${pid}`), 'the container goes on');
  t.match(npm('down').stdout, /no daemon runs/, 'down again is harmless');

  t.equal(npm('up').status, 0);
  t.equal(docker('inspect', '-f', '{{.State.Running}} {{.State.Pid}}', 'stays').stdout.trim(), `true ${pid}`);
  t.match(npm('down', '--all').stdout, /1 container\(s\) removed/);
  t.notOk(existsSync(`/proc/${pid}`), 'the container is gone');
  t.same(leftoversOf(instance), []);
});
