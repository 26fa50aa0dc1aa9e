/**
 * `sync`: a full snapshot. The table, or the part of it that the scope names, becomes equal to it, and only files with a
 * row that changes are rewritten. Nothing needs a time stamp.
 *
 *   orders.sync(dump)
 *     relation  lw_rows      the input once, with its row hashes       SELECT *, hash(…) … FROM lw_input
 *     relation  lw_parts     the input's partitions, with row counts
 *     then                   rows that differ, by their values         sync/values.ts
 *                            or, where that would cost more, hashes    sync/hashes.ts
 *     relation  lw_removed   where the changed and deleted rows lie    file, row
 *     relation  lw_added     the changed and new rows
 *     stage     the rewritten files, and the changes for the feed      rewrite.ts
 */
import { quoteIdentifier } from '../schema/quote.js'
import { rowHashColumns } from '../stage/row-hash.js'
import { stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, RowCounts } from './port.js'
import { outcome, type Rewritten, rewrite } from './rewrite.js'
import { byHashes } from './sync/hashes.js'
import { type Found, rowsName } from './sync/names.js'
import { refuseKeysOutside } from './sync/outside.js'
import { countRows, oldPartitions, readSet } from './sync/partitions.js'
import { byValues } from './sync/values.js'

export const sync: Plan = function* (ctx) {
  const kept = yield* keepRows(ctx)
  const old = oldPartitions(ctx)
  const files = [...old.values()].flatMap((partition) => partition.files)
  const rowsBefore = yield* countRows(files)
  const found = (yield* byValues(ctx, kept, files)) ?? (yield* byHashes(ctx, kept, old))
  const { input, parts, inserted, updated, deleted } = found
  const outside = yield* refuseKeysOutside(ctx, found)
  const rewritten = yield* applyChanges(ctx, found)
  const rows: RowCounts = {
    read: kept.read,
    written: stagedRows(rewritten.add),
    ...{ inserted, updated, deleted, unchanged: input.rows - inserted - updated, ignored: input.ignored },
  }
  return { ...rewritten, rows, rowsBefore, reads: readSet(ctx, parts, old, outside), dataChange: true }
}

function* keepRows(ctx: PlanContext): Generator<Ask, { name: string; read: number }, Answer> {
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  const sql = `SELECT ${columns}, ${rowHashColumns(ctx.rowHash.columns)} FROM ${ctx.input.name}`
  const answer = yield { ask: 'relation', name: rowsName, sql, kept: 'file', input: true }
  return { name: rowsName, read: answer.ask === 'relation' ? answer.rows : 0 }
}

function* applyChanges(
  ctx: PlanContext,
  { inserted, updated, deleted, rowChanges }: Found,
): Generator<Ask, Rewritten, Answer> {
  if (inserted + updated + deleted === 0) return { supersede: [], add: [], partitions: outcome(ctx, [], []) }
  return yield* rewrite(ctx, yield* rowChanges())
}
