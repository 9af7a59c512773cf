// Owns the form of the resolver's messages: what of a query counts, answers of our own, failures, truncation. Pure; the bytes are
// dns-packet's. RFC 1035, RFC 6891 (EDNS).
import dnsPacket from 'dns-packet';

/** What a message may have over UDP without EDNS. */
const PLAIN_UDP = 512;
/** The most that we send in one datagram, whatever the client takes. */
const MAX_UDP = 4096;
/** Seconds that an answer of our own may be kept, as Docker's. */
const TTL = 600;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const OPCODES = 0x7800;

export const responseCode = { noError: 0, formatError: 1, serverFailure: 2, notImplemented: 4, refused: 5 } as const;

export interface Query {
  readonly id: number;
  /** As asked, without the final dot. */
  readonly name: string;
  /** `A`, `AAAA`, `PTR` …; `UNKNOWN_65` for those that the library does not name. */
  readonly type: string;
  readonly internet: boolean;
  readonly raw: Uint8Array;
  /** Bytes that the client takes in a datagram. */
  readonly udpSize: number;
}

export type ReadQuery =
  | { readonly kind: 'query'; readonly query: Query }
  /** To be sent back as it is. */
  | { readonly kind: 'refusal'; readonly answer: Uint8Array }
  /** Not worth an answer. */
  | { readonly kind: 'ignore' };

/** A header alone, with the query's id and question left out. */
function bareFailure(raw: Uint8Array, code: number): Uint8Array {
  const answer = new Uint8Array(12);
  answer.set(raw.subarray(0, 2));
  const flags = ((raw[2] ?? 0) << 8) | (raw[3] ?? 0);
  const own = FLAG_RESPONSE | (flags & (OPCODES | 0x0100)) | code;
  answer[2] = own >> 8;
  answer[3] = own & 255;
  return answer;
}

/** Reads what a client sent. Never throws: it may send anything. */
export function readQuery(raw: Uint8Array): ReadQuery {
  if (raw.length < 12) return { kind: 'ignore' };
  const flags = ((raw[2] ?? 0) << 8) | (raw[3] ?? 0);
  if ((flags & FLAG_RESPONSE) !== 0) return { kind: 'ignore' };
  if ((flags & OPCODES) !== 0) return { kind: 'refusal', answer: bareFailure(raw, responseCode.notImplemented) };
  let packet: dnsPacket.DecodedPacket;
  try {
    packet = dnsPacket.decode(Buffer.from(raw.buffer, raw.byteOffset, raw.length));
  } catch {
    return { kind: 'refusal', answer: bareFailure(raw, responseCode.formatError) };
  }
  const [question] = packet.questions ?? [];
  if (question === undefined || packet.questions?.length !== 1) {
    return { kind: 'refusal', answer: bareFailure(raw, responseCode.formatError) };
  }
  const extended = (packet.additionals ?? []).find(({ type }) => type === 'OPT');
  const size = extended !== undefined && 'udpPayloadSize' in extended ? extended.udpPayloadSize : PLAIN_UDP;
  return {
    kind: 'query',
    query: {
      id: packet.id ?? 0,
      name: question.name.replace(/\.$/, ''),
      type: question.type,
      internet: question.class === undefined || question.class === 'IN',
      raw,
      udpSize: Math.min(Math.max(size, PLAIN_UDP), MAX_UDP),
    },
  };
}

/** What the engine itself knows about a name. */
export type OwnAnswer =
  | { readonly type: 'A' | 'AAAA'; readonly addresses: readonly string[] }
  | { readonly type: 'PTR'; readonly name: string }
  /** The name exists and has no record of the type. */
  | { readonly type: 'nothing' };

function recordsOf(query: Query, answer: OwnAnswer): dnsPacket.Answer[] {
  const { name } = query;
  switch (answer.type) {
    case 'A':
      return answer.addresses.map((data) => ({ type: 'A', name, ttl: TTL, class: 'IN', data }));
    case 'AAAA':
      return answer.addresses.map((data) => ({ type: 'AAAA', name, ttl: TTL, class: 'IN', data }));
    case 'PTR':
      return [{ type: 'PTR', name, ttl: TTL, class: 'IN', data: answer.name }];
    case 'nothing':
      return [];
  }
}

function encode(query: Query, code: number, answers: dnsPacket.Answer[], truncated: boolean): Uint8Array {
  const recursionDesired = ((query.raw[2] ?? 0) & 1) === 1;
  const flags =
    (recursionDesired ? dnsPacket.RECURSION_DESIRED : 0) |
    (code === 0 ? dnsPacket.RECURSION_AVAILABLE : 0) |
    (truncated ? dnsPacket.TRUNCATED_RESPONSE : 0) |
    code;
  const { questions, additionals } = dnsPacket.decode(Buffer.from(query.raw));
  const extended = (additionals ?? []).some(({ type }) => type === 'OPT');
  return dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags,
    questions: questions ?? [],
    answers,
    additionals: extended
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: MAX_UDP,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
}

/** An answer of our own; over UDP as much as the client takes, and marked so that it asks again over TCP, which not every one does. */
export function ownAnswer(query: Query, answer: OwnAnswer, overUdp: boolean): Uint8Array {
  const records = recordsOf(query, answer);
  const whole = encode(query, responseCode.noError, records, false);
  if (!overUdp || whole.length <= query.udpSize) return whole;
  const empty = encode(query, responseCode.noError, [], true).length;
  // They are of one length: one name, one type.
  const each = (whole.length - empty) / records.length;
  return encode(query, responseCode.noError, records.slice(0, Math.floor((query.udpSize - empty) / each)), true);
}

export function failure(query: Query, code: number): Uint8Array {
  return encode(query, code, [], false);
}

/** Another server's answer for our client: its own id, and over UDP no more than it takes. */
export function passOn(query: Query, answer: Uint8Array, overUdp: boolean): Uint8Array {
  if (overUdp && answer.length > query.udpSize) return encode(query, responseCode.noError, [], true);
  const copy = Uint8Array.from(answer);
  copy[0] = query.id >> 8;
  copy[1] = query.id & 255;
  return copy;
}

/** The query as it goes to another server. */
export function withId(raw: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(raw);
  copy[0] = id >> 8;
  copy[1] = id & 255;
  return copy;
}

export const idOf = (raw: Uint8Array): number => ((raw[0] ?? 0) << 8) | (raw[1] ?? 0);

export const codeOf = (raw: Uint8Array): number => (raw[3] ?? 0) & 15;

export const isTruncated = (raw: Uint8Array): boolean =>
  ((((raw[2] ?? 0) << 8) | (raw[3] ?? 0)) & FLAG_TRUNCATED) !== 0;

/** The question section byte for byte, names without regard to case: a forged answer has to match it. */
export function sameQuestion(query: Uint8Array, answer: Uint8Array): boolean {
  const end = questionEnd(query);
  if (answer.length < end || (answer[4] ?? 0) !== 0 || answer[5] !== 1) return false;
  const lower = (raw: Uint8Array): string => Buffer.from(raw.subarray(12, end)).toString('latin1').toLowerCase();
  return lower(query) === lower(answer);
}

/** A query's one question stands behind its header, uncompressed. */
function questionEnd(raw: Uint8Array): number {
  let at = 12;
  while (at < raw.length && (raw[at] ?? 0) !== 0) at += 1 + (raw[at] ?? 0);
  return at + 5;
}
