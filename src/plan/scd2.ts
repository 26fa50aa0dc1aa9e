/**
 * `scd2`: snapshots become history. A version of a row holds from `_effective_from` up to, and not including,
 * `_effective_to`; where that is null it is current. What holds at T is the snapshot; what held before, and what the table
 * knows of later instants, stays.
 *
 *   customers.scd2(rows)
 *     relation lw_rows      the load's rows, one per key                                     scd2/rows.ts
 *     rows                  is T before the newest instant? asked of files that may say so   scd2/moment.ts
 *     relation lw_pairs     rows and versions at T that differ                               scd2/touched.ts
 *     relation lw_changes   what becomes of the versions of their keys                       scd2/timeline.ts
 *     relation lw_added     the versions as rows                                             scd2/versions.ts
 *     rows                  problems of the history that this makes: none                    scd2/check.ts
 *     then                  files with rows that go are written again                        rewrite.ts
 */
import { LakeError } from '../errors.js'
import { stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, RowCounts, Verdict } from './port.js'
import { outcome, rewrite } from './rewrite.js'
import { brokenHistorySql, refuseBrokenHistory } from './scd2/check.js'
import { effective, type History, historyOf } from './scd2/history.js'
import { type Moment, momentOf } from './scd2/moment.js'
import { keyList, rowsOf } from './scd2/names.js'
import { keepRows, type Rows } from './scd2/rows.js'
import { changesSql } from './scd2/timeline.js'
import { touchedKeys } from './scd2/touched.js'
import { feedSql, firstVersionsSql, type Made, makeVersions } from './scd2/versions.js'

export const scd2: Plan = function* (ctx) {
  const history = historyOf(ctx)
  const rows = yield* keepRows(ctx, history)
  const moment = yield* momentOf(ctx, history, rows)
  if (moment.files.length === 0 && !rows.repeated) return yield* firstVersions(ctx, history, moment, rows)
  const { pairs, before, missing } = yield* touchedKeys(ctx, history, moment, rows)
  const guarded = history.full ? { rowsBefore: before, rowsGone: missing } : {}
  const counts = pairs === 0 ? noChanges : yield* decide(ctx, history, moment)
  const verdict = { reads: moment.reads, dataChange: true, ...guarded }
  if (counts.added + counts.removed === 0) {
    const partitions = outcome(ctx, [], [])
    return { ...verdict, supersede: [], add: [], partitions, rows: countsOf(rows, counts, 0) }
  }
  const made = yield* makeVersions(ctx, history, rows, counts.correcting > 0)
  yield* checkHistory(ctx, made, counts)
  const rewritten = yield* rewrite(ctx, {
    ...(made.removed === undefined ? {} : { removed: made.removed }),
    added: 'lw_added',
    addedRows: made.added,
    inPlace: true,
    changes: { sql: feedSql(ctx, made) },
  })
  return { ...verdict, ...rewritten, rows: countsOf(rows, counts, stagedRows(rewritten.add)) }
}

/** What the load does, version by version. */
interface Counts {
  /** Rows that come, and rows of the table that go. */
  added: number
  removed: number
  inserted: number
  /** Of them, made of rows of the load. */
  insertedByRow: number
  updated: number
  corrected: number
  correctedByRow: number
  /** Versions whose untracked columns are corrected. */
  correcting: number
}

const noChanges: Counts = {
  added: 0,
  removed: 0,
  inserted: 0,
  insertedByRow: 0,
  updated: 0,
  corrected: 0,
  correctedByRow: 0,
  correcting: 0,
}

/** Nothing in the table can meet the load: every row is a version. */
function* firstVersions(
  ctx: PlanContext,
  history: History,
  { reads }: Moment,
  rows: Rows,
): Generator<Ask, Verdict, Answer> {
  const answer = yield { ask: 'stage', sql: firstVersionsSql(ctx, history, rows) }
  const add = answer.ask === 'stage' ? answer.files : []
  const counts = { ...noChanges, inserted: rows.kept, insertedByRow: rows.kept }
  return {
    supersede: [],
    add,
    reads,
    rows: countsOf(rows, counts, stagedRows(add)),
    partitions: outcome(ctx, [], add),
    dataChange: true,
    ...(history.full ? { rowsBefore: 0, rowsGone: 0 } : {}),
  }
}

function* decide(ctx: PlanContext, history: History, moment: Moment): Generator<Ask, Counts, Answer> {
  yield { ask: 'relation', name: 'lw_changes', sql: changesSql(ctx, history, moment), reads: [], kept: 'file' }
  const actions = (...names: string[]) => `count(*) FILTER (__lw_action IN (${names.map((name) => `'${name}'`)}))`
  const [row] = yield* rowsOf({
    ask: 'rows',
    sql: `SELECT ${actions('insert', 'copy', 'change', 'replace')} AS added, ${actions('change', 'replace', 'remove')} AS removed,
      ${actions('insert', 'copy')} AS inserted, ${actions('insert')} AS inserted_by_row, count(*) FILTER (__lw_cut) AS updated,
      coalesce(sum(__lw_corrected), 0) AS corrected, coalesce(sum(__lw_by_row), 0) AS corrected_by_row,
      count(__lw_corrected_at) AS correcting FROM lw_changes`,
    reads: [],
  })
  const count = (name: string) => Number(row?.[name] ?? 0)
  return {
    added: count('added'),
    removed: count('removed'),
    inserted: count('inserted'),
    insertedByRow: count('inserted_by_row'),
    updated: count('updated'),
    corrected: count('corrected'),
    correctedByRow: count('corrected_by_row'),
    correcting: count('correcting'),
  }
}

/** The last look before anything is staged: the rows that come, with those of the touched versions that stay. */
function* checkHistory(ctx: PlanContext, made: Made, counts: Counts): Generator<Ask, void, Answer> {
  if (made.added !== counts.added)
    throw new LakeError('corrupt', 'a bug: the load would have lost or doubled versions', {
      wanted: counts.added,
      made: made.added,
    })
  const key = keyList(ctx)
  const { from, to, current } = effective
  const come = `SELECT ${key}, ${from} AS __lw_from, ${to} AS __lw_to, ${current} AS __lw_current, __lw_followed FROM lw_added`
  const stay =
    `SELECT ${key}, __lw_from, __lw_to, __lw_current, false AS __lw_followed FROM lw_versions ` +
    'ANTI JOIN lw_removed USING (__lw_file, __lw_row)'
  const sql = brokenHistorySql(ctx, `${come} UNION ALL ${stay}`)
  refuseBrokenHistory(yield* rowsOf({ ask: 'rows', sql, reads: [] }), 'load')
}

function countsOf({ read, kept, ignored }: Rows, counts: Counts, written: number): RowCounts {
  return {
    read,
    written,
    inserted: counts.inserted,
    updated: counts.updated,
    unchanged: kept - counts.insertedByRow - counts.correctedByRow,
    ignored,
    corrected: counts.corrected,
  }
}
