/**
 * Guards: what a load may do at most before somebody looks at it. Measured once the plan knows what would change, and
 * before anything is visible; a load that trips one waits for approval.
 *
 *   guard            measures                                       default
 *   maxDeleteRatio   rows that go ÷ rows before                     0.5 for `sync` and for `scd2` of full snapshots
 *   maxUpdateRatio   rows that change ÷ rows before                 none
 *   minRows          rows of the input                              none
 *
 * Shares are of the part that the snapshot stands for; where there were no rows before, none can be lost.
 */
import type { Verdict } from './plan/port.js'
import type { LoadMode } from './receipt.js'
import type { LoadSettings } from './settings.js'

/** @returns those that trip, in the order of the table above */
export function trippedGuards(mode: LoadMode, settings: GuardSettings, verdict: Measured): TrippedGuard[] {
  const { rows, rowsBefore = 0, rowsGone = rows.deleted ?? 0 } = verdict
  const { maxDeleteRatio = defaultDeleteRatio(mode, settings), maxUpdateRatio, minRows } = settings
  const tripped: TrippedGuard[] = []
  const share = (guard: 'maxDeleteRatio' | 'maxUpdateRatio', count: number, limit: number | undefined) => {
    if (limit === undefined || rowsBefore === 0) return
    const value = count / rowsBefore
    if (value > limit) tripped.push({ guard, value, limit, rows: count, rowsBefore })
  }
  share('maxDeleteRatio', rowsGone, maxDeleteRatio)
  share('maxUpdateRatio', rows.updated ?? 0, maxUpdateRatio)
  if (minRows !== undefined && rows.read < minRows)
    tripped.push({ guard: 'minRows', value: rows.read, limit: minRows, rows: rows.read })
  return tripped
}

export type GuardSettings = Pick<LoadSettings, 'maxDeleteRatio' | 'maxUpdateRatio' | 'minRows' | 'snapshot'>
export type Measured = Pick<Verdict, 'rows' | 'rowsBefore' | 'rowsGone'>

export interface TrippedGuard {
  guard: 'maxDeleteRatio' | 'maxUpdateRatio' | 'minRows'
  /** What it measured, and what it allows: a share from 0 to 1, or a number of rows. */
  value: number
  limit: number
  /** The rows that it counted, of so many before. */
  rows: number
  rowsBefore?: number
}

/** `it would delete 950 of 1000 rows (95%), more than the 50% that maxDeleteRatio allows` */
export function guardText({ guard, value, limit, rows, rowsBefore = 0 }: TrippedGuard): string {
  if (guard === 'minRows') return `the input has ${rows} rows, fewer than the ${limit} that minRows asks for`
  const does = guard === 'maxDeleteRatio' ? 'delete' : 'change'
  return `it would ${does} ${rows} of ${rowsBefore} rows (${percent(value)}), more than the ${percent(limit)} that ${guard} allows`
}

/** A dump that broke off loses more; what is deleted on purpose in one night seldom does. */
const half = 0.5

function defaultDeleteRatio(mode: LoadMode, { snapshot }: GuardSettings): number | undefined {
  return mode === 'sync' || (mode === 'scd2' && snapshot !== 'partial') ? half : undefined
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))}%`
}
