// Owns the wording of what the addon says about archives: a broken one is the client's fault, a full disk is not.
import { SystemError } from '../../addon/index.ts';
import { EngineError, internal, invalidArgument, withContext } from '../base/errors.ts';

/** EBADMSG, EFBIG and name trouble come from the archive; anything else from the host. */
const fromArchive = new Set(['EBADMSG', 'EFBIG', 'ENAMETOOLONG', 'ELOOP', 'ENOTDIR']);

export function archiveError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (!(error instanceof SystemError)) return withContext('archive', error);
  const truncated = /truncated|unexpected EOF/i.test(error.detail);
  if (truncated) return invalidArgument('unexpected EOF', error);
  const text = error.code === 'EBADMSG' || error.code === 'EFBIG' ? error.detail : `${error.detail}: ${error.code}`;
  // A hard link to nothing is the archive's fault as well.
  const kind = fromArchive.has(error.code) || (error.step === 'link' && error.code === 'ENOENT');
  return kind ? invalidArgument(text, error) : internal(error.message, error);
}
