/**
 * The rows of a load, before any mode looks at them: the columns they bring, keys that may not be null, one row per key.
 */
import { cell, keyText, Refused, type Row, type Table, typeOf } from './table.js'
import { type ColumnType, canonicalValue, compareNullable } from './value.js'

export interface Incoming {
  columns: readonly { name: string; type: ColumnType }[]
  rows: readonly Row[]
}

export interface IncomingOptions {
  schema?: 'strict' | 'evolve'
  onDuplicate?: 'fail' | 'last' | 'first'
  orderBy?: string[]
}

/** The table with the columns that the rows bring: those of a new table, those that it may evolve by. */
export function withColumnsOf(table: Table, incoming: Incoming, { schema = 'strict' }: IncomingOptions = {}): Table {
  const added = incoming.columns.filter(({ name }) => !table.columns.some((column) => column.name === name))
  if (added.length > 0 && table.columns.length > 0 && schema !== 'evolve')
    throw new Refused('invalid', `the table has no column ${added.map(({ name }) => name).join(', ')}`)
  for (const name of [...table.key, ...table.partitionBy])
    if (!incoming.columns.some((column) => column.name === name))
      throw new Refused('invalid', `nothing supplies ${name}`)
  const columns = [...table.columns, ...added]
  // Columns that say when a load came are columns of a file like others.
  if (table.loadColumns === undefined && columns.every(({ name }) => table.partitionBy.includes(name)))
    throw new Refused('invalid', 'every column divides the table')
  return { ...table, columns }
}

/** One row per key, and how many were left out. `seen` is what else makes two rows of a key different (time, order). */
export function oneRowPerKey(
  table: Table,
  incoming: Incoming,
  { onDuplicate = 'fail', orderBy = [] }: IncomingOptions,
  also: readonly string[] = [],
): { rows: Row[]; ignored: number } {
  refuseNullKeys(table, incoming)
  if (onDuplicate !== 'fail' && orderBy.length === 0) throw new Refused('invalid', 'onDuplicate needs orderBy')
  const chosen = new Map<string, Row[]>()
  for (const row of incoming.rows) {
    const text = keyText(row, [...table.key, ...also])
    chosen.set(text, [...(chosen.get(text) ?? []), row])
  }
  const rows = [...chosen.values()].map((group) => pick(table, group, onDuplicate, orderBy, incoming))
  return { rows, ignored: incoming.rows.length - rows.length }
}

export function refuseNullKeys({ key }: Table, { rows }: Incoming): void {
  const bad = rows.find((row) => key.some((name) => cell(row, name) === null))
  if (bad) throw new Refused('invalid', 'a key is null')
}

function pick(
  table: Table,
  group: readonly Row[],
  onDuplicate: 'fail' | 'last' | 'first',
  orderBy: readonly string[],
  { columns }: Incoming,
): Row {
  const [first] = group
  if (first === undefined) throw new Error('no rows')
  if (group.length === 1) return first
  if (onDuplicate === 'fail') throw new Refused('invalid', 'a key is repeated in the input')
  const sign = onDuplicate === 'last' ? 1 : -1
  // Also by a column that the table does not get.
  const types = { columns: [...table.columns, ...columns] }
  const order = (a: Row, b: Row) =>
    orderBy.reduce((result, name) => result || compareNullable(cell(a, name), cell(b, name), typeOf(types, name)), 0)
  const best = group.reduce((a, b) => (order(b, a) * sign > 0 ? b : a))
  const ties = group.filter((row) => order(row, best) === 0)
  const texts = new Set(ties.map((row) => columns.map(({ name }) => canonicalValue(cell(row, name))).join(' ')))
  if (texts.size > 1) throw new Refused('invalid', 'different rows of a key have an equal order')
  return best
}
