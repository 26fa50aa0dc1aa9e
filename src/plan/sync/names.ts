/** Relations that the parts of a sync make for each other. */
import { quoteIdentifier } from '../../schema/quote.js'
import type { KeyRefusal } from '../keys.js'
import type { Answer, Ask } from '../port.js'
import type { RowChanges } from '../rewrite.js'
import type { UniqueRows } from '../unique.js'
import type { InputPartition } from './partitions.js'

/** The input's rows, with their hashes. */
export const rowsName = 'lw_rows'
/** Its partitions. */
export const partsName = 'lw_parts'
/** Keys of rows that differ, and `__lw_change`: i, u or d. */
export const changesName = 'lw_changes'
/** Old rows that go: `__lw_file`, `__lw_row`, `__lw_change`. */
export const removedName = 'lw_removed'
/** Rows that come: the table's columns, `__lw_change`, and `__lw_file`, `__lw_row` of the one whose place they take. */
export const addedName = 'lw_added'
export const createdAt = '_created_at'

export interface Changes {
  inserted: number
  updated: number
  deleted: number
}

/** What differs, however it was found. */
export interface Found extends Changes {
  input: UniqueRows
  parts: readonly InputPartition[]
  /** Asked for where there are changes. */
  rowChanges(): Generator<Ask, RowChanges, Answer>
}

export function ofTable(key: readonly string[]): KeyRefusal {
  return {
    of: 'the table',
    key,
    fix: 'Such rows came from plain appends: remove them with `delete`, or `overwrite` the table.',
  }
}

export function sameKeys(key: readonly string[], left = 'o', right = 'n'): string {
  return key
    .map(quoteIdentifier)
    .map((name) => `${left}.${name} = ${right}.${name}`)
    .join(' AND ')
}
