// Owns Docker's words for a container's state: the status of inspect and the sentence of `docker ps`. Pure.
import type { ContainerStatus } from '../../../api-spec/index.ts';
import type { ContainerRecord } from '../../containers/types.ts';

/** The in-doubt marks are shown as what the container was before. */
export function statusWord(record: ContainerRecord): ContainerStatus {
  switch (record.state) {
    case 'starting':
      return record.finishedNs === 0n ? 'created' : 'exited';
    case 'stopping':
      return 'running';
    default:
      return record.state;
  }
}

/** A length of time as Go's units.HumanDuration says it. */
export function humanDuration(ns: bigint): string {
  const exact = Number(ns) / 1e9;
  const seconds = Math.floor(exact);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(exact / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(exact / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 7 * 2) return `${days} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(exact / 3600 / 24 / 365)} years`;
}

/** The sentence of `docker ps`, as of `now` in nanoseconds. */
export function statusText(record: ContainerRecord, now: bigint, health?: string): string {
  switch (statusWord(record)) {
    case 'running': {
      const up = `Up ${humanDuration(now - record.startedNs)}`;
      if (health === undefined) return up;
      return `${up} (${health === 'starting' ? 'health: starting' : health})`;
    }
    case 'paused':
      return `Up ${humanDuration(now - record.startedNs)} (Paused)`;
    case 'restarting':
      return `Restarting (${record.exitCode}) ${humanDuration(now - record.finishedNs)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return record.finishedNs === 0n
        ? ''
        : `Exited (${record.exitCode}) ${humanDuration(now - record.finishedNs)} ago`;
  }
}
