/**
 * Where a row stands among all of a load: which input, which row of it. One BIGINT, so that ties are broken by comparing it.
 *
 *   sequenceOf(2n, 7n)   2 * 2^40 + 7
 *
 * 8 million inputs of a trillion rows each.
 */

/** @param ordinal of the file or stream among the load's, from 0 */
export function sequenceOf(ordinal: number, row: number): bigint {
  return (BigInt(ordinal) << rowBits) + BigInt(row)
}

/** @param row SQL of the row's number within its input, from 1 */
export function sequenceSql(ordinal: number, row: string): string {
  return `${row} + ${BigInt(ordinal) << rowBits}::BIGINT`
}

export function placeOf(sequence: bigint): { ordinal: number; row: number } {
  return { ordinal: Number(sequence >> rowBits), row: Number(sequence & ((1n << rowBits) - 1n)) }
}

/** SQL of both halves. */
export function placeSql(sequence: string): { ordinal: string; row: string } {
  return { ordinal: `(${sequence} >> ${rowBits})`, row: `(${sequence} & ${(1n << rowBits) - 1n}::BIGINT)` }
}

const rowBits = 40n
