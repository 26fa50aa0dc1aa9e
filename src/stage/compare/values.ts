/**
 * Two relations of the same columns, row by row of their key, by one full outer join of all columns.
 *
 *   __lw_change   i, u, d
 *   n0, n1 …      the row as it is now, in the schema's order; nulls where it is gone
 *   o0, o1 …      the row as it was; nulls where it is new
 */
import { quoteIdent } from '../../engine/sql.js'
import type { Schema } from '../../schema/types.js'

export interface ImagesRequest {
  /** Each a SELECT in parentheses, of the schema's columns. */
  old: string
  new: string
  schema: Schema
  key: readonly string[]
  /** Columns in which two rows of a key may differ. */
  compared: Schema
  /** The side that is held in memory, while the other one's rows flow past it. */
  held: 'old' | 'new'
  /** Further columns of old, under their own names. */
  places?: readonly string[]
}

/** @returns a SELECT of the rows that differ; keys that are null on a side have no partner on the other */
export function imagesSql({ old, new: now, schema, key, compared, held, places = [] }: ImagesRequest): string {
  const sides = [`(SELECT *, true AS __lw_here FROM ${old}) o`, `(SELECT *, true AS __lw_here FROM ${now}) n`]
  if (held === 'old') sides.reverse()
  const images = (alias: 'n' | 'o'): string[] =>
    schema.map(({ name }, i) => `${alias}.${quoteIdent(name)} AS ${alias}${i}`)
  const change = `CASE WHEN o.__lw_here IS NULL THEN 'i' WHEN n.__lw_here IS NULL THEN 'd' ELSE 'u' END AS __lw_change`
  const same = key.map((name) => `n.${quoteIdent(name)} = o.${quoteIdent(name)}`)
  const differ = ['__lw_here', ...compared.map(({ name }) => quoteIdent(name))].map(
    (name) => `n.${name} IS DISTINCT FROM o.${name}`,
  )
  const columns = [change, ...images('n'), ...images('o'), ...places.map((name) => `o.${name}`)]
  return `SELECT ${columns.join(', ')}
    FROM ${sides.join(' FULL JOIN ')} ON ${same.join(' AND ')} WHERE ${differ.join(' OR ')}`
}
