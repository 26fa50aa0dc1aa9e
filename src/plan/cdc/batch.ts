/**
 * The events of one load, as they were read: kept once, counted, and refused where they cannot be put in order.
 *
 *   relation lw_rows:  SELECT * FROM input                                 in a file
 *   rows:              how many of each kind, how many without key or order
 *   rows:              SELECT DISTINCT unnest(__lw_absent) FROM lw_rows    columns that some update does not have
 *   relation lw_keys:  SELECT DISTINCT id FROM lw_rows WHERE __lw_op IN ('u', 'd')
 */
import { LakeError } from '../../errors.js'
import { toSql } from '../../schema/duckdb.js'
import { foldName } from '../../schema/names.js'
import { placeOf } from '../../source/sequence.js'
import { nullKeysSql, refuseNullKeys } from '../keys.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import { keyList, orderField } from './names.js'

export interface Batch {
  events: number
  /** Of these kinds; the rest, all that was read, says nothing about rows. */
  keyed: number
  truncates: number
  /** Names as they stand in `__lw_absent`, by the folded name of the table's column. */
  absent: ReadonlyMap<string, string[]>
}

export function* keepBatch(ctx: PlanContext): Generator<Ask, Batch, Answer> {
  // In the type in which the table keeps it, so that both compare.
  const order = `CAST(__lw_order AS ${toSql(orderField(ctx).type)}) AS __lw_order`
  const rows = `SELECT * REPLACE (${order}) FROM ${ctx.input.name}`
  yield { ask: 'relation', name: 'lw_rows', sql: rows, kept: 'file' }
  const counts = yield* count(ctx)
  const beside = ctx.input.ignored === undefined ? 0 : yield* countBeside(ctx.input.ignored)
  const absent = counts.keyed === 0 ? new Map<string, string[]>() : yield* absentColumns()
  const keys = `SELECT DISTINCT ${keyList(ctx)} FROM lw_rows WHERE __lw_op IN ('u', 'd')`
  yield { ask: 'relation', name: 'lw_keys', sql: keys }
  return { ...counts, events: counts.events + beside, absent }
}

function* count(ctx: PlanContext): Generator<Ask, Omit<Batch, 'absent'>, Answer> {
  const nullKeys = yield {
    ask: 'rows',
    sql: nullKeysSql(`(SELECT * FROM lw_rows WHERE __lw_op IN ('u', 'd'))`, ctx.key),
  }
  refuseNullKeys(nullKeys.ask === 'rows' ? nullKeys.rows : [], { of: 'the input', key: ctx.key })
  const withoutOrder = `coalesce(__lw_op IN ('u', 'd', 't'), false) AND __lw_order IS NULL`
  const answer = yield {
    ask: 'rows',
    sql: `SELECT count(*) AS events, count(*) FILTER (__lw_op IN ('u', 'd')) AS keyed,
      count(*) FILTER (__lw_op = 't') AS truncates,
      count(*) FILTER (${withoutOrder}) AS no_order, min(__lw_seq) FILTER (${withoutOrder}) AS no_order_at
      FROM lw_rows`,
  }
  const row = (answer.ask === 'rows' ? answer.rows[0] : undefined) ?? {}
  if (Number(row.no_order) > 0) {
    const { ordinal, row: first } = placeOf(BigInt(String(row.no_order_at)))
    throw new LakeError('invalid', 'events have no order', {
      column: orderField(ctx).name,
      events: Number(row.no_order),
      input: ordinal + 1,
      row: first,
      fix: 'Give each event a value by which events of one key are ordered, or name another --order-column.',
    })
  }
  return { events: Number(row.events), keyed: Number(row.keyed), truncates: Number(row.truncates) }
}

/** Documents that are no event of a row. */
function* countBeside(sql: string): Generator<Ask, number, Answer> {
  const answer = yield { ask: 'rows', sql }
  return answer.ask === 'rows' ? Number(answer.rows[0]?.n ?? 0) : 0
}

function* absentColumns(): Generator<Ask, Map<string, string[]>, Answer> {
  const answer = yield {
    ask: 'rows',
    sql: `SELECT DISTINCT unnest(__lw_absent) AS name FROM lw_rows WHERE __lw_op = 'u'`,
  }
  const found = new Map<string, string[]>()
  for (const { name } of answer.ask === 'rows' ? answer.rows : []) {
    const spelled = String(name)
    found.set(foldName(spelled), [...(found.get(foldName(spelled)) ?? []), spelled])
  }
  return found
}
