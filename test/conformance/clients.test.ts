// Clients that nobody here wrote: docker-py and docker-compose as Debian ships them, unmodified.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from '../helpers/daemon.ts';

const daemon = await startDaemon(t);
await daemon.loadBusybox();

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const run = (program: string, args: readonly string[], cwd: string): Promise<Ended> =>
  new Promise((resolve, reject) => {
    // A proxy of the host's must not come between a client and a socket.
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: daemon.root, ...daemon.dockerEnvironment() };
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });

t.test('docker-py', async (t) => {
  const { code, out, err } = await run('/usr/bin/python3', [join(import.meta.dirname, 'session.py')], daemon.root);
  t.equal(code, 0, err);
  t.same(JSON.parse(out), {
    api: '1.55',
    ping: true,
    run: 'hi\n',
    exit: 3,
    status: ['running', { a: 'b' }],
    exec: [4, '1\n'],
    demux: ['out\n', 'err\n'],
    memory: 64 * 1024 * 1024,
    put: true,
    get: [3, 'abc'],
    diff: true,
    top: ['UID', 'PID'],
    paused: 'paused',
    logs: 'started\n',
    commit: ['py-image:v1'],
    wait: 137,
    name: true,
    volume: 'kept\n',
    build: 'built\n',
    attach: 'typed\n',
    left: [0, 0],
  });
});

const page = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });

t.test('docker-compose', async (t) => {
  const project = join(daemon.root, 'shop');
  mkdirSync(project);
  const serve = 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www';
  writeFileSync(
    join(project, 'docker-compose.yml'),
    JSON.stringify({
      version: '3.8',
      services: {
        web: { image: 'busybox', command: ['sh', '-c', serve], ports: ['127.0.0.1::80'], volumes: ['data:/data'] },
        client: {
          image: 'busybox',
          depends_on: ['web'],
          command: ['sh', '-c', 'until wget -q -O - http://web/; do sleep 0.1; done'],
        },
      },
      volumes: { data: {} },
    }),
  );
  const compose = (...args: string[]) => run('docker-compose', [...args], project);
  const up = await compose('up', '-d');
  t.equal(up.code, 0, up.err);
  t.equal(await daemon.dockerOk(['wait', 'shop_client_1']), '0');
  t.match((await compose('logs', '--no-color', 'client')).out, /hello$/m);
  const port = /:(\d+)/.exec((await compose('port', 'web', '80')).out)?.[1];
  t.equal(await page(Number(port)), 'hello\n');
  t.match((await compose('exec', '-T', 'web', 'cat', '/www/index.html')).out, 'hello');
  t.match((await compose('ps')).out, /shop_web_1 .* Up /);
  const down = await compose('down', '-v', '-t', '0');
  t.equal(down.code, 0, down.err);
  t.equal(await daemon.dockerOk(['ps', '-aq']), '');
  t.equal(await daemon.dockerOk(['network', 'ls', '-q', '--filter', 'name=shop_default']), '');
  t.equal(await daemon.dockerOk(['volume', 'ls', '-q']), '');
});
