/**
 * What a table remembers of its settings, as Delta table properties under `lakewright.*`, and how a call that says
 * something else is refused. `set` changes what may change.
 */
import { LakeError } from './errors.js'
import type { Metadata, Snapshot } from './manifest/actions.js'
import { keyOf } from './manifest/create.js'
import type { LoadMode } from './receipt.js'
import { findColumn, nearMiss, sameName } from './schema/names.js'
import type { Schema } from './schema/types.js'
import { defaults, type LoadSettings, type TableSettings } from './settings.js'

export interface Remembered {
  partitionBy: string[]
  key: string[]
  sortBy: string[]
  targetFileBytes: number
  addLoadColumns: boolean
  /** Whether the table has columns of ours already: a column of the same name is the user's own where it has not. */
  hasLoadColumns: boolean
  /** Row-level changes are kept beside the data. */
  changeFeed: boolean
}

/** What `--add-load-columns` adds; the last two in modes with a key. */
export const loadColumnNames = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

export const changeFeedProperty = 'delta.enableChangeDataFeed'
/** `scd2` where the rows of the table are versions of a key. */
export const historyProperty = 'lakewright.history'

/** How events are put in order, and what becomes of rows that they delete. */
export const eventProperties = {
  order: 'lakewright.order',
  orderKind: 'lakewright.orderKind',
  softDelete: 'lakewright.softDelete',
} as const

export interface KeptEvents {
  /** The table's column that keeps each row's order. */
  order: string
  /** What it counts: `lsn` and the like, or `column:NAME` of the events. */
  orderKind: string
  softDelete: string | undefined
}

/** Undefined for a table that no events were loaded into. */
export function keptEvents(base: Snapshot | undefined): KeptEvents | undefined {
  const { configuration = {} } = base?.metadata ?? {}
  const order = configuration[eventProperties.order]
  if (order === undefined) return undefined
  const orderKind = configuration[eventProperties.orderKind] ?? `column:${order}`
  return { order, orderKind, softDelete: configuration[eventProperties.softDelete] }
}

/** Orders of two kinds do not compare: events would be taken for late ones, or late ones for news. */
export function refuseOtherEvents(asked: KeptEvents, kept: KeptEvents): void {
  const sameOrder = sameName(asked.order, kept.order)
  // A column of events that is the table's own is compared by whoever named it.
  const sameKind = sameName(asked.orderKind, kept.orderKind) || sameName(asked.orderKind, `column:${kept.order}`)
  if (!sameOrder || !sameKind)
    throw new LakeError('invalid', 'the events of this table are ordered in another way', {
      table: describeOrder(kept),
      call: describeOrder(asked),
      fix: 'Leave --order-column out: the table remembers it. Orders of two kinds cannot be compared.',
    })
  if (asked.softDelete === kept.softDelete || sameName(asked.softDelete ?? '', kept.softDelete ?? '')) return
  throw new LakeError('invalid', 'the table treats deleted rows in another way', {
    table: kept.softDelete ?? '(removed)',
    call: asked.softDelete ?? '(removed)',
    fix: 'Leave --soft-delete out: the table remembers it.',
  })
}

function describeOrder({ order, orderKind }: KeptEvents): string {
  return orderKind === `column:${order}` ? order : `${order} (${orderKind})`
}

/** The table's own settings and the call's, in one; `startAnew` for an overwrite that replaces the schema. */
export function agree(
  base: Snapshot | undefined,
  table: TableSettings,
  load: LoadSettings,
  { mode, startAnew }: { mode: LoadMode; startAnew: boolean },
): Remembered {
  const asked = { partitionBy: load.partitionBy ?? table.partitionBy, key: load.key ?? table.key }
  const properties = base?.metadata.configuration ?? {}
  const hasLoadColumns = !startAnew && properties['lakewright.loadColumns'] !== undefined
  const kept = base === undefined ? undefined : { partitionBy: base.metadata.partitionBy, key: keyOf(base.metadata) }
  if (kept && !startAnew) {
    refuseContradiction('partitionBy', '--partition-by', asked.partitionBy, kept.partitionBy)
    // A table without a key may be given one; from then on it is remembered.
    if (kept.key.length > 0) refuseContradiction('key', '--key', asked.key, kept.key)
  }
  const key = (startAnew ? asked.key : kept?.key.length ? kept.key : asked.key) ?? kept?.key ?? []
  if (keyedModes.has(mode) && key.length === 0) throw noKey(mode)
  if (base !== undefined) refuseOtherHistory(mode, base)
  return {
    partitionBy:
      (startAnew ? (asked.partitionBy ?? kept?.partitionBy) : (kept?.partitionBy ?? asked.partitionBy)) ?? [],
    key,
    changeFeed: changeFeedOf(base, load, mode),
    sortBy: load.sortBy ?? jsonList(properties['lakewright.sortBy']) ?? [],
    targetFileBytes:
      load.targetFileBytes ?? positive(properties['lakewright.targetFileBytes']) ?? defaults.targetFileBytes,
    addLoadColumns: load.addLoadColumns ?? (!startAnew && properties['lakewright.loadColumns'] === 'true'),
    hasLoadColumns,
  }
}

/** Modes that match rows by key. */
export const keyedModes: ReadonlySet<LoadMode> = new Set<LoadMode>(['merge', 'sync', 'scd2', 'cdc'])

function changeFeedOf(base: Snapshot | undefined, { changeFeed: asked }: LoadSettings, mode: LoadMode): boolean {
  if (base === undefined) return asked === undefined ? keyedModes.has(mode) : asked === 'on'
  const kept = base.metadata.configuration[changeFeedProperty] === 'true'
  if (asked === undefined || (asked === 'on') === kept) return kept
  throw new LakeError('invalid', `the change feed of this table is ${kept ? 'on' : 'off'}`, {
    call: asked,
    fix: `Leave --change-feed out, or turn it with \`lakewright set\` first: change-feed=${asked}.`,
  })
}

function noKey(mode: LoadMode): LakeError {
  return new LakeError('invalid', `\`${mode}\` matches rows by a key, and none is given`, {
    fix: 'Name the columns that identify a row with --key; the table remembers them.',
  })
}

/** Versions of rows are not rows: what treats them as such would end the history of a key, or double it. */
function refuseOtherHistory(mode: LoadMode, { metadata, files }: Snapshot): void {
  const isHistory = metadata.configuration[historyProperty] === 'scd2'
  if (isHistory && keyedModes.has(mode) && mode !== 'scd2')
    throw new LakeError('invalid', `the table holds the history of its rows (scd2), which \`${mode}\` would break`, {
      fix: 'Load it with `scd2`, or load another table.',
    })
  if (!isHistory && mode === 'scd2' && files.size > 0)
    throw new LakeError('invalid', 'the table holds rows without a history', {
      fix: 'Let `scd2` make a table of its own.',
    })
}

/** Names as the schema spells them; a column that does not exist is refused with the near miss. */
export function spelledAs(schema: Schema, names: readonly string[], flag: string): string[] {
  return names.map((name) => {
    const field = findColumn(schema, name)
    if (field) return field.name
    const near = nearMiss(
      name,
      schema.map((column) => column.name),
    )
    throw new LakeError('invalid', `${flag} names a column that the load does not have`, {
      column: name,
      columns: schema.map((column) => column.name).join(', '),
      fix: near ? `Did you mean \`${near}\`?` : 'Use one of the columns listed, or add it with --set or --derive.',
    })
  })
}

/** The properties that keep what this load decided, beside those that are there. */
export function propertiesOf(remembered: Remembered, before: Metadata | undefined): Record<string, string> {
  const { 'lakewright.targetFileBytes': _, ...kept } = before?.configuration ?? {}
  return {
    ...kept,
    ...(remembered.sortBy.length > 0 ? { 'lakewright.sortBy': JSON.stringify(remembered.sortBy) } : {}),
    ...(remembered.targetFileBytes !== defaults.targetFileBytes
      ? { 'lakewright.targetFileBytes': String(remembered.targetFileBytes) }
      : {}),
    ...(remembered.addLoadColumns ? { 'lakewright.loadColumns': 'true' } : {}),
    // Of a table that is there the property is what it is, also where somebody has set it since.
    ...(remembered.changeFeed && before === undefined ? { [changeFeedProperty]: 'true' } : {}),
  }
}

function refuseContradiction(name: string, flag: string, asked: string[] | undefined, kept: string[]): void {
  if (asked === undefined) return
  if (asked.length === kept.length && asked.every((column, i) => sameName(column, kept[i] ?? ''))) return
  throw new LakeError('invalid', `the table is made with another \`${name}\``, {
    table: kept.join(', ') || '(none)',
    call: asked.join(', ') || '(none)',
    fix: `Leave ${flag} out: the table remembers it. \`overwrite --schema replace\` makes the table anew.`,
  })
}

function jsonList(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined
  } catch {
    return undefined
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 ? value : undefined
}
