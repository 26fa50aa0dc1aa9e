/**
 * How relations of history call things, so that their SQL reads alike.
 *
 *   __lw_at            when a row of the load took effect
 *   __lw_x1, __lw_x2   of a row of the load: its tracked columns; __lw_y1, __lw_y2 its untracked ones
 *   __lw_v1, __lw_v2   the same of a version of the table, and __lw_w1, __lw_w2
 *   __lw_from, __lw_to, __lw_current, __lw_file, __lw_row   of a version of the table
 */
import type { AddFile } from '../../manifest/actions.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Schema } from '../../schema/types.js'
import type { Reads } from '../../stage/port.js'
import { rowHashSql } from '../../stage/row-hash.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import { effective, type History } from './history.js'

/** `"a", "b"`, each after `alias.` where one is given. */
export function keyList({ key }: Pick<PlanContext, 'key'>, alias?: string): string {
  return key.map((name) => (alias === undefined ? '' : `${alias}.`) + quoteIdentifier(name)).join(', ')
}

export function sameKey({ key }: Pick<PlanContext, 'key'>, a: string, b: string): string {
  return key.map((name) => `${a}.${quoteIdentifier(name)} = ${b}.${quoteIdentifier(name)}`).join(' AND ')
}

/** `coalesce(a."id", b."id") AS "id"` */
export function eitherKey({ key }: Pick<PlanContext, 'key'>, a: string, b: string): string {
  return key
    .map(quoteIdentifier)
    .map((name) => `coalesce(${a}.${name}, ${b}.${name}) AS ${name}`)
    .join(', ')
}

export function instant(micros: bigint): string {
  return `make_timestamptz(${micros})`
}

/** When each row of the load took effect, over its columns. */
export function timeSql({ at }: History, alias?: string): string {
  if (at.kind === 'instant') return instant(at.micros)
  const column = (alias === undefined ? '' : `${alias}.`) + quoteIdentifier(at.field.name)
  return at.field.type.kind === 'date' ? `make_timestamptz(epoch_us(CAST(${column} AS TIMESTAMP)))` : column
}

/** The load's rows as they are compared: key, `__lw_at`, `__lw_x1` and its kind. */
export function incomingSql(ctx: PlanContext, history: History, rows: string): string {
  const values = valuesSql(history, 'x', 'y')
  return `SELECT ${keyList(ctx)}, ${timeSql(history)} AS __lw_at, ${values} FROM ${rows}`
}

/** Versions of the table as they are compared, from what `versionReads` reads. */
export function versionsSql(ctx: PlanContext, history: History, where: string): string {
  const [from, to, current] = [effective.from, effective.to, effective.current].map(quoteIdentifier)
  const values = comparesHashes(ctx, history)
    ? [`__lw_h1 AS __lw_v1, __lw_h2 AS __lw_v2`, ...halves([], false, 'w')].join(', ')
    : valuesSql(history, 'v', 'w')
  return (
    `SELECT ${keyList(ctx)}, ${from} AS __lw_from, ${to} AS __lw_to, ${current} AS __lw_current, ` +
    `${values}, __lw_file, __lw_row FROM old WHERE ${where}`
  )
}

export function versionReads(ctx: PlanContext, history: History, files: readonly AddFile[]): Reads {
  const compared = [...history.tracked, ...history.untracked].map(({ name }) => name)
  const columns = [...ctx.key, ...compared, ...Object.values(effective)]
  return { alias: 'old', files, columns, ...(comparesHashes(ctx, history) ? { hashes: ctx.rowHash } : {}) }
}

/** Whether the hashes that are kept of rows are over just the columns that make a version. */
function comparesHashes({ rowHash }: PlanContext, { tracked, exact }: History): boolean {
  const hashed = rowHash.columns.map(({ name }) => name)
  return !exact && tracked.length === hashed.length && tracked.every(({ name }) => hashed.includes(name))
}

/** Rows that a few-rows ask answers with. */
export function* rowsOf(ask: Extract<Ask, { ask: 'rows' }>): Generator<Ask, Record<string, unknown>[], Answer> {
  const answer = yield ask
  return answer.ask === 'rows' ? answer.rows : []
}

function valuesSql({ tracked, untracked, exact }: History, first: string, second: string): string {
  return [...halves(tracked, exact, first), ...halves(untracked, exact, second)].join(', ')
}

/** Two columns that say together whether the values are the same; neither is ever null. */
function halves(columns: Schema, exact: boolean, letter: string): string[] {
  const { h1, h2 } = exact ? { h1: sortKey(columns), h2: 'true' } : rowHashSql(columns)
  return [`${h1} AS __lw_${letter}1`, `${h2} AS __lw_${letter}2`]
}

/** The values themselves as bytes: equal if and only if the values are, with equality as CONTRACT §4 has it. */
function sortKey(columns: Schema): string {
  if (columns.length === 0) return 'true'
  return `create_sort_key(${columns.map(({ name }) => `${quoteIdentifier(name)}, 'ASC NULLS LAST'`).join(', ')})`
}
