/**
 * A digest of a set of rows that does not depend on their order and adds up over disjoint files, so that "is this
 * partition the same as the one that is there" needs no read of the old one.
 *
 *   per row    the two halves of the row's hash (`row-hash.ts`)
 *   per file   sum(hash(h1, h2)) as a 128-bit integer, bit_xor(hash(h2, h1)), count(*)
 *
 * Not the engine's hash of the columns alone: over texts it is weak, so that two rows which differ may well have one hash,
 * and its xor neither notices two rows that swap the value of their last column, nor pairs of equal rows. The engine's
 * name is part of the digest's name, because DuckDB has changed `hash()` between releases: a foreign name means recompute.
 */
import { createHash } from 'node:crypto'
import { typeName } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import type { Fingerprint } from './port.js'
import { rowHashSql } from './row-hash.js'

/** The table property under which a file's fingerprint lies in `add.tags`. */
export const fingerprintTagName = 'lakewright.fp'

/** The name that makes two fingerprints comparable: the algorithm, the engine's version, the columns with their types. */
export function fingerprintName(engineId: string, columns: Schema): string {
  const version = engineId.replace(/^duckdb-/, '')
  const digest = createHash('sha256')
  for (const { name, type } of inFoldedOrder(columns))
    digest.update(`${name.toLowerCase()}\u0000${typeName(type)}\u0000`)
  return `duckdb-rows-sumxor-2:${version}:${digest.digest('hex').slice(0, 16)}`
}

/** Aggregates `fp_sum` (HUGEINT), `fp_xor` (UBIGINT) and `fp_rows` (BIGINT) over the rows of a group. */
export function fingerprintSql(columns: Schema): string {
  const { sum, xor } = fingerprintPartsSql(columns)
  return `sum(${sum}::HUGEINT) AS fp_sum, bit_xor(${xor}) AS fp_xor, count(*) AS fp_rows`
}

/** What one row adds to the sum, and to the xor: UBIGINT. */
export function fingerprintPartsSql(columns: Schema, alias?: string): { sum: string; xor: string } {
  const { h1, h2 } = rowHashSql(columns, alias)
  return { sum: `hash(${h1}, ${h2})`, xor: `hash(${h2}, ${h1})` }
}

/** From a row with the aggregates of `fingerprintSql`. */
export function fingerprintOfRow(of: string, row: Record<string, unknown>): Fingerprint {
  return { of, sum: toBigInt(row.fp_sum), xor: toBigInt(row.fp_xor), rows: Number(row.fp_rows ?? 0) }
}

/** Of the union of disjoint sets; undefined as soon as one is unknown or was made in another way. */
export function combineFingerprints(of: string, parts: Iterable<Fingerprint | undefined>): Fingerprint | undefined {
  const whole: Fingerprint = { of, sum: 0n, xor: 0n, rows: 0 }
  for (const part of parts) {
    if (part === undefined || part.of !== of) return undefined
    whole.sum += part.sum
    whole.xor ^= part.xor
    whole.rows += part.rows
  }
  return whole
}

export function sameContent(a: Fingerprint, b: Fingerprint): boolean {
  return a.of === b.of && a.rows === b.rows && a.sum === b.sum && a.xor === b.xor
}

/** `algorithm:version:columns:value`, the value being sum, xor and rows in base 16. */
export function fingerprintTag({ of, sum, xor, rows }: Fingerprint): string {
  return `${of}:${sum.toString(16)}.${xor.toString(16)}.${rows.toString(16)}`
}

/** Undefined where the tag is missing or not of our making: it came from outside. */
export function parseFingerprintTag(tag: string | undefined): Fingerprint | undefined {
  const match = /^([^:]+:[^:]+:[^:]+):([0-9a-f]{1,40})\.([0-9a-f]{1,16})\.([0-9a-f]{1,14})$/.exec(tag ?? '')
  if (match === null) return undefined
  const [, of = '', sum, xor, rows] = match
  return { of, sum: BigInt(`0x${sum}`), xor: BigInt(`0x${xor}`), rows: Number.parseInt(rows ?? '0', 16) }
}

function inFoldedOrder(columns: Schema): Schema {
  return columns.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
}

function toBigInt(value: unknown): bigint {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string' ? BigInt(value) : 0n
}
