// Owns the wire shape of exec sessions. Pure.
import type { ExecInspect } from '../../../api-spec/index.ts';
import type { ExecRecord } from '../../containers/types.ts';

/** The answer of inspect. */
export function presentExec(session: ExecRecord): ExecInspect {
  const { config } = session;
  const [entrypoint = '', ...rest] = config.args;
  return {
    ID: session.id,
    Running: session.state === 'running',
    ExitCode: session.exitCode ?? null,
    ProcessConfig: {
      tty: config.tty,
      entrypoint,
      arguments: rest,
      privileged: config.privileged,
      ...(config.user === '' ? {} : { user: config.user }),
    },
    OpenStdin: config.stdin,
    OpenStderr: config.stderr,
    OpenStdout: config.stdout,
    CanRemove: false,
    ContainerID: session.containerId,
    // Docker's field is a list of bytes, base64 in JSON.
    DetachKeys: Buffer.from(config.detachKeys).toString('base64'),
    Pid: session.pid,
  };
}
