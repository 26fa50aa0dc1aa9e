/**
 * Parquet field ids: each column keeps its number for as long as the table lives, so that a reader may match columns by
 * id. The number lies in the field's metadata under a name of ours; Delta's own (`delta.columnMapping.id`) would mean the
 * column-mapping feature, which the plain protocol does not have.
 */
import { isNested } from './names.js'
import type { Field, LakeType, Schema } from './types.js'

const metadataName = 'lakewright.id'

/** The schema with a number for every column and struct field that has none yet; numbers given before are kept. */
export function withFieldIds(schema: Schema): Schema {
  let highest = highestId(schema)
  const number = (field: Field): Field => ({
    ...field,
    type: inside(field.type),
    metadata: idOf(field) === undefined ? { ...field.metadata, [metadataName]: ++highest } : (field.metadata ?? {}),
  })
  const inside = (type: LakeType): LakeType => {
    if (type.kind === 'struct') return { ...type, fields: type.fields.map(number) }
    if (type.kind === 'list') return { ...type, element: inside(type.element) }
    if (type.kind === 'map') return { ...type, key: inside(type.key), value: inside(type.value) }
    return type
  }
  return schema.map(number)
}

/** Ids as the Parquet writer wants them: by column, struct fields as `parent.child`. Columns without one are left out. */
export function fieldIds(schema: Schema, prefix = ''): Record<string, number> {
  const ids: Record<string, number> = {}
  for (const field of schema) {
    const id = idOf(field)
    if (id === undefined) continue
    ids[prefix + field.name] = id
    if (field.type.kind === 'struct') Object.assign(ids, fieldIds(field.type.fields, `${prefix}${field.name}.`))
  }
  return ids
}

function highestId(schema: Schema): number {
  const inType = (type: LakeType): number => {
    if (!isNested(type)) return 0
    if (type.kind === 'struct') return highestId(type.fields)
    return type.kind === 'list' ? inType(type.element) : Math.max(inType(type.key), inType(type.value))
  }
  return schema.reduce((highest, field) => Math.max(highest, idOf(field) ?? 0, inType(field.type)), 0)
}

function idOf(field: Field): number | undefined {
  const id = field.metadata?.[metadataName]
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? id : undefined
}
