// Owns the wire shape of events. Pure.
import { atLeast, type EventMessage } from '../../../api-spec/index.ts';
import type { EngineEvent } from '../ports.ts';

/** Stands for a number in JSON text with all its digits; nanoseconds since 1970 do not fit a JavaScript number. */
const exact = (value: bigint): number =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(value.toString()) as number;

/** An event; clients before 1.52 also get the fields of the time before 1.22. To be turned into JSON text only. */
export function presentEvent(event: EngineEvent, version: string): EventMessage {
  const message: EventMessage = {
    Type: event.type as EventMessage['Type'],
    Action: event.action,
    Actor: { ID: event.actorId, Attributes: { ...event.attributes } },
    scope: 'local',
    time: Number(event.timeNs / 1_000_000_000n),
    timeNano: exact(event.timeNs),
  };
  if (atLeast(version, '1.52')) return message;
  if (event.type === 'container') {
    const from = event.attributes.image;
    return { status: event.action, id: event.actorId, ...(from === undefined ? {} : { from }), ...message };
  }
  if (event.type === 'image') return { status: event.action, id: event.actorId, ...message };
  return message;
}
