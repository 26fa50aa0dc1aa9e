/**
 * From events to what becomes of each key, as SQL.
 *
 *   lw_passed   events later than the key's row, its tombstone and the last truncate; all others are stale, or were delivered before
 *   lw_decided  one row per key: the last event that passed, and what it does
 *   lw_added    the rows that come, column by column:
 *
 *     u {a: 1}          of order 1
 *     d                 of order 2      what was before does not count any more
 *     u {a: 2, b: 3}    of order 3
 *     u {b: null}       of order 4      a = 2, b = null; other columns null
 *
 * Only numbers go through windows and groups but for columns that some update does not have; a window spills.
 */
import { literal, quoteText } from '../../engine/sql.js'
import { toSql } from '../../schema/duckdb.js'
import { findColumn, foldName, sameName } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Field } from '../../schema/types.js'
import type { PlanContext } from '../port.js'
import type { Batch } from './batch.js'
import { keyList, markField, orderField } from './names.js'

/** What becomes of a key: `__lw_action`. */
export type Action = 'insert' | 'update' | 'delete' | 'mark' | 'none'

export function passedSql(ctx: PlanContext, hasFloor: boolean): string {
  const key = keyList(ctx)
  const floor = '(SELECT __lw_floor FROM lw_floor)'
  const place = '(SELECT __lw_floor_seq FROM lw_floor)'
  const later = `CASE WHEN __lw_order > ${floor} THEN true WHEN __lw_order = ${floor} THEN coalesce(__lw_seq > ${place}, false) ELSE false END`
  // Where a delete has the order of its row, it comes after it.
  const ties = ctx.settings.deletesOfOldOrder ? [`__lw_op = 'd'`, '__lw_seq'] : ['__lw_seq']
  const upwards = ['__lw_order', ...ties].join(', ')
  const downwards = ['__lw_order', ...ties].map((by) => `${by} DESC`).join(', ')
  const deletes = ctx.settings.deletesOfOldOrder
    ? `(__lw_op = 'd' AND __lw_order = __lw_bound AND __lw_lives)`
    : 'false'
  return `WITH known AS (
      SELECT ${key}, __lw_order, NOT __lw_marked AS __lw_lives FROM lw_live WHERE NOT __lw_truncated
      UNION ALL SELECT ${key}, __lw_order, false FROM lw_deleted WHERE NOT __lw_expired
    ), bound AS (
      SELECT ${key}, max(__lw_order) AS __lw_bound,
        coalesce(max(__lw_order) FILTER (__lw_lives) > max(__lw_order) FILTER (NOT __lw_lives), bool_or(__lw_lives)) AS __lw_lives
      FROM known GROUP BY ${key}
    )
    SELECT ${key}, __lw_op, __lw_order, __lw_seq,
      row_number() OVER (PARTITION BY ${key} ORDER BY ${downwards}) AS __lw_back,
      count(*) FILTER (__lw_op = 'd') OVER (PARTITION BY ${key} ORDER BY ${upwards} ROWS UNBOUNDED PRECEDING) AS __lw_epoch
    FROM lw_rows LEFT JOIN bound USING (${key})
    WHERE __lw_op IN ('u', 'd') AND (coalesce(__lw_order > __lw_bound, true) OR coalesce(${deletes}, false))
      ${hasFloor ? `AND ${later}` : ''}`
}

/**
 * Beside the key:
 *
 *   __lw_order, __lw_deletes     of the last event, and whether it is a delete
 *   __lw_last, __lw_epoch        the last update, and how many deletes came before it
 *   __lw_file, __lw_row          the row that the table has, `__lw_old_file`, `__lw_old_row` also where it was truncated
 *   __lw_action, __lw_writes     what becomes of the key, and whether that is a row
 *   __lw_keeps                   columns that no update has keep the old row's value
 *   __lw_buried                  its order goes to the tombstones
 */
export function decidedSql(ctx: PlanContext): string {
  const key = keyList(ctx)
  const same = ctx.key.map((name) => `g.${quoteIdentifier(name)} = live.${quoteIdentifier(name)}`).join(' AND ')
  const gone = same.replaceAll('live.', 'gone.')
  const written = `CASE WHEN __lw_file IS NULL THEN 'insert' ELSE 'update' END`
  const deleted = markField(ctx)
    ? `CASE WHEN __lw_file IS NOT NULL THEN 'mark' WHEN __lw_last IS NOT NULL THEN 'insert' ELSE 'none' END`
    : `CASE WHEN __lw_file IS NOT NULL THEN 'delete' ELSE 'none' END`
  return `WITH last_of AS (
      SELECT ${key}, max(__lw_order) AS __lw_order, count(*) FILTER (__lw_back = 1 AND __lw_op = 'd') = 1 AS __lw_deletes,
        arg_min(__lw_seq, __lw_back) FILTER (__lw_op = 'u') AS __lw_last,
        max(__lw_epoch) FILTER (__lw_op = 'u') AS __lw_epoch
      FROM lw_passed GROUP BY ${key}
    ), met AS (
      SELECT g.*, live.__lw_file, live.__lw_row, live.__lw_marked,
        coalesce(live.__lw_file, gone.__lw_file) AS __lw_old_file, coalesce(live.__lw_row, gone.__lw_row) AS __lw_old_row
      FROM last_of g
      LEFT JOIN (SELECT * FROM lw_live WHERE NOT __lw_truncated) live ON ${same}
      LEFT JOIN (SELECT DISTINCT ON (${key}) * FROM lw_live WHERE __lw_truncated) gone ON ${gone}
    ), acted AS (SELECT *, CASE WHEN __lw_deletes THEN ${deleted} ELSE ${written} END AS __lw_action FROM met)
    SELECT *, __lw_action IN ('insert', 'update', 'mark') AS __lw_writes,
      __lw_action IN ('delete', 'none') AS __lw_buried,
      CASE WHEN __lw_file IS NULL THEN false WHEN __lw_last IS NULL THEN true ELSE __lw_epoch = 0 AND NOT __lw_marked END AS __lw_keeps
    FROM acted`
}

/** How each column of the rows that come is made. */
export interface Columns {
  /** Some update has it and some has not, with the names by which the events say so. */
  partial: { field: Field; names: string[] }[]
  /** No event has it. */
  unsupplied: Field[]
}

export function columnsOf(ctx: PlanContext, { absent }: Batch): Columns {
  const fields = ctx.schema.filter(({ name }) => !isFilled(ctx, name))
  const isSupplied = ({ name }: Field) => ctx.input.supplied.some((other) => sameName(other, name))
  return {
    unsupplied: fields.filter((field) => !isSupplied(field)),
    partial: fields
      .filter((field) => isSupplied(field))
      .flatMap((field) => {
        const names = absent.get(foldName(field.name))
        return names === undefined ? [] : [{ field, names }]
      }),
  }
}

/** Columns of the old rows that go into those that come. */
export function oldColumns(ctx: PlanContext, { partial, unsupplied }: Columns): string[] {
  if (markField(ctx)) return ctx.schema.map(({ name }) => name)
  const created = ctx.loadColumns.filter((name) => name === createdColumn)
  const kept = [...partial.map(({ field }) => field.name), ...unsupplied.map(({ name }) => name), ...created]
  return [...new Set([...kept, ...moving(ctx)])]
}

/** Partition columns in which a row and the one that takes its place may differ. */
function moving({ key, partitionBy }: PlanContext): string[] {
  return partitionBy.filter((name) => !key.includes(name))
}

/** @param old whether there is the relation `lw_old`, with `oldColumns` */
export function addedSql(ctx: PlanContext, columns: Columns, old: boolean): string {
  const values = ctx.schema.map((field) => `${valueSql(ctx, field, columns, old)} AS ${quoteIdentifier(field.name)}`)
  const rows = columns.partial.length > 0 ? `(${foldedSql(ctx, columns)})` : 'lw_rows'
  return `SELECT ${[...values, ...placeSql(ctx, columns, old)].join(', ')}, d.__lw_action, d.__lw_old_file
    FROM (SELECT * FROM lw_decided WHERE __lw_writes) d
    LEFT JOIN ${rows} r ON r.__lw_seq = d.__lw_last
    ${old ? 'LEFT JOIN lw_old o ON o.__lw_file = d.__lw_old_file AND o.__lw_row = d.__lw_old_row' : ''}`
}

/** `__lw_file`, `__lw_row` of the old row where the new one stays in its partition. */
function placeSql(ctx: PlanContext, columns: Columns, old: boolean): string[] {
  const places = ['file', 'row'].map((what) => ({ name: `__lw_${what}`, from: `d.__lw_old_${what}` }))
  if (moving(ctx).length === 0) return places.map(({ name, from }) => `${from} AS ${name}`)
  // Without old rows nothing is known to stay.
  const stays = moving(ctx).map((name) => {
    const field = findColumn(ctx.schema, name)
    return field && old
      ? `${valueSql(ctx, field, columns, old)} IS NOT DISTINCT FROM o.${quoteIdentifier(name)}`
      : 'false'
  })
  return places.map(({ name, from }) => `CASE WHEN ${stays.join(' AND ')} THEN ${from} END AS ${name}`)
}

/** The last update of each key, with the last value that any of its updates since the last delete has of each partial column. */
function foldedSql(ctx: PlanContext, { partial }: Columns): string {
  const values = partial.map(({ field, names }, i) => {
    const isAbsent = `coalesce(list_has_any(r.__lw_absent, [${names.map((name) => quoteText(name)).join(', ')}]), false)`
    const value = `CASE WHEN NOT ${isAbsent} THEN struct_pack(v := r.${quoteIdentifier(field.name)}) END`
    return `last_value(${value} IGNORE NULLS) OVER updates AS __lw_v${i}`
  })
  const same = ctx.key.map((name) => `p.${quoteIdentifier(name)} = d.${quoteIdentifier(name)}`).join(' AND ')
  return `SELECT * FROM (
      SELECT r.*, p.__lw_last, ${values.join(', ')}
      FROM lw_rows r JOIN (
        SELECT p.__lw_seq, d.__lw_last FROM lw_passed p JOIN lw_decided d ON ${same}
        WHERE p.__lw_op = 'u' AND p.__lw_epoch = d.__lw_epoch AND d.__lw_writes
      ) p ON r.__lw_seq = p.__lw_seq
      WINDOW updates AS (PARTITION BY p.__lw_last ORDER BY r.__lw_order, r.__lw_seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ) WHERE __lw_seq = __lw_last`
}

function valueSql(ctx: PlanContext, field: Field, { partial, unsupplied }: Columns, old: boolean): string {
  const column = quoteIdentifier(field.name)
  const kept = old ? `CASE WHEN d.__lw_keeps THEN o.${column} END` : `CAST(NULL AS ${toSql(field.type)})`
  if (ctx.key.includes(field.name)) return `d.${column}`
  if (field.name === orderField(ctx).name) return 'd.__lw_order'
  if (field.name === markField(ctx)?.name) return 'd.__lw_deletes'
  if (ctx.loadColumns.includes(field.name)) return loadColumnSql(ctx, field.name, old)
  if (unsupplied.includes(field)) return kept
  const at = partial.findIndex((one) => one.field === field)
  if (at >= 0) return `CASE WHEN r.__lw_v${at} IS NOT NULL THEN struct_extract(r.__lw_v${at}, 'v') ELSE ${kept} END`
  // A row that is only marked has no update.
  return markField(ctx) ? `CASE WHEN d.__lw_last IS NULL THEN ${kept} ELSE r.${column} END` : `r.${column}`
}

function loadColumnSql(ctx: PlanContext, name: string, old: boolean): string {
  if (name === '_load_id') return quoteText(ctx.loadId)
  const now = literal(new Date(ctx.startedMs))
  if (name !== createdColumn || !old) return now
  return `CASE WHEN d.__lw_old_file IS NULL THEN ${now} ELSE o.${quoteIdentifier(name)} END`
}

const createdColumn = '_created_at'

/** Columns that are not taken from the events' rows. */
function isFilled(ctx: PlanContext, name: string): boolean {
  const own = [orderField(ctx).name, markField(ctx)?.name, ...ctx.key, ...ctx.loadColumns]
  return own.includes(name) || findColumn(ctx.schema, name) === undefined
}
