/**
 * Arrow's fixed-width values as DuckDB holds them. What has the same layout is copied as it is; the rest is converted
 * without loss or refused.
 *
 *   Arrow                           ours            how
 *   Int8 … Int64                    same width      as it is; a narrower one is widened
 *   Uint8, Uint16, Uint32           next wider      widened
 *   Uint64                          decimal(20,0)   widened to 128 bits
 *   Float32, Float64; Float16       float, double   as it is; widened
 *   Decimal                         decimal         as it is from precision 19; narrowed below
 *   Date (days; milliseconds)       date            as it is; divided, must be whole days
 *   Timestamp (µs; s, ms; ns)       timestamp       as it is; multiplied; divided, must be whole µs
 *   Time                            varchar         `10:00:00.5`
 */
import { typeIds } from '../../schema/arrow.js'
import { isValid } from './text.js'
import { ValueMisfit } from './value-misfit.js'

/** The parts of an Arrow type that are looked at; several copies of apache-arrow may be loaded. */
export interface ArrowType {
  typeId: number
  isSigned?: boolean
  bitWidth?: number
  precision?: number
  scale?: number
  unit?: number
  listSize?: number
  dictionary?: ArrowType
  children?: readonly { name: string; type: ArrowType }[] | null
}

export interface Reader {
  /** Bytes of one value in the Arrow array. */
  width: number
  /** DuckDB has the same layout. */
  same: boolean
  /** @throws ValueMisfit */
  convert(values: ArrayBufferView, start: number, count: number, bits: Uint8Array | undefined): ArrayBufferView
}

type IntegerName = 'tinyint' | 'smallint' | 'integer' | 'bigint'
const bitsOfInteger: Record<IntegerName, number> = { tinyint: 8, smallint: 16, integer: 32, bigint: 64 }

export function integerReader(type: ArrowType, to: IntegerName): Reader | undefined {
  const { bitWidth = 0, isSigned = true } = type
  const target = bitsOfInteger[to]
  if (type.typeId !== typeIds.int || (isSigned ? bitWidth > target : bitWidth >= target)) return undefined
  const same = isSigned && bitWidth === target
  return {
    width: bitWidth / 8,
    same,
    convert: (values, start, count) => {
      const source = integersOf(values, start, count, bitWidth, isSigned)
      if (to === 'smallint') return Int16Array.from(source)
      if (to === 'integer') return Int32Array.from(source)
      return BigInt64Array.from(source, (value) => BigInt(value))
    },
  }
}

export function floatReader(type: ArrowType, to: 'float' | 'double'): Reader | undefined {
  const { precision = 0 } = type
  if (type.typeId !== typeIds.float || (to === 'float' && precision === 2)) return undefined
  const same = precision === (to === 'float' ? 1 : 2)
  return {
    width: [2, 4, 8][precision] ?? 8,
    same,
    convert: (values, start, count) => {
      const source =
        precision === 0
          ? Float64Array.from(new Uint16Array(copyBytes(values, start * 2, count * 2)), halfToNumber)
          : new Float32Array(copyBytes(values, start * 4, count * 4))
      return to === 'float' ? Float32Array.from(source) : Float64Array.from(source)
    },
  }
}

export function decimalReader(type: ArrowType, precision: number, scale: number): Reader | undefined {
  if (type.typeId === typeIds.int && type.isSigned === false && type.bitWidth === 64 && scale === 0 && precision >= 20)
    return { width: 8, same: false, convert: widenUnsigned }
  const { scale: sourceScale = 0, precision: sourcePrecision = 39 } = type
  // A scale of -2 counts hundreds.
  const factor = sourceScale < 0 && scale === 0 ? 10n ** BigInt(-sourceScale) : 1n
  if (
    type.typeId !== typeIds.decimal ||
    (factor === 1n && sourceScale !== scale) ||
    sourcePrecision + (factor === 1n ? 0 : -sourceScale) > precision
  )
    return undefined
  const words = (type.bitWidth ?? 128) / 32
  const targetWords = precision <= 4 ? 0.5 : precision <= 9 ? 1 : precision <= 18 ? 2 : 4
  return {
    width: words * 4,
    same: words === 4 && targetWords === 4 && factor === 1n,
    convert: (values, start, count, bits) =>
      resizeDecimals(new Int32Array(copyBytes(values, start * words * 4, count * words * 4)), {
        words,
        targetWords,
        count,
        bits,
        precision: sourcePrecision,
        factor,
      }),
  }
}

const dayMillis = 86_400_000n

export function dateReader(type: ArrowType): Reader | undefined {
  if (type.typeId !== typeIds.date) return undefined
  if (type.unit === 0) return { width: 4, same: true, convert: (values) => values }
  return {
    width: 8,
    same: false,
    convert: (values, start, count, bits) => {
      const source = new BigInt64Array(copyBytes(values, start * 8, count * 8))
      const days = new Int32Array(count)
      for (const [at, millis] of source.entries()) {
        if (!isValid(bits, at)) continue
        if (millis % dayMillis !== 0n) throw new ValueMisfit(at, 'its date has a time of day, which would be lost')
        days[at] = Number(millis / dayMillis)
      }
      return days
    },
  }
}

/** By Arrow's unit: seconds, milliseconds, microseconds, nanoseconds. */
const microsPerUnit = [1_000_000n, 1000n, 1n]

export function timestampReader(type: ArrowType): Reader | undefined {
  if (type.typeId !== typeIds.timestamp) return undefined
  const factor = microsPerUnit[type.unit ?? 2]
  if (factor === 1n) return { width: 8, same: true, convert: (values) => values }
  return {
    width: 8,
    same: false,
    convert: (values, start, count, bits) => {
      const micros = new BigInt64Array(copyBytes(values, start * 8, count * 8))
      for (let at = 0; at < count; at++) {
        if (!isValid(bits, at)) continue
        micros[at] = factor === undefined ? wholeMicros(micros[at] ?? 0n, at) : multiplied(micros[at] ?? 0n, factor, at)
      }
      return micros
    },
  }
}

/** How one value of a Time column is spelled: `10:00:00`, with as many digits of a second as are not 0. */
export function timeReader(type: ArrowType): (values: ArrayBufferView, at: number) => string {
  const digits = (type.unit ?? 0) * 3
  const width = (type.bitWidth ?? 64) / 8
  return (values, at) => {
    const view = new DataView(values.buffer, values.byteOffset + at * width, width)
    const value = width === 4 ? BigInt(view.getInt32(0, true)) : view.getBigInt64(0, true)
    const perSecond = 10n ** BigInt(digits)
    const seconds = Number(value / perSecond)
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    const clock = [hours, minutes, rest].map((part) => String(part).padStart(2, '0')).join(':')
    const fraction =
      digits === 0
        ? ''
        : String(value % perSecond)
            .padStart(digits, '0')
            .replace(/0+$/, '')
    return fraction === '' ? clock : `${clock}.${fraction}`
  }
}

function wholeMicros(nanos: bigint, at: number): bigint {
  const micros = nanos / 1000n
  if (micros * 1000n !== nanos) throw new ValueMisfit(at, 'its timestamp has nanoseconds, which would be lost')
  return micros
}

function multiplied(value: bigint, factor: bigint, at: number): bigint {
  const micros = value * factor
  if (BigInt.asIntN(64, micros) !== micros)
    throw new ValueMisfit(at, 'its timestamp is beyond what microseconds can say')
  return micros
}

function integersOf(
  values: ArrayBufferView,
  start: number,
  count: number,
  bitWidth: number,
  isSigned: boolean,
): Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array {
  const width = bitWidth / 8
  const bytes = copyBytes(values, start * width, count * width)
  if (bitWidth === 8) return isSigned ? new Int8Array(bytes) : new Uint8Array(bytes)
  if (bitWidth === 16) return isSigned ? new Int16Array(bytes) : new Uint16Array(bytes)
  return isSigned ? new Int32Array(bytes) : new Uint32Array(bytes)
}

/** A copy starts at 0, so that any typed array may lie on it. */
function copyBytes(values: ArrayBufferView, start: number, count: number): ArrayBuffer {
  const copy = new Uint8Array(count)
  copy.set(new Uint8Array(values.buffer, values.byteOffset + start, count))
  return copy.buffer
}

function widenUnsigned(values: ArrayBufferView, start: number, count: number): ArrayBufferView {
  const source = new BigUint64Array(copyBytes(values, start * 8, count * 8))
  const wide = new BigUint64Array(count * 2)
  for (let at = 0; at < count; at++) wide[at * 2] = source[at] ?? 0n
  return wide
}

function resizeDecimals(
  source: Int32Array,
  to: {
    words: number
    targetWords: number
    count: number
    bits: Uint8Array | undefined
    precision: number
    factor: bigint
  },
): ArrayBufferView {
  const { words, targetWords, count, bits } = to
  const limit = 10n ** BigInt(to.precision)
  const roughLimit = Number(limit) * 0.999
  const target = targetWords === 0.5 ? new Int16Array(count) : new Int32Array(count * targetWords)
  for (let at = 0; at < count; at++) {
    if (!isValid(bits, at)) continue
    const from = at * words
    const low = source[from] ?? 0
    const next = words > 1 ? (source[from + 1] ?? 0) : low >> 31
    const sign = (source[from + words - 1] ?? 0) >> 31
    let extended = true
    for (let word = 2; word < words; word++) extended &&= (source[from + word] ?? 0) === sign
    const size = Math.abs(next * 0x1_0000_0000 + (low >>> 0))
    const isSmall = extended && next >> 31 === sign && size < roughLimit
    if (!isSmall || to.factor !== 1n) {
      const value = wholeOf(source.subarray(from, from + words))
      if (value >= limit || value <= -limit)
        throw new ValueMisfit(at, `its decimal has more than ${to.precision} digits`)
      if (to.factor !== 1n) {
        putWords(target, at, targetWords, value * to.factor)
        continue
      }
    }
    if (targetWords <= 1) target[at] = low
    else
      for (let word = 0; word < targetWords; word++)
        target[at * targetWords + word] = word < words ? (source[from + word] ?? 0) : sign
  }
  return target
}

function wholeOf(words: Int32Array): bigint {
  let value = 0n
  for (let word = words.length - 1; word >= 0; word--)
    value = (value << 32n) + BigInt(word === words.length - 1 ? (words[word] ?? 0) : (words[word] ?? 0) >>> 0)
  return value
}

function putWords(target: Int16Array | Int32Array, at: number, words: number, value: bigint): void {
  if (words <= 1) target[at] = Number(value)
  else
    for (let word = 0; word < words; word++)
      target[at * words + word] = Number((value >> BigInt(32 * word)) & 0xffffffffn)
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
