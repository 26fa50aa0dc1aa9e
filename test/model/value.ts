/**
 * Values of the reference model, as a query shows them, with typed equality, order and one text per value.
 *
 *   bigint      12n          -0 and 0 are one value, and so are all NaN
 *   double      1.5, NaN     NaN is above all numbers
 *   varchar     'é'          equal and ordered by UTF-8 bytes: NFC and NFD are two texts
 *   decimal     '1.50'       with all digits of its scale
 *   date        '2026-11-20'
 *   timestamp   '2026-11-20T10:00:00Z', '….5Z'
 *   boolean     true
 */
export type Value = null | boolean | bigint | number | string

export type ColumnType =
  | 'bigint'
  | 'double'
  | 'varchar'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | `decimal(${number},${number})`

/** Null-safe. */
export function sameValue(a: Value, b: Value): boolean {
  return canonicalValue(a) === canonicalValue(b)
}

/** Both not null. */
export function compareValues(a: Value, b: Value, type: ColumnType): number {
  if (sameValue(a, b)) return 0
  if (typeof a === 'number' && typeof b === 'number') return Number.isNaN(a) || (!Number.isNaN(b) && a > b) ? 1 : -1
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b, type)
  return (a as bigint | boolean) < (b as bigint | boolean) ? -1 : 1
}

/** Nulls are lowest. */
export function compareNullable(a: Value, b: Value, type: ColumnType): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null)
  return compareValues(a, b, type)
}

export function greatest(values: readonly Value[], type: ColumnType): Value {
  return values.reduce((best, value) => (compareNullable(value, best, type) > 0 ? value : best), null)
}

/** Equal values have one text, different ones two. */
export function canonicalValue(value: Value): string {
  if (value === null) return 'null'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'string') return JSON.stringify(value)
  return Object.is(value, -0) ? '0' : String(value)
}

function compareTexts(a: string, b: string, type: ColumnType): number {
  if (type === 'timestamp') return microsOf(a) < microsOf(b) ? -1 : 1
  if (type.startsWith('decimal')) return unscaled(a) < unscaled(b) ? -1 : 1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function microsOf(timestamp: string): bigint {
  const [, second = '', fraction = ''] = /^([^.]*?)(?:\.(\d+))?Z$/.exec(timestamp) ?? []
  return BigInt(Date.parse(`${second}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'))
}

/** Of one column: all its values have one scale. */
function unscaled(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''))
}
