// Checks the life of the daemon on the real host: what refuses to start and in which words, signals, reload, notices, sockets, TLS.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { request as tlsRequest } from 'node:https';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon, TestDaemon } from '../../helpers/daemon.ts';

const program = join(import.meta.dirname, '../../../daemon/tsd');
const run = (args: readonly string[], options: { uid?: number } = {}) => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', ...options });
  return { status, stdout, stderr };
};

/** Resolves when the daemon's log matches. */
async function logged(daemon: TestDaemon, pattern: RegExp): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => pattern.test(daemon.log()) && resolve();
  const watcher = watch(daemon.logFile, look);
  look();
  await promise;
  watcher.close();
}

t.test('words on the command line', async (t) => {
  t.match(run(['--version']), { status: 0, stdout: /^tsd version \d+\.\d+\.\d+/ });
  t.match(run(['--help']), { status: 0, stdout: /--data-root/ });
  t.match(run(['--nonsense']), { status: 1, stderr: /unknown flag: --nonsense/ });
  const directory = mkdtempSync('/tmp/tsd-boot-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'daemon.json');
  writeFileSync(file, '{"debug": true}');
  t.match(run(['--validate', '--config-file', file]), { status: 0, stderr: 'configuration OK\n' });
  t.match(run(['--validate', '--debug', '--config-file', file]), {
    status: 1,
    stderr: /specified both as a flag and in the configuration file: debug/,
  });
  writeFileSync(file, '{"dbug": true}');
  t.match(run(['--validate', '--config-file', file]), { status: 1, stderr: /dbug \(did you mean "debug"\?\)/ });
});

t.test('without root', async (t) => {
  // The checkout may lie where another user cannot read it: the user namespace of an unprivileged user is not needed, only its id.
  const { status, stderr } = run(['--data-root', '/tmp/nowhere'], { uid: 65534 });
  t.not(status, 0);
  t.match(stderr, /tsd must be started as root|Permission denied|EACCES|is not a working Node/);
});

t.test('a second daemon, a stop, a start on what a killed one left', async (t) => {
  const daemon = await startDaemon(t);
  const second = (flags: readonly string[]) =>
    run([
      ...daemon.flags().filter((flag) => !flags.some((other) => other.split('=')[0] === flag.split('=')[0])),
      ...flags,
    ]);
  const elsewhere = join(daemon.root, 'elsewhere');
  t.match(second([`--host=unix://${elsewhere}.sock`]), {
    status: 1,
    stderr: new RegExp(`another tsd \\(pid ${daemon.pid}\\) uses the data-root`),
  });
  t.match(second([`--data-root=${elsewhere}`]), {
    status: 1,
    stderr: new RegExp(`process with PID ${daemon.pid} is still running`),
  });
  t.match(second([`--data-root=${elsewhere}`, `--pidfile=${elsewhere}.pid`]), {
    status: 1,
    stderr: /in use by another process/,
  });
  t.equal((await daemon.api('GET', '/_ping')).status, 200, 'the first one is untouched');
  t.equal(statSync(daemon.dataRoot).mode & 0o777, 0o700);
  t.equal(statSync(daemon.socket).mode & 0o777, 0o660);
  t.equal(readFileSync(daemon.pidfile, 'utf8'), `${daemon.pid}\n`);
  await daemon.restart('SIGKILL');
  t.equal(
    (await daemon.api('GET', '/_ping')).status,
    200,
    'the socket file and the lock of a killed one are no hindrance',
  );
  t.equal(await daemon.kill('SIGTERM'), 'exit code 0');
  t.notOk(existsSync(daemon.socket));
  t.notOk(existsSync(daemon.pidfile));
});

t.test('a stop ends streams at once', async (t) => {
  const daemon = await startDaemon(t);
  const events = daemon.api('GET', '/events').catch((error: unknown) => error);
  await daemon.api('GET', '/_ping');
  t.equal(await daemon.kill('SIGTERM'), 'exit code 0');
  t.ok(await events);
});

t.test('reload', async (t) => {
  const daemon = await startDaemon(t, { config: { labels: ['a=b'], 'log-level': 'info' } });
  const info = async () => (await daemon.api('GET', '/info')).json as { Labels: string[]; Debug: boolean };
  t.match(await info(), { Labels: ['a=b'], Debug: false });
  writeFileSync(join(daemon.root, 'daemon.json'), JSON.stringify({ labels: ['c=d'], debug: true }));
  process.kill(daemon.pid ?? 0, 'SIGHUP');
  await logged(daemon, /configuration reloaded/);
  t.match(await info(), { Labels: ['c=d'], Debug: true });
  await logged(daemon, /level=debug/);
  const events = await daemon
    .api('GET', `/events?since=1&until=${Date.now() / 1000 + 1}&filters={"type":["daemon"]}`.replaceAll('"', '%22'))
    .catch(() => undefined);
  t.match(events?.body.toString() ?? '', /"Action":"reload"/);
  writeFileSync(join(daemon.root, 'daemon.json'), '{"labels": 5}');
  process.kill(daemon.pid ?? 0, 'SIGHUP');
  await logged(daemon, /the configuration was not reloaded/);
  t.match(await info(), { Labels: ['c=d'] });
});

t.test('what the service manager is told', async (t) => {
  const directory = mkdtempSync('/tmp/tsd-notify-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'notify');
  const listener = spawn('python3', [
    '-uc',
    'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint("bound")\nwhile True:\n  m=s.recv(999).decode()\n  print(m)\n  if "STOPPING" in m: break',
    path,
  ]);
  let told = '';
  const { promise: bound, resolve } = Promise.withResolvers<void>();
  listener.stdout.on('data', (part) => {
    told += part;
    resolve();
  });
  const over = new Promise((done) => listener.once('exit', done));
  await bound;
  const daemon = await startDaemon(t, { env: { NOTIFY_SOCKET: path } });
  await daemon.kill('SIGTERM');
  await over;
  t.equal(told, 'bound\nREADY=1\nSTOPPING=1\n');
});

t.test('a socket handed over by the service manager', async (t) => {
  const directory = mkdtempSync('/tmp/tsd-activate-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const manager = join(directory, 'manager');
  const script = [
    '#!/usr/bin/python3',
    'import os, socket, sys',
    'pidfile = next(flag for flag in sys.argv if flag.startswith("--pidfile="))',
    's = socket.socket(socket.AF_UNIX)',
    's.bind(os.path.dirname(pidfile.split("=")[1]) + "/tsd.sock")',
    's.listen()',
    'os.dup2(s.fileno(), 3)',
    'os.set_inheritable(3, True)',
    'os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))',
    `os.execv(${JSON.stringify(program)}, [${JSON.stringify(program)}] + sys.argv[1:])`,
  ];
  writeFileSync(manager, `${script.join('\n')}\n`, { mode: 0o755 });
  const daemon = await startDaemon(t, { program: manager, flags: ['--host=fd://'] });
  t.equal((await daemon.api('GET', '/_ping')).status, 200);
  const alone = run([
    ...daemon.flags().filter((flag) => !/^--(data-root|pidfile)/.test(flag)),
    `--data-root=${directory}/data`,
    '--pidfile=',
  ]);
  t.match(alone, { status: 1, stderr: /fd:\/\/ needs a socket from systemd/ });
});

t.test('TLS', async (t) => {
  const directory = mkdtempSync('/tmp/tsd-tls-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    at('ca-key'),
    '-out',
    at('ca'),
    '-subj',
    '/CN=ca',
    '-days',
    '2',
  );
  for (const name of ['server', 'client']) {
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      at(`${name}-key`),
      '-out',
      at(`${name}-csr`),
      '-subj',
      `/CN=${name}`,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}-csr`),
      '-CA',
      at('ca'),
      '-CAkey',
      at('ca-key'),
      '-CAcreateserial',
      '-copy_extensions',
      'copy',
      '-out',
      at(name),
      '-days',
      '2',
    );
  }
  const daemon = await startDaemon(t, {
    flags: ['--tlsverify', `--tlscacert=${at('ca')}`, `--tlscert=${at('server')}`, `--tlskey=${at('server-key')}`],
    config: { hosts: [] },
  }).catch(() => undefined);
  t.equal(daemon, undefined, 'hosts in the file and a flag are a conflict');
  const secure = new TestDaemon({
    flags: [
      '--tlsverify',
      `--tlscacert=${at('ca')}`,
      `--tlscert=${at('server')}`,
      `--tlskey=${at('server-key')}`,
      '-H',
      'tcp://127.0.0.1:0',
    ],
  });
  t.teardown(() => secure.cleanup());
  await secure.start();
  const port = Number(/API listen on 127\.0\.0\.1:(\d+)/.exec(secure.log())?.[1]);
  const ask = (client: boolean): Promise<string> =>
    new Promise((resolve) => {
      const call = tlsRequest(
        {
          host: '127.0.0.1',
          port,
          path: '/_ping',
          agent: false,
          ca: readFileSync(at('ca')),
          ...(client ? { cert: readFileSync(at('client')), key: readFileSync(at('client-key')) } : {}),
        },
        (answer) => answer.on('data', (part) => resolve(String(part))),
      );
      call.on('error', (error) => resolve(`refused: ${error.message}`));
      call.end();
    });
  t.equal(await ask(true), 'OK');
  t.match(await ask(false), /^refused/);
  await secure.loadBusybox();
  const remote = {
    DOCKER_HOST: `tcp://127.0.0.1:${port}`,
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: directory,
    DOCKER_CONFIG: join(secure.root, 'docker-config'),
  };
  for (const [from, to] of [
    ['ca', 'ca.pem'],
    ['client', 'cert.pem'],
    ['client-key', 'key.pem'],
  ] as const)
    writeFileSync(at(to), readFileSync(at(from)));
  const echo = spawnSync('docker', ['run', '--rm', '-i', 'busybox', 'cat'], {
    env: { ...process.env, ...remote },
    input: 'through TLS\n',
    encoding: 'utf8',
  });
  t.equal(echo.stdout, 'through TLS\n', echo.stderr);
});
