/**
 * Two snapshots compared by key: what was inserted, updated and deleted from the one to the other.
 *
 *     await using changes = await diff('dumps/2026-11-19.csv', 'orders@12', { key: ['id'] })
 *     changes.updated                                  1742
 *     changes.changedColumns                           { city: 3 }
 *     for await (const row of changes) …               the changed rows, in the order of their keys
 *     await changes.write('changes.parquet')
 *
 * Columns are matched by name, without regard to case or order. What only one side has is in `schema`, and counts as a
 * change where it is not null. Types, equality and what keys may be: docs/modes.md.
 */
import type { Row } from '../engine/port.js'
import { type DiffSettings, parseDiffSettings } from './diff/settings.js'
import type { DiffSide } from './diff/sides.js'
import type { ResultFormat } from './write.js'

/**
 * @throws LakeError invalid: keys that are null or repeated, with examples and their side; a side that cannot be read ·
 * corrupt: the proof failed
 */
export async function diff(old: DiffSide, now: DiffSide, settings: DiffSettings = {}): Promise<DiffResult> {
  const parsed = parseDiffSettings(settings)
  const { runDiff } = await import('./diff/run.js')
  return await runDiff(old, now, parsed)
}

/** As JSON it is what the command line prints. */
export interface DiffSummary {
  inserted: number
  updated: number
  deleted: number
  unchanged: number
  /** In how many of the updated rows a column differs; columns in which none does are left out. */
  changedColumns: Record<string, number>
  /** Columns that only the new side has, or only the old one. */
  schema: { added: string[]; removed: string[] }
  /** By what rows were compared: the name of the hash, with its version, or `exact`. */
  algorithm: string
  /** That old + changes = new was shown. */
  proved?: true
}

/**
 * The changed rows: the row's columns, spelled as on the new side, `_change_type` (`insert`, `update_preimage`,
 * `update_postimage`, `delete`) and `_changed_columns` (a list; null where the row is not an update).
 */
export interface DiffResult extends DiffSummary, AsyncIterable<Row>, AsyncDisposable {
  columns(): Promise<{ name: string; type: string }[]>
  toArray(): Promise<Row[]>
  batches(): AsyncIterable<Row[]>
  /** @param format default: what the file's ending says. In CSV `_changed_columns` is a text with commas between the names. */
  write(path: string, format?: ResultFormat): Promise<{ rows: number; bytes: number }>
  /** Removes the changed rows from this machine; at the latest that happens when the process ends. */
  close(): Promise<void>
}

export type { DiffSettings, DiffSide }
