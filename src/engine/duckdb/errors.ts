/**
 * What DuckDB says when it fails, in the words of the caller. Only what the caller can act on becomes a LakeError; the
 * rest stays an EngineError with DuckDB's own text, for `Input.refine` to read.
 *
 *   Out of Memory Error                invalid, names `--memory`
 *   … No space left on device          unavailable
 *   anything else                      EngineError
 */
import { LakeError } from '../../errors.js'

/** DuckDB's own error: `kind` is what stands before `Error:`, e.g. `Conversion`, `Invalid Input`, `IO`. */
export class EngineError extends Error {
  readonly kind: string
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EngineError'
    this.kind = /^([A-Z][A-Za-z ]*?) Error: /.exec(message)?.[1] ?? ''
  }
}

export function wrapEngineError(error: unknown, settings: { memory: string; spillFolder: string }): unknown {
  if (!(error instanceof Error) || error instanceof LakeError || error instanceof EngineError) return error
  const message = error.message
  if (/No space left on device|disk quota exceeded/i.test(message) || /max_temp_directory_size/.test(message))
    return new LakeError('unavailable', `the disk that spilled data goes to is full (${firstLine(message)})`, {
      spillFolder: settings.spillFolder,
      fix: 'Free space there, or put the spill folder on a larger disk.',
      cause: error,
    })
  if (/^Out of Memory Error/.test(message) || /failed to allocate data|std::bad_alloc/i.test(message))
    return new LakeError('invalid', `the load needs more memory than it may use (${firstLine(message)})`, {
      memory: settings.memory,
      fix: 'Raise `--memory`, or lower `--threads`.',
      cause: error,
    })
  return new EngineError(message, { cause: error })
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').trim()
}
