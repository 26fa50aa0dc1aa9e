/**
 * Single JavaScript values as values of a declared type: exact, or refused.
 *
 *   type        takes
 *   integers    safe integers and bigints within its bits; text by the grammar
 *   double      numbers; bigints that a double is equal to; text
 *   float       numbers that come back from it in 7 digits (0.1 does, 16777217 does not); text
 *   decimal     bigints, numbers as JavaScript prints them, text, if no digit is lost
 *   date        a Date at midnight UTC, `YYYY-MM-DD`
 *   timestamp   a Date, text by the grammar
 *   varchar     text; what the caller typed so with `types` also numbers, booleans and Dates, as they are printed
 *   blob        Uint8Array, base64
 */
import { firstMicros, instantMicros, lastMicros, matches } from '../../schema/grammar.js'
import type { LakeType } from '../../schema/types.js'
import { describeValue } from './infer.js'

/** Where the type of a column comes from: an inferred one takes no text but as varchar. */
export type TypedBy = 'inferred' | 'table' | 'declared'

export class ValueRefused extends Error {
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message)
  }
}

export function toInteger(type: LakeType, value: unknown, typedBy: TypedBy): number | bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && isWithin(type, value) ? value : undefined
  if (typeof value === 'bigint') return isWithin(type, value) ? value : undefined
  if (typeof value !== 'string' || typedBy === 'inferred' || !matches(type, value)) return undefined
  return BigInt(value)
}

export function toDouble(value: unknown, typedBy: TypedBy): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return BigInt(Number(value)) === value ? Number(value) : undefined
  return typeof value === 'string' && typedBy !== 'inferred' && matches({ kind: 'double' }, value)
    ? Number(value)
    : undefined
}

export function toFloat(value: unknown, typedBy: TypedBy): number | undefined {
  const number = toDouble(value, typedBy)
  if (number === undefined || Number.isNaN(number)) return number
  const rounded = Math.fround(number)
  return rounded === number || Number(rounded.toPrecision(7)) === number ? rounded : undefined
}

/** The digits without the point. */
export function toDecimal(type: Extract<LakeType, { kind: 'decimal' }>, value: unknown): bigint | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'string') return undefined
  const text = Object.is(value, -0) ? '0' : String(value)
  if (!matches(type, text)) return undefined
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.slice(0, type.scale).padEnd(type.scale, '0'))
}

const dayMillis = 86_400_000

/** Days since the epoch. */
export function toDays(value: unknown, typedBy: TypedBy): number | undefined {
  if (value instanceof Date) {
    const days = value.getTime() / dayMillis
    return Number.isInteger(days) && isYearOfFour(value) ? days : undefined
  }
  if (typeof value !== 'string' || typedBy === 'inferred' || !matches({ kind: 'date' }, value)) return undefined
  return Date.parse(`${value}T00:00:00Z`) / dayMillis
}

/** Microseconds since the epoch. */
export function toMicros(value: unknown, typedBy: TypedBy): bigint | undefined {
  if (value instanceof Date) return isYearOfFour(value) ? BigInt(value.getTime()) * 1000n : undefined
  if (typeof value !== 'string' || typedBy === 'inferred' || !matches({ kind: 'timestamp' }, value)) return undefined
  return instantMicros(value)
}

export function toBoolean(value: unknown, typedBy: TypedBy): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typedBy === 'inferred' || (value !== 'true' && value !== 'false')) return undefined
  return value === 'true'
}

export function toText(value: unknown, typedBy: TypedBy): string | undefined {
  if (typeof value === 'string') return value
  if (typedBy !== 'declared') return undefined
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : undefined
}

export function toBytes(value: unknown, typedBy: TypedBy): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'string' || typedBy === 'inferred' || !matches({ kind: 'blob' }, value)) return undefined
  return Buffer.from(value, 'base64')
}

export function refused(path: string, typeName: string, value: unknown): ValueRefused {
  return new ValueRefused(path, `column \`${path}\` is ${typeName}, and the value is ${describeValue(value)}`)
}

const limits = { tinyint: 2n ** 7n, smallint: 2n ** 15n, integer: 2n ** 31n, bigint: 2n ** 63n } as const

function isWithin(type: LakeType, value: number | bigint): boolean {
  const limit = limits[type.kind as keyof typeof limits]
  return value >= -limit && value < limit
}

/** Years 0001 to 9999, which is what tables hold; false for an invalid Date. */
function isYearOfFour(date: Date): boolean {
  const millis = date.getTime()
  return millis >= Number(firstMicros / 1000n) && millis <= Number(lastMicros / 1000n)
}
