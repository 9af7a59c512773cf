// Owns the wire shape of an exec session. Pure.
import type { ExecInspect } from '../../../api-spec/index.ts';
import { parseDetachKeys } from '../../containers/detach-keys.ts';
import type { ExecRecord } from '../../containers/types.ts';

/** The answer of inspect. The exit code is null until the process has ended; the pid stays. */
export function presentExec({ id, containerId, state, config, pid, exitCode }: ExecRecord): ExecInspect {
  const [entrypoint = '', ...rest] = config.args;
  return {
    ID: id,
    Running: state === 'starting' || state === 'running',
    ExitCode: exitCode ?? null,
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
    ContainerID: containerId,
    // Docker's field is the list of bytes that the text stands for, base64 in JSON.
    DetachKeys: config.detachKeys === '' ? '' : Buffer.from(parseDetachKeys(config.detachKeys)).toString('base64'),
    Pid: pid,
  };
}
