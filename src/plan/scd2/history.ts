/**
 * What a load of history is told, worked out: when its rows took effect, and in which columns a difference makes a
 * version.
 *
 *   --effective-at 2026-11-20          one instant for all rows, here midnight UTC
 *   --effective-at column:changed_on   each row's own; the column is kept, but a change in it alone is none
 *   --track city,zip                   a change in other columns corrects the current version where it stands
 */
import { LakeError } from '../../errors.js'
import { canonicalText } from '../../partition/value.js'
import { instantMicros } from '../../schema/grammar.js'
import { findColumn, nearMiss, sameName, typeName } from '../../schema/names.js'
import type { Field, Schema } from '../../schema/types.js'
import type { PlanContext } from '../port.js'

/** Columns of ours: a version holds from the first up to, and not including, the second, which is null while it is current. */
export const effective = { from: '_effective_from', to: '_effective_to', current: '_is_current' } as const

export interface History {
  at: { kind: 'instant'; micros: bigint } | { kind: 'column'; field: Field }
  /** When the load began. */
  nowMicros: bigint
  /** A key that the input lacks is closed. */
  full: boolean
  late: 'fail' | 'insert'
  /** Columns in which a difference makes a version. */
  tracked: Schema
  /** Columns that are corrected in the current version. */
  untracked: Schema
  exact: boolean
}

/** @throws LakeError invalid: settings that contradict the columns */
export function historyOf(ctx: PlanContext): History {
  const { settings } = ctx
  refuseKey(ctx)
  const at = effectiveAt(ctx)
  const timeColumn = at.kind === 'column' ? at.field.name : undefined
  const data = ctx.schema.filter(
    ({ name }) => !ctx.key.includes(name) && !isFilled(ctx, name) && !(timeColumn !== undefined && name === timeColumn),
  )
  const tracked = settings.track === undefined ? data : trackedColumns(ctx, settings.track, data, timeColumn)
  return {
    at,
    nowMicros: BigInt(ctx.startedMs) * 1000n,
    full: settings.snapshot !== 'partial',
    late: settings.late ?? 'fail',
    tracked,
    untracked: data.filter((field) => !tracked.includes(field)),
    exact: settings.exact ?? false,
  }
}

const timestamp = { kind: 'timestamp' } as const

function effectiveAt(ctx: PlanContext): History['at'] {
  const asked = ctx.settings.effectiveAt
  if (asked === undefined) return { kind: 'instant', micros: BigInt(ctx.startedMs) * 1000n }
  const text = asked instanceof Date ? asked.toISOString() : asked
  const [, column] = /^column:(.*)$/s.exec(text) ?? []
  if (column !== undefined) return { kind: 'column', field: timeField(ctx, column) }
  const canonical = canonicalText(text, timestamp)
  if (canonical === undefined)
    throw new LakeError('invalid', '--effective-at is neither a time nor a column', {
      effectiveAt: text,
      fix: 'Write a time such as `2026-11-20` or `2026-11-20T22:00:00Z`, or `column:NAME`.',
    })
  return { kind: 'instant', micros: instantMicros(canonical) }
}

function timeField(ctx: PlanContext, column: string): Field {
  const field = findColumn(ctx.schema, column)
  if (field === undefined || !ctx.input.supplied.some((name) => sameName(name, column)))
    throw noSuchColumn('--effective-at', column, ctx.input.supplied)
  if (ctx.key.includes(field.name))
    throw new LakeError('invalid', '--effective-at names a column of the key', {
      column: field.name,
      fix: 'Name the key without the time: the versions of one key differ in it.',
    })
  if (field.type.kind !== 'date' && field.type.kind !== 'timestamp')
    throw new LakeError('invalid', '--effective-at names a column without times', {
      column: field.name,
      type: typeName(field.type),
      fix: `Read it as one: \`--types "${field.name}=timestamp"\`, or derive one with --derive.`,
    })
  return field
}

function trackedColumns(
  ctx: PlanContext,
  track: readonly string[],
  data: Schema,
  timeColumn: string | undefined,
): Schema {
  const named = track.map((name) => {
    const field = findColumn(ctx.schema, name)
    if (field === undefined || isFilled(ctx, field.name))
      throw noSuchColumn(
        '--track',
        name,
        data.map((one) => one.name),
      )
    if (field.name === timeColumn)
      throw new LakeError('invalid', '--track names the column that --effective-at takes the time from', {
        column: field.name,
        fix: 'Leave it out: a change in it alone is none.',
      })
    return field.name
  })
  return data.filter(({ name }) => named.includes(name))
}

function refuseKey(ctx: PlanContext): void {
  const own = ctx.key.find((name) => isFilled(ctx, name))
  if (own !== undefined)
    throw new LakeError('invalid', 'a column that the load fills itself cannot be part of the key', {
      column: own,
      fix: 'Name the columns that identify a row in the source.',
    })
}

/** Columns that do not come with the rows. */
function isFilled(ctx: PlanContext, name: string): boolean {
  return ctx.loadColumns.includes(name) || Object.values(effective).some((own) => sameName(own, name))
}

function noSuchColumn(flag: string, column: string, columns: readonly string[]): LakeError {
  const near = nearMiss(column, columns)
  return new LakeError('invalid', `${flag} names a column that the load does not have`, {
    column,
    columns: columns.join(', '),
    fix: near ? `Did you mean \`${near}\`?` : 'Use one of the columns listed, or add it with --set or --derive.',
  })
}
