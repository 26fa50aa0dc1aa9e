/**
 * Arrow columns from JavaScript values and back, as far as checkpoints need it: texts, numbers, flags, maps and lists of texts, structs.
 * Written by hand because apache-arrow's builders are five times slower on 100,000 rows.
 *
 * The module is handed in (`typeof import('apache-arrow')`): it is loaded only by those who read or write a checkpoint.
 */
import type { Data, DataType, RecordBatch, Vector } from 'apache-arrow'

export type Arrow = typeof import('apache-arrow')
export type ColumnData = Data<DataType>
export interface Column {
  name: string
  data: ColumnData
}
type Absent = undefined | null

export function textColumn(arrow: Arrow, values: readonly (string | Absent)[]): ColumnData {
  const offsets = new Int32Array(values.length + 1)
  let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024 + values.length * 32)
  let end = 0
  values.forEach((value, i) => {
    if (value) {
      // A UTF-16 code unit becomes at most three bytes.
      if (end + value.length * 3 > bytes.length) bytes = grown(bytes, end + value.length * 3)
      end += encoder.encodeInto(value, bytes.subarray(end)).written
    }
    offsets[i + 1] = end
  })
  return arrow.makeData({
    type: new arrow.Utf8(),
    length: values.length,
    ...validity(values),
    valueOffsets: offsets,
    data: bytes.subarray(0, end),
  })
}

export function longColumn(arrow: Arrow, values: readonly (number | bigint | Absent)[]): ColumnData {
  const data = new BigInt64Array(values.length)
  values.forEach((value, i) => {
    if (value !== undefined && value !== null) data[i] = BigInt(value)
  })
  return arrow.makeData({ type: new arrow.Int64(), length: values.length, ...validity(values), data })
}

export function intColumn(arrow: Arrow, values: readonly (number | Absent)[]): ColumnData {
  const data = Int32Array.from(values, (value) => value ?? 0)
  return arrow.makeData({ type: new arrow.Int32(), length: values.length, ...validity(values), data })
}

export function flagColumn(arrow: Arrow, values: readonly (boolean | Absent)[]): ColumnData {
  const data = bits(values.length, (i) => values[i] === true)
  return arrow.makeData({ type: new arrow.Bool(), length: values.length, ...validity(values), data })
}

export function mapColumn(arrow: Arrow, values: readonly (Record<string, string | null> | Absent)[]): ColumnData {
  const keys: string[] = []
  const items: (string | null)[] = []
  const valueOffsets = offsetsOf(values, (value) => {
    for (const key in value) {
      keys.push(key)
      items.push(value[key] ?? null)
    }
    return keys.length
  })
  const entries = structColumn(arrow, keys.length, [
    { name: 'key', data: textColumn(arrow, keys), required: true },
    { name: 'value', data: textColumn(arrow, items) },
  ])
  const entryType = entries.type as ConstructorParameters<Arrow['Map_']>[0]['type']
  const type = new arrow.Map_(new arrow.Field('entries', entryType, false))
  return arrow.makeData({ type, length: values.length, ...validity(values), valueOffsets, child: entries as never })
}

export function listColumn(arrow: Arrow, values: readonly (readonly string[] | Absent)[]): ColumnData {
  const items: string[] = []
  const valueOffsets = offsetsOf(values, (value) => items.push(...(value ?? [])))
  const type = new arrow.List(new arrow.Field('element', new arrow.Utf8(), true))
  const child = textColumn(arrow, items) as never
  return arrow.makeData({ type, length: values.length, ...validity(values), valueOffsets, child })
}

/** No row of it is null. */
export function structColumn(arrow: Arrow, length: number, columns: readonly StructColumn[]): ColumnData {
  const fields = columns.map(({ name, data, required }) => new arrow.Field(name, data.type, required !== true))
  const children = columns.map(({ data }) => data)
  return arrow.makeData({ type: new arrow.Struct(fields), length, nullCount: 0, children })
}

/** Nothing but nulls, of any of the types above. */
export function nullColumn(arrow: Arrow, type: DataType, length: number): ColumnData {
  const nulls = { length, nullCount: length, nullBitmap: new Uint8Array((length + 7) >> 3) }
  const { DataType } = arrow
  if (DataType.isUtf8(type))
    return arrow.makeData({ type, ...nulls, valueOffsets: new Int32Array(length + 1), data: new Uint8Array(0) })
  if (DataType.isMap(type) || DataType.isList(type)) {
    const child = nullColumn(arrow, type.children[0]?.type ?? new arrow.Utf8(), 0) as never
    const valueOffsets = new Int32Array(length + 1)
    if (DataType.isMap(type)) return arrow.makeData({ type, ...nulls, valueOffsets, child })
    return arrow.makeData({ type, ...nulls, valueOffsets, child })
  }
  if (DataType.isStruct(type)) {
    const children = type.children.map((field) => nullColumn(arrow, field.type, length))
    return arrow.makeData({ type, ...nulls, children })
  }
  if (DataType.isBool(type)) return arrow.makeData({ type, ...nulls, data: new Uint8Array((length + 7) >> 3) })
  if (DataType.isInt(type) && type.bitWidth === 64)
    return arrow.makeData({ type: new arrow.Int64(), ...nulls, data: new BigInt64Array(length) })
  return arrow.makeData({ type: new arrow.Int32(), ...nulls, data: new Int32Array(length) })
}

type StructColumn = Column & { required?: boolean }

/** The columns of a struct column of one batch, one by one. */
export interface StructReader {
  has(row: number): boolean
  column(name: string): Vector | undefined
}

export function readStruct(arrow: Arrow, batch: RecordBatch, name: string): StructReader | undefined {
  const vector = batch.getChild(name)
  const data = vector?.data[0]
  if (vector === null || data === undefined || !arrow.DataType.isStruct(data.type)) return undefined
  return { has: (row) => vector.isValid(row), column: (child) => vector.getChild(child) ?? undefined }
}

/** A reader of one text per row. A column that is all ASCII is decoded once and cut, which is five times faster. */
export function readTexts(arrow: Arrow, vector: Vector | undefined): (row: number) => string | undefined {
  const data = vector?.data[0]
  if (vector === undefined || data === undefined) return () => undefined
  const slow = (row: number) => vector.get(row) ?? undefined
  if (!arrow.DataType.isUtf8(data.type) || vector.data.length !== 1) return slow
  const offsets: Int32Array = data.valueOffsets
  const [start, end] = [offsets[0] ?? 0, offsets[data.length] ?? 0]
  if (end - start > largestText) return slow
  const bytes: Uint8Array = data.values
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', start, end)
  if (all.length !== end - start) return slow
  const cut = (row: number) => all.slice((offsets[row] ?? 0) - start, (offsets[row + 1] ?? 0) - start)
  if (data.nullCount === 0) return cut
  return (row) => (vector.isValid(row) ? cut(row) : undefined)
}

/** Far below the longest string that V8 makes. */
const largestText = 64 * 1024 * 1024

/** A reader of one map of texts per row; undefined if the column is none. */
export function readMaps(
  arrow: Arrow,
  vector: Vector | undefined,
): ((row: number) => Record<string, string | null> | undefined) | undefined {
  const data = vector?.data[0]
  const entries = data?.children[0]
  const [keyData, valueData] = entries?.children ?? []
  if (vector === undefined || data === undefined || keyData === undefined || valueData === undefined) return undefined
  if (!arrow.DataType.isMap(data.type)) return undefined
  const keys = readTexts(arrow, new arrow.Vector([keyData]))
  const values = readTexts(arrow, new arrow.Vector([valueData]))
  const offsets = data.valueOffsets
  return (row) => {
    if (!vector.isValid(row)) return undefined
    const map: Record<string, string | null> = {}
    const end = offsets[row + 1] ?? 0
    for (let i = offsets[row] ?? 0; i < end; i++) map[keys(i) ?? ''] = values(i) ?? null
    return map
  }
}

/** Any value of an Arrow column as plain JavaScript. */
export function plain(arrow: Arrow, value: unknown): unknown {
  if (value instanceof arrow.Vector) return Array.from(value, (item) => plain(arrow, item))
  if (value instanceof arrow.MapRow || value instanceof arrow.StructRow) {
    const object: Record<string, unknown> = {}
    for (const [key, item] of value) object[String(key)] = plain(arrow, item)
    return object
  }
  return value
}

const encoder = new TextEncoder()

function validity(
  values: readonly unknown[],
): { nullCount: number; nullBitmap: Uint8Array<ArrayBuffer> } | { nullCount: 0 } {
  let nullCount = 0
  for (const value of values) if (value === undefined || value === null) nullCount++
  if (nullCount === 0) return { nullCount: 0 }
  return { nullCount, nullBitmap: bits(values.length, (i) => values[i] !== undefined && values[i] !== null) }
}

function bits(length: number, isSet: (i: number) => boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(((length + 63) >> 6) << 3)
  for (let i = 0; i < length; i++) if (isSet(i)) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7))
  return bytes
}

function offsetsOf<T>(values: readonly T[], addAndCount: (value: T) => number): Int32Array {
  const offsets = new Int32Array(values.length + 1)
  values.forEach((value, i) => {
    offsets[i + 1] = addAndCount(value)
  })
  return offsets
}

function grown(bytes: Uint8Array<ArrayBuffer>, atLeast: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(atLeast, bytes.length * 2))
  larger.set(bytes)
  return larger
}
