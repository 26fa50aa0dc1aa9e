/** Small tables of the model's own tests, as text: the first line names the columns, `-` is null. */
import type { Incoming } from './incoming.js'
import { type Load, newTable, type Outcome, type Row, type RowChange, type Table } from './table.js'
import type { ColumnType, Value } from './value.js'

export const load: Load = { at: '2026-11-20T10:00:00Z', id: 'load' }

/**
 * Columns named `id`, `n` and `at…` are bigint, `…ed` boolean, `_effective_…` timestamp, the others varchar.
 *
 *   rows('id name', '1 Ann', '2 -')
 */
export function rows(header: string, ...lines: string[]): Incoming {
  const columns = header.split(' ').map((name) => ({ name, type: typeOfName(name) }))
  return { columns, rows: lines.map((line) => rowOf(columns, line.split(' '))) }
}

export function table(shape: Pick<Table, 'key'> & Partial<Table>, header: string, ...lines: string[]): Table {
  return newTable({ ...rows(header, ...lines), ...shape })
}

/** Each row as its values in the order of the columns, sorted; what begins with `_` only where asked for. */
export function shown(outcome: Pick<Outcome, 'table'>, header?: string): string[] {
  const names = header?.split(' ') ?? outcome.table.columns.map(({ name }) => name)
  return outcome.table.rows.map((row) => line(row, names)).sort()
}

/** `+ 1 Ann`, `- 1 Ann`, `1 Ann > 1 Anne`. */
export function shownChanges({ changes, table: { columns } }: Pick<Outcome, 'changes' | 'table'>): string[] {
  return changesShown(
    changes,
    columns.map(({ name }) => name),
  )
}

export function changesShown(changes: readonly RowChange[], names: readonly string[]): string[] {
  return changes
    .map((change) => {
      if (change.kind === 'update') return `${line(change.before, names)} > ${line(change.after, names)}`
      return `${change.kind === 'insert' ? '+' : '-'} ${line(change.row, names)}`
    })
    .sort()
}

function line(row: Row, names: readonly string[]): string {
  return names.map((name) => text(row[name] ?? null)).join(' ')
}

function text(value: Value): string {
  return value === null ? '-' : String(value)
}

function rowOf(columns: Incoming['columns'], texts: readonly string[]): Row {
  return Object.fromEntries(columns.map(({ name, type }, at) => [name, valueOfText(texts[at] ?? '-', type)]))
}

function valueOfText(value: string, type: ColumnType): Value {
  if (value === '-') return null
  if (type === 'bigint') return BigInt(value)
  if (type === 'double') return Number(value)
  return type === 'boolean' ? value === 'true' : value
}

function typeOfName(name: string): ColumnType {
  if (name === 'id' || name === 'n' || name.startsWith('at')) return 'bigint'
  if (name === 'x') return 'double'
  if (name.startsWith('_effective') || name === 'time') return 'timestamp'
  return name.endsWith('ed') || name === '_is_current' ? 'boolean' : 'varchar'
}
