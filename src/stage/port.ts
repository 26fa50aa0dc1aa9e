/**
 * What a plan may ask of the rows, and what staging yields: files that nobody sees yet, with everything the manifest
 * will say about them.
 *
 *   ask       answered by                             for
 *   rows      few rows, as objects                    counts, fingerprints, keys of touched files
 *   relation  its row count; later SQL may name it    intermediate results that stay in the engine
 *   stage     staged files                            what may become data
 */
import type { AddFile, PartitionValues } from '../manifest/actions.js'
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
  files: AddFile[]
  /** Columns the SQL uses; others need not be fetched. */
  columns: string[]
}

export type Ask =
  | { ask: 'rows'; sql: string; reads?: Reads[] }
  | { ask: 'relation'; name: string; sql: string; reads?: Reads[] }
  | { ask: 'stage'; sql: string; reads?: Reads[]; label?: string }

export type Answer =
  | { ask: 'rows'; rows: Record<string, unknown>[] }
  | { ask: 'relation'; rows: number }
  | { ask: 'stage'; files: StagedFile[] }
