/**
 * `diff`: two snapshots by key.
 *
 *   key in         old   new   compared columns
 *   insert               x
 *   delete         x
 *   update         x     x     differ
 *   unchanged      x     x     are equal
 *
 * A column that one side lacks is null there, so it differs only where the other side's value is not null.
 */
import { type Incoming, refuseNullKeys } from './incoming.js'
import {
  byKey,
  cell,
  comparedColumns,
  keyText,
  newTable,
  onlyRow,
  Refused,
  type Row,
  type RowChange,
  rowText,
  sameRow,
  type Table,
} from './table.js'
import { sameValue } from './value.js'

export interface DiffOptions {
  key: string[]
  /** Only these are compared, or all but these. */
  columns?: string[]
  ignore?: string[]
}

export interface Diff {
  changes: RowChange[]
  inserted: number
  updated: number
  deleted: number
  unchanged: number
  /** In how many updated rows a column differs. */
  changedColumns: Record<string, number>
  schema: { added: string[]; removed: string[] }
}

export function diff(old: Incoming, fresh: Incoming, { key, columns, ignore = [] }: DiffOptions): Diff {
  const names = [...new Set([...fresh.columns, ...old.columns].map(({ name }) => name))]
  const compare = names.filter(
    (name) => !key.includes(name) && (columns ?? names).includes(name) && !ignore.includes(name),
  )
  for (const side of [old, fresh]) refuseBadKeys(side, key)
  const changes = changesByKey(key, compare, old.rows, fresh.rows)
  const count = (kind: RowChange['kind']) => changes.filter((change) => change.kind === kind).length
  const changedColumns: Record<string, number> = {}
  for (const name of changes.flatMap((change) => changedIn(change, compare) ?? []))
    changedColumns[name] = (changedColumns[name] ?? 0) + 1
  const lacks = (side: Incoming) => (name: string) => !side.columns.some((column) => column.name === name)
  return {
    changes,
    inserted: count('insert'),
    updated: count('update'),
    deleted: count('delete'),
    unchanged: old.rows.length - count('update') - count('delete'),
    changedColumns,
    schema: { added: names.filter(lacks(old)), removed: names.filter(lacks(fresh)) },
  }
}

/** Columns that an update changes; null for inserts and deletes. */
export function changedIn(change: RowChange, compare: readonly string[]): string[] | null {
  if (change.kind !== 'update') return null
  const { before, after } = change
  return compare.filter((name) => !sameValue(cell(before, name), cell(after, name)))
}

/** Keys are unique on both sides. */
export function changesByKey(
  key: readonly string[],
  compare: readonly string[],
  old: readonly Row[],
  fresh: readonly Row[],
): RowChange[] {
  const [before, after] = [byKey(old, key), byKey(fresh, key)]
  const gone = [...before]
    .filter(([text]) => !after.has(text))
    .map(([, [row = {}]]): RowChange => ({ kind: 'delete', row }))
  const come = [...after].flatMap(([text, [row = {}]]): RowChange[] => {
    const was = before.get(text)?.[0]
    if (was === undefined) return [{ kind: 'insert', row }]
    return sameRow(was, row, compare) ? [] : [{ kind: 'update', before: was, after: row }]
  })
  return [...gone, ...come]
}

/**
 * The changes from one table to another where nobody wrote them down: by key; of rows whose key is repeated on a side, and
 * without a key, as multisets, where equal rows cancel first.
 */
export function compared(before: Table, after: Table): RowChange[] {
  const { key } = after
  if (key.length === 0) return multisetChanges(before.rows, after.rows)
  const [old, fresh] = [byKey(before.rows, key), byKey(after.rows, key)]
  const isRepeated = (row: Row) => [old, fresh].some((side) => (side.get(keyText(row, key))?.length ?? 0) > 1)
  const once = (rows: readonly Row[]) => rows.filter((row) => !isRepeated(row))
  return [
    ...changesByKey(key, comparedColumns(after), once(before.rows), once(after.rows)),
    ...pairedChanges(key, multisetChanges(before.rows.filter(isRepeated), after.rows.filter(isRepeated))),
  ]
}

/** Deletes and inserts, of which one row of a key that went and one that came are an update. */
export function pairedChanges(key: readonly string[], changes: readonly RowChange[]): RowChange[] {
  const gone = byKey(
    changes.flatMap((change) => (change.kind === 'delete' ? [change.row] : [])),
    key,
  )
  const come = byKey(
    changes.flatMap((change) => (change.kind === 'insert' ? [change.row] : [])),
    key,
  )
  return [...new Set([...gone.keys(), ...come.keys()])].flatMap((text): RowChange[] => {
    const [old = [], fresh = []] = [gone.get(text), come.get(text)]
    const [before, after] = [old[0], fresh[0]]
    if (before && after && old.length === 1 && fresh.length === 1) return [{ kind: 'update', before, after }]
    return [
      ...old.map((row): RowChange => ({ kind: 'delete', row })),
      ...fresh.map((row): RowChange => ({ kind: 'insert', row })),
    ]
  })
}

export function multisetChanges(old: readonly Row[], fresh: readonly Row[]): RowChange[] {
  const left = new Map<string, Row[]>()
  for (const row of old) left.set(rowText(row), [...(left.get(rowText(row)) ?? []), row])
  const inserts = fresh.filter((row) => left.get(rowText(row))?.pop() === undefined)
  return [
    ...[...left.values()].flat().map((row): RowChange => ({ kind: 'delete', row })),
    ...inserts.map((row): RowChange => ({ kind: 'insert', row })),
  ]
}

function refuseBadKeys(side: Incoming, key: string[]): void {
  refuseNullKeys(newTable({ key }), side)
  if (new Set(side.rows.map((row) => keyText(row, key))).size < side.rows.length)
    throw new Refused('invalid', 'a key is repeated')
  for (const rows of byKey(side.rows, key).values()) onlyRow(rows)
}
