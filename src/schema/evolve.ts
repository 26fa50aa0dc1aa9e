/**
 * An input meets a table: by name without case, order free. Once the table exists its schema rules.
 *
 *   the input's column is     strict                              evolve
 *   not in the table          refused                             added at the end
 *   narrower                  cast up                             cast up
 *   wider, or crosswise       each value must fit (`narrowed`)    the table's column is widened, its files rewritten
 *   of another kind           refused                             refused
 *   missing                   null                                null
 */
import { LakeError } from '../errors.js'
import { commonType, fitProofSql } from './fit.js'
import { findColumn, isNested, nearMiss, sameName, sameType, typeName } from './names.js'
import type { Field, LakeType, Schema } from './types.js'

/**
 * @throws LakeError invalid: all new columns (strict), or the first one whose type the table's cannot take
 */
export function reconcile(table: Schema, input: Schema, { evolve }: { evolve: boolean }): Reconciled {
  const added = input.filter(({ name }) => !findColumn(table, name)).map((field) => ({ ...field, nullable: true }))
  if (added.length > 0 && !evolve) throw newColumns(added, table)
  const missing = table.filter(({ name }) => !findColumn(input, name))
  const required = missing.find(({ nullable }) => !nullable)
  if (required !== undefined)
    throw new LakeError('invalid', 'the input lacks a column that may not be null', {
      column: required.name,
      fix: 'Supply the column, e.g. with `--set` or `--derive`.',
    })
  const widened: TypeChange[] = []
  const narrowed: TypeChange[] = []
  const merged = table.map((field) => {
    const incoming = findColumn(input, field.name)
    if (incoming === undefined) return field
    const meeting = meet(field, incoming.type, evolve)
    if (meeting.narrowed) narrowed.push({ name: field.name, from: incoming.type, to: field.type })
    if (!meeting.type) return field
    widened.push({ name: field.name, from: field.type, to: meeting.type })
    return { ...field, type: meeting.type }
  })
  return {
    schema: [...merged, ...added],
    changes: { added, widened },
    missing: missing.map(({ name }) => name),
    narrowed,
  }
}

export interface Reconciled {
  /** The table's after the load: its own columns in their order and spelling, then the added ones. */
  schema: Schema
  changes: {
    added: Field[]
    /** Files that hold these columns are to be rewritten. */
    widened: TypeChange[]
  }
  /** Columns of the table that the input lacks; they are null. */
  missing: string[]
  /** Columns whose values fit the table's type or not, one by one: prove them with `fitProofSql`. */
  narrowed: TypeChange[]
}

export interface TypeChange {
  /** As the table spells it. */
  name: string
  from: LakeType
  to: LakeType
}

/** What the table's column becomes with `evolve` so that it holds the input's type too; undefined where nothing does. */
export function widenType(table: LakeType, input: LakeType): LakeType | undefined {
  return commonType(table, input)
}

/** @returns `type` where the table's column changes, `narrowed` where each value of the input must prove that it fits */
function meet(field: Field, input: LakeType, evolve: boolean): { type?: LakeType; narrowed?: boolean } {
  const table = field.type
  const common = commonType(table, input)
  if (common !== undefined) {
    if (sameType(common, table)) return {}
    if (evolve) return { type: common }
  }
  if (isNested(table) && isNested(input) && common !== undefined) throw newFields(field, input)
  const proof = fitProofSql(input, table, '"x"')
  if (proof === undefined) throw incompatible(field, input)
  return proof === 'true' ? {} : { narrowed: true }
}

function newColumns(added: Field[], table: Schema): LakeError {
  const names = added.map(({ name }) => name)
  const [name = ''] = names
  const near =
    names.length === 1
      ? nearMiss(
          name,
          table.map((field) => field.name),
        )
      : undefined
  const hint = near === undefined ? '' : `Did you mean \`${near}\`? If so, add \`--rename "${name}=${near}"\`. `
  return new LakeError(
    'invalid',
    names.length === 1 ? 'the table has no such column' : 'the table has no such columns',
    {
      columns: names,
      fix: `${hint}Add \`--schema evolve\` to add ${names.length === 1 ? 'it' : 'them'} to the table.`,
    },
  )
}

function newFields(field: Field, input: LakeType): LakeError {
  const added = addedFields(field.type, input, field.name)
  return new LakeError('invalid', 'the table’s column does not hold what the input has', {
    column: field.name,
    ...(added.length > 0 ? { fields: added } : { table: typeName(field.type), input: typeName(input) }),
    fix: 'Add `--schema evolve` to change the table’s column.',
  })
}

/** Paths of struct fields that only the input has. */
function addedFields(table: LakeType, input: LakeType, path: string): string[] {
  if (table.kind === 'list' && input.kind === 'list') return addedFields(table.element, input.element, `${path}[]`)
  if (table.kind === 'map' && input.kind === 'map') return addedFields(table.value, input.value, `${path}[]`)
  if (table.kind !== 'struct' || input.kind !== 'struct') return []
  return input.fields.flatMap(({ name, type }) => {
    const own = table.fields.find((field) => sameName(field.name, name))
    return own === undefined ? [`${path}.${name}`] : addedFields(own.type, type, `${path}.${own.name}`)
  })
}

function incompatible(field: Field, input: LakeType): LakeError {
  return new LakeError('invalid', 'the types of a column have nothing in common', {
    column: field.name,
    table: typeName(field.type),
    input: typeName(input),
    fix: 'Convert the column with `--types` or `--derive`, or load it under another name with `--rename`.',
  })
}
