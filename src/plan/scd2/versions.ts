/**
 * The versions that come, as rows of the table, and the changes as the feed tells them.
 *
 *   relation lw_before:  the rows of the table that versions are made of
 *   relation lw_added:   change, copy      lw_before with other instants
 *                        insert, replace   the load's rows
 *   relation lw_removed: `__lw_file`, `__lw_row` of what goes
 */
import { quoteIdentifier, quoteText } from '../../schema/quote.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import { effective, type History } from './history.js'
import { instant, rowsOf, sameKey, timeSql } from './names.js'
import type { Rows } from './rows.js'

export interface Made {
  /** Rows that come. */
  added: number
  /** `lw_removed`, undefined where none goes. */
  removed: string | undefined
}

export function* makeVersions(
  ctx: PlanContext,
  history: History,
  rows: Rows,
  corrects: boolean,
): Generator<Ask, Made, Answer> {
  const old = yield* keepOldRows(ctx)
  const parts = [
    `${ofTheLoad(ctx, history, rows, { old, corrects })} WHERE c.__lw_action IN ('insert', 'replace')`,
    ...(old ? [`${ofTheTable(ctx, history, rows, corrects)} WHERE c.__lw_action IN ('change', 'copy')`] : []),
  ]
  const answer = yield {
    ask: 'relation',
    name: 'lw_added',
    sql: parts.join(' UNION ALL '),
    reads: [],
    kept: 'file',
  }
  const removed = yield {
    ask: 'relation',
    name: 'lw_removed',
    sql: `SELECT __lw_file, __lw_row FROM lw_changes WHERE __lw_action IN ('change', 'replace', 'remove')`,
    reads: [],
  }
  return {
    added: answer.ask === 'relation' ? answer.rows : 0,
    removed: removed.ask === 'relation' && removed.rows > 0 ? 'lw_removed' : undefined,
  }
}

/**
 * Row-level changes: what a load does to the rows of the table, whatever it means for the history. A row is known by its
 * key and by when it begins, so that one which begins at another instant is another row.
 */
export function feedSql(ctx: PlanContext, made: Made): string {
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  const of = (relation: string, change: string) => `SELECT ${columns}, '${change}' AS _change_type FROM ${relation}`
  const old = (actions: string) =>
    `(lw_before SEMI JOIN (SELECT * FROM lw_changes WHERE ${actions}) c USING (__lw_file, __lw_row))`
  const same = `__lw_action IN ('change', 'replace') AND NOT __lw_shifted`
  const come = [
    `${of('lw_added', 'update_postimage')} WHERE ${same}`,
    `${of('lw_added', 'insert')} WHERE NOT (${same})`,
  ]
  if (made.removed === undefined) return come.join(' UNION ALL ')
  const goes = `CASE WHEN __lw_action = 'remove' THEN true ELSE __lw_action IN ('change', 'replace') AND __lw_shifted END`
  return [of(old(same), 'update_preimage'), of(old(goes), 'delete'), ...come].join(' UNION ALL ')
}

/** The load's rows where there is nothing that they could touch. */
export function firstVersionsSql(ctx: PlanContext, history: History, rows: Rows): string {
  const columns = ctx.schema.map(({ name }) => {
    const column = quoteIdentifier(name)
    switch (name) {
      case effective.from:
        return `${timeSql(history)} AS ${column}`
      case effective.to:
        return `CAST(NULL AS TIMESTAMPTZ) AS ${column}`
      case effective.current:
        return `true AS ${column}`
      default:
        return column
    }
  })
  return `SELECT ${columns.join(', ')} FROM ${rows.name}`
}

function* keepOldRows(ctx: PlanContext): Generator<Ask, boolean, Answer> {
  const named = yield* rowsOf({
    ask: 'rows',
    sql: 'SELECT DISTINCT __lw_file FROM lw_changes WHERE __lw_file IS NOT NULL',
    reads: [],
  })
  const files = named.flatMap(({ __lw_file }) => ctx.base?.files.get(String(__lw_file)) ?? [])
  if (files.length === 0) return false
  yield {
    ask: 'relation',
    name: 'lw_before',
    sql: 'SELECT * FROM old SEMI JOIN lw_changes USING (__lw_file, __lw_row)',
    reads: [{ alias: 'old', files, columns: ctx.schema.map(({ name }) => name) }],
    kept: 'file',
  }
  return true
}

function ofTheLoad(
  ctx: PlanContext,
  history: History,
  rows: Rows,
  { old, corrects }: { old: boolean; corrects: boolean },
): string {
  const replaces = `c.__lw_action = 'replace'`
  const columns = ctx.schema.map(({ name }) => {
    const value = `x.${quoteIdentifier(name)}`
    if (name === '_created_at' && ctx.loadColumns.includes(name) && old)
      return `CASE WHEN ${replaces} THEN o.${quoteIdentifier(name)} ELSE ${value} END`
    return filled(name) ?? corrected(history, name, value, corrects)
  })
  const from = [
    `lw_changes c JOIN ${rows.name} x ON ${sameRow(ctx, history, 'x', '__lw_at')}`,
    ...(old ? ['LEFT JOIN lw_before o ON c.__lw_file = o.__lw_file AND c.__lw_row = o.__lw_row'] : []),
    ...(corrects ? [correction(ctx, history, rows)] : []),
  ]
  return `${select(ctx, columns, old)} FROM ${from.join(' ')}`
}

function ofTheTable(ctx: PlanContext, history: History, rows: Rows, corrects: boolean): string {
  const columns = ctx.schema.map(({ name }) => {
    const value = `o.${quoteIdentifier(name)}`
    if (ctx.loadColumns.includes(name)) {
      const mine = loadColumn(ctx, name)
      return name === '_created_at' ? `CASE WHEN c.__lw_action = 'copy' THEN ${mine} ELSE ${value} END` : mine
    }
    return filled(name) ?? corrected(history, name, value, corrects)
  })
  const from = [
    'lw_changes c JOIN lw_before o ON c.__lw_file = o.__lw_file AND c.__lw_row = o.__lw_row',
    ...(corrects ? [correction(ctx, history, rows)] : []),
  ]
  return `${select(ctx, columns, true)} FROM ${from.join(' ')}`
}

/** @param old whether the row that may be replaced is at hand, as `o` */
function select({ schema, partitionBy }: PlanContext, columns: string[], old: boolean): string {
  const named = columns.map((sql, at) => `${sql} AS ${quoteIdentifier(schema[at]?.name ?? '')}`)
  // A version that takes the place of another in the same partition takes it in the file, too.
  const stays = schema.flatMap(({ name }, at) =>
    partitionBy.includes(name) ? [`${columns[at]} IS NOT DISTINCT FROM o.${quoteIdentifier(name)}`] : [],
  )
  const replaces = [`c.__lw_action IN ('change', 'replace')`, ...stays].join(' AND ')
  const places = ['__lw_file', '__lw_row'].map(
    (name) => `CASE WHEN ${old ? replaces : 'false'} THEN c.${name} END AS ${name}`,
  )
  return `SELECT ${[...named, ...places].join(', ')}, c.__lw_action, c.__lw_followed, c.__lw_shifted`
}

/** The columns that say when a version holds. */
function filled(name: string): string | undefined {
  switch (name) {
    case effective.from:
      return 'c.__lw_from'
    case effective.to:
      return 'c.__lw_to'
    case effective.current:
      return 'c.__lw_to IS NULL'
    default:
      return undefined
  }
}

function loadColumn(ctx: PlanContext, name: string): string {
  return name === '_load_id' ? quoteText(ctx.loadId) : instant(BigInt(ctx.startedMs) * 1000n)
}

function corrected({ untracked, at }: History, name: string, value: string, corrects: boolean): string {
  const others = [...untracked, ...(at.kind === 'column' ? [at.field] : [])]
  if (!corrects || !others.some((field) => field.name === name)) return value
  return `CASE WHEN c.__lw_corrected_at IS NULL THEN ${value} ELSE u.${quoteIdentifier(name)} END`
}

function correction(ctx: PlanContext, history: History, rows: Rows): string {
  return `LEFT JOIN ${rows.name} u ON c.__lw_corrected_at IS NOT NULL AND ${sameRow(ctx, history, 'u', '__lw_corrected_at')}`
}

/** One row of the load by its key, and its time where each has its own. */
function sameRow(ctx: PlanContext, history: History, alias: string, time: string): string {
  const key = sameKey(ctx, 'c', alias)
  return history.at.kind === 'instant' ? key : `${key} AND c.${time} = ${timeSql(history, alias)}`
}
