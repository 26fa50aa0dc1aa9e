/**
 * Writers of flat columns into DuckDB vectors, and what all writers share.
 *
 * Whatever comes from outside is checked before memory is touched: lengths of buffers, order of offsets, UTF-8. DuckDB
 * would turn invalid UTF-8 into NULL silently.
 */
import type { Vector as DuckVector } from '@duckdb/node-bindings'
import type { Data } from 'apache-arrow'
import type { Reader } from './numbers.js'
import { isValid, maskedOffsets, type Offsets, textBlock } from './text.js'
import { ValueMisfit } from './value-misfit.js'

export type Bindings = typeof import('@duckdb/node-bindings')

/** Writes `count` values from `start` (relative to the data's own slice) to the head of `vector`. */
export interface ColumnWriter {
  write(vector: DuckVector, data: Data, start: number, count: number, mask?: Bits): void
}

/** Validity from bit 0, one bit per value, 1 = valid; undefined where all are. */
export type Bits = Uint8Array

/** The validity of a range, together with that of the struct around it; undefined where all values are valid. */
export function bitsOf(data: Data, start: number, count: number, mask: Bits | undefined): Bits | undefined {
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

export abstract class Writer implements ColumnWriter {
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

export class NullWriter extends Writer {
  write(vector: DuckVector, _data: Data, _start: number, count: number): void {
    this.putBits(vector, new Uint8Array((count + 7) >> 3))
  }
}

export class BooleanWriter extends Writer {
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

export class FixedWriter extends Writer {
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
export class SpelledWriter extends Writer {
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

export class TextWriter extends Writer {
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
