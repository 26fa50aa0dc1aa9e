/**
 * The hash by which two rows are taken for the same: 128 bits, as two UBIGINT expressions over the row's columns, in the
 * order of their folded names.
 *
 *   rowHashSql([amount double, city varchar])
 *     h1   hash("amount", "city")
 *     h2   hash(17, -"amount", 'xxxx' || "city")
 *
 * DuckDB's `hash()` is a bijection of 64-bit values. The second half hashes another image of each value, so that a number
 * which is taken for null, or two columns that make up for each other, are so in one half only.
 *
 * Of bytes it is weak: it reads eight at a time and multiplies, which spreads a difference upwards only. What two texts
 * have different in bytes 8 and 16 (`customA…orderB`) stays in 8 bits of 64: 8,100 such texts have 256 hashes. The second
 * half reads texts shifted by four bytes, so that what falls into the upper bytes of one reading falls into the middle of
 * the other, and no two positions leave fewer than 48 bits. (A third reading would leave 72 and make a diff slower by a
 * fifth, MD5 by more than half.) Texts that Parquet keeps in a dictionary are hashed once per entry, which is why columns
 * are not joined first.
 *
 * Nested values, which `hash()` confuses (`[]`, `[NULL]` and NULL), and decimals of more than 18 digits, of which it only
 * combines the halves (-1 and 0 are alike), are hashed through the bytes of their sort key. That one is injective,
 * independent of the session's zone, and has equality as CONTRACT §4 does: -0.0 = 0.0, NaN = NaN, at any depth.
 *
 * `hash()` has changed between releases of DuckDB, so its version is part of the name of what it makes.
 */
import { createHash } from 'node:crypto'
import { foldName, isNested, typeName } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Field, LakeType, Schema } from '../schema/types.js'

/** What the halves are called wherever rows carry them. */
export const hashColumns = { h1: '__lw_h1', h2: '__lw_h2' } as const

/**
 * `algorithm:version:digest`: hashes of one name may be compared, a foreign name means recompute.
 *
 * @param columns those that are hashed: neither key nor load columns
 */
export function rowHashName(engineId: string, columns: Schema, key: readonly string[]): string {
  const version = engineId.replace(/^duckdb-/, '')
  const digest = createHash('sha256')
  for (const { name, type } of inFoldedOrder(columns)) digest.update(`${foldName(name)}\u0000${typeName(type)}\u0000`)
  for (const name of key.map(foldName).sort()) digest.update(`\u0001${name}\u0000`)
  return `duckdb-row-hash-1:${version}:${digest.digest('hex').slice(0, 16)}`
}

/** @param alias of the relation, where the expressions must name it */
export function rowHashSql(columns: Schema, alias?: string): { h1: string; h2: string } {
  if (columns.length === 0) return { h1: '0::UBIGINT', h2: '0::UBIGINT' }
  const prefix = alias === undefined ? '' : `${quoteIdentifier(alias)}.`
  const fields = inFoldedOrder(columns)
  const value = ({ name }: Field): string => prefix + quoteIdentifier(name)
  return {
    h1: `hash(${fields.map((field) => firstImage(field.type, value(field))).join(', ')})`,
    h2: `hash(17, ${fields.map((field) => secondImage(field.type, value(field))).join(', ')})`,
  }
}

/** The two expressions with their names, as a SELECT has them. */
export function rowHashColumns(columns: Schema, alias?: string): string {
  const { h1, h2 } = rowHashSql(columns, alias)
  return `${h1} AS ${hashColumns.h1}, ${h2} AS ${hashColumns.h2}`
}

function firstImage(type: LakeType, x: string): string {
  return goesBySortKey(type) ? sortKey(x) : x
}

function secondImage(type: LakeType, x: string): string {
  if (goesBySortKey(type)) return `'xxxx'::BLOB || ${sortKey(x)}`
  switch (type.kind) {
    case 'varchar':
      return `'xxxx' || ${x}`
    case 'blob':
      return `'xxxx'::BLOB || ${x}`
    case 'boolean':
      return `NOT ${x}`
    case 'float':
    case 'double':
    case 'decimal':
      return `-${x}`
    case 'date':
      return `~(${x} - DATE '1970-01-01')`
    case 'timestamp':
      return `~epoch_us(${x})`
    default:
      return `~${x}`
  }
}

function goesBySortKey(type: LakeType): boolean {
  return isNested(type) || (type.kind === 'decimal' && type.precision > 18)
}

function sortKey(x: string): string {
  return `create_sort_key(${x}, 'ASC NULLS LAST')`
}

function inFoldedOrder(columns: Schema): Schema {
  return columns.toSorted((a, b) => (foldName(a.name) < foldName(b.name) ? -1 : 1))
}
