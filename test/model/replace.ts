/**
 * `replace`: whole partitions. Those that occur in the input (and those of the scope) become exactly the input's rows; one
 * whose rows are the same is left alone.
 */
import { compared } from './diff.js'
import { type Incoming, type IncomingOptions, withColumnsOf } from './incoming.js'
import {
  keyText,
  type Load,
  loadColumnNames,
  type Outcome,
  Refused,
  type Row,
  rowTexts,
  stampInserted,
  type Table,
} from './table.js'

export interface ReplaceOptions extends IncomingOptions {
  scope?: (row: Row) => boolean
}

export function replace(before: Table, incoming: Incoming, options: ReplaceOptions, load: Load): Outcome {
  const { scope } = options
  const table = withColumnsOf(before, incoming, options)
  if (scope && incoming.rows.some((row) => !scope(row))) throw new Refused('invalid', 'rows lie outside the scope')
  const occurring = new Set(incoming.rows.map((row) => keyText(row, table.partitionBy)))
  return exchange(before, table, incoming.rows, load, (row) =>
    scope ? scope(row) : occurring.has(keyText(row, table.partitionBy)),
  )
}

/** The rows that `touches` holds for go, by partition, and the input's rows come. */
export function exchange(
  before: Table,
  table: Table,
  incoming: readonly Row[],
  load: Load,
  touches: (row: Row) => boolean,
): Outcome {
  const old = byPartition(table, table.rows.filter(touches))
  const mine = byPartition(table, incoming)
  const same = new Set([...mine.keys()].filter((id) => sameContent(old.get(id) ?? [], mine.get(id) ?? [])))
  const written = [...mine].filter(([id]) => !same.has(id)).flatMap(([, rows]) => rows)
  const kept = table.rows.filter((row) => !touches(row) || same.has(keyText(row, table.partitionBy)))
  const after = { ...table, rows: [...kept, ...written.map((row) => stampInserted(table, row, load))] }
  const counts = { read: incoming.length, written: written.length, unchanged: incoming.length - written.length }
  return { table: after, counts, changes: compared(before, after) }
}

function byPartition({ partitionBy }: Table, rows: readonly Row[]): Map<string, Row[]> {
  const partitions = new Map<string, Row[]>()
  for (const row of rows) {
    const id = keyText(row, partitionBy)
    partitions.set(id, [...(partitions.get(id) ?? []), row])
  }
  return partitions
}

function sameContent(old: readonly Row[], mine: readonly Row[]): boolean {
  return rowTexts(old.map(withoutLoadColumns)).join('\n') === rowTexts(mine).join('\n')
}

function withoutLoadColumns(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !loadColumnNames.includes(name)))
}
