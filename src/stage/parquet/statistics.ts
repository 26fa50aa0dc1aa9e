/**
 * Statistics of a column over row groups, out of a Parquet footer, as the texts that `encodeStats` takes.
 *
 *   integers, dates, timestamps   little-endian, 4 or 8 bytes      1, 2026-11-20, 2026-11-20T10:00:00.123456Z
 *   decimal                       the same, or big-endian bytes    1.10
 *   float, double                 IEEE 754                         0.5
 *   varchar                       UTF-8
 *
 * Bounds that one row group lacks are nobody's: nothing is concluded from the others.
 *
 * Source: Apache Parquet format, `parquet.thrift`, `Statistics`.
 */
import type { ColumnTexts } from '../../manifest/stats.js'
import { compareTexts, instantText } from '../../partition/value.js'
import type { Field, LakeType } from '../../schema/types.js'
import type { Chunk } from './splice.js'
import type { ThriftStruct } from './thrift.js'

/** @param chunks of one column, which is not nested, each from another row group */
export function chunkStatistics(chunks: readonly Chunk[], { type }: Field): ColumnTexts {
  const parts = chunks.map((chunk) => statisticsOf(chunk, type))
  const nulls = parts.map((part) => part.nullCount)
  const texts: ColumnTexts = nulls.includes(undefined)
    ? {}
    : { nullCount: nulls.reduce<number>((sum, count) => sum + (count ?? 0), 0) }
  const valued = parts.filter(({ nullCount, values }) => nullCount !== values)
  const min = extreme(
    valued.map((part) => part.min),
    type,
    -1,
  )
  const max = extreme(
    valued.map((part) => part.max),
    type,
    1,
  )
  return { ...texts, ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }
}

interface Part {
  values: number
  nullCount: number | undefined
  min: string | undefined
  max: string | undefined
}

function statisticsOf({ about }: Chunk, type: LakeType): Part {
  const data = about.get(3)?.value as ThriftStruct
  const statistics = data.get(12)?.value
  const found = statistics instanceof Map ? statistics : new Map()
  const nulls = found.get(3)?.value
  const bound = (id: number) => {
    const bytes = found.get(id)?.value
    return bytes instanceof Uint8Array ? valueText(Buffer.from(bytes), type) : undefined
  }
  return {
    values: Number(data.get(5)?.value ?? 0n),
    nullCount: typeof nulls === 'bigint' ? Number(nulls) : undefined,
    min: bound(6),
    max: bound(5),
  }
}

function extreme(texts: readonly (string | undefined)[], type: LakeType, sign: 1 | -1): string | undefined {
  let best: string | undefined
  for (const text of texts) {
    if (text === undefined) return undefined
    if (best === undefined || compareTexts(text, best, type) * sign > 0) best = text
  }
  return best
}

/** Undefined where the bytes are none of the type. */
function valueText(bytes: Buffer, type: LakeType): string | undefined {
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return littleEndian(bytes)?.toString()
    case 'decimal':
      return decimalText(littleEndian(bytes) ?? bigEndian(bytes), type.scale)
    case 'date': {
      const days = littleEndian(bytes)
      return days === undefined || days < firstDay || days > lastDay
        ? undefined
        : new Date(Number(days) * 86_400_000).toISOString().slice(0, 10)
    }
    case 'timestamp': {
      const micros = littleEndian(bytes)
      const isKnown = micros !== undefined && micros >= firstDay * dayMicros && micros < (lastDay + 1n) * dayMicros
      return isKnown ? instantText(micros) : undefined
    }
    case 'float':
      return bytes.length === 4 ? finiteText(bytes.readFloatLE(0)) : undefined
    case 'double':
      return bytes.length === 8 ? finiteText(bytes.readDoubleLE(0)) : undefined
    case 'varchar': {
      // Cut within a character, it would be another text.
      const text = bytes.toString('utf8')
      return text.includes('\ufffd') ? undefined : text
    }
    default:
      return undefined
  }
}

/** Of the years 1 and 9999. */
const firstDay = -719_162n
const lastDay = 2_932_896n
const dayMicros = 86_400_000_000n

function littleEndian(bytes: Buffer): bigint | undefined {
  if (bytes.length === 4) return BigInt(bytes.readInt32LE(0))
  return bytes.length === 8 ? bytes.readBigInt64LE(0) : undefined
}

function bigEndian(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return unscaled < 0n ? `-${text}` : text
}

function finiteText(value: number): string | undefined {
  return Number.isFinite(value) ? String(value) : undefined
}
