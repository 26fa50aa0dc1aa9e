/** Compare all columns of two relations, by one full outer join or, in ranges of the key, by several. */
import { join } from 'node:path'
import { copyJoins } from '../../stage/compare/joined.js'
import { imagesSql } from '../../stage/compare/values.js'
import {
  changesFolder,
  changesSql,
  heldSide,
  indexOf,
  type RowCounts,
  relationOf,
  type Which,
  type Work,
} from './changes.js'
import { areUnique, refuseNulls, refuseWrongKeys } from './unique.js'

/**
 * @param ranges conditions of which each row with a key meets exactly one; undefined for all rows at once
 * @throws LakeError invalid: keys that are null, or occur more than once
 */
export async function byValues(work: Work, rows: RowCounts, ranges: readonly string[] = ['true']): Promise<void> {
  const { engine, run, folder, schema, key } = work
  // A null is in no range.
  if (ranges.length > 1) await refuseNulls(work)
  const joins = ranges.map((range, i) => ({
    select: joinSql(work, rows, range),
    path: join(folder, changesFolder, `${String(i).padStart(5, '0')}.parquet`),
  }))
  const joined = await copyJoins(engine, joins, run)
  const keyColumns = (alias: 'n' | 'o'): string[] => key.map((name) => `${alias}${indexOf(schema, name)}`)
  const alone = {
    new: { rows: `__lw_change = 'i'`, of: `__lw_change <> 'd'`, key: keyColumns('n') },
    old: { rows: `__lw_change = 'd'`, of: `__lw_change <> 'i'`, key: keyColumns('o') },
  }
  if (!(await areUnique(work, { from: `(${changesSql(folder)})`, alone, joined, rows }))) await refuseWrongKeys(work)
}

function joinSql({ schema, key, compared }: Work, rows: RowCounts, range: string): string {
  const here = (which: Which): string => `(SELECT * FROM ${relationOf(which)} WHERE ${range})`
  return imagesSql({ old: here('old'), new: here('new'), schema, key, compared, held: heldSide(rows) })
}
