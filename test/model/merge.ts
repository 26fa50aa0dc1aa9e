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
 * table that is made by this load, those of `deleteWhen` that it names of the incoming row alone.
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
  const deletes = deleteWhen ? namesIn(deleteWhen, 'incoming') : { incoming: [], current: [] }
  const updates = whenMatched ? namesIn(whenMatched, 'current') : { incoming: [], current: [] }
  const named = isNew ? deletes.incoming : [...deletes.incoming, ...updates.incoming]
  const known = before.columns.map(({ name }) => name)
  const stored = [...known, ...updateColumns, ...before.key, ...before.partitionBy, ...(isNew ? deletes.current : [])]
  const supplied = incoming.columns.map(({ name }) => name)
  const unstored = named.filter((name) => supplied.includes(name) && !stored.includes(name))
  const current = isNew ? supplied.filter((name) => !unstored.includes(name)) : known
  const missing = [
    ...[...deletes.incoming, ...updates.incoming].filter((name) => !supplied.includes(name)),
    ...[...deletes.current, ...updates.current].filter((name) => !current.includes(name)),
  ]
  if (missing.length > 0) throw new Refused('invalid', `a condition names ${missing.join(', ')}`)
  return unstored
}

function namesIn(condition: Condition, bare: 'incoming' | 'current'): { incoming: string[]; current: string[] } {
  return { incoming: columnsIn(condition, 'incoming', bare), current: columnsIn(condition, 'current', bare) }
}

function only(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, cell(row, name)]))
}
