/**
 * DuckDB's values as the engine's port shows them.
 *
 *   BIGINT and wider         bigint
 *   DECIMAL                  '12.50'
 *   DATE                     '2026-11-20'
 *   TIMESTAMP WITH TIME ZONE '2026-11-20T10:00:00Z', with `.123` or `.123456` where not 0
 *   TIMESTAMP                the same: naive timestamps are UTC
 *   BLOB                     Uint8Array
 *   list, array              array
 *   struct                   object
 *   map                      [{ key, value }]
 *   TIME, UUID, INTERVAL …   DuckDB's text
 */
import type { DuckDBDataChunk, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type { Row } from '../port.js'

/** Makes row objects of the chunks of one result. */
export function rowReader(names: readonly string[], types: readonly DuckDBType[]): (chunk: DuckDBDataChunk) => Row[] {
  const converters = types.map(converterOf)
  return (chunk) => {
    const count = chunk.rowCount
    const rows: Row[] = Array.from({ length: count }, () => ({}))
    for (const [index, name] of names.entries()) {
      const vector = chunk.getColumnVector(index)
      const convert = converters[index]
      for (let at = 0; at < count; at++) {
        const value = vector.getItem(at)
        const row = rows[at]
        if (row !== undefined) put(row, name, value === null || convert === undefined ? value : convert(value))
      }
    }
    return rows
  }
}

/** DuckDB's `TypeId`: a const enum of ours, so that this file loads without DuckDB. */
const typeIds = {
  timestamp: 12,
  date: 13,
  blob: 18,
  timestampSeconds: 20,
  timestampMillis: 21,
  timestampNanos: 22,
  list: 24,
  struct: 25,
  map: 26,
  array: 33,
  union: 28,
  timestampTz: 31,
  plain: new Set<number>([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 23, 32, 35, 36]),
} as const

type Converter = (value: DuckDBValue) => unknown

/** Undefined where the value is already what the port shows. */
function converterOf(type: DuckDBType): Converter | undefined {
  const id: number = type.typeId
  if (typeIds.plain.has(id)) return undefined
  switch (id) {
    case typeIds.date:
      return (value) => (isDays(value) ? dateText(value.days) : String(value))
    case typeIds.timestamp:
    case typeIds.timestampTz:
      return (value) => (isMicros(value) ? timestampText(value.micros) : String(value))
    case typeIds.timestampSeconds:
      return (value) => (isSeconds(value) ? timestampText(value.seconds * 1_000_000n) : String(value))
    case typeIds.timestampMillis:
      return (value) => (isMillis(value) ? timestampText(value.millis * 1000n) : String(value))
    case typeIds.timestampNanos:
      return (value) => (isNanos(value) ? nanosText(value.nanos) : String(value))
    case typeIds.blob:
      return (value) => (hasBytes(value) ? Uint8Array.from(value.bytes) : value)
    case typeIds.list:
    case typeIds.array:
      return listConverter(type)
    case typeIds.struct:
      return structConverter(type)
    case typeIds.map:
      return mapConverter(type)
    default:
      return (value) => String(value)
  }
}

function listConverter(type: DuckDBType): Converter {
  const element = 'valueType' in type ? converterOf(type.valueType) : undefined
  return (value) => {
    if (!hasItems(value)) return value
    return value.items.map((item) => (item === null || element === undefined ? item : element(item)))
  }
}

function structConverter(type: DuckDBType): Converter {
  const names: readonly string[] = 'entryNames' in type ? type.entryNames : []
  const converters = 'entryTypes' in type ? type.entryTypes.map(converterOf) : []
  return (value) => {
    if (!hasEntries(value) || Array.isArray(value.entries)) return value
    const result: Row = {}
    for (const [index, name] of names.entries()) {
      const item = value.entries[name] ?? null
      const convert = converters[index]
      put(result, name, item === null || convert === undefined ? item : convert(item))
    }
    return result
  }
}

function mapConverter(type: DuckDBType): Converter {
  const ofKey = 'keyType' in type ? converterOf(type.keyType) : undefined
  const ofValue = 'keyType' in type && 'valueType' in type ? converterOf(type.valueType) : undefined
  return (value) => {
    if (!hasEntries(value) || !Array.isArray(value.entries)) return value
    return value.entries.map((entry: { key: DuckDBValue; value: DuckDBValue }) => ({
      key: ofKey === undefined ? entry.key : ofKey(entry.key),
      value: entry.value === null || ofValue === undefined ? entry.value : ofValue(entry.value),
    }))
  }
}

/** A column may be called `__proto__`. */
function put(row: Row, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(row, name, { value, enumerable: true, writable: true })
  else row[name] = value
}

const infiniteDays = 2_147_483_647
const infiniteMicros = 9_223_372_036_854_775_807n

export function dateText(days: number): string {
  if (days >= infiniteDays) return 'infinity'
  if (days <= -infiniteDays) return '-infinity'
  const date = new Date(days * 86_400_000)
  return Number.isNaN(date.getTime()) ? `${days} days since 1970-01-01` : isoOf(date).slice(0, -14)
}

export function timestampText(micros: bigint): string {
  if (micros >= infiniteMicros) return 'infinity'
  if (micros <= -infiniteMicros) return '-infinity'
  const rest = Number(((micros % 1000n) + 1000n) % 1000n)
  const date = new Date(Number((micros - BigInt(rest)) / 1000n))
  if (Number.isNaN(date.getTime())) return `${micros} microseconds since 1970-01-01`
  const text = isoOf(date)
  if (rest !== 0) return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text
}

function nanosText(nanos: bigint): string {
  const rest = ((nanos % 1000n) + 1000n) % 1000n
  const text = timestampText((nanos - rest) / 1000n)
  if (rest === 0n) return text
  const [whole = '', fraction = ''] = text.slice(0, -1).split('.')
  return `${whole}.${fraction.padEnd(6, '0')}${String(rest).padStart(3, '0')}Z`
}

/** Years outside 0 to 9999 get a sign and six digits, as ECMAScript does it. */
function isoOf(date: Date): string {
  return date.toISOString()
}

function isDays(value: DuckDBValue): value is DuckDBValue & { days: number } {
  return typeof value === 'object' && value !== null && 'days' in value && typeof value.days === 'number'
}
function isMicros(value: DuckDBValue): value is DuckDBValue & { micros: bigint } {
  return typeof value === 'object' && value !== null && 'micros' in value && typeof value.micros === 'bigint'
}
function isSeconds(value: DuckDBValue): value is DuckDBValue & { seconds: bigint } {
  return typeof value === 'object' && value !== null && 'seconds' in value && typeof value.seconds === 'bigint'
}
function isMillis(value: DuckDBValue): value is DuckDBValue & { millis: bigint } {
  return typeof value === 'object' && value !== null && 'millis' in value && typeof value.millis === 'bigint'
}
function isNanos(value: DuckDBValue): value is DuckDBValue & { nanos: bigint } {
  return typeof value === 'object' && value !== null && 'nanos' in value && typeof value.nanos === 'bigint'
}
function hasBytes(value: DuckDBValue): value is DuckDBValue & { bytes: Uint8Array } {
  return typeof value === 'object' && value !== null && 'bytes' in value
}
function hasItems(value: DuckDBValue): value is DuckDBValue & { items: readonly DuckDBValue[] } {
  return typeof value === 'object' && value !== null && 'items' in value
}
function hasEntries(value: DuckDBValue): value is DuckDBValue & {
  entries: Readonly<Record<string, DuckDBValue>> | { key: DuckDBValue; value: DuckDBValue }[]
} {
  return typeof value === 'object' && value !== null && 'entries' in value
}
