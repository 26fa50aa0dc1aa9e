/**
 * `sync`: the table, or the part of it that the scope names, becomes equal to the snapshot.
 *
 *   key in        table   snapshot   values
 *   inserted              x
 *   deleted       x
 *   updated       x       x          differ (a moved row too); a column that the snapshot lacks is null
 *   unchanged     x       x          are equal
 *
 *   guard         held back where
 *   deletes       deleted / rows before > maxDeleteRatio (0.5), unless there were none
 *   updates       updated / rows before > maxUpdateRatio
 *   rows          the snapshot has fewer than minRows
 */
import { changesByKey } from './diff.js'
import { type Incoming, type IncomingOptions, oneRowPerKey, withColumnsOf } from './incoming.js'
import {
  applied,
  byKey,
  comparedColumns,
  keyText,
  type Load,
  type Outcome,
  onlyRow,
  Refused,
  type Row,
  type RowChange,
  stampInserted,
  stampUpdated,
  type Table,
} from './table.js'

export interface SyncOptions extends IncomingOptions, Guards {
  scope?: (row: Row) => boolean
}

export interface Guards {
  maxDeleteRatio?: number
  maxUpdateRatio?: number
  minRows?: number
}

export function sync(before: Table, incoming: Incoming, options: SyncOptions, load: Load): Outcome {
  const { scope = () => true } = options
  const table = withColumnsOf(before, incoming, options)
  const { rows, ignored } = oneRowPerKey(table, incoming, options)
  if (rows.some((row) => !scope(row))) throw new Refused('invalid', 'rows lie outside the scope')
  const known = new Set(rows.map((row) => keyText(row, table.key)))
  const inside = table.rows.filter(scope)
  if (table.rows.some((row) => !scope(row) && known.has(keyText(row, table.key))))
    throw new Refused('invalid', 'the key lies outside the scope')
  for (const group of byKey(inside, table.key).values()) onlyRow(group)
  const changes = changesByKey(table.key, comparedColumns(table), inside, rows).map((change) =>
    stamped(table, change, load),
  )
  const count = (kind: RowChange['kind']) => changes.filter((change) => change.kind === kind).length
  const counts = {
    read: incoming.rows.length,
    inserted: count('insert'),
    updated: count('update'),
    deleted: count('delete'),
    unchanged: rows.length - count('insert') - count('update'),
    ignored,
  }
  guard(options, { ...counts, rowsBefore: inside.length })
  return { table: { ...table, rows: applied(table.rows, changes) }, counts, changes }
}

export function guard(
  { maxDeleteRatio = 0.5, maxUpdateRatio, minRows = 0 }: Guards,
  counts: { read: number; updated: number; deleted: number; rowsBefore: number },
): void {
  const tooMany = (rows: number, limit: number | undefined) =>
    limit !== undefined && counts.rowsBefore > 0 && rows / counts.rowsBefore > limit
  if (counts.read < minRows) throw new Refused('guard', 'too few rows')
  if (tooMany(counts.deleted, maxDeleteRatio)) throw new Refused('guard', 'too many deletes')
  if (tooMany(counts.updated, maxUpdateRatio)) throw new Refused('guard', 'too many updates')
}

function stamped(table: Table, change: RowChange, load: Load): RowChange {
  if (change.kind === 'insert') return { kind: 'insert', row: stampInserted(table, change.row, load) }
  if (change.kind === 'delete') return change
  return { ...change, after: stampUpdated(table, change.before, change.after, load) }
}
