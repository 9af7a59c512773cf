// Owns the life of a daemon whose configuration is read: construction, listening, signals, the end. main.ts comes before it.
import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { EngineError, messageOf } from './base/errors.ts';
import { lockDataRoot, notifier, privateDirectory, writePidfile } from './boot.ts';
import type { DaemonConfig, ReloadableConfig } from './config.ts';
import { createEngine, type RunningEngine } from './engine.ts';
import { createApi } from './http/api.ts';
import { checkAddress, Listeners } from './http/listeners.ts';
import type { ServerTls } from './http/server.ts';
import { createLog, type DaemonLog } from './logger.ts';
import { readBuild } from './version.ts';

const levelOf = (config: ReloadableConfig): string => (config.debug ? 'debug' : config.logLevel);

function readTls(config: DaemonConfig): ServerTls | undefined {
  if (config.tls === undefined) return undefined;
  const { verify, ca, cert, key } = config.tls;
  const read = (option: string, path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new EngineError('invalid-argument', `${option}: cannot read ${path}: ${messageOf(error)}`, error);
    }
  };
  return { cert: read('tlscert', cert), key: read('tlskey', key), ...(verify ? { ca: read('tlscacert', ca) } : {}) };
}

/** Settings of SIGHUP; the others keep what they were at the start. */
class LiveConfig {
  #now: ReloadableConfig;

  constructor(first: ReloadableConfig) {
    this.#now = first;
  }

  get(): ReloadableConfig {
    return this.#now;
  }

  /** Reads the file again. What cannot be read changes nothing. Answers what is in force now, for the log and the event. */
  reload(read: () => DaemonConfig): Readonly<Record<string, string>> {
    const next = read();
    this.#now = next;
    return {
      debug: String(next.debug),
      'log-level': next.logLevel,
      labels: JSON.stringify(next.labels),
      'insecure-registries': JSON.stringify(next.insecureRegistries),
      'registry-mirrors': JSON.stringify(next.registryMirrors),
      registries: JSON.stringify(next.registries),
      'max-concurrent-downloads': String(next.maxConcurrentDownloads),
      'max-concurrent-uploads': String(next.maxConcurrentUploads),
      'max-download-attempts': String(next.maxDownloadAttempts),
      'default-ulimits': JSON.stringify(next.defaultUlimits),
      'shutdown-timeout': String(next.shutdownTimeout),
    };
  }
}

interface Daemon {
  readonly logs: DaemonLog;
  readonly live: LiveConfig;
  readonly engine: RunningEngine;
  readonly readConfig: () => DaemonConfig;
  /** Stops listening and lets go of everything. */
  readonly stop: () => Promise<void>;
}

async function start(config: DaemonConfig, readConfig: () => DaemonConfig): Promise<Daemon> {
  const build = readBuild();
  const logs = createLog(config.logFormat, levelOf(config));
  const log = logs.main;
  const notify = notifier((error) => log.warn({ err: error }, 'the service manager cannot be told'));
  const tls = readTls(config);
  const dataRoot = privateDirectory(config.dataRoot, 'data-root');
  const execRoot = privateDirectory(config.execRoot, 'exec-root');
  lockDataRoot(dataRoot);
  const removePidfile = writePidfile(config.pidfile);
  log.info({ version: build.version, node: process.version, 'data-root': dataRoot, pid: process.pid }, 'tsd starts');
  for (const warning of config.warnings) log.warn(warning);

  // Before anything of the host is touched: a path that another daemon serves is the commonest mistake.
  for (const host of config.hosts) await checkAddress(host);

  const live = new LiveConfig(config);
  const engine = createEngine({ config, live: () => live.get(), build, log: logs, dataRoot, execRoot });
  await engine.restore();
  const api = await createApi(engine.services, {
    version: build.version,
    experimental: config.experimental,
    checkAnswers: config.debug,
    log: logs.room('http'),
  });
  const listeners = new Listeners({
    group: config.group,
    tls: tls !== undefined,
    makeServer: (secure) => api.makeServer(secure ? tls : undefined),
    log,
  });
  for (const host of config.hosts) await listeners.listen(host);
  log.info('API is ready');
  notify('READY=1');
  // A daemon that is killed later would not write it at its end.
  flushCompileCache();

  return {
    logs,
    live,
    engine,
    readConfig,
    stop: async () => {
      notify('STOPPING=1');
      api.endStreams();
      await listeners.close(live.get().shutdownTimeout);
      await api.close();
      engine.release();
      removePidfile();
    },
  };
}

function handleSignals({ logs, live, engine, readConfig, stop }: Daemon): void {
  const log = logs.main;
  let stopping = false;
  const onStop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'told to stop a second time: leaving at once');
      process.exit(1);
    }
    stopping = true;
    log.info({ signal }, 'stopping; containers run on');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onStop).on('SIGINT', onStop);
  process.on('SIGHUP', () => {
    try {
      const attributes = live.reload(readConfig);
      logs.setLevel(levelOf(live.get()));
      engine.reloaded(attributes);
      log.info(attributes, 'configuration reloaded');
    } catch (error) {
      log.error({ err: error }, 'the configuration was not reloaded');
    }
  });
  // Node would open its debugger on SIGUSR1: in a root daemon that is nobody's wish.
  process.on('SIGUSR1', () =>
    log.info({ resources: process.getActiveResourcesInfo().length, memory: process.memoryUsage() }, 'state'),
  );
  process.on('unhandledRejection', (reason) => log.error({ err: reason }, 'a failure that nobody handled'));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error that nobody caught; containers run on');
    process.exit(1);
  });
}

/** Starts the daemon and hands the process over to its signals. Rejects when it cannot start; what was begun ends with the process. */
export async function runDaemon(config: DaemonConfig, readConfig: () => DaemonConfig): Promise<void> {
  handleSignals(await start(config, readConfig));
}
