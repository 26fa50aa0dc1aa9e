/**
 * What a load reads, after everything that is particular to a kind of input has been dealt with: a schema and one SQL
 * query over the engine whose columns have exactly that schema, in order. Kinds: `csv.ts`, `json.ts`, `parquet.ts`,
 * `arrow.ts` (IPC files, batches), `rows.ts`. `open.ts` takes what users pass and returns an `Input`.
 */
import type { Engine } from '../engine/port.js'
import type { Runtime } from '../runtime.js'
import type { LakeType, Schema } from '../schema/types.js'
import type { StoreSettings } from '../store/port.js'

export interface Input {
  /** Columns as the load will have them: after `--header`, `--types`, `--rename`, `--set`, `--derive`, union of several inputs. */
  readonly schema: Schema
  /**
   * A SELECT with the columns of `schema`, then, only where `provenance` was asked for, `__lw_file` (VARCHAR) and
   * `__lw_row` (BIGINT, 1-based), then, where the input has `events`, `__lw_op` (VARCHAR: `u` the row is so now, `d` it is
   * gone, `t` all rows are gone) and `__lw_order`, then, only where `absent` was asked for, `__lw_absent` (VARCHAR[]) and
   * `__lw_seq` (BIGINT). Scanning it proves the types of text: a value that does not fit raises an engine error,
   * which `refine` understands. With `divert`, misfits are left out here and come out of `rejects`.
   */
  readonly select: string
  /** Where `select` can be run only once: the same over the first rows alone, as often as one likes. */
  readonly sample?: string
  /** Names of the columns in `schema` that the input has; the table's others are null in `select`. */
  readonly supplied: readonly string[]
  /** How the type of each column came about, for the first receipt: `declared`, `table`, `inferred`, `typed`. */
  readonly typedBy: Record<string, 'declared' | 'table' | 'inferred' | 'typed'>
  /** Whether `select` can be run again with the same rows. */
  readonly replayable: boolean
  /** Where nothing but Parquet files is read, in place: their paths. */
  readonly parquetFiles?: readonly string[]
  /** Whether `select` reads only the columns that are asked of it, so that a copy of the rows would save nothing. */
  readonly columnar?: boolean
  /**
   * After an engine error: true if the proposal of types was widened, `schema` and `select` have changed and the caller
   * should run again; otherwise it throws the LakeError (`invalid`, naming file, row, column and the fix) that the
   * error stands for, or answers false if the error is none of its business.
   */
  refine(error: unknown): Promise<boolean>
  /** With `onReject: 'divert'`: a SELECT of `__lw_file, __lw_row, __lw_reason, __lw_raw` (JSON text of the row as read). */
  readonly rejects?: string
  /** Where the format itself says what happened to the rows (`debezium`). */
  readonly events?: InputEvents
  close(): Promise<void>
}

export interface InputEvents {
  /** Of `__lw_order`: always the same for one kind. */
  orderType: LakeType
  /** What `__lw_order` counts; orders of two kinds do not compare. Undefined where no event has an order, and it is null. */
  orderKind: string | undefined
  /** A SELECT of one BIGINT `n`: documents read that are no event of a row: tombstones, heartbeats, transactions, schema changes. */
  ignored: string
}

/** Settings that say how inputs are read: the reading flags of the command line, under their TypeScript names. */
export interface ReadingSettings {
  format?: 'csv' | 'tsv' | 'ndjson' | 'json' | 'parquet' | 'arrow' | 'debezium'
  delimiter?: string
  quote?: string
  escape?: string
  encoding?: string
  skipRows?: number
  header?: string[]
  nullText?: string[]
  /** SQL type by column, `*` for all others: `{ a: 'decimal(12,2)', '*': 'varchar' }`. */
  types?: Record<string, string>
  /** new name by old */
  rename?: Record<string, string>
  /** Constant columns. */
  set?: Record<string, string | number | boolean | null>
  /** Expression columns, e.g. `{ dt: 'date(created_at)' }`. */
  derive?: Record<string, string>
}

export interface OpenInputContext {
  engine: Engine
  runtime: Runtime
  /** Folder for transcoded, downloaded or piped-in files; removed by the caller. */
  spoolFolder: string
  /** The table's schema, where it exists: its types rule, and are applied to text by the grammar. */
  tableSchema?: Schema
  /** With `evolve`, text of a wider kind than the table's type may widen it; with `strict` it does not fit. */
  evolve: boolean
  /** Columns that the table does not have come last, for the mode to judge, instead of being refused. */
  mayHaveMore?: boolean
  onReject: 'fail' | 'divert'
  /** Constants from a scope with `col = literal`: they supply an absent column. */
  scopeConstants?: Record<string, string>
  /** Add `__lw_file` and `__lw_row` to `select`. Rows are then counted one after the other: slower. */
  provenance?: boolean
  /**
   * Add `__lw_absent`, the names (as in `schema`) of the columns that a row does not have at all, and `__lw_seq`, which
   * increases strictly over all rows in the order given, from file to file and within each (a glob's by name).
   *
   *   JSON, NDJSON         a key that the object does not have
   *   rows                 a property that does not exist; `undefined` and null are null
   *   CSV, Parquet, Arrow  a column that the file does not have
   *   `--derive`           null, and made from a column that is absent
   *   Debezium             as JSON, and a value that says it is unavailable
   */
  absent?: boolean
  /** Key and partition columns: the input is refused where a part of it supplies none, instead of nulls. */
  required?: readonly string[]
  /** Columns by which the table is partitioned; with `divert`, values that cannot divide it are rejects. */
  partitionBy?: readonly string[]
  /** How to reach what lies on a store. */
  store?: StoreSettings
  /** Rows from which types of text are proposed, default 20,000. The result does not depend on it. */
  sampleRows?: number
  signal?: AbortSignal
  onProgress?(progress: { bytesRead?: number; rowsRead?: number }): void
}

export type { LakeType }
