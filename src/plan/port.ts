/**
 * A load mode is a plan: a pure generator that asks questions about rows, and ends with a verdict about files. The
 * executor (`stage/execute.ts`) answers; the plan does no I/O, so a test replays it from recorded answers.
 *
 * SQL names old data by the alias of a `reads` entry, and the load's rows by `ctx.input.name`.
 */
import type { AddFile, Snapshot } from '../manifest/actions.js'
import type { ReadSet } from '../manifest/conflict.js'
import type { Predicate } from '../partition/scope.js'
import type { Schema } from '../schema/types.js'
import type { Answer, Ask, StagedFile } from '../stage/port.js'

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
  input: { name: string; schema: Schema }
  scope?: Predicate
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
  /** Rows of files that were rewritten only because a column was widened. */
  rewritten?: number
}

export type { Answer, Ask, ReadSet, StagedFile }

/** What most plans ask first: the load's rows as files. */
export function* stageInput(ctx: PlanContext): Generator<Ask, StagedFile[], Answer> {
  const answer = yield { ask: 'stage', sql: `SELECT * FROM ${ctx.input.name}` }
  return answer.ask === 'stage' ? answer.files : []
}
