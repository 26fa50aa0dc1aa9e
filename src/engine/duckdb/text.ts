/**
 * Arrow's text and bytes, in whatever layout, as DuckDB's string headers.
 *
 *   header, 16 bytes   length u32, then either up to 12 bytes of text, or its first 4 bytes and its address u64
 */
import { isAscii, isUtf8 } from 'node:buffer'
import type { Data } from 'apache-arrow'
import { typeIds } from '../../schema/arrow.js'
import { ValueMisfit } from './value-misfit.js'

/** Layouts that hold text, bytes, and lists. */
export const textIds: ReadonlySet<number> = new Set([typeIds.utf8, typeIds.largeUtf8, typeIds.utf8View])
export const bytesIds: ReadonlySet<number> = new Set([
  typeIds.binary,
  typeIds.fixedSizeBinary,
  typeIds.largeBinary,
  typeIds.binaryView,
])
export const listIds: ReadonlySet<number> = new Set([typeIds.list, typeIds.fixedSizeList, typeIds.largeList])

/** Where each value begins in its block, and where the last one ends. */
export type Offsets = Int32Array | Float64Array

/**
 * The values of a range as bytes and offsets into them.
 * @throws ValueMisfit where the array contradicts itself
 */
export function maskedOffsets(
  data: Data,
  start: number,
  count: number,
  bits: Uint8Array | undefined,
): { bytes: Uint8Array; offsets: Offsets } {
  if (data.typeId === typeIds.utf8View || data.typeId === typeIds.binaryView)
    return gatherViews(data, start, count, bits)
  const bytes: Uint8Array = data.values ?? new Uint8Array()
  const offsets =
    data.typeId === typeIds.fixedSizeBinary ? fixedOffsets(data, start, count) : slicedOffsets(data, start, count)
  if (offsets === undefined) throw new ValueMisfit(0, 'its offsets are fewer than its length says')
  let before = offsets[0] ?? 0
  if (before < 0) throw new ValueMisfit(0, 'its offsets are not in order')
  for (let at = 1; at <= count; at++) {
    const offset = offsets[at] ?? 0
    if (offset < before) throw new ValueMisfit(0, 'its offsets are not in order')
    before = offset
  }
  if (before > bytes.byteLength) throw new ValueMisfit(0, 'its offsets reach beyond its bytes')
  return { bytes, offsets }
}

function fixedOffsets(data: Data, start: number, count: number): Offsets {
  const offsets = new Float64Array(count + 1)
  for (let at = 0; at <= count; at++) offsets[at] = (start + at) * data.stride
  return offsets
}

function slicedOffsets(data: Data, start: number, count: number): Offsets | undefined {
  const source: Int32Array | BigInt64Array | undefined = data.valueOffsets
  // An array without values may come without offsets.
  if (source === undefined || source.length < start + count + 1) return count === 0 ? new Int32Array(1) : undefined
  if (source instanceof Int32Array) return source.subarray(start, start + count + 1)
  return Float64Array.from(source.subarray(start, start + count + 1), Number)
}

/** View, 16 bytes: length i32, then the text itself or prefix, number of the buffer i32 and offset i32. */
function gatherViews(
  data: Data,
  start: number,
  count: number,
  bits: Uint8Array | undefined,
): { bytes: Uint8Array; offsets: Offsets } {
  const source: ArrayBufferView = data.values
  const views = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const buffers: readonly Uint8Array[] = data.variadicBuffers
  if ((start + count) * 16 > source.byteLength) throw new ValueMisfit(0, 'its buffer is shorter than its length says')
  const parts: Uint8Array[] = []
  const offsets = new Float64Array(count + 1)
  for (let at = 0; at < count; at++) {
    const place = (start + at) * 16
    const isNull = !isValid(bits, at)
    const length = isNull ? 0 : views.getInt32(place, true)
    const from = views.getInt32(place + 12, true)
    const buffer = length > 12 ? buffers[views.getInt32(place + 8, true)] : undefined
    if (length < 0 || (length > 12 && (buffer === undefined || from < 0 || from + length > buffer.byteLength)))
      throw new ValueMisfit(0, 'its views reach beyond its bytes')
    parts.push(
      buffer === undefined
        ? new Uint8Array(source.buffer, source.byteOffset + place + 4, length)
        : buffer.subarray(from, from + length),
    )
    offsets[at + 1] = (offsets[at] ?? 0) + length
  }
  return { bytes: Buffer.concat(parts), offsets }
}

/** Reads bit `at` of a validity bitmap; without one everything is valid. */
export function isValid(bits: Uint8Array | undefined, at: number): boolean {
  return bits === undefined || ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0
}

export interface TextBlock {
  /** What DuckDB has to hold. */
  bytes: Uint8Array
  /** False where every value lives in its header. */
  needsMemory: boolean
  headers(address: bigint): Uint32Array
}

/**
 * @param isText the values must be valid UTF-8, each by itself
 * @throws ValueMisfit for the first value that is not
 */
export function textBlock(
  bytes: Uint8Array,
  offsets: Offsets,
  count: number,
  bits: Uint8Array | undefined,
  isText: boolean,
): TextBlock {
  const base = offsets[0] ?? 0
  const block = bytes.subarray(base, offsets[count] ?? 0)
  if (isText && !isAscii(block) && !(isUtf8(block) && splitsNoCharacter(bytes, offsets, count))) {
    // What stands under a null is not text: only without it can be said what is wrong.
    const compact = withoutNulls(bytes, offsets, count, bits)
    for (let at = 0; at < count; at++)
      if (!isUtf8(compact.bytes.subarray(compact.offsets[at], compact.offsets[at + 1])))
        throw new ValueMisfit(at, 'its text is not valid UTF-8')
    return blockOf(compact.bytes, compact.offsets, count)
  }
  return blockOf(bytes, offsets, count)
}

function blockOf(bytes: Uint8Array, offsets: Offsets, count: number): TextBlock {
  const base = offsets[0] ?? 0
  let longest = 0
  for (let at = 0; at < count; at++) longest = Math.max(longest, (offsets[at + 1] ?? 0) - (offsets[at] ?? 0))
  return {
    bytes: bytes.subarray(base, offsets[count] ?? 0),
    needsMemory: longest > 12,
    headers: (address) => headersOf(bytes, offsets, count, address),
  }
}

/** Valid text may still be cut in the middle of a character: a value must not begin with a continuation byte. */
function splitsNoCharacter(bytes: Uint8Array, offsets: Offsets, count: number): boolean {
  for (let at = 0; at < count; at++) {
    const from = offsets[at] ?? 0
    if (from < (offsets[at + 1] ?? 0) && ((bytes[from] ?? 0) & 0xc0) === 0x80) return false
  }
  return true
}

function withoutNulls(
  bytes: Uint8Array,
  offsets: Offsets,
  count: number,
  bits: Uint8Array | undefined,
): { bytes: Uint8Array; offsets: Offsets } {
  const parts: Uint8Array[] = []
  const compact = new Float64Array(count + 1)
  for (let at = 0; at < count; at++) {
    const isNull = !isValid(bits, at)
    const part = isNull ? new Uint8Array() : bytes.subarray(offsets[at] ?? 0, offsets[at + 1] ?? 0)
    parts.push(part)
    compact[at + 1] = (compact[at] ?? 0) + part.byteLength
  }
  return { bytes: Buffer.concat(parts), offsets: compact }
}

/** Keeps the first n bytes of a little-endian word. */
const keep = Uint32Array.of(0, 0xff, 0xffff, 0xffffff, 0xffffffff)

let scratch = new Uint32Array(2048 * 4)

function headersOf(bytes: Uint8Array, offsets: Offsets, count: number, address: bigint): Uint32Array {
  if (scratch.length < count * 4) scratch = new Uint32Array(count * 4)
  const headers = scratch
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const low = Number(address & 0xffffffffn)
  const high = Number(address >> 32n)
  const base = offsets[0] ?? 0
  const lastWhole = bytes.byteLength - 12
  for (let at = 0, to = 0; at < count; at++, to += 4) {
    const from = offsets[at] ?? 0
    const length = (offsets[at + 1] ?? 0) - from
    headers[to] = length
    if (length > 12) {
      const place = low + (from - base)
      headers[to + 1] = view.getUint32(from, true)
      headers[to + 2] = place % 0x1_0000_0000
      headers[to + 3] = high + Math.floor(place / 0x1_0000_0000)
    } else if (from <= lastWhole) {
      headers[to + 1] = view.getUint32(from, true) & (keep[Math.min(length, 4)] ?? 0)
      headers[to + 2] = length > 4 ? view.getUint32(from + 4, true) & (keep[Math.min(length - 4, 4)] ?? 0) : 0
      headers[to + 3] = length > 8 ? view.getUint32(from + 8, true) & (keep[length - 8] ?? 0) : 0
    } else putInline(headers, to, bytes, from, length)
  }
  return headers
}

/** The same where twelve bytes would reach beyond the end. */
function putInline(headers: Uint32Array, to: number, bytes: Uint8Array, from: number, length: number): void {
  headers.fill(0, to + 1, to + 4)
  for (let at = 0; at < length; at++) {
    const word = to + 1 + (at >> 2)
    headers[word] = (headers[word] ?? 0) | ((bytes[from + at] ?? 0) << ((at & 3) * 8))
  }
}
