/**
 * What the parts of `cdc` call things: relations of one load, and SQL that names the key.
 *
 *   lw_rows      the events as read, once, in a file
 *   lw_keys      keys of its `u` and `d` events
 *   lw_floor     the truncate that counts: `__lw_floor` its order, `__lw_floor_seq` its place where it is one of this load
 *   lw_deleted   of the keys: `__lw_order` of those that are deleted, `__lw_expired` where it counts no more
 *   lw_live      of the keys: the rows that the table has, `__lw_order`, `__lw_marked`, `__lw_truncated`, where they lie
 *   lw_passed    events that are news, ranked within their key
 *   lw_decided   what becomes of each key that there is news of
 *   lw_gone      rows that a truncate of this load removes
 *   lw_removed   all rows that go, lw_old their values, lw_added the rows that come
 */
import { LakeError } from '../../errors.js'
import { findColumn } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Field } from '../../schema/types.js'
import type { PlanContext } from '../port.js'

/** `"id", "line"`, each after `alias.` where one is given. */
export function keyList(ctx: Pick<PlanContext, 'key'>, alias?: string): string {
  return ctx.key.map((name) => (alias === undefined ? '' : `${alias}.`) + quoteIdentifier(name)).join(', ')
}

/** The column that keeps each row's order, as the table has it. */
export function orderField({ settings, schema }: Pick<PlanContext, 'settings' | 'schema'>): Field {
  const field = settings.orderColumn === undefined ? undefined : findColumn(schema, settings.orderColumn)
  if (field === undefined)
    throw new LakeError('invalid', 'the table has no column that keeps the order of its events', {
      column: settings.orderColumn,
      fix: 'Name the column that orders the events with --order-column.',
    })
  return field
}

/** The column that marks deleted rows, where the table has one. */
export function markField({ settings, schema }: Pick<PlanContext, 'settings' | 'schema'>): Field | undefined {
  return settings.softDelete === undefined ? undefined : findColumn(schema, settings.softDelete)
}
