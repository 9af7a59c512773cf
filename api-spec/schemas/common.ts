// Owns the schemas that several areas of the API share. Must not know any endpoint.
import { z } from 'zod';
import { int64, string, stringMap, strings } from '../fields.ts';

export const ErrorResponse = z.object({ message: string });
export type ErrorResponse = z.output<typeof ErrorResponse>;

export const IdResponse = z.object({ Id: string.describe('Id of what was made.') });
export type IdResponse = z.output<typeof IdResponse>;

/** An OCI image platform. */
export const OciPlatform = z.object({
  architecture: string,
  os: string,
  'os.version': string.optional(),
  'os.features': strings.optional(),
  variant: string.optional(),
});
export type OciPlatform = z.output<typeof OciPlatform>;

/** An OCI content descriptor; `size` in bytes, `data` in base64. */
export const OciDescriptor = z.object({
  mediaType: string,
  digest: string,
  size: int64,
  urls: strings.optional(),
  annotations: stringMap.optional(),
  data: string.optional(),
  platform: OciPlatform.optional(),
  artifactType: string.optional(),
});
export type OciDescriptor = z.output<typeof OciDescriptor>;

export const DriverData = z.object({ Name: string, Data: stringMap.nullable() });
export type DriverData = z.output<typeof DriverData>;

export const ErrorDetail = z.object({ code: int64.optional(), message: string });
export type ErrorDetail = z.output<typeof ErrorDetail>;

/** Progress of one thing; bytes. */
export const ProgressDetail = z.object({ current: int64.optional(), total: int64.optional() });

/** One line of a pull, push, load, import or build stream. `error` ends the stream. */
export const ProgressLine = z.object({
  id: string.optional(),
  status: string.optional(),
  stream: string.optional(),
  progress: string.optional(),
  progressDetail: ProgressDetail.optional(),
  error: string.optional(),
  errorDetail: ErrorDetail.optional(),
  aux: z.unknown().optional(),
});
export type ProgressLine = z.output<typeof ProgressLine>;

/** What an area of the engine occupies; sizes in bytes. */
export function diskUsage<T extends z.ZodType>(item: T) {
  return z.object({
    ActiveCount: int64.optional(),
    TotalCount: int64.optional(),
    Reclaimable: int64.optional(),
    TotalSize: int64.optional(),
    Items: z.array(item).optional(),
  });
}
