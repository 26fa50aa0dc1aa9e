/**
 * How a value of one type becomes one of another: only without loss, proved per value where the types alone do not say it.
 */
import { castSql, proofSql } from '../schema/grammar.js'
import { toSql } from '../schema/duckdb.js'
import { isNested, sameType } from '../schema/names.js'
import type { LakeType } from '../schema/types.js'

/** @returns undefined where no value of `from` may become one of `to` */
export function fit(from: LakeType, to: LakeType, x: string): Fit | undefined {
  if (sameType(from, to)) return { value: x }
  if (from.kind === 'varchar') return isNested(to) ? undefined : { value: castSql(to, x), proof: proofSql(to, x) }
  if (isNested(from) || isNested(to)) return undefined
  if (to.kind === 'varchar') return textOf(from, x)
  const cast = `CAST(${x} AS ${toSql(to)})`
  if (isNumber(from) && isNumber(to)) {
    const back = `CAST(TRY_CAST(${x} AS ${toSql(to)}) AS ${toSql(from)})`
    return { value: cast, proof: `(coalesce(${back} = ${x}, false))` }
  }
  if (from.kind === 'date' && to.kind === 'timestamp') return { value: cast }
  if (from.kind === 'timestamp' && to.kind === 'date') return { value: cast, proof: `(CAST(${cast} AS TIMESTAMPTZ) = ${x})` }
  return undefined
}

export interface Fit {
  value: string
  /** Holds if the value is exact; missing where it always is. */
  proof?: string
}

/** The narrowest type that holds all values of both, if there is one. */
export function unionOfTypes(a: LakeType, b: LakeType): LakeType | undefined {
  return sameType(a, b) ? a : undefined
}

/** What the table's column becomes so that it holds the input's type as well, if Delta can widen it so. */
export function reconcileTypes(table: LakeType, input: LakeType): LakeType | undefined {
  return sameType(table, input) ? table : undefined
}

const numbers = new Set<LakeType['kind']>(['tinyint', 'smallint', 'integer', 'bigint', 'float', 'double', 'decimal'])

function isNumber(type: LakeType): boolean {
  return numbers.has(type.kind)
}

function textOf(from: LakeType, x: string): Fit | undefined {
  if (from.kind === 'blob') return undefined
  if (from.kind === 'timestamp') return { value: `strftime(${x}, '%Y-%m-%dT%H:%M:%S.%fZ')` }
  return { value: `CAST(${x} AS VARCHAR)` }
}
