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
  /** Where it was asked which columns a row lacks and where it stands; of the scans as they are now. */
  ordered(): OrderedScan
  /** Of change events: the scans of `ordered` have `__lw_op` and `__lw_order` as well. */
  events?: PartEvents
  /** Whether the scan can be run again with the same rows. */
  replayable: boolean
  /** Whether single columns are read without the others, typed: then reading twice costs less than keeping a copy. */
  columnar?: boolean
  /** First file, or what else to call the rows in a message. */
  label: string
  /** Of Parquet files alone, which are read in place: their paths. */
  parquetFiles?: readonly string[]
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

export interface OrderedScan {
  /** Like the part's own, with `__lw_seq` (`sequence.ts`) and, where rows may lack columns, `__lw_keys`. */
  scan: string
  scanWithPlaces: string
  /** `__lw_keys` says by `1` at a column's `place` (from 0) that the row has it; what is beyond its end it has not. */
  hasKeys: boolean
}

export interface PartEvents {
  /** Documents that are no event of a row. */
  ignored: number
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
  /** In `__lw_keys`; without one all rows have the column. */
  place?: number
  /** What to say of a value that does not fit a wanted type, beside the type. */
  hint?: string
}
