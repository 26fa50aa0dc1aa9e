/**
 * The rows of the load, kept: one per key, or one per key and time where they say themselves when they took effect.
 *
 *   relation lw_rows:      SELECT * FROM input             in a file, since it is read more than once
 *   rows:                  times that are null
 *   then                   null and repeated keys          unique.ts
 *   relation lw_repeated:  keys with several rows          with times of their own
 */
import { LakeError } from '../../errors.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import { uniqueRows } from '../unique.js'
import type { History } from './history.js'
import { keyList, rowsOf, timeSql } from './names.js'

export interface Rows {
  /** The relation that has them: the table's columns, one row per key and time. */
  name: string
  kept: number
  read: number
  ignored: number
  /** Keys with several rows are in the relation `lw_repeated`. */
  repeated: boolean
}

export function* keepRows(ctx: PlanContext, history: History): Generator<Ask, Rows, Answer> {
  const read = yield* keep(`SELECT * FROM ${ctx.input.name}`, 'lw_rows')
  if (history.at.kind === 'instant') {
    const { name, rows, ignored } = yield* uniqueRows(ctx, 'lw_rows', read)
    return { name, kept: rows, read, ignored, repeated: false }
  }
  yield* refuseNullTimes(history, history.at.field.name)
  const byTime = { ...ctx, key: [...ctx.key, history.at.field.name] }
  const { name, rows, ignored } = yield* uniqueRows(byTime, 'lw_rows', read)
  return { name, kept: rows, read, ignored, repeated: yield* hasRepeatedKeys(ctx, name) }
}

function* refuseNullTimes(history: History, column: string): Generator<Ask, void, Answer> {
  const time = timeSql(history)
  const wrong = `CASE WHEN ${time} IS NULL THEN true ELSE NOT isfinite(${time}) END`
  const [row] = yield* rowsOf({ ask: 'rows', sql: `SELECT count(*) AS n FROM lw_rows WHERE ${wrong}` })
  if (Number(row?.n ?? 0) === 0) return
  throw new LakeError('invalid', 'rows do not say when they took effect', {
    column,
    rows: Number(row?.n),
    fix: 'Give every row a time, e.g. with --derive, or name one for all with --effective-at.',
  })
}

/** Several rows of one key tell of several versions of it. */
function* hasRepeatedKeys(ctx: PlanContext, relation: string): Generator<Ask, boolean, Answer> {
  const key = keyList(ctx)
  return (yield* keep(`SELECT ${key} FROM ${relation} GROUP BY ${key} HAVING count(*) > 1`, 'lw_repeated')) > 0
}

function* keep(sql: string, name: string): Generator<Ask, number, Answer> {
  const answer = yield { ask: 'relation', name, sql, kept: 'file' }
  return answer.ask === 'relation' ? answer.rows : 0
}
