// Owns the first word of a monitor to a daemon that was started later.
import type { MonitorConnection } from './monitor-connection.ts';
import { bigintField, messageType, numberField, textField } from './protocol.ts';
import type { Started } from './types.ts';

export interface Hello {
  readonly id: string;
  readonly state: number;
  readonly monitorPid: number;
  readonly started: Started;
  /** Sessions that have not ended: id and pid. */
  readonly execs: ReadonlyMap<string, number>;
  /** Numbers of the descriptors that it holds. */
  readonly held: readonly number[];
}

/** Milliseconds in which a monitor answers; one that does not is stuck, and is treated as gone. */
const PATIENCE = 5000;

/** The monitor's hello; undefined when it leaves without one or speaks for another container than `id`. */
export function awaitHello(connection: MonitorConnection, id: string): Promise<Hello | undefined> {
  const { promise, resolve } = Promise.withResolvers<Hello | undefined>();
  const timer = setTimeout(() => resolve(undefined), PATIENCE);
  connection.first((message) => {
    clearTimeout(timer);
    if (message === undefined || message.type !== messageType.hello) {
      resolve(undefined);
      return;
    }
    const hello: Hello = {
      id: textField(message, 'id'),
      state: numberField(message, 'state'),
      monitorPid: numberField(message, 'monitorPid'),
      started: {
        pid: numberField(message, 'pid'),
        startTime: bigintField(message, 'startTime'),
        startedAt: bigintField(message, 'startedAt'),
      },
      execs: execsOf(textField(message, 'execs'), textField(message, 'execPids')),
      held: textField(message, 'held')
        .split(' ')
        .filter((number) => /^\d+$/.test(number))
        .map(Number),
    };
    resolve(hello.id === id ? hello : undefined);
  });
  return promise;
}

/** Two lists with blanks between; a monitor that does not tell pids leaves the second one out. */
function execsOf(ids: string, pids: string): ReadonlyMap<string, number> {
  const numbers = pids.split(' ');
  const named = ids.split(' ').filter((id) => id !== '');
  return new Map(named.map((id, index) => [id, Number(numbers[index] ?? 0) || 0]));
}
