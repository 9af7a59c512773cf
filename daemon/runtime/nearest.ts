// The search for near names lives in base, for all rooms.
export { nearest } from '../base/nearest.ts';
