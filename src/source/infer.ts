/**
 * Types of text over all rows, without looking at all rows first. A sample proposes the narrowest type that holds its values;
 * the load proves it while it reads. Only if the proof fails does a scan of all rows say which type holds them all.
 *
 * The result is the first candidate that holds every value, whatever the sample was: candidates before the proposed one
 * failed on a row of the sample, the proposed one was proved on all rows.
 */
import type { Engine } from '../engine/port.js'
import { type Composition, composeProfile } from './compose.js'

/** Set every column to the first candidate that holds the rows looked at. */
export async function propose(
  composition: Composition,
  engine: Engine,
  sampleRows: number,
  signal?: AbortSignal,
): Promise<void> {
  await choose(composition, engine, sampleRows, signal)
}

/** Set every column to the first candidate that holds all rows; the last one where none does. */
export async function inferExactly(composition: Composition, engine: Engine, signal?: AbortSignal): Promise<void> {
  await choose(composition, engine, undefined, signal)
}

async function choose(
  composition: Composition,
  engine: Engine,
  limit: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const failed = composition.columns.map((column) => new Set<number>(column.candidates.length === 0 ? [0] : []))
  for (const [index, part] of composition.parts.entries()) {
    const sql = composeProfile(composition, part, index, limit)
    if (sql === undefined) continue
    const [row = {}] = await engine.rows(sql, signal === undefined ? {} : { signal })
    for (const [name, holds] of Object.entries(row)) {
      const [, column = '', candidate = ''] = /^p(\d+)_(\d+)$/.exec(name) ?? []
      // NULL: no rows, nothing failed.
      if (holds === false) failed[Number(column)]?.add(Number(candidate))
    }
  }
  for (const [c, column] of composition.columns.entries()) {
    const first = column.candidates.findIndex((_, i) => !failed[c]?.has(i))
    column.at = first === -1 ? column.candidates.length - 1 : first
  }
}
