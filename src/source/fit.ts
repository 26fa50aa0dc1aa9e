/**
 * How a value of one type becomes one of another: `schema/fit.ts`, proof and cast together.
 */
import { fitCastSql, fitProofSql } from '../schema/fit.js'
import type { LakeType } from '../schema/types.js'

/** @returns undefined where no value of `from` may become one of `to` */
export function fit(from: LakeType, to: LakeType, x: string): Fit | undefined {
  const proof = to.kind === 'varchar' && from.kind === 'varchar' ? 'true' : fitProofSql(from, to, x)
  if (proof === undefined) return undefined
  const value = fitCastSql(from, to, x)
  if (from.kind === 'varchar' && to.kind === 'timestamp') return fitPlainInstant(x, { value, proof })
  return proof === 'true' ? { value } : { value, proof }
}

export interface Fit {
  value: string
  /** Holds if the value is exact, NULL for null; missing where it always is. */
  proof?: string
}

/**
 * The grammar of timestamps takes offsets off by hand, which costs nine times as much as DuckDB's own cast. Texts with seconds
 * and without offset, which most are, need only the cast.
 */
function fitPlainInstant(x: string, { value, proof }: Required<Fit>): Fit {
  const isPlain = `regexp_full_match(${x}, '${plainInstant}')`
  const instant = `TRY_CAST(${x} AS TIMESTAMP)`
  return {
    value: `CASE WHEN ${isPlain} THEN make_timestamptz(epoch_us(${instant})) ELSE ${value} END`,
    proof: `CASE WHEN ${isPlain} THEN coalesce(${instant} >= TIMESTAMP '0001-01-01', false) ELSE ${proof} END`,
  }
}

const plainInstant =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?'
