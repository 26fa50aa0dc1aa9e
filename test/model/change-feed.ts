/**
 * The change feed: what each version changed, and what remains of it between two.
 *
 *   net, by key            then insert   update        delete
 *   insert                               insert        nothing
 *   update                               update        delete
 *   delete                 update
 *
 * An update whose images are equal is nothing. Without a key equal rows that came and went cancel.
 */
import { changesByKey, multisetChanges } from './diff.js'
import { byKey, type Outcome, onlyRow, type Row, type RowChange, rowText, type Table } from './table.js'

/** A table's versions from 0: the table after each, and what it changed. */
export type History = readonly Pick<Outcome, 'table' | 'changes'>[]

/** Of the versions after `since`, up to and including `until`. */
export function changesOf(history: History, since: number, until: number): RowChange[] {
  return history.slice(since + 1, until + 1).flatMap(({ changes }) => changes)
}

/** One per key: the composition of all, in order. */
export function netChanges(table: Table, changes: readonly RowChange[]): RowChange[] {
  const first = changes.flatMap(before)
  const last = changes.flatMap(after)
  if (table.key.length === 0) return multisetChanges(first, last)
  // What a row was before the first of its changes, and is after the last: images in between cancel as multisets.
  const { gone, come } = cancelled(first, last)
  for (const side of [gone, come]) for (const rows of byKey(side, table.key).values()) onlyRow(rows)
  const others = table.columns.map(({ name }) => name).filter((name) => !table.key.includes(name))
  return changesByKey(table.key, others, gone, come)
}

/** The rows after the changes, one after the other. @throws Error where a row that goes is not there */
export function appliedTo(rows: readonly Row[], changes: readonly RowChange[]): Row[] {
  const left = new Map<string, Row[]>()
  for (const row of rows) left.set(rowText(row), [...(left.get(rowText(row)) ?? []), row])
  for (const row of changes.flatMap(after)) left.set(rowText(row), [...(left.get(rowText(row)) ?? []), row])
  for (const row of changes.flatMap(before))
    if (left.get(rowText(row))?.pop() === undefined) throw new Error(`a row goes that is not there: ${rowText(row)}`)
  return [...left.values()].flat()
}

function cancelled(gone: readonly Row[], come: readonly Row[]): { gone: Row[]; come: Row[] } {
  const changes = multisetChanges(gone, come)
  return {
    gone: changes.flatMap((change) => (change.kind === 'delete' ? [change.row] : [])),
    come: changes.flatMap((change) => (change.kind === 'insert' ? [change.row] : [])),
  }
}

function before(change: RowChange): Row[] {
  if (change.kind === 'insert') return []
  return [change.kind === 'delete' ? change.row : change.before]
}

function after(change: RowChange): Row[] {
  if (change.kind === 'delete') return []
  return [change.kind === 'insert' ? change.row : change.after]
}
