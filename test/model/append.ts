/** `append`: the table has its rows and those of the load, repeated ones too. */
import { type Incoming, type IncomingOptions, withColumnsOf } from './incoming.js'
import { type Load, type Outcome, stampInserted, type Table } from './table.js'

export function append(before: Table, incoming: Incoming, options: IncomingOptions, load: Load): Outcome {
  const table = withColumnsOf(before, incoming, options)
  const rows = incoming.rows.map((row) => stampInserted(table, row, load))
  return {
    table: { ...table, rows: [...table.rows, ...rows] },
    counts: { read: rows.length, written: rows.length },
    changes: rows.map((row) => ({ kind: 'insert', row })),
  }
}
