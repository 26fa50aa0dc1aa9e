/**
 * The change feed: what each commit after one version, up to another, did to the rows of a table.
 *
 *   the table's columns, as the newest version asked for has them, then
 *   _change_type        insert, update_preimage, update_postimage, delete
 *   _commit_version     which commit did it
 *   _commit_timestamp   when
 *   _changed_columns    of updates: the columns in which the two images differ; where the table has no key, null
 *
 * In the order of versions, within one by key, an image before right before the one after. With `net` there is one change
 * per key: what all commits did to it together, if that is anything. Nothing runs before the first answer is asked for.
 */
import type { EngineUse } from '../settings.js'
import type { Reading } from './reading.js'
import { lazyResult, type QueryResult } from './result.js'

/** @throws LakeError invalid, as soon as rows are asked for: no such version, or its changes are not there any more */
export function changes(reading: Reading, options: ChangesOptions): ChangesResult {
  let resolving: Promise<VersionRange> | undefined
  const versions = () => {
    resolving ??= import('./changes/range.js').then(({ resolveRange }) => resolveRange(reading, options))
    const asked = resolving
    // Who asked is told, and who asks next tries again.
    asked.catch(() => {
      if (resolving === asked) resolving = undefined
    })
    return asked
  }
  const result = lazyResult(async () => {
    const { openChanges } = await import('./changes/open.js')
    return openChanges(reading, await versions(), options)
  })
  return Object.assign(result, { versions })
}

export interface ChangesOptions extends EngineUse {
  /** Changes after this version, or after what was the newest one at this time; -1 for all since the table was made. */
  since: number | string | Date
  /** Up to and including this version, or what was the newest one at this time; the newest by default. */
  until?: number | string | Date
  /** One change per key (without a key, per row) for all versions together. */
  net?: boolean
  signal?: AbortSignal
}

/** Changes after `since` up to and including `until`. */
export interface VersionRange {
  since: number
  until: number
}

export interface ChangesResult extends QueryResult {
  /** Which versions these are: `until` is where the next one goes on. */
  versions(): Promise<VersionRange>
}
