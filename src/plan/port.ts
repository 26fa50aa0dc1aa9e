/**
 * A load mode is a plan: a pure generator that asks questions about rows, and ends with a verdict about files. The
 * executor (`stage/execute.ts`) answers; the plan does no I/O, so a test replays it from recorded answers.
 *
 * SQL names old data by the alias of a `reads` entry, and the load's rows by `ctx.input.name`.
 */
import type { AddFile, Snapshot } from '../manifest/actions.js'
import type { ReadSet } from '../manifest/conflict.js'
import type { Predicate } from '../partition/scope.js'
import type { Field, Schema } from '../schema/types.js'
import type { LoadSettings } from '../settings.js'
import type { Answer, Ask, RowHashes, StagedFile } from '../stage/port.js'

export type Plan = (ctx: PlanContext) => Generator<Ask, Verdict, Answer>

export interface PlanContext {
  /** The table before, or undefined where this load creates it. */
  base: Snapshot | undefined
  /** The table's schema after this load (evolution applied), all columns. */
  schema: Schema
  partitionBy: string[]
  key: string[]
  /** Columns that hashes, fingerprints and comparison leave out: `_loaded_at` and its kind. */
  loadColumns: string[]
  /** What fingerprints that may be compared are made of: data columns without partition and load columns. */
  fingerprint: { of: string; columns: Schema }
  /** The table's partitioning or schema starts anew with this load, so that nothing of the old can be the same. */
  rearranged: boolean
  /**
   * The load's rows: the table's columns in order (null where the input does not supply one), then `extras`.
   * @see Input for what `__lw_op` and its kind hold
   */
  input: {
    name: string
    schema: Schema
    supplied: readonly string[]
    extras: readonly Field[]
    /** A SELECT of one BIGINT `n`: what was read beside the rows. */
    ignored?: string
  }
  scope?: Predicate
  /** Of the row's hash: columns that are neither key nor load columns. */
  rowHash: RowHashes
  /** Row-level changes are to be written beside the data. */
  changeFeed: boolean
  /** Files without a changed row are rewritten with this load, so that what it adds is not all that the commit adds. */
  rewritesOthers?: boolean
  /** When the load began, ms since the epoch: the time of everything that it says happened now. */
  startedMs: number
  /** What `_load_id` says. */
  loadId: string
  settings: PlanSettings
}

/** What the modes with a key may be told. */
export type PlanSettings = Pick<
  LoadSettings,
  | 'onDuplicate'
  | 'orderBy'
  | 'exact'
  | 'deleteWhen'
  | 'updateColumns'
  | 'whenMatched'
  | 'whenNotMatchedBySource'
  | 'where'
  | 'track'
  | 'effectiveAt'
  | 'snapshot'
  | 'late'
  | 'orderColumn'
  | 'softDelete'
  | 'tombstoneRetention'
> & {
  /** `cdc`: a delete carries the order of the row that it deletes (Snowflake's streams), and is later than it all the same. */
  deletesOfOldOrder?: boolean
}

export interface Verdict {
  /** Old files that the new version no longer has. */
  supersede: AddFile[]
  /** Staged files that become data; the others are dropped. */
  add: StagedFile[]
  reads: ReadSet
  rows: RowCounts
  partitions: { replaced: string[]; removed: string[]; unchanged: number }
  /** False where only the arrangement of rows changes (compact). */
  dataChange: boolean
  /** Row-level changes, for a table with a change feed. */
  changeData?: StagedFile[]
  /** Files that are not data but become visible with it. */
  tombstones?: StagedFile[]
  /** Table properties that this load sets; an empty text takes one away. */
  properties?: Record<string, string>
  /** Rows of the part that a snapshot stands for, before: what guards on shares are measured by. */
  rowsBefore?: number
  /** How many of them go, where `rows.deleted` does not say it (scd2: closed because their key is missing). */
  rowsGone?: number
}

/** CONTRACT §1: counts that do not apply to a mode are left out. */
export interface RowCounts {
  read: number
  written: number
  inserted?: number
  updated?: number
  deleted?: number
  unchanged?: number
  ignored?: number
  rejected?: number
  /** scd2: versions that were corrected where they stand, without a new one. */
  corrected?: number
  /** Rows of files that were rewritten only because a column was widened. */
  rewritten?: number
}

export type { Answer, Ask, ReadSet, StagedFile }

/** What most plans ask first: the load's rows as files. */
export function* stageInput(ctx: PlanContext): Generator<Ask, StagedFile[], Answer> {
  const answer = yield { ask: 'stage', sql: `SELECT * FROM ${ctx.input.name}` }
  return answer.ask === 'stage' ? answer.files : []
}
