/**
 * Find the keys whose rows differ, and both images of these rows.
 *
 *   by values   new  ⟗  old, one range of the key after the other where both sides lie in its order (`ranges.ts`), or where
 *               the caller asks for it
 *   by hashes   new  ⟗  keys and hashes of old, otherwise
 *
 * What is found is the same.
 */
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteGlobFree } from '../../engine/sql.js'
import type { Schema } from '../../schema/types.js'
import { keyRanges } from '../../stage/compare/ranges.js'
import { byHashes } from './by-hashes.js'
import { byValues } from './by-values.js'

/** @throws LakeError invalid: keys that are null, or occur more than once */
export async function findChanges(work: Work): Promise<Changes> {
  const rows = { old: await countRows('old', work), new: await countRows('new', work) }
  const column = work.schema.find(({ name }) => name === work.key[0])
  const ranges = column && (await keyRanges({ ...work, column, held: heldSide(rows) }))
  const inRanges = ranges !== undefined && ranges.length > 1
  if (work.exact || inRanges) await byValues(work, rows, ranges)
  else await byHashes(work, rows)
  const { engine, run, folder } = work
  const found = await engine.rows(`SELECT __lw_change, count(*) AS n FROM (${changesSql(folder)}) GROUP BY 1`, run)
  const of = (change: string): number => Number(found.find((row) => row.__lw_change === change)?.n ?? 0)
  const exact = work.exact || inRanges
  return { inserted: of('i'), updated: of('u'), deleted: of('d'), rows, exact }
}

export interface Work {
  engine: Engine
  run: RunOptions
  /** Its `changes` is where the changed rows go; others come and go. */
  folder: string
  /** Of the relations `lw_old` and `lw_new`. */
  schema: Schema
  key: readonly string[]
  compared: Schema
  exact: boolean
  /** The Parquet files of each side, where its first key column is in them as it is; none elsewhere. */
  files: Record<Which, readonly string[]>
}

export interface Changes {
  inserted: number
  updated: number
  deleted: number
  rows: RowCounts
  /** Whether values were compared. */
  exact: boolean
}

export type Which = 'old' | 'new'
export type RowCounts = Record<Which, number>

export function relationOf(which: Which): string {
  return which === 'old' ? 'lw_old' : 'lw_new'
}

/** Below the folder of the work. */
export const changesFolder = 'changes'

/** The changed rows: `__lw_change` (`i`, `u`, `d`), `n0, n1 …` the row as it is now, `o0, o1 …` as it was, in the schema's order. */
export function changesSql(folder: string): string {
  const files = `${quoteGlobFree(`${folder}/${changesFolder}`).slice(0, -1)}/*.parquet'`
  return `SELECT * FROM read_parquet(${files}, hive_partitioning = false)`
}

export function indexOf(schema: Schema, name: string): number {
  return schema.findIndex((field) => field.name === name)
}

/** The side with fewer rows. */
export function heldSide(rows: RowCounts): Which {
  return rows.old <= rows.new ? 'old' : 'new'
}

async function countRows(which: Which, { engine, run }: Work): Promise<number> {
  const [row] = await engine.rows(`SELECT count(*) AS n FROM ${relationOf(which)}`, run)
  return Number(row?.n)
}
