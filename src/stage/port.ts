/**
 * What a plan may ask of the rows, and what staging yields: files that nobody sees yet, with everything the manifest
 * will say about them.
 *
 *   ask       answered by                             for
 *   rows      few rows, as objects                    counts, fingerprints, keys of touched files
 *   relation  its row count; later SQL may name it    intermediate results that stay in the engine
 *   compare   how many rows differ                    both images of rows that differ from the table's
 *   stage     staged files                            what may become data
 */
import type { AddFile, PartitionValues } from '../manifest/actions.js'
import type { Schema } from '../schema/types.js'
import type { SpooledFile } from '../store/port.js'

/** Order-independent digest of a set of rows; equal sets are equal, and it adds up over disjoint files. */
export interface Fingerprint {
  /** `algorithm:version:columns`, e.g. `sumxor-duckdb-1.5.6:1:<digest of names and types>`. Foreign means recompute. */
  of: string
  sum: bigint
  xor: bigint
  rows: number
}

export interface StagedFile {
  /** Final key below the table's root. */
  key: string
  file: SpooledFile
  partitionValues: PartitionValues
  rows: number
  /** Delta `stats` JSON. */
  stats: string
  fingerprint: Fingerprint
  /** How often it went up again, each time under a new key, because what was staged was gone. */
  restaged?: number
}

export interface Reads {
  /** The relation's name in the SQL. It has the table's columns, partition columns included, then `__lw_file` (key) and `__lw_row` (0-based position). */
  alias: string
  files: readonly AddFile[]
  /** Columns the SQL uses; others need not be fetched. */
  columns: string[]
  /**
   * Only the key columns, `__lw_h1` and `__lw_h2` (the row's hash), `__lw_file` and `__lw_row`: taken from what is kept
   * beside each file where there is such a thing, so that the other columns need not be fetched.
   */
  hashes?: RowHashes
  /** Of files with other columns than the table's, and without partitions: tombstones. */
  schema?: Schema
}

/** Which hash of a row: made by this algorithm over these columns, for rows with this key. */
export interface RowHashes {
  /** See `rowHashName`. */
  of: string
  columns: Schema
  key: string[]
}

/**
 * `reads` absent: about the load's own rows alone, so the answer is remembered when the load is planned again on another
 * base. An ask that builds on a relation made from old rows says `reads: []`.
 */
export type Ask =
  | { ask: 'rows'; sql: string; reads?: Reads[] }
  /**
   * `kept: 'file'` writes the rows to the spool: for what may be larger than memory, or is read column by column. Of the
   * `input` as it is, row by row, nothing is written where the input can itself be read column by column. `view` is a name
   * for the SQL, which is worked out anew by each question about it.
   */
  | { ask: 'relation'; name: string; sql: string; reads?: Reads[]; kept?: 'memory' | 'file' | 'view'; input?: boolean }
  | { ask: 'stage'; sql: string; reads?: Reads[]; as?: StagedKind; rewrites?: Rewrites }
  | Compare

/**
 * What `sql` gives of the relation `rows`, in the table's columns, compared value by value with the old rows of the only
 * `reads`, as the relation `name`: see `compare/values.ts`, with `__lw_file` and `__lw_row` of the old one. Only where that
 * costs less than comparing hashes would: where the old files lie on this machine, and where both sides fit into memory, or
 * lie in the order of their keys, so that one range of keys after the other does. Keys that are null are no part of it.
 */
export interface Compare {
  ask: 'compare'
  name: string
  sql: string
  rows: string
  reads: [Reads]
  key: string[]
  compared: Schema
}

/**
 * What `sql` does to old files, where they may be put together from their own bytes instead of being encoded anew: of
 * `files` go the rows of `removed`, and those of `added` come.
 */
export interface Rewrites {
  files: readonly AddFile[]
  /** A relation of `__lw_file`, `__lw_row`. */
  removed: string
  /**
   * A relation of the table's columns, and `__lw_file`, `__lw_row` of the removed row whose place in the same partition it
   * takes, or nulls.
   */
  added?: string
  /**
   * `removed` has `__lw_sum` and `__lw_xor` too, what the row adds to its file's fingerprint (UBIGINT), and `added` has
   * `__lw_changed`, a UBIGINT with a bit for each of at most 64 data columns, in the schema's order, that differs from the
   * removed row's. So the old rows need not be read for it.
   */
  known?: boolean
}

/**
 *   data          the table's columns, in folders by partition
 *   change-data   the table's columns and `_change_type`; one file or more per partition, without folders
 *   tombstones    `columns`, in files of their own that belong to no partition
 */
export type StagedKind = { kind: 'data' } | { kind: 'change-data' } | { kind: 'tombstones'; columns: Schema }

export type Answer =
  | { ask: 'rows'; rows: Record<string, unknown>[] }
  | { ask: 'relation'; rows: number }
  | { ask: 'stage'; files: StagedFile[] }
  | { ask: 'compare'; found: Compared | undefined }

/** How many rows of each kind differ. */
export interface Compared {
  inserted: number
  updated: number
  deleted: number
  /** Pairs of rows with one key, equal ones too: that it is as many as there are rows shows that no key is repeated. */
  pairs: number | undefined
}
