/**
 * Writers of lists, maps and structs. Children are written by their own writers, range by range, so that nested columns
 * are as fast as flat ones.
 */
import type { Vector as DuckVector } from '@duckdb/node-bindings'
import type { Data } from 'apache-arrow'
import { isValid } from './text.js'
import { ValueMisfit } from './value-misfit.js'
import { type Bindings, type Bits, bitsOf, type ColumnWriter, Writer } from './writers.js'

export class ListWriter extends Writer {
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

export class StructWriter extends Writer {
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

/** Keys of a map, none of which may be null. */
export class KeyWriter implements ColumnWriter {
  constructor(private readonly writer: ColumnWriter) {}

  write(vector: DuckVector, data: Data, start: number, count: number): void {
    const bits = bitsOf(data, start, count, undefined)
    if (bits !== undefined)
      for (let at = 0; at < count; at++) if (!isValid(bits, at)) throw new ValueMisfit(at, 'a key of its map is null')
    this.writer.write(vector, data, start, count)
  }
}
