/**
 * What every reader of a format makes of its files: parts. The rows of one part have the same columns and come out of one
 * scan; `compose.ts` unites parts into the load's SELECT.
 */
import type { LakeError } from '../errors.js'
import type { LakeType } from '../schema/types.js'

export interface Part {
  /** As the source spells them, in its order. */
  columns: PartColumn[]
  /** A SELECT of `columns` by their names. */
  scan: string
  /**
   * The same with `__lw_file` and `__lw_row` (the row within its file, 1-based) as well. Slower: the rows are counted
   * one after the other.
   */
  scanWithPlaces: string
  /** Of what can be read only once: a scan like `scanWithPlaces` of its first rows, which leaves the rows themselves alone. */
  head?: string
  /** Whether the scan can be run again with the same rows. */
  replayable: boolean
  /** First file, or what else to call the rows in a message. */
  label: string
  /** Names that the part's own settings change, new by old. */
  rename: Record<string, string>
  /** Rows that could not be read at all, where they are diverted: a SELECT of `__lw_file, __lw_row, __lw_reason, __lw_raw`. */
  rejects?: string
  /**
   * Read each file from its start to its end from now on: `scan` and `scanWithPlaces` change. A reader that starts in the
   * middle of a CSV file may take what stands within quotes for rows; it notices, but only afterwards.
   * @returns false if it does so already, or cannot
   * @throws LakeError what is wrong with a file
   */
  readSerially?(): Promise<boolean>
  /** What an engine's error about one of the part's files means; `undefined` if it is about none of them. */
  explain?(message: string): Promise<LakeError | undefined>
}

export interface PartColumn {
  name: string
  /**
   * `untyped`: text of a format that has only text, its type is inferred. `typed`: the source says the type; text of such
   * a source stays text unless the table or a declaration wants another type.
   */
  kind: 'untyped' | 'typed'
  type: LakeType
  /** The value as SQL over the scan, in our type; it may raise a misfit (`schema/misfit.ts`). */
  sql: string
}
