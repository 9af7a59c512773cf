// Owns the shape of a log that rooms are given by their constructors; pino's logger fits. Knows no destination and no format.

/** Fields first, then a sentence, as pino takes them. An error goes into the field `err`. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing: for tests of pure parts. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
