/**
 * The grammar of values written as text: which text is a value of which type, without loss. Said twice, in JavaScript
 * and in DuckDB's SQL, and a property test holds that both say the same.
 *
 *   bigint      -?(0|[1-9]\d*)            within the type's bits, not `-0`; so too tinyint, smallint, integer
 *   double      the same with (\.\d+)?    at most 15 digits from the first that is not 0 (float: 6)
 *   decimal     the same                  as many digits before and after the point as the type has; zeros at the end
 *                                         of the fraction do not count: `1.10` fits decimal(10,1), `3.999` does not fit (10,2)
 *   date        YYYY-MM-DD                a day of the calendar, years 0001 to 9999
 *   timestamp   date[(T| )HH:MM[:SS[.1–6 digits]][Z|±HH[[:]MM]]], without zone it is UTC, without time midnight
 *   boolean     true|false
 *   varchar     anything
 *   blob        base64 in its canonical form, as our JSON output writes it
 *
 * DuckDB's own casts are no proof: `'7.6'::bigint` is 8, `'0x1F'` 31, `'3.999'::decimal(10,2)` 4.00, and
 * `'2026-11-20 10:00:00+02'::timestamp` drops the offset.
 */
import { LakeError } from '../errors.js'
import { misfitSql } from './misfit.js'
import { typeName } from './names.js'
import type { LakeType } from './types.js'

/** Whether the text is a value of the type, exactly. */
export function matches(type: LakeType, text: string): boolean {
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return isInteger(text) && fitsBits(text, integerBits[type.kind])
    case 'float':
    case 'double':
      return isFraction(text) && text.length <= 300 && significantDigits(text) <= floatDigits[type.kind]
    case 'decimal':
      return isFraction(text) && fitsDecimal(text, type.precision, type.scale)
    case 'date':
      return fullMatch(patterns.date, text) && isDay(text)
    case 'timestamp':
      return fullMatch(patterns.timestamp, text) && isInstant(text)
    case 'boolean':
      return text === 'true' || text === 'false'
    case 'varchar':
      return true
    case 'blob':
      return fullMatch(patterns.base64, text)
    default:
      throw notFromText(type)
  }
}

/**
 * The same as SQL: a boolean expression over a VARCHAR, never TRUE for null.
 *
 *   proofSql({ kind: 'date' }, '"dt"')
 *   (strlen("dt") = 10 AND coalesce(CAST(TRY_CAST("dt" AS DATE) AS VARCHAR) = "dt", false))
 */
export function proofSql(type: LakeType, columnSql: string): string {
  const x = columnSql
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      // The grammar is just what DuckDB prints, so coming back the same is the proof, and cheaper than a pattern.
      return `coalesce(CAST(TRY_CAST(${x} AS ${type.kind.toUpperCase()}) AS VARCHAR) = ${x}, false)`
    case 'float':
    case 'double': {
      const digits = floatDigits[type.kind]
      const count = `length(ltrim(replace(${x}, '.', ''), '-0'))`
      const short = `CASE WHEN strlen(${x}) <= ${digits} THEN true ELSE strlen(${x}) <= 300 AND ${count} <= ${digits} END`
      return `(${fullMatchSql(x, patterns.fraction)} AND ${x} <> '-0' AND ${short})`
    }
    case 'decimal':
      return `(${fullMatchSql(x, decimalPattern(type.precision, type.scale))} AND ${x} <> '-0')`
    case 'date':
      // As with integers; years after 9999 and before 0001 are printed longer.
      return `(strlen(${x}) = 10 AND coalesce(CAST(TRY_CAST(${x} AS DATE) AS VARCHAR) = ${x}, false))`
    case 'timestamp': {
      const micros = microsSql(x)
      const inRange = `coalesce(${micros} BETWEEN ${firstMicros} AND ${lastMicros}, false)`
      // AND works out both sides for every row; CASE spares the arithmetic of what has not the form.
      return `(CASE WHEN ${fullMatchSql(x, patterns.timestamp)} THEN NOT starts_with(${x}, '0000') AND ${inRange} ELSE false END)`
    }
    case 'boolean':
      return `(${x} IN ('true', 'false'))`
    case 'varchar':
      return `(${x} IS NOT NULL)`
    case 'blob':
      return `(${fullMatchSql(x, patterns.base64)})`
    default:
      throw notFromText(type)
  }
}

/** The value of a text that has been proved: exact, whatever the session's time zone. Null stays null. */
export function castSql(type: LakeType, columnSql: string): string {
  const x = columnSql
  switch (type.kind) {
    case 'varchar':
      return x
    case 'boolean':
      return `(${x} = 'true')`
    case 'timestamp':
      return `make_timestamptz(${microsSql(x)})`
    case 'blob':
      return `from_base64(${x})`
    case 'decimal':
      // Trailing zeros beyond the scale would be rounded away, which is exact here.
      return `CAST(${x} AS DECIMAL(${type.precision},${type.scale}))`
    case 'list':
    case 'struct':
    case 'map':
      throw notFromText(type)
    default:
      return `CAST(${x} AS ${type.kind.toUpperCase()})`
  }
}

/**
 * Proof and cast in one: the value, or the misfit as the engine's error.
 * @param column name for the message
 * @param placeSql see `misfitSql`
 */
export function provenCastSql(type: LakeType, columnSql: string, column: string, placeSql?: string): string {
  if (type.kind === 'varchar') return columnSql
  const misfit = misfitSql({ column, type: typeName(type) }, columnSql, placeSql)
  return `CASE WHEN ${columnSql} IS NULL THEN NULL WHEN ${proofSql(type, columnSql)} THEN ${castSql(type, columnSql)} ELSE ${misfit} END`
}

/** Types that inference tries, the narrowest first. */
export const inferable: readonly LakeType[] = [
  { kind: 'bigint' },
  { kind: 'double' },
  { kind: 'date' },
  { kind: 'timestamp' },
  { kind: 'boolean' },
  { kind: 'varchar' },
]

/** The narrowest type that inference gives to one text. */
export function inferType(text: string): LakeType {
  return inferable.find((type) => matches(type, text)) ?? { kind: 'varchar' }
}

/**
 * The narrowest inferred type that holds what both hold; `undefined` stands for no value yet. A column of both whole
 * numbers and fractions is to be proved again as double: an integer of more than 15 digits is none.
 *
 *   bigint → double → varchar,  date → timestamp → varchar,  boolean → varchar
 */
export function widen(a: LakeType | undefined, b: LakeType | undefined): LakeType {
  if (a === undefined) return b ?? { kind: 'varchar' }
  if (b === undefined || a.kind === b.kind) return a
  const pair = new Set([a.kind, b.kind])
  if (pair.has('bigint') && pair.has('double')) return { kind: 'double' }
  if (pair.has('date') && pair.has('timestamp')) return { kind: 'timestamp' }
  return { kind: 'varchar' }
}

/** What to try when a text does not fit an inferred type; `undefined` for varchar, which everything fits. */
export function nextWider(type: LakeType): LakeType | undefined {
  if (type.kind === 'varchar') return undefined
  if (type.kind === 'bigint') return { kind: 'double' }
  if (type.kind === 'date') return { kind: 'timestamp' }
  return { kind: 'varchar' }
}

// One text for both engines: neither RE2 nor JavaScript reads [0-9], {n} and (?:…) differently.
const day = '[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])'
const clock = '(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6})?)?'
const zone = 'Z|[+-](?:(?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|14(?::?00)?)'
const patterns = {
  integer: '-?(?:0|[1-9][0-9]*)',
  fraction: '-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?',
  date: day,
  timestamp: `${day}(?:[T ]${clock}(?:${zone})?)?`,
  base64: '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?',
} as const

const integerBits = { tinyint: 8n, smallint: 16n, integer: 32n, bigint: 64n } as const
/** Digits that every value of the type gives back: DBL_DIG and FLT_DIG. */
const floatDigits = { float: 6, double: 15 } as const

/** Microseconds of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z. */
export const firstMicros = -62_135_596_800_000_000n
export const lastMicros = 253_402_300_799_999_999n

function isInteger(text: string): boolean {
  return text !== '-0' && fullMatch(patterns.integer, text)
}

function isFraction(text: string): boolean {
  return text !== '-0' && fullMatch(patterns.fraction, text)
}

function fitsBits(text: string, bits: bigint): boolean {
  // The longest is 20 characters; beyond that the number need not be worked out.
  return text.length <= 20 && BigInt.asIntN(Number(bits), BigInt(text)) === BigInt(text)
}

function significantDigits(text: string): number {
  return text.replace('.', '').replace(/^[-0]+/, '').length
}

function fitsDecimal(text: string, precision: number, scale: number): boolean {
  return fullMatch(decimalPattern(precision, scale), text)
}

/** Zeros before the point of a type that has no digits there (`0.25` in decimal(2,2)) are no digits. */
function decimalPattern(precision: number, scale: number): string {
  const whole = precision - scale
  const before = whole === 0 ? '0' : `(?:0|[1-9][0-9]{0,${whole - 1}})`
  const after = scale === 0 ? '0+' : `[0-9]{1,${scale}}0*`
  return `-?${before}(?:\\.${after})?`
}

function isDay(text: string): boolean {
  const year = Number(text.slice(0, 4))
  const month = Number(text.slice(5, 7))
  const date = Number(text.slice(8, 10))
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return year >= 1 && date <= days
}

function isInstant(text: string): boolean {
  if (!isDay(text)) return false
  const micros = instantMicros(text)
  return micros >= firstMicros && micros <= lastMicros
}

/** Microseconds since the epoch of a text that has the form of a timestamp. */
export function instantMicros(text: string): bigint {
  const [, head = '', hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z'] =
    /^(.{10})(?:[T ](..):(..)(?::(..)(?:\.(\d+))?)?(Z|[+-].*)?)?$/.exec(text) ?? []
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(..):?(..)?$/.exec(offset) ?? []
  const shift = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  const dayMs = Date.parse(`${head}T00:00:00Z`)
  const seconds = Number(hour) * 3600 + (Number(minute) - shift) * 60 + Number(second)
  return BigInt(dayMs) * 1000n + BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
}

function fullMatch(pattern: string, text: string): boolean {
  return compiled(pattern).test(text)
}

const cache = new Map<string, RegExp>()
function compiled(pattern: string): RegExp {
  let regexp = cache.get(pattern)
  if (regexp === undefined) {
    regexp = new RegExp(`^(?:${pattern})$`)
    cache.set(pattern, regexp)
  }
  return regexp
}

function fullMatchSql(columnSql: string, pattern: string): string {
  return `regexp_full_match(${columnSql}, '${pattern}')`
}

/**
 * Microseconds since the epoch of a text that has the form; NULL for a day that its month has not. The offset is taken
 * off by hand: DuckDB's cast to TIMESTAMP drops it, and its cast to TIMESTAMPTZ reads a text without one in the session's
 * zone. Only texts with an offset pay for it.
 */
function microsSql(x: string): string {
  const local = (text: string) => `epoch_us(TRY_CAST(${text} AS TIMESTAMP))`
  const at = `(CASE WHEN contains(${x}, '+') THEN strpos(${x}, '+') ELSE 11 + strpos(substr(${x}, 12), '-') END)`
  const digits = `replace(substr(${x}, ${at} + 1), ':', '')`
  const minutes = `(60 * TRY_CAST(left(${digits}, 2) AS BIGINT) + TRY_CAST('0' || substr(${digits}, 3, 2) AS BIGINT))`
  const west = `CASE WHEN contains(${x}, '+') THEN -1 ELSE 1 END`
  return (
    `(CASE WHEN suffix(${x}, 'Z') THEN ${local(`left(${x}, -1)`)} ` +
    `WHEN contains(${x}, '+') OR contains(substr(${x}, 12), '-') THEN ${local(`left(${x}, ${at} - 1)`)} + 60000000 * ${west} * ${minutes} ` +
    `ELSE ${local(x)} END)`
  )
}

function notFromText(type: LakeType): LakeError {
  return new LakeError('invalid', `text cannot be read as ${typeName(type)}`, {
    fix: 'Declare the column as varchar, or load it from JSON, Parquet or Arrow.',
  })
}
