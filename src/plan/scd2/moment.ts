/**
 * Where the load stands in the table's time: whether it is late, and which files hold versions that matter to it. Those
 * that ended before its first instant do not.
 *
 *   rows:  newest instant, and the next one after T, of files that may hold a later one than T    often none, unread
 *   rows:  the first time of the load's rows                                                      with column:NAME
 */
import { LakeError } from '../../errors.js'
import type { AddFile } from '../../manifest/actions.js'
import { canContain, parseStats } from '../../manifest/stats.js'
import { canonicalText, instantText } from '../../partition/value.js'
import { findColumn, sameName } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Field } from '../../schema/types.js'
import { candidateFiles } from '../candidates.js'
import type { Answer, Ask, PlanContext, ReadSet } from '../port.js'
import { effective, type History } from './history.js'
import { instant, rowsOf, timeSql } from './names.js'
import type { Rows } from './rows.js'

export interface Moment {
  /** Versions that ended by then do not matter. */
  firstMicros: bigint
  /** One instant for all rows, and the table knows of later ones. */
  late: boolean
  /** The next instant that the table knows of: what a full snapshot said then stays so. */
  nextMicros?: bigint
  /** Files that may hold versions that matter. */
  files: AddFile[]
  reads: ReadSet
}

export function* momentOf(ctx: PlanContext, history: History, rows: Rows): Generator<Ask, Moment, Answer> {
  const all = [...(ctx.base?.files.values() ?? [])]
  const { at } = history
  const firstMicros = at.kind === 'instant' ? at.micros : yield* firstTime(history, rows)
  const later = at.kind === 'instant' ? yield* instantsAfter(ctx, all, at.micros) : undefined
  if (later !== undefined && history.late === 'fail') throw lateSnapshot(firstMicros, later.newestMicros)
  // Where nothing is later than T, only what is current holds then.
  const onTime = at.kind === 'instant' && later === undefined
  const relevant = all.filter(
    (file) => mayBeCurrent(ctx, file) || (!onTime && mayHold(ctx, file, effective.to, '>', firstMicros)),
  )
  const near = history.full ? { files: relevant, reads: everything } : yield* candidateFiles(ctx, relevant, rows.name)
  return {
    firstMicros,
    late: later !== undefined,
    ...(later !== undefined && history.full ? { nextMicros: later.nextMicros } : {}),
    files: near.files,
    // Whether one instant for all is late depends on every row of the table.
    reads: at.kind === 'instant' ? everything : near.reads,
  }
}

const everything: ReadSet = { kind: 'everything' }

/** A load without rows happens when it began: it can only close what is current. */
function* firstTime(history: History, rows: Rows): Generator<Ask, bigint, Answer> {
  const [row] = yield* rowsOf({
    ask: 'rows',
    sql: `SELECT epoch_us(min(${timeSql(history)})) AS first FROM ${rows.name}`,
  })
  const first = row?.first
  return typeof first === 'bigint' && first < history.nowMicros ? first : history.nowMicros
}

/** Undefined where there are none. */
function* instantsAfter(
  ctx: PlanContext,
  all: readonly AddFile[],
  micros: bigint,
): Generator<Ask, { newestMicros: bigint; nextMicros: bigint } | undefined, Answer> {
  const files = all.filter((file) =>
    [effective.from, effective.to].some((name) => mayHold(ctx, file, name, '>', micros)),
  )
  if (files.length === 0) return undefined
  const instants = [effective.from, effective.to]
    .map(
      (name) =>
        `SELECT ${quoteIdentifier(name)} AS __lw_at FROM old WHERE ${quoteIdentifier(name)} > ${instant(micros)}`,
    )
    .join(' UNION ALL ')
  const [row] = yield* rowsOf({
    ask: 'rows',
    sql: `SELECT epoch_us(max(__lw_at)) AS newest, epoch_us(min(__lw_at)) AS next FROM (${instants})`,
    reads: [{ alias: 'old', files, columns: [effective.from, effective.to] }],
  })
  if (typeof row?.newest !== 'bigint' || typeof row.next !== 'bigint') return undefined
  return { newestMicros: row.newest, nextMicros: row.next }
}

function mayBeCurrent(ctx: PlanContext, file: AddFile): boolean {
  const counted = parseStats(file.stats)?.nullCount[effective.to] !== undefined
  if (counted) return mayHold(ctx, file, effective.to, 'is null')
  const partition = ctx.partitionBy.find((name) => sameName(name, effective.current))
  if (partition === undefined) return true
  const text = file.partitionValues[partition]
  return text === undefined || text === null || canonicalText(text, { kind: 'boolean' }) !== 'false'
}

function mayHold(ctx: PlanContext, file: AddFile, column: string, op: '>' | 'is null', micros?: bigint): boolean {
  const field: Field | undefined = findColumn(ctx.base?.metadata.schema ?? [], column)
  if (field === undefined) return true
  return canContain(parseStats(file.stats), field, op, micros === undefined ? undefined : instantText(micros))
}

function lateSnapshot(atMicros: bigint, newestMicros: bigint): LakeError {
  return new LakeError('invalid', 'the snapshot is from before the newest instant in the table', {
    effectiveAt: instantText(atMicros),
    newest: instantText(newestMicros),
    fix: 'Say --late insert to put it in order; nothing was loaded.',
  })
}
