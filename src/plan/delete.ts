/**
 * `delete`: rows for which the predicate is true go; null is not true. Files whose partition or statistics say that none
 * of their rows matches are left alone, those of which all match go without being read, the rest are written again.
 *
 *   orders.delete({ where: "customer = 7 and dt < '2026-01-01'" })
 *     relation  lw_removed   SELECT __lw_file, __lw_row FROM lw_old WHERE …      columns of the predicate only
 *     stage     the rest of the files that have such a row                        rewrite.ts
 */
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { type Predicate, parsePredicate, predicateSql } from '../partition/scope.js'
import { quoteIdentifier } from '../schema/quote.js'
import { namesIn } from './condition.js'
import { rowsInFile, stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, ReadSet } from './port.js'
import { partitionsOf, possibleAnswers } from './possible.js'
import { assertRowsNumbered, type RowChanges, rewrite } from './rewrite.js'

export const deleteRows: Plan = function* (ctx) {
  const where = whereOf(ctx)
  const { gone, some } = filesByWhere(ctx, where)
  if (some.length > 0) assertRowsNumbered(ctx)
  const found = some.length > 0 ? yield* findRemoved(ctx, where, some) : 0
  const rewritten = yield* rewrite(ctx, {
    ...(found > 0 ? { removed: removedName } : {}),
    ...{ gone, addedRows: 0, changes: changesSql(ctx, gone, found > 0 ? some : []) },
  })
  const deleted = found + (yield* countRows(gone))
  return {
    ...rewritten,
    rows: { read: 0, written: stagedRows(rewritten.add), deleted },
    reads: readSet(ctx, where),
    dataChange: true,
  }
}

const removedName = 'lw_removed'

function whereOf({ schema, settings: { where } }: PlanContext): Predicate {
  if (where === undefined)
    throw new LakeError('invalid', '`delete` needs to be told which rows', {
      fix: 'Say --where "…", or `--where true` for all of them.',
    })
  return parsePredicate(where, { columns: schema, what: 'condition of --where', comparesColumns: true })
}

/** `gone`: every row matches; `some`: one may. */
function filesByWhere(ctx: PlanContext, where: Predicate): { gone: AddFile[]; some: AddFile[] } {
  const gone: AddFile[] = []
  const some: AddFile[] = []
  for (const file of ctx.base?.files.values() ?? []) {
    const may = possibleAnswers(where, file, ctx)
    // A file without a row is in nobody's way.
    if (may.true) (may.false || may.null ? some : gone).push(file)
  }
  return { gone, some }
}

function* findRemoved(ctx: PlanContext, where: Predicate, files: AddFile[]): Generator<Ask, number, Answer> {
  const columns = ctx.schema.map(({ name }) => name).filter((name) => namesIn(where).has(name))
  const sql = `SELECT __lw_file, __lw_row FROM lw_old WHERE ${predicateSql(where)}`
  const reads = [{ alias: 'lw_old', files, columns }]
  const answer = yield { ask: 'relation', name: removedName, sql, reads, kept: 'file' }
  return answer.ask === 'relation' ? answer.rows : 0
}

function* countRows(files: readonly AddFile[]): Generator<Ask, number, Answer> {
  const known = files.reduce((sum, file) => sum + (rowsInFile(file) ?? 0), 0)
  const unknown = files.filter((file) => rowsInFile(file) === undefined)
  if (unknown.length === 0) return known
  const reads = [{ alias: 'lw_old', files: unknown, columns: [] }]
  const answer = yield { ask: 'rows', sql: 'SELECT count(*) AS n FROM lw_old', reads }
  return known + (answer.ask === 'rows' ? Number(answer.rows[0]?.n ?? 0) : 0)
}

function changesSql(ctx: PlanContext, gone: AddFile[], some: AddFile[]): NonNullable<RowChanges['changes']> {
  const names = ctx.schema.map(({ name }) => name)
  const deleted = `SELECT ${names.map(quoteIdentifier).join(', ')}, 'delete' AS _change_type FROM`
  const parts = [
    ...(gone.length > 0 ? [`${deleted} lw_gone`] : []),
    ...(some.length > 0 ? [`${deleted} lw_before SEMI JOIN ${removedName} USING (__lw_file, __lw_row)`] : []),
  ]
  return {
    sql: parts.join(' UNION ALL '),
    reads: [
      { alias: 'lw_gone', files: gone, columns: names },
      { alias: 'lw_before', files: some, columns: names },
    ],
  }
}

/** All that the predicate can be true of, whether it was there or not. */
function readSet({ partitionBy }: PlanContext, where: Predicate): ReadSet {
  const scope = partitionsOf(where, partitionBy)
  return scope.op === 'true' ? { kind: 'everything' } : { kind: 'partitions', ids: new Set(), scope }
}
