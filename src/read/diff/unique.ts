/**
 * That every key is there, and once, on each side: shown by what a join gave (`joined.ts`), and only where that does not
 * show it by grouping the keys of a side.
 */
import { nullKeysSql, refuseNullKeys, refuseRepeatedKeys, repeatedKeysSql } from '../../plan/keys.js'
import { type RowCounts, relationOf, type Which, type Work } from './changes.js'

/** False also where it is not known. */
export async function areUnique({ engine, run }: Work, { from, alone, joined, rows }: Joined): Promise<boolean> {
  if (joined === undefined) return false
  const sides = [alone.old, alone.new]
  const counts = sides.flatMap((side, i) => [
    `count(*) FILTER (WHERE ${side.rows}) AS alone${i}`,
    `count(*) FILTER (WHERE ${side.of} AND (${side.key.map((name) => `${name} IS NULL`).join(' OR ')})) AS nulls${i}`,
  ])
  const [row = {}] = await engine.rows(`SELECT ${counts.join(', ')} FROM ${from}`, run)
  const { alone0, alone1, nulls0, nulls1 } = row
  if (Number(nulls0) + Number(nulls1) > 0) return false
  const pairs = joined - Number(alone0) - Number(alone1)
  if (pairs !== rows.old - Number(alone0) || pairs !== rows.new - Number(alone1)) return false
  for (const side of sides) {
    const repeated = await engine.rows(
      `SELECT 1 FROM ${from} WHERE ${side.rows} GROUP BY ${side.key.join(', ')} HAVING count(*) > 1 LIMIT 1`,
      run,
    )
    if (repeated.length > 0) return false
  }
  return true
}

export interface Joined {
  /** The changed rows. */
  from: string
  alone: Record<Which, Alone>
  /** How many rows the join gave; undefined where that is not known. */
  joined: number | undefined
  rows: RowCounts
}

/** Conditions on the changed rows. */
interface Alone {
  /** That it is a row of this side without one of the other. */
  rows: string
  /** That it has a row of this side. */
  of: string
  key: readonly string[]
}

/** @throws LakeError invalid, naming the side */
export async function refuseWrongKeys(work: Work): Promise<void> {
  await refuseNulls(work)
  const { engine, run, key } = work
  for (const which of ['old', 'new'] as const) {
    const repeated = await engine.rows(repeatedKeysSql(relationOf(which), key), run)
    refuseRepeatedKeys(repeated, { of: `the ${which} side`, key })
  }
}

/** @throws LakeError invalid, naming the side */
export async function refuseNulls({ engine, run, key }: Work): Promise<void> {
  for (const which of ['old', 'new'] as const) {
    const nulls = await engine.rows(nullKeysSql(relationOf(which), key), run)
    refuseNullKeys(nulls, { of: `the ${which} side`, key })
  }
}
