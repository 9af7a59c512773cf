// Owns what users of the client library see. Must not hold anything of its own.
export { routes } from '../api-spec/index.ts';
export { type Address, DEFAULT_HOST, hostFromEnvironment, parseAddress } from './address.ts';
export {
  type CallOptions,
  Client,
  type ClientOptions,
  type HijackReply,
  type Reply,
  type StreamReply,
} from './client.ts';
export { Demultiplexer, demultiplex, type FrameStream } from './demultiplex.ts';
export { ApiError, ConnectionError } from './errors.ts';
export { jsonLines } from './json-lines.ts';
