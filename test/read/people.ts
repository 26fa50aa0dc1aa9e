/** A small table of people by region, made file by file, and what its changes are. */
import { type ChangesOptions, changes } from '../../src/read/changes.js'
import { systemRuntime } from '../../src/runtime.js'
import type { Store } from '../../src/store/port.js'
import { columns, type Part, type TableOptions } from './table.js'

export const reading = (store: Store) => ({ store, runtime: systemRuntime, settings: { threads: 1 } })
export const feed = (store: Store, options: ChangesOptions) => changes(reading(store), options).toArray()

export const schema = columns({ id: 'bigint', name: 'varchar', region: 'varchar' })

export type Person = [id: number, name: string | null]
export type Change = [type: string, ...Person]

/** `SELECT` of rows of the columns `id` and `name`. */
export function people(...rows: Person[]): string {
  const values = rows.map(([id, name]) => `(${id}::BIGINT, ${name === null ? 'NULL' : `'${name}'`}::VARCHAR)`)
  return rows.length > 0
    ? `SELECT * FROM (VALUES ${values.join(', ')}) v(id, name)`
    : 'SELECT NULL::BIGINT AS id, NULL::VARCHAR AS name WHERE false'
}
export function recorded(...rows: Change[]): string {
  return rows.map(([type, ...row]) => `SELECT *, '${type}' AS _change_type FROM (${people(row)})`).join(' UNION ALL ')
}

let file = 0
export function part(region: string | null, sql: string): Part {
  return { key: `region=${region ?? '__HIVE_DEFAULT_PARTITION__'}/${file++}.parquet`, partitionValues: { region }, sql }
}
export function changeData(region: string | null, sql: string): Part {
  return { key: `_change_data/${file++}.parquet`, partitionValues: { region }, sql }
}
export const parted = { partitionBy: ['region'] }
export const keyed: TableOptions = { ...parted, key: ['id'] }
