/** The changed rows as Delta's change feed has them, one image each, out of the file that has both. */
import { identList, quoteIdent, quoteText } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import { sameName } from '../../schema/names.js'
import type { Schema } from '../../schema/types.js'
import { changesSql } from './changes.js'

/** In the order of keys, the image before right before the one after */
export function changeRowsSql({ folder, schema, key, compared }: ChangedRows): string {
  const image = (alias: 'n' | 'o', single: string, pair: string): string => {
    const values = schema.map(({ name }, i) => `${alias}${i} AS ${quoteIdent(name)}`)
    const type = `CASE WHEN __lw_change = 'u' THEN '${pair}' ELSE '${single}' END AS _change_type`
    const changed = `CASE WHEN __lw_change = 'u' THEN ${changedColumnsSql(schema, compared)} END AS _changed_columns`
    return `SELECT ${[...values, type, changed].join(', ')} FROM (${changesSql(folder)}) WHERE __lw_change <> '${alias === 'n' ? 'd' : 'i'}'`
  }
  const rows = `${image('o', 'delete', 'update_preimage')} UNION ALL ${image('n', 'insert', 'update_postimage')}`
  return `SELECT * FROM (${rows}) ORDER BY ${identList(key)}, _change_type = 'update_postimage'`
}

/** One row: in how many updates each compared column differs, as `c0, c1 …`. */
export function changedColumnsCountSql({ folder, schema, compared }: ChangedRows): string {
  const counts = compared.map((field, i) => `count(*) FILTER (WHERE ${differs(schema, field)}) AS c${i}`)
  return `SELECT ${['count(*) AS n', ...counts].join(', ')} FROM (${changesSql(folder)}) WHERE __lw_change = 'u'`
}

export interface ChangedRows {
  /** See `changesSql`. */
  folder: string
  schema: Schema
  key: readonly string[]
  compared: Schema
}

/** @throws LakeError invalid: the rows have a column of a name that is ours */
export function refuseFeedColumns(schema: Schema): void {
  const taken = schema.find(({ name }) => ['_change_type', '_changed_columns'].some((own) => sameName(own, name)))
  if (taken === undefined) return
  throw new LakeError('invalid', 'a column has the name of one that the changed rows get', {
    column: taken.name,
    fix: `Rename it: \`--rename "${taken.name}=…"\`.`,
  })
}

function changedColumnsSql(schema: Schema, compared: Schema): string {
  if (compared.length === 0) return 'CAST([] AS VARCHAR[])'
  const names = compared.map((field) => `CASE WHEN ${differs(schema, field)} THEN ${quoteText(field.name)} END`)
  return `list_filter([${names.join(', ')}], lambda name: name IS NOT NULL)`
}

function differs(schema: Schema, field: Schema[number]): string {
  const i = schema.indexOf(field)
  return `n${i} IS DISTINCT FROM o${i}`
}
