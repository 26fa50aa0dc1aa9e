/**
 * Columns that a mode adds to the table, takes out of its input, or hands to its plan beside the table's own.
 *
 *   scd2   own: _effective_from, _effective_to, _is_current
 *   cdc    own: the order of events whose rows have none, the mark of soft deletes · unstored: the op column
 *          extras: __lw_op, __lw_order, __lw_absent, __lw_seq
 *   merge  unstored, and an extra each: columns that only its conditions name
 */
import { LakeError } from './errors.js'
import type { Load } from './load.js'
import type { Snapshot } from './manifest/actions.js'
import { columnsIn, parseCondition } from './plan/condition.js'
import type { PlanSettings } from './plan/port.js'
import { eventProperties, type KeptEvents, keptEvents, refuseOtherEvents } from './remembered.js'
import { toSql } from './schema/duckdb.js'
import { misfitSql } from './schema/misfit.js'
import { findColumn, foldName, sameName, typeName } from './schema/names.js'
import { quoteIdentifier, quoteText } from './schema/quote.js'
import type { Field, LakeType } from './schema/types.js'
import { type EventRows, eventRows } from './source/events.js'
import type { Input } from './source/port.js'

export interface ModeColumns {
  /** Of the table; the plan fills them. */
  own: Field[]
  /** Folded names of input columns that do not become columns of the table. */
  unstored: ReadonlySet<string>
  /** Further columns of the plan's input, by the SQL over the input's rows that makes them. */
  extras: { field: Field; sql: string }[]
  /** The input's rows where they must be made from its SELECT first. */
  rows?: string
  /** A SELECT of one BIGINT `n`: what was read beside the rows. */
  ignored?: string
  /** What the plan is told beside the settings of the call. */
  settings?: PlanSettings
  /** Table properties that remember it. */
  properties?: Record<string, string>
}

export function modeColumns(load: Load, base: Snapshot | undefined, input: Input): ModeColumns {
  switch (load.mode) {
    case 'merge':
      return mergeColumns(load, base, input)
    case 'scd2':
      return { ...plain, own: effectiveColumns }
    case 'cdc':
      return eventColumns(load, base, input)
    default:
      return plain
  }
}

/** Those of `own` that the table has already: an input is not asked for them. */
export function ownColumns({ mode }: Load, base: Snapshot): Field[] {
  if (mode === 'scd2') return effectiveColumns
  const kept = mode === 'cdc' ? keptEvents(base) : undefined
  const order = kept && !sameName(kept.orderKind, `column:${kept.order}`) ? kept.order : undefined
  return base.metadata.schema.filter(({ name }) =>
    [order, kept?.softDelete].some((own) => own !== undefined && sameName(own, name)),
  )
}

/** Of a table with history: when each version of a row held. */
export const effectiveColumns: Field[] = [
  { name: '_effective_from', type: { kind: 'timestamp' }, nullable: true },
  { name: '_effective_to', type: { kind: 'timestamp' }, nullable: true },
  { name: '_is_current', type: { kind: 'boolean' }, nullable: true },
]

/** Columns that only say what to do with a row: those that the conditions of a merge name and the table does not have. */
function mergeColumns({ settings, remembered }: Load, base: Snapshot | undefined, input: Input): ModeColumns {
  const incoming = input.schema.filter(({ name }) => input.supplied.some((own) => sameName(own, name)))
  const rows = { incoming, current: base?.metadata.schema ?? incoming }
  // In a table that is made by this load, a condition on two rows speaks of columns that it will have.
  const conditions = (base ? (['deleteWhen', 'whenMatched'] as const) : (['deleteWhen'] as const)).flatMap(
    (setting) => {
      const text = settings[setting]
      return text === undefined ? [] : [parseCondition(text, setting, rows)]
    },
  )
  const named = conditions.flatMap((condition) => [...columnsIn(condition, 'incoming')])
  const stored = [
    ...(base?.metadata.schema ?? []).map(({ name }) => name),
    ...conditions.flatMap((condition) => [...columnsIn(condition, 'current')]),
    ...[...(settings.updateColumns ?? []), ...remembered.key, ...remembered.partitionBy, ...remembered.sortBy],
  ]
  const extras = incoming.filter(
    ({ name }) => named.includes(foldName(name)) && !stored.some((other) => sameName(other, name)),
  )
  return {
    own: [],
    unstored: new Set(extras.map(({ name }) => foldName(name))),
    extras: extras.map((field) => ({ field, sql: quoteIdentifier(field.name) })),
  }
}

/** The order of each row is a column of the events where they have one, else one of the table's own. */
function eventColumns(load: Load, base: Snapshot | undefined, input: Input): ModeColumns {
  const { settings, remembered } = load
  const kept = keptEvents(base)
  const opColumn = settings.opColumn === undefined ? {} : { opColumn: settings.opColumn }
  const rows =
    rowsOfNoEvents(load, base, input) ??
    eventRows(withKeptOrder(input, kept), { ...opColumn, ...orderColumnOf(settings.orderColumn, kept) })
  const events = {
    order: rows.orderColumn ?? ownOrderColumn,
    orderKind: rows.orderKind,
    softDelete: settings.softDelete ?? kept?.softDelete,
  }
  if (kept) refuseOtherEvents(events, kept)
  refuseSpecial(events, remembered.key)
  const order: Field = { name: kept?.order ?? events.order, type: rows.orderType, nullable: true }
  const { softDelete } = events
  const mark: Field[] = softDelete === undefined ? [] : [markColumn(softDelete, base)]
  const extra = (name: string, type: LakeType) => ({ field: { name, type, nullable: true }, sql: name })
  return {
    own: [...(rows.orderColumn === undefined ? [orderIn(base, order)] : []), ...mark],
    unstored: new Set(rows.unstored.map(foldName)),
    extras: [
      extra('__lw_op', { kind: 'varchar' }),
      extra('__lw_order', rows.orderType),
      extra('__lw_absent', { kind: 'list', element: { kind: 'varchar' } }),
      extra('__lw_seq', { kind: 'bigint' }),
    ],
    rows: rows.select,
    ...(rows.ignored === undefined ? {} : { ignored: rows.ignored }),
    settings: {
      orderColumn: order.name,
      ...(softDelete === undefined ? {} : { softDelete }),
      ...(sameName(settings.opColumn ?? '', 'METADATA$ACTION') ? { deletesOfOldOrder: true } : {}),
    },
    properties: {
      [eventProperties.order]: order.name,
      [eventProperties.orderKind]: kept?.orderKind ?? events.orderKind,
      ...(softDelete === undefined ? {} : { [eventProperties.softDelete]: softDelete }),
    },
  }
}

const ownOrderColumn = '_order'

/** An empty array has no columns but the table's: only where there is a row it says nothing of what happened. */
function rowsOfNoEvents({ settings }: Load, base: Snapshot | undefined, input: Input): EventRows | undefined {
  const kept = keptEvents(base)
  const table = base?.metadata.schema ?? []
  const order = kept && findColumn(table, kept.order)
  const { opColumn } = settings
  if (kept === undefined || order === undefined || opColumn === undefined || input.events !== undefined)
    return undefined
  if (findColumn(input.schema, opColumn) || !input.schema.every(({ name }) => findColumn(table, name))) return undefined
  const misfit = { column: opColumn, type: 'operation', reason: 'an event has no operation' }
  const none = misfitSql(misfit, quoteText('null'), `{'seq': CAST(__lw_seq AS VARCHAR)}`)
  const values = `CAST(${none} AS VARCHAR) AS __lw_op, CAST(NULL AS ${toSql(order.type)}) AS __lw_order`
  return {
    ...{ schema: input.schema, unstored: [], orderType: order.type, orderKind: kept.orderKind },
    select: `SELECT *, ${values} FROM (${input.select})`,
    ...(sameName(kept.orderKind, `column:${kept.order}`) ? { orderColumn: order.name } : {}),
  }
}

/** Documents of which none is an event of a row say nothing about order. */
function withKeptOrder(input: Input, kept: KeptEvents | undefined): Pick<Input, 'schema' | 'select' | 'events'> {
  const { schema, select, events } = input
  if (events === undefined || events.orderKind !== undefined || kept === undefined) return input
  return { schema, select, events: { ...events, orderKind: kept.orderKind } }
}

/** The call's, else the one that the table remembers. */
function orderColumnOf(asked: string | undefined, kept: KeptEvents | undefined): { orderColumn?: string } {
  const [, remembered] = /^column:(.*)$/s.exec(kept?.orderKind ?? '') ?? []
  const orderColumn = asked ?? remembered
  return orderColumn === undefined ? {} : { orderColumn }
}

function refuseSpecial({ order, softDelete }: { order: string; softDelete: string | undefined }, key: string[]): void {
  const flags = { '--order-column': order, '--soft-delete': softDelete }
  for (const [flag, name] of Object.entries(flags)) {
    if (name === undefined || !key.some((column) => sameName(column, name))) continue
    throw new LakeError('invalid', `${flag} names a column of the key`, {
      column: name,
      fix: 'Name another column: the key says which row, this one what became of it.',
    })
  }
}

function orderIn(base: Snapshot | undefined, order: Field): Field {
  const field = base && findColumn(base.metadata.schema, order.name)
  return field ? { ...order, name: field.name, type: field.type } : order
}

function markColumn(name: string, base: Snapshot | undefined): Field {
  const field = base && findColumn(base.metadata.schema, name)
  if (field !== undefined && field.type.kind !== 'boolean')
    throw new LakeError('invalid', 'the column that marks deleted rows is not boolean', {
      column: field.name,
      type: typeName(field.type),
      fix: 'Name another one with --soft-delete; it is added to the table.',
    })
  return { name: field?.name ?? name, type: { kind: 'boolean' }, nullable: true }
}

const plain: ModeColumns = { own: [], unstored: new Set(), extras: [] }
