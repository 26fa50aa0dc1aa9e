/**
 * Two sides as two relations of the same columns: by name without regard to case or order, the new side's first, spelled
 * as there, then those that only the old side has. What a side lacks is null.
 */
import { identList, quoteIdent } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import { assertKeyTypes } from '../../plan/keys.js'
import { toSql } from '../../schema/duckdb.js'
import { findColumn, foldName, nearMiss, sameName } from '../../schema/names.js'
import type { Field, Schema } from '../../schema/types.js'
import type { DiffSettings } from './settings.js'
import type { Side } from './sides.js'
import type { SettledTypes, Sides } from './types.js'

/** @throws LakeError invalid: no key, or columns that a side does not have */
export function align(sides: Sides, types: SettledTypes, settings: DiffSettings): Alignment {
  const { old, new: now } = sides
  const onlyIn = (side: Side, other: Side): Schema =>
    side.schema.filter(({ name }) => findColumn(other.schema, name) === undefined)
  const added = onlyIn(now, old)
  const removed = onlyIn(old, now)
  const schema = [...now.schema, ...removed].map((field): Field => {
    const type = types.get(foldName(field.name))?.type ?? field.type
    return { name: field.name, type, nullable: true }
  })
  const key = keyOf(sides, settings).map((name) => spelled(schema, sides, name))
  assertKeyTypes(schema, key)
  for (const name of settings.orderBy ?? []) spelled(schema, sides, name)
  const isLoadColumn = ({ name }: Field): boolean =>
    [...old.loadColumns, ...now.loadColumns].some((one) => sameName(one, name))
  return {
    schema,
    key,
    compared: compared(schema, key, isLoadColumn, settings),
    added: added.filter((field) => !isLoadColumn(field)).map(({ name }) => name),
    removed: removed.filter((field) => !isLoadColumn(field)).map(({ name }) => name),
    old: rowsSql(schema, old, types),
    new: rowsSql(schema, now, types),
    files: filesByKey(sides, types, key[0] ?? ''),
  }
}

export interface Alignment {
  /** Of both relations, and of the changed rows. */
  schema: Schema
  key: string[]
  compared: Schema
  added: string[]
  removed: string[]
  /** SELECTs with exactly the columns of `schema`. */
  old: string
  new: string
  /** The Parquet files of each side, where its first key column is in them as it is; none elsewhere. */
  files: Record<'old' | 'new', readonly string[]>
}

function filesByKey(sides: Sides, types: SettledTypes, key: string): Alignment['files'] {
  const settled = types.get(foldName(key))
  const ofSide = (which: 'old' | 'new'): readonly string[] => {
    const { files, schema } = sides[which]
    const field = findColumn(schema, key)
    return field !== undefined && settled?.[which] === quoteIdent(field.name) ? files : []
  }
  return { old: ofSide('old'), new: ofSide('new') }
}

function rowsSql(schema: Schema, { which, relation }: Side, types: SettledTypes): string {
  const values = schema.map(({ name, type }) => {
    const sql = types.get(foldName(name))?.[which] ?? `CAST(NULL AS ${toSql(type)})`
    return sql === quoteIdent(name) ? sql : `${sql} AS ${quoteIdent(name)}`
  })
  return `SELECT ${values.join(', ')} FROM ${relation}`
}

function keyOf({ old, new: now }: Sides, { key }: DiffSettings): readonly string[] {
  if (key !== undefined) return distinct(key)
  const remembered = now.key.length > 0 ? now.key : old.key
  if (remembered.length === 0)
    throw new LakeError('invalid', 'nothing says which columns identify a row', { fix: 'Name them: `--key id`.' })
  const differ = old.key.length > 0 && old.key.map(foldName).sort().join() !== remembered.map(foldName).sort().join()
  if (!differ) return remembered
  throw new LakeError('invalid', 'the two tables remember different keys', {
    old: old.key.join(', '),
    new: now.key.join(', '),
    fix: 'Say which columns identify a row: `--key id`.',
  })
}

function distinct(names: readonly string[]): string[] {
  return [...new Map(names.map((name) => [foldName(name), name])).values()]
}

/** A column that both sides must have, as the rows spell it. */
function spelled(schema: Schema, { old, new: now }: Sides, name: string): string {
  for (const side of [old, now]) {
    if (findColumn(side.schema, name) !== undefined) continue
    throw noSuchColumn(`the ${side.which} side does not have a column that is needed`, name, side.schema)
  }
  return findColumn(schema, name)?.name ?? name
}

function compared(
  schema: Schema,
  key: readonly string[],
  isLoadColumn: (field: Field) => boolean,
  { columns, ignore }: DiffSettings,
): Schema {
  const named = (columns ?? ignore ?? []).map((name) => {
    const field = findColumn(schema, name)
    if (field !== undefined) return field
    throw noSuchColumn(`\`--${columns ? 'columns' : 'ignore'}\` names a column that neither side has`, name, schema)
  })
  const ignored = ignore === undefined ? undefined : named.find(({ name }) => key.includes(name))
  if (ignored !== undefined)
    throw new LakeError('invalid', '`--ignore` names a column of the key, by which rows are found', {
      column: ignored.name,
      fix: 'Leave it out, or name another key.',
    })
  const values = schema.filter(({ name }) => !key.includes(name))
  if (columns !== undefined) return values.filter((field) => named.includes(field))
  return values.filter((field) => !named.includes(field) && !isLoadColumn(field))
}

function noSuchColumn(message: string, name: string, schema: Schema): LakeError {
  const names = schema.map((field) => field.name)
  const near = nearMiss(name, names)
  return new LakeError('invalid', message, {
    column: name,
    fix: `${near === undefined ? '' : `Did you mean \`${near}\`? `}Columns are ${identList(names.slice(0, 30))}.`,
  })
}
