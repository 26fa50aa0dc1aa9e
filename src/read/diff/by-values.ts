/** Compare all columns of two relations, by one full outer join or, in ranges of the key, by several. */
import { join } from 'node:path'
import { quoteIdent } from '../../engine/sql.js'
import { changesFolder, changesSql, indexOf, type RowCounts, relationOf, type Which, type Work } from './changes.js'
import { copyJoin } from './joined.js'
import { areUnique, refuseNulls, refuseWrongKeys } from './unique.js'

/**
 * @param ranges conditions of which each row with a key meets exactly one; undefined for all rows at once
 * @throws LakeError invalid: keys that are null, or occur more than once
 */
export async function byValues(work: Work, rows: RowCounts, ranges: readonly string[] = ['true']): Promise<void> {
  const { engine, run, folder, schema, key } = work
  // A null is in no range.
  if (ranges.length > 1) await refuseNulls(work)
  let joined: number | undefined = 0
  for (const [i, range] of ranges.entries()) {
    const path = join(folder, changesFolder, `${String(i).padStart(5, '0')}.parquet`)
    const given = await copyJoin(engine, joinSql(work, rows, range), path, run)
    joined = given === undefined || joined === undefined ? undefined : joined + given
  }
  const keyColumns = (alias: 'n' | 'o'): string[] => key.map((name) => `${alias}${indexOf(schema, name)}`)
  const alone = {
    new: { rows: `__lw_change = 'i'`, of: `__lw_change <> 'd'`, key: keyColumns('n') },
    old: { rows: `__lw_change = 'd'`, of: `__lw_change <> 'i'`, key: keyColumns('o') },
  }
  if (!(await areUnique(work, { from: `(${changesSql(folder)})`, alone, joined, rows }))) await refuseWrongKeys(work)
}

/** Both images of the rows that differ. The side with fewer rows is held. */
function joinSql({ schema, key, compared }: Work, rows: RowCounts, range: string): string {
  const here = (which: Which, alias: 'n' | 'o'): string =>
    `(SELECT *, true AS __lw_here FROM ${relationOf(which)} WHERE ${range}) ${alias}`
  const [held, other] =
    rows.old <= rows.new ? [here('old', 'o'), here('new', 'n')] : [here('new', 'n'), here('old', 'o')]
  const images = (alias: 'n' | 'o'): string[] =>
    schema.map(({ name }, i) => `${alias}.${quoteIdent(name)} AS ${alias}${i}`)
  const change = `CASE WHEN o.__lw_here IS NULL THEN 'i' WHEN n.__lw_here IS NULL THEN 'd' ELSE 'u' END AS __lw_change`
  const same = key.map((name) => `n.${quoteIdent(name)} = o.${quoteIdent(name)}`)
  const differ = ['__lw_here', ...compared.map(({ name }) => quoteIdent(name))].map(
    (name) => `n.${name} IS DISTINCT FROM o.${name}`,
  )
  return `SELECT ${[change, ...images('n'), ...images('o')].join(', ')}
    FROM ${other} FULL JOIN ${held} ON ${same.join(' AND ')} WHERE ${differ.join(' OR ')}`
}
