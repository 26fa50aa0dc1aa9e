/**
 * lakewright: rows, Arrow batches and files become a Delta table of Hive-partitioned Parquet, and every load is
 * all-or-nothing.
 *
 *     await using orders = await openTable('s3://lake/orders', { partitionBy: ['dt'] })
 *     const receipt = await orders.replace(csv('dumps/2026-11-20.csv.gz'))
 */
export { type ErrorCode, exitCodes, isLakeError, LakeError } from './errors.js'
export type { TrippedGuard } from './guard.js'
export type { HeldSummary } from './held.js'
export type { CommitSummary } from './maintain/history.js'
export type { VerifyProblem, VerifyReport } from './maintain/verify.js'
export type { ChangesOptions, ChangesResult, VersionRange } from './read/changes.js'
export { type DiffResult, type DiffSettings, type DiffSide, type DiffSummary, diff } from './read/diff.js'
export { toJsonValue } from './read/json.js'
export type { QueryOptions, QueryResult } from './read/query.js'
export type { FileSummary, PartitionSummary, TableSummary } from './read/show.js'
export { type At, parseTableUrl } from './read/version.js'
export type { ColumnInfo, LoadMode, PartitionPlan, Receipt } from './receipt.js'
export type { LoadSettings, Progress, Scope, ScopeValue, TableSettings } from './settings.js'
export {
  arrow,
  csv,
  debezium,
  type FileSource,
  files,
  json,
  ndjson,
  parquet,
  type SourceOptions,
  tsv,
} from './source/files.js'
export type { LoadInput } from './source/open.js'
export type { ReadingSettings } from './source/port.js'
export { openTable, Table } from './table.js'
