/**
 * Statistics of one data file for the log (protocol, "Per-file Statistics"), and reading them back.
 *
 *   type                  DuckDB's RETURN_STATS           minValues / maxValues
 *   integers, decimal     9223372036854775807, 1.10       the same digits as a JSON number
 *   float, double         1e-07, -0.0, nan, inf           a JSON number; infinity: no bound; a NaN in the file: no max (Spark
 *                                                         sorts it last); zeros outward: -0.0 down, 0.0 up (DuckDB does not tell them apart)
 *   varchar               the text                        at most 32 code points; a longer max rounded up, or left out
 *   date                  2026-11-20, infinity            text; outside of the years 0001–9999: no bound
 *   timestamp             2026-11-20 10:00:00.123456+00   UTC, outward to milliseconds: 2026-11-20T10:00:00.124Z (Trino reads ms, Spark
 *                                                         writes ms and widens them)
 *   boolean, blob         0, 1; hex                       none; only the null count
 *   nested                of their leaves                 nothing at all
 *
 * Bounds are bounds, not values that occur. Partition columns have none: they stand in `partitionValues`.
 */
import { LakeError } from '../errors.js'
import type { LakeType, Schema } from '../schema/types.js'
import type { FileStats } from './actions.js'
import { parseJson } from './json.js'
import { timestampMicros } from './prune.js'

export { type Comparison, canContain } from './prune.js'

/** @param columns by top-level name, as `CopiedFile.columns` has them: texts as DuckDB prints them */
export function encodeStats(rows: number, schema: Schema, columns: Record<string, ColumnTexts>): string {
  const minimums: string[] = []
  const maximums: string[] = []
  const nulls: string[] = []
  for (const field of schema) {
    const texts = columns[field.name]
    if (texts === undefined || isNested(field.type)) continue
    const name = JSON.stringify(field.name)
    if (texts.nullCount !== undefined) nulls.push(`${name}:${texts.nullCount}`)
    const min = texts.min === undefined ? undefined : lowerBound(field.type, texts.min)
    const max = texts.max === undefined || texts.hasNaN ? undefined : upperBound(field.type, texts.max)
    if (min !== undefined) minimums.push(`${name}:${min}`)
    if (max !== undefined) maximums.push(`${name}:${max}`)
  }
  return `{"numRecords":${rows},"minValues":{${minimums}},"maxValues":{${maximums}},"nullCount":{${nulls}}}`
}

/** @returns undefined for a file without statistics, or with ones that are not JSON: nothing may be concluded from them */
export function parseStats(stats: string | undefined): FileStats | undefined {
  if (stats === undefined || stats === '') return undefined
  const parsed = tryParse(stats)
  const numRecords = parsed?.numRecords
  if (parsed === undefined || typeof numRecords !== 'number') return undefined
  return {
    numRecords,
    minValues: toRecord(parsed.minValues),
    maxValues: toRecord(parsed.maxValues),
    nullCount: toRecord(parsed.nullCount),
    ...(typeof parsed.tightBounds === 'boolean' ? { tightBounds: parsed.tightBounds } : {}),
  }
}

export interface ColumnTexts {
  min?: string
  max?: string
  nullCount?: number
  hasNaN?: boolean
}

/** Code points of a text that bounds keep, as Spark does. */
const boundLength = 32

function lowerBound(type: LakeType, text: string): string | undefined {
  switch (type.kind) {
    case 'varchar':
      return JSON.stringify(truncated(text))
    case 'timestamp':
      return timestampBound(text, 'down')
    case 'float':
    case 'double':
      return Number(text) === 0 ? '-0.0' : jsonNumber(text)
    default:
      return plainBound(type, text)
  }
}

function upperBound(type: LakeType, text: string): string | undefined {
  switch (type.kind) {
    case 'varchar': {
      const bound = roundedUp(text)
      return bound === undefined ? undefined : JSON.stringify(bound)
    }
    case 'timestamp':
      return timestampBound(text, 'up')
    case 'float':
    case 'double':
      return Number(text) === 0 ? '0.0' : jsonNumber(text)
    default:
      return plainBound(type, text)
  }
}

function plainBound(type: LakeType, text: string): string | undefined {
  switch (type.kind) {
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) && !text.startsWith('0000') ? JSON.stringify(text) : undefined
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
    case 'decimal':
      return jsonNumber(text)
    default:
      return undefined
  }
}

/** The text itself where it is a JSON number, so that no digit is lost. */
function jsonNumber(text: string): string | undefined {
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return text
  // `.5`, if an engine should print it so.
  if (/^-?\.\d+$/.test(text)) return text.replace('.', '0.')
  return undefined
}

function truncated(text: string): string {
  return text.length <= boundLength ? text : [...text].slice(0, boundLength).join('')
}

/**
 * The text, or the least text of at most 32 code points that comes after all texts with its beginning; compared by
 * code points, which is the order of UTF-8 bytes. Undefined if nothing comes after (all U+10FFFF).
 */
function roundedUp(text: string): string | undefined {
  const points = [...text]
  if (points.length <= boundLength) return text
  points.length = boundLength
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) ?? 0
    if (point < 0x10ffff) return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1)
  }
  return undefined
}

function timestampBound(text: string, direction: 'up' | 'down'): string | undefined {
  const micros = timestampMicros(text)
  if (micros === undefined) return undefined
  const millis = direction === 'up' ? -floorDiv(-micros, 1000n) : floorDiv(micros, 1000n)
  if (millis < firstMs || millis > lastMs) return undefined
  return JSON.stringify(new Date(Number(millis)).toISOString())
}

const firstMs = BigInt(Date.parse('0001-01-01T00:00:00.000Z'))
const lastMs = BigInt(Date.parse('9999-12-31T23:59:59.999Z'))

function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b < 0n ? quotient - 1n : quotient
}

function isNested(type: LakeType): boolean {
  return type.kind === 'list' || type.kind === 'struct' || type.kind === 'map'
}

function tryParse(text: string): Record<string, unknown> | undefined {
  try {
    return toRecord(parseJson(text, { fractions: 'text' }))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw new LakeError('corrupt', 'statistics of a file cannot be read', { cause: error })
  }
}

function toRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
