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
  return proof === 'true' ? { value } : { value, proof }
}

export interface Fit {
  value: string
  /** Holds if the value is exact, NULL for null; missing where it always is. */
  proof?: string
}
