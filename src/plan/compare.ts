/**
 * What changed between two relations with the same key, as SQL: one full outer join on the key.
 *
 *   compareSql({ old: 'o', new: 'n', key: ['id'] })
 *
 *   SELECT coalesce(n."id", o."id") AS "id",
 *     CASE WHEN o.__lw_h1 IS NULL THEN 'i' WHEN n.__lw_h1 IS NULL THEN 'd' ELSE 'u' END AS __lw_change
 *   FROM o FULL JOIN n ON o."id" = n."id"
 *   WHERE o.__lw_h1 IS DISTINCT FROM n.__lw_h1 OR o.__lw_h2 IS DISTINCT FROM n.__lw_h2
 *
 * DuckDB's `=` and IS DISTINCT FROM have equality as CONTRACT §4 does (-0.0 = 0.0, NaN = NaN, texts by their bytes), and
 * the join spills. Keys must be unique and not null on both sides: `keys.ts`.
 */
import { quoteIdentifier } from '../schema/quote.js'
import type { Schema } from '../schema/types.js'

/** @returns a SELECT of the key columns and `__lw_change` (`i`, `u`, `d`), then, with `places`, old's `__lw_file` and `__lw_row` */
export function compareSql(comparison: Comparison): string {
  const { old, new: now, key, places } = comparison
  const columns = [
    ...key.map(quoteIdentifier).map((name) => `coalesce(n.${name}, o.${name}) AS ${name}`),
    `${changeSql(comparison)} AS __lw_change`,
    ...(places ? ['o.__lw_file', 'o.__lw_row'] : []),
  ]
  return `SELECT ${columns.join(', ')} FROM ${old} o FULL JOIN ${now} n ON ${sameKey(key)} WHERE ${differSql(comparison)}`
}

export interface Comparison {
  /** Each a name, or a SELECT in parentheses; with the key columns and, unless `exact`, `__lw_h1` and `__lw_h2`. */
  old: string
  new: string
  key: readonly string[]
  /** Old also has `__lw_file` and `__lw_row`. */
  places?: boolean
  /** Compare the values of these columns instead of the rows' hashes. */
  exact?: Schema
}

export function sameKey(key: readonly string[]): string {
  return key
    .map(quoteIdentifier)
    .map((name) => `o.${name} = n.${name}`)
    .join(' AND ')
}

function changeSql({ key, exact }: Comparison): string {
  // A row that is not there has nulls, which neither a hash nor a key ever is.
  const mark = exact === undefined ? '__lw_h1' : quoteIdentifier(key[0] ?? '')
  return `CASE WHEN o.${mark} IS NULL THEN 'i' WHEN n.${mark} IS NULL THEN 'd' ELSE 'u' END`
}

function differSql({ key, exact }: Comparison): string {
  const compared =
    exact === undefined ? ['__lw_h1', '__lw_h2'] : [...exact.map(({ name }) => name), key[0] ?? ''].map(quoteIdentifier)
  return compared.map((name) => `o.${name} IS DISTINCT FROM n.${name}`).join(' OR ')
}
