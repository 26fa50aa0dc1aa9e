/**
 * Our types and Delta's schema JSON (protocol, "Schema Serialization Format").
 *
 *   ours                Delta
 *   tinyint … bigint    "byte" "short" "integer" "long"
 *   varchar, blob       "string", "binary"
 *   decimal(10,2)       "decimal(10,2)"
 *   bigint[]            {"type":"array","elementType":"long","containsNull":true}
 *
 * Field metadata is kept as it is. Types we have no word for (`timestamp_ntz`, `variant`, `void`, intervals) are
 * `unsupported`, with the column's name; a schema that is none is `corrupt`.
 */
import { z } from 'zod'
import { LakeError } from '../errors.js'
import type { Field, LakeType, PrimitiveName, Schema } from './types.js'

/** @param schema the parsed JSON of `metaData.schemaString` */
export function fromDeltaSchema(schema: unknown): Schema {
  const parsed = structShape.safeParse(schema)
  if (!parsed.success)
    throw new LakeError('corrupt', "the table's schema is not a Delta schema", { cause: parsed.error })
  const fields = parsed.data.fields.map((field) => fromField(field, ''))
  refuseEqualNames(fields)
  return fields
}

/** The object whose JSON is `metaData.schemaString`. */
export function toDeltaSchema(schema: Schema): DeltaStruct {
  return { type: 'struct', fields: schema.map(toField) }
}

export type DeltaType =
  | string
  | { type: 'array'; elementType: DeltaType; containsNull: boolean }
  | { type: 'map'; keyType: DeltaType; valueType: DeltaType; valueContainsNull: boolean }
  | DeltaStruct
export interface DeltaStruct {
  type: 'struct'
  fields: DeltaField[]
}
export interface DeltaField {
  name: string
  type: DeltaType
  nullable: boolean
  metadata: Record<string, unknown>
}

const toPrimitive: Record<PrimitiveName, string> = {
  boolean: 'boolean',
  tinyint: 'byte',
  smallint: 'short',
  integer: 'integer',
  bigint: 'long',
  float: 'float',
  double: 'double',
  varchar: 'string',
  blob: 'binary',
  date: 'date',
  timestamp: 'timestamp',
}
const fromPrimitive = new Map(Object.entries(toPrimitive).map(([ours, delta]) => [delta, ours as PrimitiveName]))

const fieldShape = z.object({
  name: z.string().min(1),
  type: z.unknown(),
  nullable: z.boolean().default(true),
  metadata: z.record(z.string(), z.unknown()).default({}),
})
const structShape = z.object({ type: z.literal('struct'), fields: z.array(fieldShape) })
const arrayShape = z.object({ type: z.literal('array'), elementType: z.unknown(), containsNull: z.boolean() })
const mapShape = z.object({
  type: z.literal('map'),
  keyType: z.unknown(),
  valueType: z.unknown(),
  valueContainsNull: z.boolean(),
})

function fromField(field: z.infer<typeof fieldShape>, parent: string): Field {
  const column = parent === '' ? field.name : `${parent}.${field.name}`
  return {
    name: field.name,
    type: fromType(field.type, column),
    nullable: field.nullable,
    ...(Object.keys(field.metadata).length > 0 ? { metadata: field.metadata } : {}),
  }
}

function fromType(type: unknown, column: string): LakeType {
  if (typeof type === 'string') return fromNamed(type, column)
  const array = arrayShape.safeParse(type)
  if (array.success) {
    const element = fromType(array.data.elementType, `${column}.element`)
    return { kind: 'list', element, ...(array.data.containsNull ? {} : { elementNullable: false }) }
  }
  const map = mapShape.safeParse(type)
  if (map.success) {
    const key = fromType(map.data.keyType, `${column}.key`)
    const value = fromType(map.data.valueType, `${column}.value`)
    return { kind: 'map', key, value, ...(map.data.valueContainsNull ? {} : { valueNullable: false }) }
  }
  const struct = structShape.safeParse(type)
  if (struct.success) return { kind: 'struct', fields: struct.data.fields.map((field) => fromField(field, column)) }
  throw new LakeError('corrupt', 'a column has a type that is not of Delta', { column, type })
}

function fromNamed(name: string, column: string): LakeType {
  const primitive = fromPrimitive.get(name)
  if (primitive !== undefined) return { kind: primitive }
  const decimal = /^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/.exec(name)
  if (decimal !== null) return decimalOf(Number(decimal[1]), Number(decimal[2]), column)
  if (name === 'decimal') return { kind: 'decimal', precision: 10, scale: 0 }
  throw new LakeError('unsupported', `a column has the type \`${name}\`, which lakewright does not read`, {
    column,
    fix: 'Read this table with another tool, or store the column as another type.',
  })
}

function decimalOf(precision: number, scale: number, column: string): LakeType {
  if (precision < 1 || precision > 38 || scale > precision)
    throw new LakeError('corrupt', 'a decimal column has an impossible precision', { column, precision, scale })
  return { kind: 'decimal', precision, scale }
}

function toField(field: Field): DeltaField {
  return { name: field.name, type: toType(field.type), nullable: field.nullable, metadata: field.metadata ?? {} }
}

function toType(type: LakeType): DeltaType {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'list':
      return { type: 'array', elementType: toType(type.element), containsNull: type.elementNullable ?? true }
    case 'map':
      return {
        type: 'map',
        keyType: toType(type.key),
        valueType: toType(type.value),
        valueContainsNull: type.valueNullable ?? true,
      }
    case 'struct':
      return { type: 'struct', fields: type.fields.map(toField) }
    default:
      return toPrimitive[type.kind]
  }
}

function refuseEqualNames(fields: Schema): void {
  const seen = new Map<string, string>()
  for (const { name } of fields) {
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) throw new LakeError('corrupt', 'two columns have the same name', { column: name, other })
    seen.set(name.toLowerCase(), name)
  }
}
