/** `delete`: rows for which the condition is true go; where it is unknown they stay. */
import { type Condition, columnsIn, isTrue } from './condition.js'
import { applied, type Outcome, Refused, type RowChange, type Table } from './table.js'

export function deleteRows(table: Table, where: Condition): Outcome {
  const unknown = columnsIn(where, 'current', 'current').filter(
    (name) => !table.columns.some((one) => one.name === name),
  )
  if (unknown.length > 0) throw new Refused('invalid', `where names ${unknown.join(', ')}`)
  const gone = table.rows.filter((current) => isTrue(where, { current }, table))
  const changes = gone.map((row): RowChange => ({ kind: 'delete', row }))
  return {
    table: { ...table, rows: applied(table.rows, changes) },
    counts: { read: 0, deleted: gone.length },
    changes,
  }
}
