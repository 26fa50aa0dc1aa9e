/**
 * The engine's values as JSON has them, for every door that writes JSON (CONTRACT §1, "Output").
 *
 *   within ±(2^53 − 1)   12                beyond   "9007199254740993"
 *   decimal              "12.50"           double   0.5, "NaN", "Infinity", "-Infinity"
 *   blob                 "AQI="            timestamp "2026-11-20T10:00:00Z"
 *   list                 [ … ]             struct   { … }           map [{ "key": …, "value": … }]
 */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue }

/** @param value as `Engine.rows` shows it, or what a user's row may hold */
export function toJsonValue(value: unknown): JsonValue {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return value >= -largest && value <= largest ? Number(value) : value.toString()
    case 'object':
      return objectValue(value)
    default:
      return String(value)
  }
}

const largest = BigInt(Number.MAX_SAFE_INTEGER)

function objectValue(value: object): JsonValue {
  if (Array.isArray(value)) return value.map(toJsonValue)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  // Not by assignment: a column may be called `__proto__`.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toJsonValue(item)]))
}
