/**
 * The order of keys that are deleted, and of the last truncate: what a late event is compared with where there is no row.
 *
 *   relation lw_floor:    the greater of the state's truncate and this load's
 *   relation lw_deleted:  SELECT id, _order FROM lw_state SEMI JOIN lw_keys USING (id)
 *   stage tombstones:     what is left of the state, and what this load adds, in one new file
 *
 * A tombstone counts for as long as the retention says, and goes when the file is written again for another reason; the
 * truncate's order stays.
 */
import { literal } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import type { AddFile } from '../../manifest/actions.js'
import { tombstonesOf, tombstonesProperty, tombstonesText } from '../../manifest/tombstones.js'
import { toSql } from '../../schema/duckdb.js'
import { findColumn, sameName } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Schema } from '../../schema/types.js'
import type { Reads } from '../../stage/port.js'
import type { Answer, Ask, PlanContext, Verdict } from '../port.js'
import { keyList, orderField } from './names.js'

export interface State {
  /** The file, for questions that need all of it. */
  reads: Reads[]
  columns: Schema
  /** Whether there is a truncate to mind at all, and whether this load brings a later one. */
  floor: boolean
  newFloor: boolean
}

export function* readState(ctx: PlanContext): Generator<Ask, State, Answer> {
  const columns = stateColumns(ctx)
  const reads = stateReads(ctx, columns)
  const truncates = `SELECT __lw_order AS o, __lw_seq AS seq FROM lw_rows WHERE __lw_op = 't'`
  const kept = `UNION ALL SELECT _order, NULL FROM lw_state WHERE ${isFloor(ctx)}`
  yield {
    ask: 'relation',
    name: 'lw_floor',
    // One that was delivered again is the state's own.
    sql: `SELECT o AS __lw_floor, seq AS __lw_floor_seq FROM (${truncates} ${reads.length > 0 ? kept : ''})
      ORDER BY o DESC, seq IS NOT NULL, seq DESC LIMIT 1`,
    reads,
  }
  const answer = yield { ask: 'rows', sql: 'SELECT __lw_floor_seq IS NOT NULL AS fresh FROM lw_floor', reads: [] }
  const floors = answer.ask === 'rows' ? answer.rows : []
  const deleted = `SELECT ${keyList(ctx)}, _order AS __lw_order, _deleted_at < ${keptSince(ctx)} AS __lw_expired
    FROM lw_state SEMI JOIN lw_keys USING (${keyList(ctx)})`
  const none = `SELECT ${keyList(ctx)}, __lw_order, true AS __lw_expired FROM lw_rows WHERE false`
  yield { ask: 'relation', name: 'lw_deleted', sql: reads.length > 0 ? deleted : none, reads }
  return { reads, columns, floor: floors.length > 0, newFloor: floors.some(({ fresh }) => fresh === true) }
}

/** The state after this load, as far as it is another. */
export function* writeState(
  ctx: PlanContext,
  { reads, columns, floor, newFloor }: State,
): Generator<Ask, Pick<Verdict, 'tombstones' | 'properties'>, Answer> {
  const deletes = `SELECT 1 FROM lw_decided WHERE __lw_buried`
  const revived = `SELECT 1 FROM lw_deleted SEMI JOIN lw_decided USING (${keyList(ctx)})`
  const asked = yield { ask: 'rows', sql: `SELECT count(*) AS n FROM (${deletes} UNION ALL ${revived})`, reads: [] }
  const changes = asked.ask === 'rows' ? Number(asked.rows[0]?.n ?? 0) : 0
  if (changes === 0 && !newFloor) return {}
  const now = literal(new Date(ctx.startedMs))
  const parts = [
    `SELECT ${keyList(ctx)}, __lw_order AS _order, ${now} AS _deleted_at FROM lw_decided WHERE __lw_buried`,
  ]
  if (reads.length > 0)
    parts.push(
      `SELECT ${keyList(ctx)}, _order, _deleted_at FROM lw_state ANTI JOIN lw_decided USING (${keyList(ctx)})
        WHERE NOT ${isFloor(ctx)} AND _deleted_at >= ${keptSince(ctx)}
        ${floor ? 'AND _order > (SELECT __lw_floor FROM lw_floor)' : ''}`,
    )
  if (newFloor) parts.push(`SELECT ${noKey(ctx, columns)}, __lw_floor, ${now} FROM lw_floor`)
  else if (floor) parts.push(`SELECT ${keyList(ctx)}, _order, _deleted_at FROM lw_state WHERE ${isFloor(ctx)}`)
  const staged = yield { ask: 'stage', sql: parts.join(' UNION ALL '), reads, as: { kind: 'tombstones', columns } }
  const [file, ...others] = staged.ask === 'stage' ? staged.files : []
  if (others.length > 0) throw new LakeError('unsupported', 'the order of deleted keys does not fit into one file')
  if (file === undefined) return { properties: { [tombstonesProperty]: '' } }
  const described = { key: file.key, sizeBytes: file.file.sizeBytes, rows: file.rows }
  return { tombstones: [file], properties: { [tombstonesProperty]: tombstonesText(described, columns) } }
}

function stateColumns(ctx: PlanContext): Schema {
  const own: Schema = [
    { name: '_order', type: orderField(ctx).type, nullable: true },
    { name: '_deleted_at', type: { kind: 'timestamp' }, nullable: true },
  ]
  const taken = own.find(({ name }) => ctx.key.some((column) => sameName(column, name)))
  if (taken)
    throw new LakeError('invalid', 'a key column has the name of one that is kept beside the keys of deleted rows', {
      column: taken.name,
      fix: 'Rename it with --rename.',
    })
  const key = ctx.key.flatMap((name) => findColumn(ctx.schema, name) ?? [])
  return [...key.map((field) => ({ ...field, nullable: true })), ...own]
}

function stateReads(ctx: PlanContext, columns: Schema): Reads[] {
  const known = ctx.rearranged || ctx.base === undefined ? undefined : tombstonesOf(ctx.base.metadata)
  if (known === undefined) return []
  const { key, sizeBytes } = known
  const file: AddFile = { key, sizeBytes, partitionValues: {}, modificationTime: 0, dataChange: false }
  return [{ alias: 'lw_state', files: [file], columns: columns.map(({ name }) => name), schema: columns }]
}

/** Keys have no nulls, so a row without one is the truncate's. */
function isFloor({ key }: PlanContext): string {
  return `(${quoteIdentifier(key[0] ?? '')} IS NULL)`
}

function noKey({ key }: PlanContext, columns: Schema): string {
  return columns
    .slice(0, key.length)
    .map(({ type }) => `CAST(NULL AS ${toSql(type)})`)
    .join(', ')
}

/** As SQL: tombstones from before it count no more. */
function keptSince(ctx: PlanContext): string {
  return literal(new Date(Math.max(0, ctx.startedMs - retentionMs(ctx))))
}

/** `30d`, `720h` → ms */
function retentionMs({ settings }: PlanContext): number {
  const [, number = '30', unit = 'd'] = /^(\d+)\s*([dhms])$/.exec(settings.tombstoneRetention ?? '') ?? []
  return Number(number) * (unitMs[unit] ?? 0)
}

const unitMs: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 }
