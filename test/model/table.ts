/**
 * A table of the reference model: columns, rows in an array, a key; and what a load of it says: the table after, the
 * counts of its receipt, the changes row by row. Nothing here knows files, partitions of files or SQL.
 */
import { type ColumnType, canonicalValue, sameValue, type Value } from './value.js'

export type Row = Readonly<Record<string, Value>>

export interface Column {
  name: string
  type: ColumnType
}

export interface Table {
  columns: readonly Column[]
  key: readonly string[]
  partitionBy: readonly string[]
  rows: readonly Row[]
  /** Rows say when and by which load they came; in modes with a key also when they were made and changed. */
  loadColumns?: 'load' | 'row'
  /** What `cdc` keeps of keys that are gone. */
  events?: EventState
}

export interface EventState {
  tombstones: ReadonlyMap<string, Tombstone>
  /** Order of the newest truncate. */
  floor: Value
}

export interface Tombstone {
  key: Row
  order: Value
  deletedAt: string
}

/** One load: its time, its id. */
export interface Load {
  at: string
  id: string
}

export type RowChange =
  | { kind: 'insert'; row: Row }
  | { kind: 'update'; before: Row; after: Row }
  | { kind: 'delete'; row: Row }

export interface Counts {
  read: number
  inserted?: number
  updated?: number
  deleted?: number
  unchanged?: number
  ignored?: number
  corrected?: number
  written?: number
}

export interface Outcome {
  table: Table
  counts: Counts
  changes: RowChange[]
}

/** The load is refused, and the table stays as it was. */
export class Refused extends Error {
  constructor(
    readonly code: 'invalid' | 'guard',
    message: string,
  ) {
    super(message)
  }
}

export function newTable(shape: Pick<Table, 'key'> & Partial<Table>): Table {
  return { columns: [], partitionBy: [], rows: [], ...shape }
}

/** What `--add-load-columns` adds: never compared. */
export const loadColumnNames: readonly string[] = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

export function typeOf(table: Pick<Table, 'columns'>, name: string): ColumnType {
  const column = table.columns.find((one) => one.name === name)
  if (column === undefined) throw new Refused('invalid', `no column ${name}`)
  return column.type
}

/** Columns in which a row of a key may differ. */
export function comparedColumns(table: Table): string[] {
  return table.columns
    .map(({ name }) => name)
    .filter((name) => !table.key.includes(name) && !loadColumnNames.includes(name))
}

export function cell(row: Row, name: string): Value {
  return row[name] ?? null
}

export function keyText(row: Row, key: readonly string[]): string {
  return key.map((name) => canonicalValue(cell(row, name))).join(' ')
}

export function sameRow(a: Row, b: Row, columns: readonly string[]): boolean {
  return columns.every((name) => sameValue(cell(a, name), cell(b, name)))
}

/** Equal rows have one text, whatever the order of their columns; a column that one lacks is null. */
export function rowText(row: Row): string {
  return Object.keys(row)
    .filter((name) => cell(row, name) !== null)
    .sort()
    .map((name) => `${name}=${canonicalValue(cell(row, name))}`)
    .join(' ')
}

/** Equal tables, as multisets of rows, have one list. */
export function rowTexts(rows: readonly Row[]): string[] {
  return rows.map(rowText).sort()
}

export function changeTexts(changes: readonly RowChange[]): string[] {
  return changes
    .flatMap((change) =>
      change.kind === 'update'
        ? [`update_preimage ${rowText(change.before)}`, `update_postimage ${rowText(change.after)}`]
        : [`${change.kind} ${rowText(change.row)}`],
    )
    .sort()
}

/** A new row, in a table with load columns. */
export function stampInserted(table: Table, row: Row, load: Load): Row {
  if (!table.loadColumns) return row
  const stamped = { ...row, _loaded_at: load.at, _load_id: load.id }
  return table.loadColumns === 'load' ? stamped : { ...stamped, _created_at: load.at, _updated_at: load.at }
}

/** A row that takes the place of `old`. */
export function stampUpdated(table: Table, old: Row, row: Row, load: Load): Row {
  if (!table.loadColumns) return row
  return { ...stampInserted(table, row, load), _created_at: cell(old, '_created_at') }
}

/** Rows by key; a key that several rows have is refused where a load touches it. */
export function byKey(rows: readonly Row[], key: readonly string[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const text = keyText(row, key)
    const group = groups.get(text)
    if (group) group.push(row)
    else groups.set(text, [row])
  }
  return groups
}

export function onlyRow(rows: readonly Row[] | undefined): Row | undefined {
  if (rows !== undefined && rows.length > 1) throw new Refused('invalid', 'a key is repeated in the table')
  return rows?.[0]
}

/** The rows after the changes. */
export function applied(rows: readonly Row[], changes: readonly RowChange[]): Row[] {
  const gone = new Set<Row>()
  for (const change of changes) {
    if (change.kind === 'delete') gone.add(change.row)
    if (change.kind === 'update') gone.add(change.before)
  }
  const kept = rows.filter((row) => !gone.has(row))
  return [...kept, ...changes.flatMap((change) => newRow(change))]
}

function newRow(change: RowChange): Row[] {
  if (change.kind === 'delete') return []
  return [change.kind === 'insert' ? change.row : change.after]
}
