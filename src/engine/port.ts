/**
 * The port to what does the work on rows. One engine is one database in memory with a spill folder; a load opens one
 * and closes it. Implementation: `duckdb.ts`. SQL is DuckDB's; `sql.ts` quotes identifiers and literals.
 */
import type { RecordBatch } from 'apache-arrow'
import type { Schema } from '../schema/types.js'

export interface Engine {
  /** Name and version, e.g. `duckdb-1.5.6`: part of the name of every fingerprint made by its `hash()`. */
  readonly id: string

  run(sql: string, options?: RunOptions): Promise<void>
  /**
   * All rows as objects, for small results. Values: BIGINT and wider → bigint; DECIMAL → text; DATE → `YYYY-MM-DD`;
   * TIMESTAMPTZ → ISO text with `Z` and µs where not 0; BLOB → Uint8Array; list → array; struct → object; map → array
   * of `{key, value}`; null → null; smaller integers, floats, booleans and text as themselves.
   */
  rows(sql: string, options?: RowsOptions): Promise<Row[]>
  /** The same, row by row, for large results: chunks are fetched as they are asked for. */
  stream(sql: string, options?: RunOptions): AsyncIterable<Row[]>
  /** Names and types of a query's result without running it; `undefined` type for what `schema/duckdb.ts` refuses. */
  describe(sql: string): Promise<{ name: string; sqlType: string }[]>

  /**
   * Make Arrow batches scannable as the relation `name`. A synchronous iterable is pulled while the query that scans it
   * runs, batch by batch, once: a second scan is an error. Asynchronous ones are handed over in turns into a relation that
   * the engine holds (and spills), before this resolves; that one can be scanned again.
   */
  feed(name: string, schema: Schema, batches: BatchStream, options?: FeedOptions): Promise<FedRelation>

  /**
   * `COPY (sql) TO folder` as Parquet V1 + zstd with `RETURN_STATS`: one entry per file written.
   * Partition columns are not written into the files.
   */
  copy(sql: string, options: CopyOptions): Promise<CopiedFile[]>

  /** Rows and share of the running statement; -1 where unknown. */
  progress(): { percent: number; rowsProcessed: number }
  close(): Promise<void>
}

export type Row = Record<string, unknown>

export interface RunOptions {
  signal?: AbortSignal
}

export interface RowsOptions extends RunOptions {
  /** On a connection of its own, beside other statements; temporary relations are not there. */
  apart?: boolean
}

export interface FeedOptions extends RunOptions {
  /** Adds this BIGINT column, last: the row's number in the stream, from 1. */
  rowNumber?: string
}

export interface EngineSettings {
  /** Of the process, as DuckDB's size text, e.g. `1GB`; default: half of the machine's memory, at most 4 GB. */
  memory?: string
  threads?: number
  /** Where it may spill. */
  spillFolder: string
}

export type BatchStream = Iterable<RecordBatch> | AsyncIterable<RecordBatch>

export interface FedRelation {
  name: string
  /** Whether a second scan gives the same rows again. */
  replayable: boolean
  /** Rows handed over so far. */
  readonly rows: number
}

export interface CopyOptions extends RunOptions {
  folder: string
  /**
   * Columns of `sql` by whose (text) value files are split into subfolders; their text comes back in `partitionKeys`.
   * The caller marks the values (`'v' || value`, `'n'`) so that nothing is merged: see `partition/spec.ts`.
   */
  partitionBy: string[]
  /** Field id by column name, nested by `parent.child`. */
  fieldIds: Record<string, number>
  /** Bytes of a file after which a new one begins; only without `partitionBy`. */
  targetFileBytes?: number
  /** Files that may be open at once with `partitionBy`. */
  maxOpenFiles?: number
  /** Rows that each thread may gather before it writes, with `partitionBy`: fewer where there are thousands of partitions. */
  gatheredRows?: number
  rowGroupRows?: number
  /** One file with the rows as `sql` orders them; only without `partitionBy`. Else nothing is promised about their order. */
  inOrder?: boolean
  /** On a connection of its own, beside other statements: several at once, where each keeps one core busy. No TEMP relations. */
  apart?: boolean
  /** Prefix of the file names, unique within the folder. */
  name: string
}

export interface CopiedFile {
  path: string
  rows: number
  sizeBytes: number
  partitionKeys: Record<string, string>
  /** By top-level column name (unquoted); nested leaves are left out. Texts as DuckDB prints them. */
  columns: Record<string, { min?: string; max?: string; nullCount?: number; hasNaN?: boolean; sizeBytes?: number }>
}
