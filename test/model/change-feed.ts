/**
 * The change feed: what each version changed, and what remains of it between two.
 *
 *   net, by key            then insert   update        delete
 *   insert                               insert        nothing
 *   update                               update        delete
 *   delete                 update
 *
 * An update whose images are equal, load columns included, is nothing. Without a key equal rows that
 * came and went cancel.
 */
import { multisetChanges, pairedChanges } from './diff.js'
import { type Outcome, type Row, type RowChange, rowText, type Table } from './table.js'

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
  return pairedChanges(table.key, multisetChanges(first, last))
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

function before(change: RowChange): Row[] {
  if (change.kind === 'insert') return []
  return [change.kind === 'delete' ? change.row : change.before]
}

function after(change: RowChange): Row[] {
  if (change.kind === 'delete') return []
  return [change.kind === 'insert' ? change.row : change.after]
}
