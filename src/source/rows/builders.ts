/**
 * JavaScript values of one column, collected into one Arrow array after the other. Typed arrays are filled directly:
 * Arrow's own builders are several times slower.
 */
import type { Data, DataType } from 'apache-arrow'
import { typeName } from '../../schema/names.js'
import type { LakeType } from '../../schema/types.js'
import {
  refused,
  type TypedBy,
  toBoolean,
  toBytes,
  toDays,
  toDecimal,
  toDouble,
  toFloat,
  toInteger,
  toMicros,
  toText,
  ValueRefused,
} from './convert.js'
import { isPlainObject } from './infer.js'

export type Arrow = typeof import('apache-arrow')

export interface ColumnBuilder {
  readonly type: DataType
  readonly length: number
  /** @throws ValueRefused */
  add(value: unknown): void
  /** The values since the last call; begins anew. */
  finish(): Data
}

/** @param path for messages: the column's name, or `a.b`, `a[]` in nested ones */
export function columnBuilder(arrow: Arrow, lake: LakeType, path: string, typedBy: TypedBy): ColumnBuilder {
  switch (lake.kind) {
    case 'boolean':
      return new BooleanBuilder(arrow, lake, path, typedBy)
    case 'tinyint':
    case 'smallint':
    case 'integer':
      return new SmallBuilder(arrow, lake, path, typedBy)
    case 'date':
      return new SmallBuilder(arrow, lake, path, typedBy)
    case 'float':
    case 'double':
      return new FloatBuilder(arrow, lake, path, typedBy)
    case 'bigint':
    case 'timestamp':
      return new WideBuilder(arrow, lake, path, typedBy)
    case 'decimal':
      return new DecimalBuilder(arrow, lake, path, typedBy)
    case 'varchar':
      return new TextBuilder(arrow, lake, path, typedBy)
    case 'blob':
      return new BytesBuilder(arrow, lake, path, typedBy)
    case 'list':
      return new ListBuilder(arrow, lake, path, typedBy)
    case 'struct':
      return new StructBuilder(arrow, lake, path, typedBy)
    case 'map':
      return new MapBuilder(arrow, lake, path, typedBy)
  }
}

/** Length and validity; `capacity` grows by doubling and is kept from one array to the next. */
abstract class Builder<T extends LakeType = LakeType> implements ColumnBuilder {
  abstract readonly type: DataType
  length = 0
  protected capacity = 1024
  protected nulls = 0
  private valid = new Uint8Array(this.capacity >> 3)

  constructor(
    protected readonly arrow: Arrow,
    protected readonly lake: T,
    protected readonly path: string,
    protected readonly typedBy: TypedBy,
  ) {}

  add(value: unknown): void {
    if (this.length === this.capacity) this.grow()
    if (value === null || value === undefined) {
      this.nulls++
      this.putNull()
    } else {
      this.put(value)
      const at = this.length >> 3
      this.valid[at] = (this.valid[at] ?? 0) | (1 << (this.length & 7))
    }
    this.length++
  }

  finish(): Data {
    const { length, nulls } = this
    const nullBitmap = nulls === 0 ? undefined : this.valid.subarray(0, (length + 7) >> 3)
    const data = this.make({ length, nullCount: nulls, nullBitmap })
    this.length = 0
    this.nulls = 0
    this.valid = new Uint8Array(this.capacity >> 3)
    this.reset()
    return data
  }

  protected abstract put(value: unknown): void
  /** Whatever stands under a null; typed arrays hold 0 there already. */
  protected putNull(): void {}
  protected abstract make(common: Common): Data
  protected abstract reset(): void
  protected abstract resize(): void

  protected refuse(value: unknown): ValueRefused {
    return refused(this.path, typeName(this.lake), value)
  }

  private grow(): void {
    this.capacity *= 2
    this.valid = enlarged(this.valid, new Uint8Array(this.capacity >> 3))
    this.resize()
  }
}

interface Common {
  length: number
  nullCount: number
  nullBitmap: Uint8Array | undefined
}

function enlarged<T extends Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array>(
  old: T,
  larger: T,
): T {
  larger.set(old)
  return larger
}

class BooleanBuilder extends Builder {
  readonly type = new this.arrow.Bool()
  private bits = new Uint8Array(this.capacity >> 3)

  protected put(value: unknown): void {
    const boolean = toBoolean(value, this.typedBy)
    if (boolean === undefined) throw this.refuse(value)
    const at = this.length >> 3
    if (boolean) this.bits[at] = (this.bits[at] ?? 0) | (1 << (this.length & 7))
  }
  protected make(common: Common): Data {
    return this.arrow.makeData({ type: this.type, ...common, data: this.bits })
  }
  protected reset(): void {
    this.bits = new Uint8Array(this.capacity >> 3)
  }
  protected resize(): void {
    this.bits = enlarged(this.bits, new Uint8Array(this.capacity >> 3))
  }
}

/** Integers up to 32 bits, and days. */
class SmallBuilder extends Builder {
  readonly type = this.arrowType()
  private values = this.array()

  protected put(value: unknown): void {
    const number = this.lake.kind === 'date' ? toDays(value, this.typedBy) : toInteger(this.lake, value, this.typedBy)
    if (number === undefined) throw this.refuse(value)
    this.values[this.length] = Number(number)
  }
  protected make(common: Common): Data {
    const data = this.values.subarray(0, common.length)
    return this.arrow.makeData({ type: this.type, ...common, data } as Parameters<Arrow['makeData']>[0])
  }
  protected reset(): void {
    this.values = this.array()
  }
  protected resize(): void {
    const larger = this.array()
    larger.set(this.values)
    this.values = larger
  }
  private arrowType(): DataType {
    const { Int8, Int16, Int32, DateDay } = this.arrow
    if (this.lake.kind === 'date') return new DateDay()
    return this.lake.kind === 'tinyint' ? new Int8() : this.lake.kind === 'smallint' ? new Int16() : new Int32()
  }
  private array(): Int8Array | Int16Array | Int32Array {
    const { kind } = this.lake
    if (kind === 'tinyint') return new Int8Array(this.capacity)
    return kind === 'smallint' ? new Int16Array(this.capacity) : new Int32Array(this.capacity)
  }
}

class FloatBuilder extends Builder {
  readonly type = this.lake.kind === 'float' ? new this.arrow.Float32() : new this.arrow.Float64()
  private values = this.array()

  protected put(value: unknown): void {
    const number = this.lake.kind === 'float' ? toFloat(value, this.typedBy) : toDouble(value, this.typedBy)
    if (number === undefined) throw this.refuse(value)
    this.values[this.length] = number
  }
  protected make(common: Common): Data {
    const data = this.values.subarray(0, common.length)
    return this.arrow.makeData({ type: this.type, ...common, data } as Parameters<Arrow['makeData']>[0])
  }
  protected reset(): void {
    this.values = this.array()
  }
  protected resize(): void {
    const larger = this.array()
    larger.set(this.values)
    this.values = larger
  }
  private array(): Float32Array | Float64Array {
    return this.lake.kind === 'float' ? new Float32Array(this.capacity) : new Float64Array(this.capacity)
  }
}

/** 64-bit integers and timestamps, as pairs of 32-bit words: a BigInt per value would cost more than all the rest. */
class WideBuilder extends Builder {
  readonly type = this.lake.kind === 'timestamp' ? new this.arrow.TimestampMicrosecond('UTC') : new this.arrow.Int64()
  private words = new Int32Array(this.capacity * 2)

  protected put(value: unknown): void {
    if (typeof value === 'number' && this.lake.kind === 'bigint' && Number.isSafeInteger(value)) this.putNumber(value)
    else if (value instanceof Date && this.lake.kind === 'timestamp' && Math.abs(value.getTime()) < 2 ** 43)
      this.putNumber(value.getTime() * 1000)
    else {
      const wide =
        this.lake.kind === 'timestamp' ? toMicros(value, this.typedBy) : toInteger(this.lake, value, this.typedBy)
      if (wide === undefined) throw this.refuse(value)
      const bits = BigInt.asUintN(64, BigInt(wide))
      this.words[this.length * 2] = Number(bits & 0xffffffffn)
      this.words[this.length * 2 + 1] = Number(bits >> 32n)
    }
  }
  protected make(common: Common): Data {
    const data = new BigInt64Array(this.words.buffer, 0, common.length)
    return this.arrow.makeData({ type: this.type, ...common, data } as Parameters<Arrow['makeData']>[0])
  }
  protected reset(): void {
    this.words = new Int32Array(this.capacity * 2)
  }
  protected resize(): void {
    this.words = enlarged(this.words, new Int32Array(this.capacity * 2))
  }
  private putNumber(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000)
    this.words[this.length * 2] = value - high * 0x1_0000_0000
    this.words[this.length * 2 + 1] = high
  }
}

class DecimalBuilder extends Builder<Extract<LakeType, { kind: 'decimal' }>> {
  readonly type = new this.arrow.Decimal(this.lake.scale, this.lake.precision, 128)
  private words = new Int32Array(this.capacity * 4)

  protected put(value: unknown): void {
    const digits = toDecimal(this.lake, value)
    if (digits === undefined) throw this.refuse(value)
    let bits = BigInt.asUintN(128, digits)
    for (let word = 0; word < 4; word++) {
      this.words[this.length * 4 + word] = Number(bits & 0xffffffffn)
      bits >>= 32n
    }
  }
  protected make(common: Common): Data {
    const data = new Uint32Array(this.words.buffer, 0, common.length * 4)
    return this.arrow.makeData({ type: this.type, ...common, data })
  }
  protected reset(): void {
    this.words = new Int32Array(this.capacity * 4)
  }
  protected resize(): void {
    this.words = enlarged(this.words, new Int32Array(this.capacity * 4))
  }
}

/** Bytes of all values in one buffer, which grows. */
abstract class BlockBuilder extends Builder {
  protected bytes = Buffer.allocUnsafeSlow(16_384)
  protected used = 0
  private offsets = new Int32Array(this.capacity + 1)

  protected abstract append(value: unknown): void

  protected put(value: unknown): void {
    this.append(value)
    this.offsets[this.length + 1] = this.used
  }
  protected override putNull(): void {
    this.offsets[this.length + 1] = this.used
  }
  protected make(common: Common): Data {
    const valueOffsets = this.offsets.subarray(0, common.length + 1)
    const data = this.bytes.subarray(0, this.used)
    return this.arrow.makeData({ type: this.type, ...common, valueOffsets, data } as Parameters<Arrow['makeData']>[0])
  }
  protected reset(): void {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(16_384, Math.ceil(this.used * 1.1)))
    this.used = 0
    this.offsets = new Int32Array(this.capacity + 1)
  }
  protected resize(): void {
    this.offsets = enlarged(this.offsets, new Int32Array(this.capacity + 1))
  }
  protected reserve(more: number): void {
    const needed = this.used + more
    if (needed <= this.bytes.byteLength) return
    // Arrow counts these bytes with 32 bits.
    if (needed >= 2 ** 31) throw new ValueRefused(this.path, `column \`${this.path}\` holds 2 GB in a few rows`)
    const larger = Buffer.allocUnsafeSlow(Math.min(2 ** 31 - 1, Math.max(needed, this.bytes.byteLength * 2)))
    this.bytes.copy(larger, 0, 0, this.used)
    this.bytes = larger
  }
}

class TextBuilder extends BlockBuilder {
  readonly type = new this.arrow.Utf8()

  protected append(value: unknown): void {
    const text = typeof value === 'string' ? value : toText(value, this.typedBy)
    if (text === undefined) throw this.refuse(value)
    this.reserve(text.length * 3)
    const { bytes } = this
    let to = this.used
    if (text.length <= 40) {
      // Most text is short and ASCII; a call into the runtime costs more than this loop.
      let at = 0
      for (; at < text.length; at++) {
        const code = text.charCodeAt(at)
        if (code > 127) break
        bytes[to++] = code
      }
      if (at === text.length) {
        this.used = to
        return
      }
    }
    // A lone surrogate would become U+FFFD.
    if (!isWellFormed(text))
      throw new ValueRefused(this.path, `column \`${this.path}\` holds text with half a character`)
    this.used += bytes.write(text, this.used, 'utf8')
  }
}

function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)
}

class BytesBuilder extends BlockBuilder {
  readonly type = new this.arrow.Binary()

  protected append(value: unknown): void {
    const source = toBytes(value, this.typedBy)
    if (source === undefined) throw this.refuse(value)
    this.reserve(source.byteLength)
    this.bytes.set(source, this.used)
    this.used += source.byteLength
  }
}

class ListBuilder extends Builder<Extract<LakeType, { kind: 'list' }>> {
  private readonly element = columnBuilder(this.arrow, this.lake.element, `${this.path}[]`, this.typedBy)
  readonly type = new this.arrow.List(new this.arrow.Field('element', this.element.type, true))
  private offsets = new Int32Array(this.capacity + 1)

  protected put(value: unknown): void {
    if (!Array.isArray(value)) throw this.refuse(value)
    for (const item of value) this.element.add(item)
    this.putNull()
  }
  protected override putNull(): void {
    this.offsets[this.length + 1] = this.element.length
  }
  protected make(common: Common): Data {
    const valueOffsets = this.offsets.subarray(0, common.length + 1)
    return this.arrow.makeData({ type: this.type, ...common, valueOffsets, child: this.element.finish() })
  }
  protected reset(): void {
    this.offsets = new Int32Array(this.capacity + 1)
  }
  protected resize(): void {
    this.offsets = enlarged(this.offsets, new Int32Array(this.capacity + 1))
  }
}

class StructBuilder extends Builder<Extract<LakeType, { kind: 'struct' }>> {
  private readonly fields = this.lake.fields.map((field) => ({
    name: field.name,
    builder: columnBuilder(this.arrow, field.type, `${this.path}.${field.name}`, this.typedBy),
  }))
  private readonly names = new Set(this.lake.fields.map((field) => field.name))
  readonly type = new this.arrow.Struct<Record<string, DataType>>(
    this.fields.map(({ name, builder }) => new this.arrow.Field(name, builder.type, true)),
  )

  protected put(value: unknown): void {
    if (!isPlainObject(value)) throw this.refuse(value)
    for (const name of Object.keys(value))
      if (!this.names.has(name) && value[name] !== undefined)
        throw new ValueRefused(`${this.path}.${name}`, `column \`${this.path}\` has no field \`${name}\``)
    for (const { name, builder } of this.fields) builder.add(Object.hasOwn(value, name) ? value[name] : null)
  }
  protected override putNull(): void {
    for (const { builder } of this.fields) builder.add(null)
  }
  protected make(common: Common): Data {
    const children = this.fields.map(({ builder }) => builder.finish())
    return this.arrow.makeData({ type: this.type, ...common, children })
  }
  protected reset(): void {}
  protected resize(): void {}
}

/** From a Map, a plain object, or what the engine's rows have: a list of `{ key, value }`. */
class MapBuilder extends Builder<Extract<LakeType, { kind: 'map' }>> {
  private readonly key = columnBuilder(this.arrow, this.lake.key, `${this.path}.key`, this.typedBy)
  private readonly value = columnBuilder(this.arrow, this.lake.value, `${this.path}.value`, this.typedBy)
  private readonly entries = new this.arrow.Struct<{ key: DataType; value: DataType }>([
    new this.arrow.Field('key', this.key.type, false),
    new this.arrow.Field('value', this.value.type, true),
  ])
  readonly type = new this.arrow.Map_<DataType, DataType>(new this.arrow.Field('entries', this.entries, false))
  private offsets = new Int32Array(this.capacity + 1)

  protected put(value: unknown): void {
    const entries = entriesOf(value)
    if (entries === undefined) throw this.refuse(value)
    const keys = new Set<unknown>()
    for (const [key, item] of entries) {
      const message = `column \`${this.path}\` has a map with a repeated or empty key`
      if (key === null || key === undefined || keys.has(key)) throw new ValueRefused(this.path, message)
      keys.add(key)
      this.key.add(key)
      this.value.add(item)
    }
    this.putNull()
  }
  protected override putNull(): void {
    this.offsets[this.length + 1] = this.key.length
  }
  protected make(common: Common): Data {
    const { length } = this.key
    const children = [this.key.finish(), this.value.finish()]
    const child = this.arrow.makeData({ type: this.entries, length, nullCount: 0, children })
    const valueOffsets = this.offsets.subarray(0, common.length + 1)
    return this.arrow.makeData({ type: this.type, ...common, valueOffsets, child })
  }
  protected reset(): void {
    this.offsets = new Int32Array(this.capacity + 1)
  }
  protected resize(): void {
    this.offsets = enlarged(this.offsets, new Int32Array(this.capacity + 1))
  }
}

function entriesOf(value: unknown): Iterable<[unknown, unknown]> | undefined {
  if (value instanceof Map) return value.entries()
  if (isPlainObject(value)) return Object.entries(value)
  if (!Array.isArray(value)) return undefined
  const pairs: [unknown, unknown][] = []
  for (const item of value) {
    if (!isPlainObject(item) || !('key' in item)) return undefined
    pairs.push([item.key, item.value])
  }
  return pairs
}
