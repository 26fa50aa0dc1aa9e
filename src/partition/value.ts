/**
 * Typed partition values ↔ the text that the manifest holds (protocol, "Partition Value Serialization").
 *
 *   bigint     5                     5
 *   decimal    1.5 in decimal(4,2)   1.50
 *   date                             2026-11-20
 *   timestamp                        2026-11-20T10:00:00.123456Z: with its zone, or Spark takes it for its session's
 *   boolean                          true, false
 *   double     1e20, -0.0            1e+20, 0.0       (finite ones; equal values have one text)
 *   varchar                          as it is
 *
 * JavaScript and SQL give the same text; a property test holds that. (DuckDB does not always print the shortest digits of a
 * FLOAT, so texts of floats are compared by value.) Binary and nested columns are no partition columns.
 */
import { LakeError } from '../errors.js'
import { toSql } from '../schema/duckdb.js'
import { firstMicros, instantMicros, lastMicros, matches } from '../schema/grammar.js'
import { misfitSql } from '../schema/misfit.js'
import { typeName } from '../schema/names.js'
import { quoteText } from '../schema/quote.js'
import type { LakeType } from '../schema/types.js'
import { compareKeys } from '../store/keys.js'
import { defaultPartition } from './hive.js'

/** A value of a partition column as users write it in an object; text in the column's grammar is always fine. */
export type Value = string | number | bigint | boolean | Date | null

/**
 * @returns the canonical text, or undefined where the value is none of the type
 */
export function partitionText(value: Exclude<Value, null>, type: LakeType): string | undefined {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return undefined
    const iso = value.toISOString()
    if (type.kind === 'date') return iso.endsWith('T00:00:00.000Z') ? canonicalText(iso.slice(0, 10), type) : undefined
    return type.kind === 'timestamp' ? canonicalText(iso, type) : undefined
  }
  if (typeof value === 'boolean') return type.kind === 'boolean' ? String(value) : undefined
  if (typeof value === 'string') return canonicalText(value, type)
  if (!isNumeric(type)) return undefined
  if (isFloat(type)) return floatText(Number(value), type.kind)
  return canonicalText(typeof value === 'number' && Object.is(value, -0) ? '0' : String(value), type)
}

/**
 * One text per value, whoever wrote it: `1.5` and `1.50`, `2026-11-20T10:00:00.000000Z` and `2026-11-20 10:00:00`.
 * @returns undefined where the text is none of the type
 */
export function canonicalText(text: string, type: LakeType): string | undefined {
  if (isFloat(type))
    return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? floatText(Number(text), type.kind) : undefined
  if (!isPartitionType(type) || !matches(type, text)) return undefined
  if (type.kind === 'timestamp') return instantText(instantMicros(text))
  if (type.kind === 'decimal') return decimalText(unscaled(text, type.scale), type.scale)
  return text
}

/** Whether columns of the type may divide a table: every primitive type but blob. */
export function isPartitionType(type: LakeType): boolean {
  return !['list', 'struct', 'map', 'blob'].includes(type.kind)
}

/** Order of two texts by value, as DuckDB orders them: text by its UTF-8 bytes, NaN above all numbers. */
export function compareTexts(a: string, b: string, type: LakeType): number {
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return sign(BigInt(a), BigInt(b))
    case 'decimal':
      return sign(unscaled(a, type.scale), unscaled(b, type.scale))
    case 'timestamp':
      return sign(instantMicros(a), instantMicros(b))
    case 'float':
      return compareFloats(Math.fround(Number(a)), Math.fround(Number(b)))
    case 'double':
      return compareFloats(Number(a), Number(b))
    default:
      return Math.sign(compareKeys(a, b))
  }
}

/** SQL of a value of the column's type from the manifest's text, as a literal. */
export function partitionValueSql(text: string | null, type: LakeType): string {
  if (text === null) return `CAST(NULL AS ${toSql(type)})`
  switch (type.kind) {
    case 'varchar':
      return quoteText(text)
    case 'timestamp':
      return `make_timestamptz(${instantMicros(readable(text, type))})`
    default:
      return `CAST(${quoteText(readable(text, type))} AS ${toSql(type)})`
  }
}

/**
 * SQL of the manifest's text from a value of ours; NULL for null. A value that has none (a date after 9999, NaN) raises
 * a misfit.
 * @param column for the misfit
 */
export function partitionTextSql(type: LakeType, columnSql: string, column = '', placeSql?: string): string {
  const x = columnSql
  const only = (condition: string, text: string): string =>
    `CASE WHEN ${x} IS NULL THEN NULL WHEN ${condition} THEN ${text} ELSE ${misfitSql({ column, type: typeName(type), reason: noPartitionValue }, x, placeSql)} END`
  switch (type.kind) {
    case 'varchar':
      return x
    case 'decimal':
      return type.precision === type.scale
        ? `regexp_replace(CAST(${x} AS VARCHAR), '^(-?)[.]', '\\10.')`
        : `CAST(${x} AS VARCHAR)`
    case 'date':
      return only(`${x} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'`, `CAST(${x} AS VARCHAR)`)
    case 'timestamp': {
      const micros = `epoch_us(${x})`
      const text = (format: string) => `strftime(make_timestamp(${micros}), '${format}')`
      return only(
        `isfinite(${x}) AND ${micros} BETWEEN ${firstMicros} AND ${lastMicros}`,
        text('%Y-%m-%dT%H:%M:%S.%fZ'),
      )
    }
    case 'float':
    case 'double':
      return only(`isfinite(${x})`, `CASE WHEN ${x} = 0 THEN '0.0' ELSE CAST(${x} AS VARCHAR) END`)
    default:
      return `CAST(${x} AS VARCHAR)`
  }
}

/**
 * The text marked so that an engine's `PARTITION_BY` loses and merges nothing: `n` for null, `v` + text; `h` + digest for a
 * text so long that DuckDB's folder name would not hold it (`isHashed`: look the text up among the distinct ones).
 * Values that readers cannot tell apart (`indistinct`) raise a misfit.
 */
export function markedPartitionSql(type: LakeType, columnSql: string, column = '', placeSql?: string): string {
  const text = partitionTextSql(type, columnSql, column, placeSql)
  if (type.kind !== 'varchar') return `CASE WHEN ${columnSql} IS NULL THEN 'n' ELSE 'v' || ${text} END`
  const x = columnSql
  const misfit = misfitSql({ column, type: 'varchar', reason: noPartitionValue }, x, placeSql)
  const long = `(strlen(${x}) > 60 AND length(url_encode(${x})) > 200)`
  return `CASE WHEN ${x} IS NULL THEN 'n' WHEN ${isIndistinctSql(x)} THEN ${misfit} WHEN ${long} THEN 'h' || md5(${x}) ELSE 'v' || ${x} END`
}

/** Whether a text (not null) is one that readers cannot tell from null. */
export function isIndistinctSql(x: string): string {
  const lengths = [...new Set(indistinct.map((name) => name.length))].join(', ')
  const names = indistinct.map((name) => quoteText(name)).join(', ')
  return `((strlen(${x}) IN (${lengths}) AND lower(${x}) IN (${names})) OR contains(${x}, chr(0)))`
}

/** The reason of such a misfit. */
export const noPartitionValue = 'no partition value'

/** The text or null that was marked. @throws LakeError for a hashed one: look it up first */
export function unmark(marked: string): string | null {
  if (marked === 'n') return null
  if (marked.startsWith('v')) return marked.slice(1)
  throw new LakeError('unsupported', 'a marked partition value is not its text', { marked })
}

export function isHashed(marked: string): boolean {
  return marked.startsWith('h')
}

/** Texts (in lower case) that some reader takes for null, so that it would merge two partitions. */
export const indistinct: readonly string[] = ['', 'null', defaultPartition.toLowerCase()]

function isNumeric(type: LakeType): boolean {
  return ['tinyint', 'smallint', 'integer', 'bigint', 'decimal', 'float', 'double'].includes(type.kind)
}

function isFloat(type: LakeType): type is { kind: 'float' | 'double' } {
  return type.kind === 'float' || type.kind === 'double'
}

function unscaled(text: string, scale: number): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(
    whole === '-' || whole === ''
      ? `${whole}0${fraction.padEnd(scale, '0').slice(0, scale)}`
      : whole + fraction.padEnd(scale, '0').slice(0, scale),
  )
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return value < 0n ? `-${text}` : text
}

/** The way back from `instantMicros`. */
export function instantText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const iso = new Date(Number((micros - fraction) / 1000n)).toISOString()
  return `${iso.slice(0, 19)}.${String(fraction).padStart(6, '0')}Z`
}

/** As DuckDB prints it: the shortest digits that give the value back, `1.0`, `1e+20`, `1e-07`. */
function floatText(value: number, kind: 'float' | 'double'): string | undefined {
  const exact = kind === 'float' ? Math.fround(value) : value
  if (!Number.isFinite(exact)) return undefined
  if (exact === 0) return '0.0'
  const [mantissa = '', power = '0'] = shortest(exact, kind).split('e')
  const exponent = Number(power)
  const digits = mantissa.replace('.', '').replace('-', '')
  const minus = exact < 0 ? '-' : ''
  if (exponent < -4 || exponent >= 16) {
    const tail = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${minus}${digits[0]}${tail}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  if (exponent < 0) return `${minus}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${minus}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/** Scientific, e.g. `1.5e+20`. */
function shortest(value: number, kind: 'float' | 'double'): string {
  if (kind === 'double') return value.toExponential()
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits)
    if (Math.fround(Number(text)) === value) return text
  }
  return value.toExponential()
}

function compareFloats(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return sign(a, b)
}

function sign<T extends bigint | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Another writer's text may be any that its type allows; one that is none of the type is damage. */
function readable(text: string, type: LakeType): string {
  if (isFloat(type) && !Number.isFinite(Number(text)) && /^[+-]?(nan|inf(inity)?)$/i.test(text)) return text
  const canonical = canonicalText(text, type)
  if (canonical !== undefined) return canonical
  if (type.kind === 'blob')
    throw new LakeError('unsupported', 'the table is partitioned by a binary column', {
      fix: 'Partition the table by another column.',
    })
  throw new LakeError('corrupt', `a partition value is no ${typeName(type)}`, { value: text })
}
