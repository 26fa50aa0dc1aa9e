/**
 * Thrift's compact protocol, as far as Parquet's footers use it, without knowing what the fields mean: what is read is
 * written again with every field that a newer writer may have added.
 *
 *   struct   Map of field id → { type, value }      list   { of, items }
 *   i8 i16 i32 i64   bigint      binary   bytes      bool   boolean      double   its 8 bytes
 *
 * Source: Apache Thrift, "Thrift compact protocol encoding".
 */
import { LakeError } from '../../errors.js'

export type ThriftValue = boolean | bigint | Uint8Array | ThriftList | ThriftStruct
export type ThriftStruct = Map<number, { type: number; value: ThriftValue }>
export interface ThriftList {
  /** Type of the items. */
  of: number
  items: ThriftValue[]
}

/** Of fields. In lists booleans are `true`, whatever their value. */
export const thriftTypes = {
  ...{ true: 1, false: 2, i8: 3, i16: 4, i32: 5, i64: 6 },
  ...{ double: 7, binary: 8, list: 9, set: 10, map: 11, struct: 12 },
} as const

/** @throws LakeError corrupt: it ends too early; unsupported: a map, of which Parquet has none */
export function decodeThrift(bytes: Uint8Array): ThriftStruct {
  return new Decoder(bytes).struct()
}

export function encodeThrift(struct: ThriftStruct): Uint8Array {
  const encoder = new Encoder()
  encoder.struct(struct)
  return encoder.bytes()
}

const { true: yes, false: no, i8, i16, i32, i64, double, binary, list, set, struct: struct_ } = thriftTypes

class Decoder {
  private at = 0
  constructor(private readonly source: Uint8Array) {}

  struct(): ThriftStruct {
    const fields: ThriftStruct = new Map()
    let id = 0
    for (let head = this.byte(); head !== 0; head = this.byte()) {
      const type = head & 0x0f
      id = head >> 4 === 0 ? Number(this.zigzag()) : id + (head >> 4)
      fields.set(id, { type, value: type === yes || type === no ? type === yes : this.value(type) })
    }
    return fields
  }

  private value(type: number): ThriftValue {
    switch (type) {
      case yes:
      case no:
        return this.byte() === yes
      case i8:
        return BigInt.asIntN(8, BigInt(this.byte()))
      case i16:
      case i32:
      case i64:
        return this.zigzag()
      case double:
        return this.take(8)
      case binary:
        return this.take(Number(this.varint()))
      case list:
      case set: {
        const head = this.byte()
        const size = head >> 4 === 15 ? Number(this.varint()) : head >> 4
        const of = head & 0x0f
        return { of, items: Array.from({ length: size }, () => this.value(of)) }
      }
      case struct_:
        return this.struct()
      default:
        throw new LakeError('unsupported', 'the footer of a file has a part of an unknown kind', { type })
    }
  }

  private zigzag(): bigint {
    const value = this.varint()
    return (value >> 1n) ^ -(value & 1n)
  }

  private varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  private take(length: number): Uint8Array {
    if (this.at + length > this.source.length) throw tooShort()
    this.at += length
    return this.source.subarray(this.at - length, this.at)
  }

  private byte(): number {
    const byte = this.source[this.at++]
    if (byte === undefined) throw tooShort()
    return byte
  }
}

class Encoder {
  private readonly parts: Uint8Array[] = []
  private open: number[] = []

  struct(fields: ThriftStruct): void {
    let last = 0
    for (const [id, { type, value }] of [...fields].sort(([a], [b]) => a - b)) {
      const kind = typeof value === 'boolean' ? (value ? yes : no) : type
      if (id - last > 0 && id - last < 16) this.open.push(((id - last) << 4) | kind)
      else {
        this.open.push(kind)
        this.zigzag(BigInt(id))
      }
      last = id
      if (typeof value !== 'boolean') this.value(type, value)
    }
    this.open.push(0)
  }

  bytes(): Uint8Array {
    this.close()
    return Buffer.concat(this.parts)
  }

  private value(type: number, value: ThriftValue): void {
    if (typeof value === 'boolean') this.open.push(value ? yes : no)
    else if (typeof value === 'bigint') {
      if (type === i8) this.open.push(Number(BigInt.asUintN(8, value)))
      else this.zigzag(value)
    } else if (value instanceof Uint8Array) {
      if (type === binary) this.varint(BigInt(value.length))
      this.close()
      this.parts.push(value)
    } else if (value instanceof Map) this.struct(value)
    else {
      const size = value.items.length
      this.open.push((Math.min(size, 15) << 4) | value.of)
      if (size >= 15) this.varint(BigInt(size))
      for (const item of value.items) this.value(value.of, item)
    }
  }

  private zigzag(value: bigint): void {
    this.varint(value < 0n ? -value * 2n - 1n : value * 2n)
  }

  private varint(value: bigint): void {
    let rest = value
    for (; rest >= 0x80n; rest >>= 7n) this.open.push(Number(rest & 0x7fn) | 0x80)
    this.open.push(Number(rest))
  }

  private close(): void {
    if (this.open.length > 0) this.parts.push(Uint8Array.from(this.open))
    this.open = []
  }
}

function tooShort(): LakeError {
  return new LakeError('corrupt', 'the footer of a data file ends too early', {
    fix: 'Check the file with `lakewright verify`.',
  })
}
