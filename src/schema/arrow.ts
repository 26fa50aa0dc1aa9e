/**
 * Our types and Arrow's. Reading a schema needs no Arrow library, making one loads it.
 *
 *   Arrow                                    ours
 *   Int8 … Int64                             tinyint … bigint
 *   Uint8 Uint16 Uint32 Uint64               smallint integer bigint decimal(20,0)
 *   Float16 Float32 Float64                  float float double
 *   Utf8 LargeUtf8 Utf8View, Time*, Null     varchar
 *   Binary LargeBinary BinaryView FixedSize  blob
 *   Decimal of up to 38 digits               decimal(p,s)
 *   Date of days or milliseconds             date
 *   Timestamp of any unit, with zone or not  timestamp (naive is UTC)
 *   List LargeList FixedSizeList             x[]
 *   Dictionary                               what it stands for
 *   Interval Duration Union                  refused by name
 */
import type * as Arrow from 'apache-arrow'
import { LakeError } from '../errors.js'
import { assertColumnNames } from './names.js'
import type { Field, LakeType, Schema } from './types.js'

/** @throws LakeError invalid: names as `assertColumnNames`, and types that have no lossless form here */
export function fromArrowSchema(schema: ArrowSchemaLike): Schema {
  assertColumnNames(schema.fields.map(({ name }) => name))
  return schema.fields.map(fromArrowField)
}

export function fromArrowField(field: ArrowFieldLike): Field {
  return { name: field.name, type: fromArrowType(field.type, field.name), nullable: field.nullable }
}

/** @param column for the error */
export function fromArrowType(type: Arrow.DataType, column: string): LakeType {
  const shape = type as ArrowShape
  switch (shape.typeId) {
    case typeIds.null:
    case typeIds.utf8:
    case typeIds.largeUtf8:
    case typeIds.utf8View:
    case typeIds.time:
      return { kind: 'varchar' }
    case typeIds.int:
      return integerOf(shape)
    case typeIds.float:
      return { kind: shape.precision === doublePrecision ? 'double' : 'float' }
    case typeIds.binary:
    case typeIds.largeBinary:
    case typeIds.binaryView:
    case typeIds.fixedSizeBinary:
      return { kind: 'blob' }
    case typeIds.bool:
      return { kind: 'boolean' }
    case typeIds.decimal:
      return decimalOf(type, shape, column)
    case typeIds.date:
      return { kind: 'date' }
    case typeIds.timestamp:
      return { kind: 'timestamp' }
    case typeIds.list:
    case typeIds.largeList:
    case typeIds.fixedSizeList: {
      const [item] = type.children
      if (item === undefined) throw refused(type, column)
      return { kind: 'list', element: fromArrowType(item.type, column), elementNullable: item.nullable }
    }
    case typeIds.struct:
      return { kind: 'struct', fields: type.children.map(fromArrowField) }
    case typeIds.map: {
      const [key, value] = type.children[0]?.type.children ?? []
      if (key === undefined || value === undefined) throw refused(type, column)
      return {
        kind: 'map',
        key: fromArrowType(key.type, column),
        value: fromArrowType(value.type, column),
        valueNullable: value.nullable,
      }
    }
    case typeIds.dictionary:
      return fromArrowType(shape.dictionary ?? type, column)
    default:
      throw refused(type, column)
  }
}

export async function toArrowSchema(schema: Schema): Promise<Arrow.Schema> {
  const arrow = await import('apache-arrow')
  return new arrow.Schema(schema.map((field) => toArrowField(field, arrow)))
}

/** @param arrow the library, which the caller has loaded */
export function toArrowField(field: Field, arrow: typeof Arrow): Arrow.Field {
  return new arrow.Field(field.name, toArrowType(field.type, arrow), field.nullable)
}

export function toArrowType(type: LakeType, arrow: typeof Arrow): Arrow.DataType {
  switch (type.kind) {
    case 'boolean':
      return new arrow.Bool()
    case 'tinyint':
      return new arrow.Int8()
    case 'smallint':
      return new arrow.Int16()
    case 'integer':
      return new arrow.Int32()
    case 'bigint':
      return new arrow.Int64()
    case 'float':
      return new arrow.Float32()
    case 'double':
      return new arrow.Float64()
    case 'varchar':
      return new arrow.Utf8()
    case 'blob':
      return new arrow.Binary()
    case 'date':
      return new arrow.DateDay()
    case 'timestamp':
      return new arrow.TimestampMicrosecond('UTC')
    case 'decimal':
      return new arrow.Decimal(type.scale, type.precision, 128)
    case 'list':
      return new arrow.List(new arrow.Field('element', toArrowType(type.element, arrow), type.elementNullable ?? true))
    case 'struct':
      return new arrow.Struct(type.fields.map((field) => toArrowField(field, arrow)))
    case 'map': {
      const key = new arrow.Field('key', toArrowType(type.key, arrow), false)
      const value = new arrow.Field('value', toArrowType(type.value, arrow), type.valueNullable ?? true)
      return new arrow.Map_(
        new arrow.Field(
          'entries',
          new arrow.Struct<{ key: Arrow.DataType; value: Arrow.DataType }>([key, value]),
          false,
        ),
      )
    }
  }
}

/** What is read of a schema, so that one of another copy of the library does as well. */
export interface ArrowSchemaLike {
  fields: readonly ArrowFieldLike[]
}
export interface ArrowFieldLike {
  name: string
  type: Arrow.DataType
  nullable: boolean
}

interface ArrowShape {
  typeId: number
  bitWidth?: number
  isSigned?: boolean
  precision?: number
  scale?: number
  dictionary?: Arrow.DataType
}

/** Arrow's `Type` and `Precision.DOUBLE`; a test holds them against the library, which is not loaded for them. */
export const typeIds = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  list: 12,
  struct: 13,
  fixedSizeBinary: 15,
  fixedSizeList: 16,
  map: 17,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
  binaryView: 23,
  utf8View: 24,
  dictionary: -1,
} as const
const doublePrecision = 2

function integerOf({ bitWidth, isSigned }: ArrowShape): LakeType {
  switch (bitWidth) {
    case 8:
      return { kind: isSigned ? 'tinyint' : 'smallint' }
    case 16:
      return { kind: isSigned ? 'smallint' : 'integer' }
    case 32:
      return { kind: isSigned ? 'integer' : 'bigint' }
    default:
      return isSigned ? { kind: 'bigint' } : { kind: 'decimal', precision: 20, scale: 0 }
  }
}

/** A negative scale counts zeros before the point: 5 digits and scale −2 are whole numbers of 7 digits. */
function decimalOf(type: Arrow.DataType, { precision = 0, scale = 0 }: ArrowShape, column: string): LakeType {
  const whole = precision - scale
  const digits = scale < 0 ? whole : Math.max(precision, scale)
  if (digits < 1 || digits > 38) throw refused(type, column)
  return { kind: 'decimal', precision: digits, scale: Math.max(scale, 0) }
}

function refused(type: Arrow.DataType, column: string): LakeError {
  return new LakeError('invalid', `Arrow type ${String(type)} has no lossless form in a table`, {
    column,
    fix: 'Convert the column before it is handed over, e.g. to a number or text.',
  })
}
