/**
 * Copy ranges of Arrow arrays into DuckDB vectors.
 *
 * Fixed-width values and validity go over with one memcpy. Text goes over as one block per range (DuckDB copies it into
 * the vector's own memory) and an array of 16-byte string headers made here; text up to 12 bytes lives in its header.
 * Nested values are written child by child, so that they are as fast as flat ones.
 *
 * Whatever comes from outside is checked before memory is touched: lengths of buffers, order of offsets, dictionary
 * codes, UTF-8. DuckDB would turn invalid UTF-8 into NULL silently.
 */
import type { Vector as DuckVector } from '@duckdb/node-bindings'
import type { Data } from 'apache-arrow'
import { typeIds } from '../../schema/arrow.js'
import type { LakeType } from '../../schema/types.js'
import {
  type ArrowType,
  dateReader,
  decimalReader,
  floatReader,
  integerReader,
  type Reader,
  timeReader,
  timestampReader,
} from './numbers.js'
import { bytesIds, isValid, listIds, maskedOffsets, type Offsets, textBlock, textIds } from './text.js'
import { ValueMisfit } from './value-misfit.js'

export type Bindings = typeof import('@duckdb/node-bindings')

/** Writes `count` values from `start` (relative to the data's own slice) to the head of `vector`. */
export interface ColumnWriter {
  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void
}

/** Validity from bit 0, one bit per value, 1 = valid; undefined where all are. */
export type Bits = Uint8Array

/**
 * @returns undefined where `type` does not hold values of `lake`: the caller names the column
 */
export function columnWriter(bindings: Bindings, type: ArrowType, lake: LakeType): ColumnWriter | undefined {
  if (type.typeId === typeIds.null) return new NullWriter(bindings)
  if (type.typeId === typeIds.dictionary) return dictionaryWriter(bindings, type, lake)
  switch (lake.kind) {
    case 'boolean':
      return type.typeId === typeIds.bool ? new BooleanWriter(bindings) : undefined
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return fixedWriter(bindings, integerReader(type, lake.kind))
    case 'float':
    case 'double':
      return fixedWriter(bindings, floatReader(type, lake.kind))
    case 'decimal':
      return fixedWriter(bindings, decimalReader(type, lake.precision, lake.scale))
    case 'date':
      return fixedWriter(bindings, dateReader(type))
    case 'timestamp':
      return fixedWriter(bindings, timestampReader(type))
    case 'varchar':
      if (type.typeId === typeIds.time) return new SpelledWriter(bindings, timeReader(type))
      return textIds.has(type.typeId) ? new TextWriter(bindings, true) : undefined
    case 'blob':
      return bytesIds.has(type.typeId) ? new TextWriter(bindings, false) : undefined
    case 'list':
      return listWriter(bindings, type, lake.element)
    case 'map':
      return mapWriter(bindings, type, lake.key, lake.value)
    case 'struct':
      return structWriter(bindings, type, lake)
  }
}

/** The validity of a range, together with that of the struct around it; undefined where all values are valid. */
function bitsOf(data: Data, start: number, count: number, mask: Bits | undefined): Bits | undefined {
  const source = data.nullBitmap
  if (source === undefined || source.byteLength === 0 || data.nullCount === 0) return mask
  const from = data.offset + start
  if (source.byteLength * 8 < from + count) throw new ValueMisfit(0, 'its validity bitmap is too short')
  const bits = sliceBits(source, from, count)
  if (mask !== undefined) for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] ?? 0) & (mask[at] ?? 0)
  return bits
}

function sliceBits(source: Uint8Array, from: number, count: number): Bits {
  const bytes = (count + 7) >> 3
  const first = from >> 3
  const shift = from & 7
  if (shift === 0) return source.slice(first, first + bytes)
  const bits = new Uint8Array(bytes)
  for (let at = 0; at < bytes; at++)
    bits[at] = ((source[first + at] ?? 0) >> shift) | ((source[first + at + 1] ?? 0) << (8 - shift))
  return bits
}

abstract class Writer implements ColumnWriter {
  constructor(protected readonly bindings: Bindings) {}
  abstract write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void

  protected putBytes(vector: DuckVector, source: ArrayBufferView, byteStart: number, byteCount: number): void {
    if (byteStart < 0 || byteStart + byteCount > source.byteLength)
      throw new ValueMisfit(0, 'its buffer is shorter than its length says')
    const { buffer, byteOffset } = source
    if (buffer instanceof ArrayBuffer)
      this.bindings.copy_data_to_vector(vector, 0, buffer, byteOffset + byteStart, byteCount)
    else {
      const copy = new Uint8Array(byteCount)
      copy.set(new Uint8Array(buffer, byteOffset + byteStart, byteCount))
      this.bindings.copy_data_to_vector(vector, 0, copy.buffer, 0, byteCount)
    }
  }

  protected putBits(vector: DuckVector, bits: Bits | undefined): void {
    if (bits === undefined) return
    this.bindings.vector_ensure_validity_writable(vector)
    const buffer = bits.buffer
    if (buffer instanceof ArrayBuffer)
      this.bindings.copy_data_to_vector_validity(vector, 0, buffer, bits.byteOffset, bits.byteLength)
  }

  /** One block of bytes and where each value begins in it become the strings of `vector`. */
  protected putText(
    vector: DuckVector,
    bytes: Uint8Array,
    offsets: Offsets,
    count: number,
    bits: Bits | undefined,
    isText: boolean,
  ): void {
    if (count === 0) return
    this.putBytes(vector, this.headersFor(vector, bytes, offsets, count, bits, isText), 0, count * 16)
    this.putBits(vector, bits)
  }

  /** Hands the block over to DuckDB, where values are too long for their headers. */
  protected headersFor(
    vector: DuckVector,
    bytes: Uint8Array,
    offsets: Offsets,
    count: number,
    bits: Bits | undefined,
    isText: boolean,
  ): Uint32Array {
    const block = textBlock(bytes, offsets, count, bits, isText)
    let address = 0n
    if (block.needsMemory) {
      // A refused text would leave the header as it was, and it may hold the one of an earlier chunk.
      this.putBytes(vector, emptyHeader, 0, 16)
      this.bindings.vector_assign_string_element_len(vector, 0, block.bytes)
      const header = this.bindings.vector_get_data(vector, 16)
      const view = new DataView(header.buffer, header.byteOffset, 16)
      if (view.getUint32(0, true) !== block.bytes.byteLength) throw new ValueMisfit(0, 'DuckDB refuses its text')
      address = view.getBigUint64(8, true)
    }
    return block.headers(address)
  }
}

const emptyHeader = new Uint8Array(16)

class NullWriter extends Writer {
  write(vector: DuckVector, _data: Data, _start: number, count: number): void {
    this.putBits(vector, new Uint8Array((count + 7) >> 3))
  }
}

class BooleanWriter extends Writer {
  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const values: Uint8Array = data.values
    const from = data.offset + start
    if (values.byteLength * 8 < from + count) throw new ValueMisfit(0, 'its buffer is shorter than its length says')
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at++) {
      const bit = from + at
      bytes[at] = ((values[bit >> 3] ?? 0) >> (bit & 7)) & 1
    }
    this.putBytes(vector, bytes, 0, count)
    this.putBits(vector, bitsOf(data, start, count, mask))
  }
}

function fixedWriter(bindings: Bindings, reader: Reader | undefined): ColumnWriter | undefined {
  return reader === undefined ? undefined : new FixedWriter(bindings, reader)
}

class FixedWriter extends Writer {
  constructor(
    bindings: Bindings,
    private readonly reader: Reader,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const { same, width } = this.reader
    const values: ArrayBufferView = data.values
    if (start < 0 || (start + count) * width > values.byteLength)
      throw new ValueMisfit(0, 'its buffer is shorter than its length says')
    if (same) this.putBytes(vector, values, start * width, count * width)
    else {
      const converted = this.reader.convert(values, start, count, bits)
      this.putBytes(vector, converted, 0, converted.byteLength)
    }
    this.putBits(vector, bits)
  }
}

/** Values without a DuckDB type of ours, written as the text that DuckDB would print. */
class SpelledWriter extends Writer {
  constructor(
    bindings: Bindings,
    private readonly spell: (values: ArrayBufferView, at: number) => string,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const texts: Buffer[] = []
    const offsets = new Float64Array(count + 1)
    for (let at = 0; at < count; at++) {
      const text = Buffer.from(isValid(bits, at) ? this.spell(data.values, start + at) : '')
      texts.push(text)
      offsets[at + 1] = (offsets[at] ?? 0) + text.byteLength
    }
    this.putText(vector, Buffer.concat(texts), offsets, count, bits, true)
  }
}

class TextWriter extends Writer {
  constructor(
    bindings: Bindings,
    readonly isText: boolean,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const source = maskedOffsets(data, start, count, bits)
    this.putText(vector, source.bytes, source.offsets, count, bits, this.isText)
  }
}

/** Codes are resolved range by range. */
function dictionaryWriter(bindings: Bindings, type: ArrowType, lake: LakeType): ColumnWriter | undefined {
  const valueType = type.dictionary
  if (valueType === undefined || lake.kind === 'list' || lake.kind === 'struct' || lake.kind === 'map') return undefined
  const writer = columnWriter(bindings, valueType, lake)
  if (writer instanceof TextWriter) return new DictionaryTextWriter(bindings, writer.isText)
  return writer === undefined ? undefined : new DictionaryWriter(bindings, writer)
}

/** Each entry that a range uses goes over once; its header is repeated. */
class DictionaryTextWriter extends Writer {
  constructor(
    bindings: Bindings,
    private readonly isText: boolean,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const { entries, slots, valid } = usedEntries(data, start, count, bits)
    const model = entries[0]?.chunk
    if (model === undefined) {
      this.putBits(vector, new Uint8Array((count + 7) >> 3))
      return
    }
    const { bytes, offsets } = gatherText(entries)
    const once = this.entryHeaders(vector, bytes, offsets, slots)
    const headers = new Uint32Array(count * 4)
    for (let at = 0, to = 0; at < count; at++, to += 4) {
      const from = (slots[at] ?? 0) * 4
      headers[to] = once[from] ?? 0
      headers[to + 1] = once[from + 1] ?? 0
      headers[to + 2] = once[from + 2] ?? 0
      headers[to + 3] = once[from + 3] ?? 0
    }
    this.putBytes(vector, headers, 0, count * 16)
    this.putBits(vector, valid)
  }

  private entryHeaders(vector: DuckVector, bytes: Uint8Array, offsets: Offsets, slots: Int32Array): Uint32Array {
    try {
      return this.headersFor(vector, bytes, offsets, offsets.length - 1, undefined, this.isText)
    } catch (error) {
      throw error instanceof ValueMisfit ? new ValueMisfit(slots.indexOf(error.row), error.message) : error
    }
  }
}

interface Place {
  chunk: Data
  index: number
}

/** The entries in use, by row the number of its entry (-1: none), and which rows are valid. */
function usedEntries(
  data: Data,
  start: number,
  count: number,
  bits: Bits | undefined,
): { entries: Place[]; slots: Int32Array; valid: Bits } {
  const codes: ArrayLike<number | bigint> = data.values
  const chunks: readonly Data[] = data.dictionary?.data ?? []
  if (start + count > codes.length) throw new ValueMisfit(0, 'its buffer is shorter than its length says')
  const slotOf = new Map<number, number>()
  const entries: Place[] = []
  const slots = new Int32Array(count).fill(-1)
  const valid = new Uint8Array((count + 7) >> 3)
  for (let at = 0; at < count; at++) {
    if (!isValid(bits, at)) continue
    const code = Number(codes[start + at])
    let slot = slotOf.get(code)
    if (slot === undefined) {
      const place = locate(chunks, code)
      if (place === undefined) throw new ValueMisfit(at, 'its code is not in its dictionary')
      slot = place.chunk.getValid(place.index) ? entries.push(place) - 1 : -1
      slotOf.set(code, slot)
    }
    slots[at] = slot
    if (slot >= 0) valid[at >> 3] = (valid[at >> 3] ?? 0) | (1 << (at & 7))
  }
  return { entries, slots, valid }
}

function gatherText(entries: readonly Place[]): { bytes: Uint8Array; offsets: Float64Array } {
  const parts: Uint8Array[] = []
  const offsets = new Float64Array(entries.length + 1)
  for (const [at, { chunk, index }] of entries.entries()) {
    const source = maskedOffsets(chunk, index, 1, undefined)
    const part = source.bytes.subarray(source.offsets[0], source.offsets[1])
    parts.push(part)
    offsets[at + 1] = (offsets[at] ?? 0) + part.byteLength
  }
  return { bytes: Buffer.concat(parts), offsets }
}

/** Fixed-width values are gathered into a plain array, which is written as one. */
class DictionaryWriter extends Writer {
  constructor(
    bindings: Bindings,
    private readonly values: ColumnWriter,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const { entries, slots, valid } = usedEntries(data, start, count, bits)
    const model = entries[0]?.chunk
    if (model === undefined) this.putBits(vector, new Uint8Array((count + 7) >> 3))
    else this.values.write(vector, gatherFixed(model, entries, slots, valid), 0, count)
  }
}

function locate(chunks: readonly Data[], code: number): Place | undefined {
  let index = code
  if (index < 0) return undefined
  for (const chunk of chunks) {
    if (index < chunk.length) return { chunk, index }
    index -= chunk.length
  }
  return undefined
}

function gatherFixed(model: Data, entries: readonly Place[], slots: Int32Array, valid: Bits): Data {
  const length = slots.length
  const shape = { type: model.type, offset: 0, length, nullCount: -1, nullBitmap: valid, children: [] }
  const isBoolean = model.typeId === typeIds.bool
  const width: number = isBoolean ? 1 : model.stride * model.values.BYTES_PER_ELEMENT
  const values = new Uint8Array(isBoolean ? (length + 7) >> 3 : width * length)
  for (const [at, slot] of slots.entries()) {
    const place = entries[slot]
    if (place === undefined) continue
    const { chunk, index } = place
    const source: ArrayBufferView = chunk.values
    if (!isBoolean) values.set(new Uint8Array(source.buffer, source.byteOffset + index * width, width), at * width)
    else if (isValid(chunk.values, chunk.offset + index)) values[at >> 3] = (values[at >> 3] ?? 0) | (1 << (at & 7))
  }
  return asData({ ...shape, values })
}

/** The writers read no more of a `Data` than these. */
function asData(parts: Record<string, unknown> & { type: { typeId: number } }): Data {
  return { ...parts, typeId: parts.type.typeId } as unknown as Data
}

function listWriter(bindings: Bindings, type: ArrowType, element: LakeType): ColumnWriter | undefined {
  const child = type.children?.[0]?.type
  if (child === undefined || !listIds.has(type.typeId)) return undefined
  const writer = columnWriter(bindings, child, element)
  return writer === undefined ? undefined : new ListWriter(bindings, writer, type.listSize)
}

class ListWriter extends Writer {
  constructor(
    bindings: Bindings,
    private readonly element: ColumnWriter,
    private readonly listSize: number | undefined,
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    const bits = bitsOf(data, start, count, mask)
    const child = data.children[0]
    if (child === undefined) throw new ValueMisfit(0, 'it has no element array')
    const offsets = this.offsetsOf(data, start, count)
    const first = offsets[0] ?? 0
    const last = offsets[count] ?? 0
    if (first < 0 || last > child.length) throw new ValueMisfit(0, 'its offsets reach beyond its elements')
    this.putElements(vector, child, offsets, first, last)
    const entries = new BigUint64Array(count * 2)
    for (let at = 0; at < count; at++) {
      if (!isValid(bits, at)) continue
      const from = offsets[at] ?? 0
      const to = offsets[at + 1] ?? 0
      if (to < from || from < first || to > last) throw new ValueMisfit(at, 'its offsets are not in order')
      entries[at * 2] = BigInt(from - first)
      entries[at * 2 + 1] = BigInt(to - from)
    }
    this.putBytes(vector, entries, 0, entries.byteLength)
    this.putBits(vector, bits)
  }

  private putElements(vector: DuckVector, child: Data, offsets: Float64Array, first: number, last: number): void {
    const size = last - first
    this.bindings.list_vector_reserve(vector, size)
    this.bindings.list_vector_set_size(vector, size)
    if (size <= 0) return
    try {
      this.element.write(this.bindings.list_vector_get_child(vector), child, first, size)
    } catch (error) {
      if (!(error instanceof ValueMisfit)) throw error
      const element = first + error.row
      const row = offsets.findIndex((offset, at) => offset <= element && element < (offsets[at + 1] ?? 0))
      throw new ValueMisfit(Math.max(row, 0), error.message)
    }
  }

  private offsetsOf(data: Data, start: number, count: number): Float64Array {
    const offsets = new Float64Array(count + 1)
    if (this.listSize !== undefined) {
      for (let at = 0; at <= count; at++) offsets[at] = (start + at) * this.listSize
      return offsets
    }
    const source: ArrayLike<number | bigint> = data.valueOffsets ?? []
    if (start + count + 1 > source.length) throw new ValueMisfit(0, 'its offsets are fewer than its length says')
    for (let at = 0; at <= count; at++) offsets[at] = Number(source[start + at])
    return offsets
  }
}

/** DuckDB's map is a list of structs of key and value, and so is Arrow's. */
function mapWriter(bindings: Bindings, type: ArrowType, key: LakeType, value: LakeType): ColumnWriter | undefined {
  const entries = type.children?.[0]?.type.children
  if (type.typeId !== typeIds.map || entries?.length !== 2 || !entries[0] || !entries[1]) return undefined
  const keyWriter = columnWriter(bindings, entries[0].type, key)
  const valueWriter = columnWriter(bindings, entries[1].type, value)
  if (keyWriter === undefined || valueWriter === undefined) return undefined
  const pair = new StructWriter(bindings, [
    { source: 0, writer: new KeyWriter(keyWriter) },
    { source: 1, writer: valueWriter },
  ])
  return new ListWriter(bindings, pair, undefined)
}

class KeyWriter implements ColumnWriter {
  constructor(private readonly writer: ColumnWriter) {}

  write(vector: DuckVector, data: Data, start: number, count: number): void {
    const bits = bitsOf(data, start, count, undefined)
    if (bits !== undefined)
      for (let at = 0; at < count; at++) if (!isValid(bits, at)) throw new ValueMisfit(at, 'a key of its map is null')
    this.writer.write(vector, data, start, count)
  }
}

function structWriter(
  bindings: Bindings,
  type: ArrowType,
  lake: Extract<LakeType, { kind: 'struct' }>,
): ColumnWriter | undefined {
  const children = type.children ?? []
  if (type.typeId !== typeIds.struct || children.length !== lake.fields.length) return undefined
  const fields: StructWriter['fields'] = []
  for (const field of lake.fields) {
    const source = children.findIndex((child) => child.name === field.name)
    const child = children[source]
    const writer = child === undefined ? undefined : columnWriter(bindings, child.type, field.type)
    if (writer === undefined) return undefined
    fields.push({ source, writer })
  }
  return new StructWriter(bindings, fields)
}

class StructWriter extends Writer {
  constructor(
    bindings: Bindings,
    readonly fields: { source: number; writer: ColumnWriter }[],
  ) {
    super(bindings)
  }

  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void {
    // `s.a` in DuckDB reads the field without asking the struct: a null struct needs null fields.
    const bits = bitsOf(data, start, count, mask)
    for (const [index, { source, writer }] of this.fields.entries()) {
      const child = data.children[source]
      if (child === undefined || child.length < start + count)
        throw new ValueMisfit(0, 'its fields are shorter than its length says')
      writer.write(this.bindings.struct_vector_get_child(vector, index), child, start, count, bits)
    }
    this.putBits(vector, bits)
  }
}
