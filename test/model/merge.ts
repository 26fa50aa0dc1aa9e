/**
 * `merge`: rows by key.
 *
 *   key in table   deleteWhen   whenMatched    the row is
 *   yes            true         any            deleted
 *   yes            not true     not true       ignored
 *   yes            not true     true, absent   updated, or unchanged where nothing differs
 *   no             true                        ignored
 *   no             not true                    inserted
 *
 *   key not in the input, row in the scope     kept, or deleted with whenNotMatchedBySource: 'delete'
 *
 * Columns of the input that a condition names and the table does not have only say what to do: they are not stored. In a
 * table that is made by this load, those of `deleteWhen`.
 */
import { type Condition, columnsIn, isTrue } from './condition.js'
import { type Incoming, type IncomingOptions, oneRowPerKey, withColumnsOf } from './incoming.js'
import {
  applied,
  byKey,
  cell,
  comparedColumns,
  keyText,
  type Load,
  type Outcome,
  onlyRow,
  Refused,
  type Row,
  type RowChange,
  sameRow,
  stampInserted,
  stampUpdated,
  type Table,
} from './table.js'

export interface MergeOptions extends IncomingOptions {
  deleteWhen?: Condition
  whenMatched?: Condition
  updateColumns?: string[]
  whenNotMatchedBySource?: 'keep' | 'delete'
  scope?: (row: Row) => boolean
}

export function merge(before: Table, incoming: Incoming, options: MergeOptions, load: Load): Outcome {
  const { scope = () => true, updateColumns } = options
  const unstored = unstoredColumns(before, incoming, options)
  const stored = { ...incoming, columns: incoming.columns.filter(({ name }) => !unstored.includes(name)) }
  const table = withColumnsOf(before, stored, options)
  const types = { columns: [...table.columns, ...incoming.columns] }
  const { rows, ignored } = oneRowPerKey(table, incoming, options)
  if (rows.some((row) => !scope(row))) throw new Refused('invalid', 'rows lie outside the scope')
  const old = byKey(table.rows, table.key)
  const supplied = stored.columns.map(({ name }) => name)
  const wrong = updateColumns?.filter((name) => table.key.includes(name) || !supplied.includes(name)) ?? []
  if (wrong.length > 0) throw new Refused('invalid', `updateColumns names ${wrong.join(', ')}`)
  const taken = supplied.filter((name) => !table.key.includes(name) && (updateColumns ?? supplied).includes(name))
  const compare = comparedColumns(table)
  const counts = { read: incoming.rows.length, inserted: 0, updated: 0, deleted: 0, unchanged: 0, ignored }
  const changes: RowChange[] = []
  for (const row of rows) {
    const current = onlyRow(old.get(keyText(row, table.key)))
    if (current && !scope(current)) throw new Refused('invalid', 'the key lies outside the scope')
    const sides = current ? { incoming: row, current } : { incoming: row }
    const deletes = options.deleteWhen !== undefined && isTrue(options.deleteWhen, sides, types, 'incoming')
    if (current === undefined) {
      if (deletes) counts.ignored++
      else {
        counts.inserted++
        changes.push({ kind: 'insert', row: stampInserted(table, only(row, supplied), load) })
      }
    } else if (deletes) {
      counts.deleted++
      changes.push({ kind: 'delete', row: current })
    } else if (options.whenMatched && !isTrue(options.whenMatched, sides, types)) counts.ignored++
    else {
      const after = { ...current, ...only(row, taken) }
      if (sameRow(current, after, compare)) counts.unchanged++
      else {
        counts.updated++
        changes.push({ kind: 'update', before: current, after: stampUpdated(table, current, after, load) })
      }
    }
  }
  if (options.whenNotMatchedBySource === 'delete') {
    const known = new Set(rows.map((row) => keyText(row, table.key)))
    const gone = table.rows.filter((row) => scope(row) && !known.has(keyText(row, table.key)))
    counts.deleted += gone.length
    changes.push(...gone.map((row): RowChange => ({ kind: 'delete', row })))
  }
  return { table: { ...table, rows: applied(table.rows, changes) }, counts, changes }
}

function unstoredColumns(before: Table, incoming: Incoming, options: MergeOptions): string[] {
  const { deleteWhen, whenMatched, updateColumns = [] } = options
  const isNew = before.columns.length === 0
  const current = isNew ? incoming.columns : before.columns
  const has = (columns: Incoming['columns'], name: string) => columns.some((column) => column.name === name)
  const named: string[] = []
  for (const [condition, bare] of [[deleteWhen, 'incoming'] as const, [whenMatched, 'current'] as const]) {
    if (condition === undefined) continue
    const mine = columnsIn(condition, 'incoming', bare)
    const missing = [
      ...mine.filter((name) => !has(incoming.columns, name)),
      ...columnsIn(condition, 'current', bare).filter((name) => !has(current, name)),
    ]
    if (missing.length > 0) throw new Refused('invalid', `a condition names ${missing.join(', ')}`)
    if (condition === deleteWhen || !isNew) named.push(...mine)
  }
  const stored = [...before.columns.map(({ name }) => name), ...updateColumns, ...before.key, ...before.partitionBy]
  return named.filter((name) => !stored.includes(name))
}

function only(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, cell(row, name)]))
}
