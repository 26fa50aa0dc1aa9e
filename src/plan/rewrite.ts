/**
 * What the modes that change single rows have in common: old rows go, new rows come, and whatever else lies in the files
 * of those that go is written again beside the new ones. Files that hold no such row stay as they are.
 *
 *   rows:   files of the rows that go, with how many of each
 *   stage:  SELECT … FROM kept ANTI JOIN removed UNION ALL SELECT … FROM added
 *   stage:  the changes as rows, for a table with a change feed
 */
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { partitionId } from '../partition/spec.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Reads, Rewrites } from '../stage/port.js'
import { byPartition, folderOf, rowsInFile } from './partitions.js'
import type { Answer, Ask, PlanContext, StagedFile, Verdict } from './port.js'

export interface RowChanges {
  /** A relation of the old rows that go: `__lw_file`, `__lw_row`. Undefined where none goes. */
  removed?: string
  /** Files that go with all of their rows, beside those of `removed`. */
  gone?: readonly AddFile[]
  /** A relation of the rows that come, with the table's columns. Needless where none comes. */
  added?: string
  /**
   * `added` also has `__lw_file` and `__lw_row`: of the removed row whose place it takes in the same partition, or nulls. So
   * columns in which nothing changes need not be encoded again.
   */
  inPlace?: boolean
  /** @see Rewrites.known */
  known?: boolean
  /** How many come; 0 needs no staging of its own. */
  addedRows: number
  /** A SELECT of the table's columns and `_change_type`, and the old rows that it reads. */
  changes?: { sql: string; reads?: Reads[] }
}

export type Rewritten = Pick<Verdict, 'supersede' | 'add' | 'partitions' | 'changeData'>

export function* rewrite(ctx: PlanContext, changes: RowChanges): Generator<Ask, Rewritten, Answer> {
  const { gone, touched } = yield* filesOfRemoved(ctx, changes.removed)
  const add = yield* stageRows(ctx, changes, touched)
  const supersede = [...(changes.gone ?? []), ...gone, ...touched]
  const feed = ctx.changeFeed && (supersede.length > 0 || ctx.rewritesOthers) ? feedOf(ctx, changes) : undefined
  let changeData: StagedFile[] = []
  if (feed) {
    const answer = yield { ask: 'stage', sql: feed.sql, reads: feed.reads ?? [], as: { kind: 'change-data' } }
    changeData = answer.ask === 'stage' ? answer.files : []
  }
  return { supersede, add, changeData, partitions: outcome(ctx, supersede, add) }
}

/** Where nothing else is said, what comes is new. Without a removed file readers take added ones for inserts by themselves. */
function feedOf(ctx: PlanContext, { changes, added, addedRows }: RowChanges): RowChanges['changes'] {
  if (changes !== undefined || added === undefined || addedRows === 0) return changes
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  return { sql: `SELECT ${columns}, 'insert' AS _change_type FROM ${quoteIdentifier(added)}` }
}

/** Old rows are named by their file and their number in it. @throws LakeError unsupported, where the engine cannot tell it */
export function assertRowsNumbered({ schema }: PlanContext): void {
  const column = findColumn(schema, 'file_row_number')
  if (column === undefined) return
  throw new LakeError('unsupported', 'single rows of a table with a column of this name cannot be told apart', {
    column: column.name,
    fix: 'Rename the column, or load whole partitions with `replace`.',
  })
}

/** Which folders were written, which are empty now, and how many stayed as they were. */
export function outcome(
  ctx: PlanContext,
  supersede: readonly AddFile[],
  add: readonly StagedFile[],
): Verdict['partitions'] {
  const removed = new Set(supersede.map(({ key }) => key))
  const before = byPartition(ctx.base?.files.values() ?? [], ctx.partitionBy, ctx.schema)
  const after = new Set(add.map((file) => partitionId(file.partitionValues, ctx.partitionBy, ctx.schema)))
  const emptied: string[] = []
  let unchanged = 0
  const replaced = new Set(add.map((file) => folderOf(ctx, file)))
  for (const { id, values, files } of before.values()) {
    if (after.has(id)) continue
    if (files.every(({ key }) => removed.has(key))) emptied.push(folderOf(ctx, { partitionValues: values }))
    else if (files.some(({ key }) => removed.has(key))) replaced.add(folderOf(ctx, { partitionValues: values }))
    else unchanged++
  }
  return { replaced: [...replaced].sort(), removed: emptied.sort(), unchanged }
}

/** `gone` loses all of its rows, so nothing of it is read; `touched` keeps some. */
function* filesOfRemoved(
  ctx: PlanContext,
  removed: string | undefined,
): Generator<Ask, { gone: AddFile[]; touched: AddFile[] }, Answer> {
  const gone: AddFile[] = []
  const touched: AddFile[] = []
  if (removed === undefined) return { gone, touched }
  const answer = yield {
    ask: 'rows',
    sql: `SELECT __lw_file, count(*) AS n FROM ${quoteIdentifier(removed)} GROUP BY __lw_file`,
    reads: [],
  }
  for (const { __lw_file, n } of answer.ask === 'rows' ? answer.rows : []) {
    const file = ctx.base?.files.get(String(__lw_file))
    if (file) (rowsInFile(file) === Number(n) ? gone : touched).push(file)
  }
  return { gone, touched }
}

function* stageRows(
  ctx: PlanContext,
  { removed, added, addedRows, inPlace = false, known = false }: RowChanges,
  touched: AddFile[],
): Generator<Ask, StagedFile[], Answer> {
  const names = ctx.schema.map(({ name }) => name)
  const columns = names.map(quoteIdentifier).join(', ')
  const parts: string[] = []
  if (touched.length > 0 && removed !== undefined)
    parts.push(`SELECT ${columns} FROM kept ANTI JOIN ${quoteIdentifier(removed)} USING (__lw_file, __lw_row)`)
  if (addedRows > 0 && added !== undefined) parts.push(`SELECT ${columns} FROM ${quoteIdentifier(added)}`)
  if (parts.length === 0) return []
  const reads = touched.length > 0 ? [{ alias: 'kept', files: touched, columns: names }] : []
  const comes = addedRows > 0 && added !== undefined
  const rewrites: Rewrites | undefined =
    touched.length > 0 && removed !== undefined && (inPlace || !comes)
      ? { files: touched, removed, known, ...(comes ? { added } : {}) }
      : undefined
  const answer = yield { ask: 'stage', sql: parts.join(' UNION ALL '), reads, ...(rewrites ? { rewrites } : {}) }
  return answer.ask === 'stage' ? answer.files : []
}
