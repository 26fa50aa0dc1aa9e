/** Writers of dictionary columns: codes are resolved range by range, and must be in their dictionary. */
import type { Vector as DuckVector } from '@duckdb/node-bindings'
import type { Data } from 'apache-arrow'
import { typeIds } from '../../schema/arrow.js'
import { isValid, maskedOffsets, type Offsets } from './text.js'
import { ValueMisfit } from './value-misfit.js'
import { type Bindings, type Bits, bitsOf, type ColumnWriter, Writer } from './writers.js'

/** Each entry that a range uses goes over once; its header is repeated. */
export class DictionaryTextWriter extends Writer {
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
export class DictionaryWriter extends Writer {
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
