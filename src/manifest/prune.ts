/**
 * Whether a file may hold a row, by its statistics: `false` is a proof, `true` a guess. Compared by the column's type, exactly:
 * integers as bigint, decimals by their digits, texts by code points (the order of UTF-8), floats rounded to floats.
 *
 * Anything that is missing or not understood may match. Other writers leave NaN out of their bounds, and engines sort it
 * last: so for floats nothing is concluded from a maximum but for `=` and `in`.
 */
import type { Field, LakeType } from '../schema/types.js'
import type { FileStats } from './actions.js'

/**
 * @param value in the column's own text form, or as a number, bigint or boolean
 */
export function canContain(stats: FileStats | undefined, field: Field, op: Comparison, value?: unknown): boolean {
  if (stats === undefined) return true
  if (stats.numRecords === 0) return false
  const nulls = Object.hasOwn(stats.nullCount, field.name) ? stats.nullCount[field.name] : undefined
  if (op === 'is null') return nulls !== 0
  if (nulls === stats.numRecords) return false
  if (op === 'is not null') return true
  if (value === null || value === undefined) return false
  const bounds = boundsOf(stats, field)
  if (matchesBounds(bounds, field.type, op, toOperand(field.type, value))) return true
  // An engine may compare a float with 0.1 as floats or as doubles, which differ.
  return field.type.kind === 'float' && matchesBounds(bounds, field.type, op, toComparable(field.type, value))
}

/**
 * Microseconds since the epoch of `2026-11-20 10:00:00.123456+00` (DuckDB, any offset, also `+05:30` and `-00:01:15`) or
 * `2026-11-20T10:00:00.123Z`; without an offset UTC. Undefined for anything else, also for infinity and years beyond 9999.
 */
export function timestampMicros(text: string): bigint | undefined {
  const match =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(?:Z|([+-])(\d\d)(?::?(\d\d))?(?::(\d\d))?)?$/.exec(
      text,
    )
  if (match === null) return undefined
  const [, date, time, seconds = '00', fraction = '', sign, hours = '0', minutes = '0', offsetSeconds = '0'] = match
  const ms = Date.parse(`${date}T${time}:${seconds}.000Z`)
  if (Number.isNaN(ms)) return undefined
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(offsetSeconds)) * 1000
  const utcMs = sign === '-' ? ms + offsetMs : ms - offsetMs
  return BigInt(utcMs) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=' | 'is null' | 'is not null'

/** Comparable values of one kind, `less` their order; undefined bounds are open. */
interface Bounds {
  min: Comparable | undefined
  max: Comparable | undefined
}
type Comparable = bigint | number | string | Decimal
/** value = digits / 10^scale */
interface Decimal {
  digits: bigint
  scale: number
}

function matchesBounds({ min, max }: Bounds, type: LakeType, op: Comparison, value: Comparable | undefined): boolean {
  if (value === undefined) return true
  const belowMin = min !== undefined && compare(value, min) < 0
  const aboveMax = max !== undefined && compare(value, max) > 0
  const mayHaveNaN = type.kind === 'float' || type.kind === 'double'
  switch (op) {
    case '=':
      return !belowMin && !aboveMax
    case '<':
      return min === undefined || compare(min, value) < 0
    case '<=':
      return !belowMin
    case '>':
      return mayHaveNaN || max === undefined || compare(max, value) > 0
    case '>=':
      return mayHaveNaN || !aboveMax
    case '<>':
      return (
        mayHaveNaN || min === undefined || max === undefined || compare(min, value) !== 0 || compare(max, value) !== 0
      )
    default:
      return true
  }
}

function boundsOf({ minValues, maxValues }: FileStats, { name, type }: Field): Bounds {
  const bound = (values: Record<string, unknown>) =>
    Object.hasOwn(values, name) ? toComparable(type, values[name]) : undefined
  const max = bound(maxValues)
  // Delta's own writers cut timestamps to milliseconds, also the maximum.
  return { min: bound(minValues), max: type.kind === 'timestamp' && typeof max === 'bigint' ? max + 999n : max }
}

function toOperand(type: LakeType, value: unknown): Comparable | undefined {
  // Such a number has been rounded already: it may stand for several integers.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && type.kind !== 'double')
    return undefined
  return toComparable(type.kind === 'float' ? { kind: 'double' } : type, value)
}

/** Undefined for what is no value of the type, NaN among it. */
function toComparable(type: LakeType, value: unknown): Comparable | undefined {
  const text = typeof value === 'string' ? value : String(value)
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
    case 'decimal':
      return toDecimal(text)
    case 'float':
      return finite(Math.fround(Number(text)), text)
    case 'double':
      return finite(Number(text), text)
    case 'varchar':
      return typeof value === 'string' ? value : undefined
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) ? text : undefined
    case 'timestamp':
      return timestampMicros(text)
    default:
      return undefined
  }
}

function finite(value: number, text: string): number | undefined {
  return text.trim() === '' || !Number.isFinite(value) ? undefined : value
}

function toDecimal(text: string): Decimal | undefined {
  const [, sign, whole, fraction = '', exponentText = '0'] =
    /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text) ?? []
  if (whole === undefined) return undefined
  const magnitude = BigInt(whole + fraction)
  const digits = sign === '-' ? -magnitude : magnitude
  const scale = fraction.length - Number(exponentText)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}

function compare(a: Comparable, b: Comparable): number {
  if (typeof a === 'object' && typeof b === 'object') {
    const scale = Math.max(a.scale, b.scale)
    const [x, y] = [a, b].map((value) => value.digits * 10n ** BigInt(scale - value.scale))
    return order(x ?? 0n, y ?? 0n)
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return order(a as number, b as number)
}

function order<T extends number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
