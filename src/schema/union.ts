/**
 * Several inputs of one load, united by name: without regard to case or order, a missing column is null, types are
 * widened without loss.
 *
 *   a.csv (id integer, City varchar)  +  b.parquet (city varchar, id bigint, n date)   =   id bigint, City varchar, n date
 */
import { LakeError } from '../errors.js'
import { commonType } from './fit.js'
import { findColumn, foldName, typeName } from './names.js'
import type { Field, LakeType, Schema } from './types.js'

/** @throws LakeError invalid: a column whose types have no common one, with the inputs that have them */
export function uniteSchemas(inputs: readonly NamedSchema[]): United {
  const columns = new Map<string, UnitedColumn & { from: string }>()
  for (const [index, { name: input, schema }] of inputs.entries())
    for (const field of schema) {
      const column = columns.get(foldName(field.name))
      if (column === undefined) {
        const sources = inputs.map(({ schema: other }) => findColumn(other, field.name))
        columns.set(foldName(field.name), {
          field: { ...field, nullable: field.nullable || sources.includes(undefined) },
          sources,
          from: input,
        })
        continue
      }
      const type = commonType(column.field.type, field.type)
      if (type === undefined) throw noCommonType(column, field, inputs[index]?.name ?? '')
      column.field = { ...column.field, type, nullable: column.field.nullable || field.nullable }
    }
  const united = [...columns.values()].map(({ field, sources }) => ({ field, sources }))
  return { schema: united.map(({ field }) => field), columns: united }
}

export interface NamedSchema {
  /** What errors call the input, e.g. its file. */
  name: string
  schema: Schema
}

export interface United {
  schema: Schema
  columns: UnitedColumn[]
}

export interface UnitedColumn {
  /** Spelled as the first input that has it spells it. */
  field: Field
  /** The column in each input, in their order; undefined where it is null. */
  sources: (Field | undefined)[]
}

/** The narrowest type that holds the values of all; undefined where there is none. */
export function uniteTypes(types: readonly LakeType[]): LakeType | undefined {
  const [first, ...rest] = types
  return rest.reduce<LakeType | undefined>((common, type) => common && commonType(common, type), first)
}

function noCommonType(column: { field: Field; from: string }, field: Field, input: string): LakeError {
  return new LakeError('invalid', 'a column has types in two inputs that have nothing in common', {
    column: column.field.name,
    [column.from]: typeName(column.field.type),
    [input]: typeName(field.type),
    fix: `Say which it is, e.g. \`--types "${column.field.name}=varchar"\`.`,
  })
}
