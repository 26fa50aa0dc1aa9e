/**
 * How a value of one type becomes one of another: `schema/fit.ts`, proof and cast together.
 */
import { fitCastSql, fitProofSql } from '../schema/fit.js'
import type { LakeType } from '../schema/types.js'

/** @returns undefined where no value of `from` may become one of `to` */
export function fitValue(from: LakeType, to: LakeType, x: string): Fit | undefined {
  const proof = to.kind === 'varchar' && from.kind === 'varchar' ? 'true' : fitProofSql(from, to, x)
  if (proof === undefined) return undefined
  const value = fitCastSql(from, to, x)
  if (proof === 'true') return { branches: [], otherwise: value }
  const branches = [{ proof, value }]
  if (from.kind === 'varchar' && to.kind === 'timestamp') branches.unshift(plainInstant(x))
  return { branches }
}

/** How a value becomes one of another type: by the first branch whose proof holds. */
export interface Fit {
  branches: { proof: string; value: string }[]
  /** Where it always fits; there are no branches then. */
  otherwise?: string
}

/** @param misfit SQL for a value that fits no branch */
export function fittedSql({ branches, otherwise }: Fit, x: string, misfit: string): string {
  if (otherwise !== undefined) return otherwise
  const whens = branches.map(({ proof, value }) => `WHEN ${proof} THEN ${value}`).join(' ')
  return `CASE WHEN ${x} IS NULL THEN NULL ${whens} ELSE ${misfit} END`
}

/** TRUE for what fits and for null, else FALSE: never NULL, which `bool_and` would pass over. */
export function fitsSql({ branches, otherwise }: Fit, x: string): string {
  if (otherwise !== undefined) return 'true'
  return `(${x} IS NULL OR ${branches.map(({ proof }) => `coalesce(${proof}, false)`).join(' OR ')})`
}

/**
 * The grammar of timestamps takes offsets off by hand, which costs nine times as much as DuckDB's own cast. Texts with seconds
 * and without offset, which most are, need only the cast.
 */
function plainInstant(x: string): { proof: string; value: string } {
  const pattern = '[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?'
  // As DuckDB prints it, years 0001 to 9999: coming back the same is the proof, and a third cheaper than the pattern.
  const printed = `strlen(${x}) = 19 AND contains(${x}, ' ') AND coalesce(CAST(TRY_CAST(${x} AS TIMESTAMP) AS VARCHAR) = ${x}, false)`
  return {
    proof: `(CASE WHEN ${printed} THEN true ELSE regexp_full_match(${x}, '${pattern}') AND TRY_CAST(${x} AS TIMESTAMP) >= TIMESTAMP '0001-01-01' END)`,
    value: `make_timestamptz(epoch_us(CAST(${x} AS TIMESTAMP)))`,
  }
}
