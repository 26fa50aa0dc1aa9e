/**
 * `cdc`: change events, in the order that they say of themselves. The last event of a key wins; what is not later than the
 * row, than the tombstone of a deleted row, or than the last truncate, changes nothing, so that events may come late, again,
 * and in any division into loads.
 *
 *   orders.cdc(events)    keep:   the events, once                                  cdc/batch.ts
 *                         rows:   the order of deleted keys                         cdc/state.ts
 *                         rows:   key and order of the table's rows with these keys
 *                         rows:   what becomes of each key, the rows that come      cdc/fold.ts
 *                         stage:  files of rows that go, without them, and what comes
 *                         stage:  the changes; the order of deleted keys
 *
 *   event   the table has no row of the key     it has one
 *   u       insert; absent columns are null     update; absent columns keep their value
 *   d       ignored, its order is kept          the row goes, its order is kept; with a mark: the row stays, marked
 *   t                                           every row that is not of a later order goes
 *
 * Other modes know nothing of the state: rows that they bring stand with the order that they supply, or with none, which
 * every event is later than; rows that they take away leave no tombstone, so that an older event would bring them back.
 * `overwrite` begins anew, and forgets it.
 */
import type { AddFile } from '../manifest/actions.js'
import { quoteIdentifier } from '../schema/quote.js'
import { candidateFiles } from './candidates.js'
import { type Batch, keepBatch } from './cdc/batch.js'
import { addedSql, columnsOf, decidedSql, oldColumns, passedSql } from './cdc/fold.js'
import { keyList, markField, orderField } from './cdc/names.js'
import { readState, type State, writeState } from './cdc/state.js'
import { assertKeyTypes, refuseRepeatedKeys, repeatedKeysSql } from './keys.js'
import { stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, ReadSet, RowCounts } from './port.js'
import { rewrite } from './rewrite.js'

export const cdc: Plan = function* (ctx) {
  assertKeyTypes(ctx.schema, ctx.key)
  const batch = yield* keepBatch(ctx)
  const state = yield* readState(ctx)
  const reads = yield* findRows(ctx, batch, state)
  yield { ask: 'relation', name: 'lw_passed', sql: passedSql(ctx, state.floor), reads: [] }
  yield { ask: 'relation', name: 'lw_decided', sql: decidedSql(ctx), reads: [] }
  const counts = yield* countActions()
  yield { ask: 'relation', name: 'lw_removed', sql: removed, reads: [] }
  const addedRows = yield* makeRows(ctx, batch)
  const files = yield* rewrite(ctx, {
    removed: 'lw_removed',
    added: 'lw_added',
    addedRows,
    inPlace: true,
    changes: { sql: changesSql(ctx) },
  })
  const kept = yield* writeState(ctx, state)
  return { ...files, ...kept, reads, rows: rowCounts(batch, counts, stagedRows(files.add)), dataChange: true }
}

const removed = `SELECT __lw_file, __lw_row FROM lw_decided WHERE __lw_file IS NOT NULL AND __lw_action <> 'none'
  UNION ALL SELECT __lw_file, __lw_row FROM lw_gone`

/** Old rows that another takes the place of, also where a truncate came between. */
const replacedRows = `(SELECT __lw_old_file AS __lw_file, __lw_old_row AS __lw_row
  FROM lw_decided WHERE __lw_writes AND __lw_old_file IS NOT NULL)`

/** The table's rows with the events' keys, and those that a truncate removes. */
function* findRows(
  ctx: PlanContext,
  { keyed, truncates }: Batch,
  { newFloor }: State,
): Generator<Ask, ReadSet, Answer> {
  const all = [...(ctx.base?.files.values() ?? [])]
  const near =
    keyed > 0 ? yield* candidateFiles(ctx, all, 'lw_keys') : { files: [], reads: { kind: 'nothing' as const } }
  const order = quoteIdentifier(orderField(ctx).name)
  const mark = markField(ctx)
  const truncated = newFloor ? `coalesce(${order} <= (SELECT __lw_floor FROM lw_floor), true)` : 'false'
  const columns = [orderField(ctx).name, ...(mark ? [mark.name] : [])]
  yield {
    ask: 'relation',
    name: 'lw_live',
    sql: `SELECT ${keyList(ctx)}, ${order} AS __lw_order, ${truncated} AS __lw_truncated,
      ${mark ? `coalesce(${quoteIdentifier(mark.name)}, false)` : 'false'} AS __lw_marked, __lw_file, __lw_row
      FROM lw_current SEMI JOIN lw_keys USING (${keyList(ctx)})`,
    reads: [{ alias: 'lw_current', files: near.files, columns: [...ctx.key, ...columns] }],
  }
  const repeated = yield {
    ask: 'rows',
    sql: repeatedKeysSql('(SELECT * FROM lw_live WHERE NOT __lw_truncated)', ctx.key),
    reads: [],
  }
  refuseRepeatedKeys(repeated.ask === 'rows' ? repeated.rows : [], {
    of: 'the table',
    key: ctx.key,
    fix: 'Remove all but one row of each with `delete`, or load the table anew with `overwrite`.',
  })
  yield {
    ask: 'relation',
    name: 'lw_gone',
    sql: `SELECT __lw_file, __lw_row FROM lw_current WHERE ${truncated}`,
    reads: [{ alias: 'lw_current', files: newFloor ? all : [], columns: [orderField(ctx).name] }],
  }
  return truncates > 0 ? { kind: 'everything' } : near.reads
}

function* countActions(): Generator<Ask, Map<string, number>, Answer> {
  const answer = yield {
    ask: 'rows',
    sql: `SELECT __lw_action AS action, count(*) AS n FROM lw_decided GROUP BY ALL
      UNION ALL SELECT 'truncate', count(*) FROM lw_gone`,
    reads: [],
  }
  return new Map((answer.ask === 'rows' ? answer.rows : []).map(({ action, n }) => [String(action), Number(n)]))
}

/** @returns how many rows come */
function* makeRows(ctx: PlanContext, batch: Batch): Generator<Ask, number, Answer> {
  const columns = columnsOf(ctx, batch)
  const needed = ctx.changeFeed ? ctx.schema.map(({ name }) => name) : oldColumns(ctx, columns)
  const files = needed.length > 0 ? yield* filesOfRemoved(ctx) : []
  if (files.length > 0) {
    const values = needed.map((name) => `c.${quoteIdentifier(name)}`).join(', ')
    const which = ctx.changeFeed ? 'lw_removed' : replacedRows
    yield {
      ask: 'relation',
      name: 'lw_old',
      sql: `SELECT ${values}, c.__lw_file, c.__lw_row FROM lw_current c SEMI JOIN ${which} USING (__lw_file, __lw_row)`,
      reads: [{ alias: 'lw_current', files, columns: needed }],
      kept: 'file',
    }
  }
  const sql = addedSql(ctx, columns, files.length > 0)
  const answer = yield { ask: 'relation', name: 'lw_added', sql, reads: [], kept: 'file' }
  return answer.ask === 'relation' ? answer.rows : 0
}

function* filesOfRemoved(ctx: PlanContext): Generator<Ask, AddFile[], Answer> {
  const answer = yield { ask: 'rows', sql: 'SELECT DISTINCT __lw_file FROM lw_removed', reads: [] }
  const rows = answer.ask === 'rows' ? answer.rows : []
  return rows.flatMap(({ __lw_file }) => ctx.base?.files.get(String(__lw_file)) ?? [])
}

/** A row that was truncated and came again in the same load is an update. */
function changesSql(ctx: PlanContext): string {
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  return `SELECT ${columns}, 'update_preimage' AS _change_type FROM lw_old SEMI JOIN ${replacedRows} USING (__lw_file, __lw_row)
    UNION ALL SELECT ${columns}, 'delete' FROM lw_old ANTI JOIN ${replacedRows} USING (__lw_file, __lw_row)
    UNION ALL SELECT ${columns}, CASE WHEN __lw_old_file IS NULL THEN 'insert' ELSE 'update_postimage' END FROM lw_added`
}

function rowCounts({ events }: Batch, counts: Map<string, number>, written: number): RowCounts {
  const of = (action: string) => counts.get(action) ?? 0
  const [inserted, updated, deleted] = [of('insert'), of('update'), of('delete') + of('mark')]
  return {
    read: events,
    written,
    inserted,
    updated,
    // Rows that a truncate removes were not read.
    deleted: deleted + of('truncate'),
    ignored: events - inserted - updated - deleted,
  }
}
