/**
 * `cdc`: events by key and order.
 *
 *   order of the event                                   the event is
 *   <= that of the row, the tombstone, the truncate      ignored: stale, or delivered again
 *   not the highest fresh one of its key in the batch    ignored; what it says goes into what the next one builds on
 *
 *   the highest     row there   is
 *   upsert          yes         updated; columns that the event does not have keep their value
 *   upsert          no          inserted
 *   delete          yes         deleted: gone, its order kept as a tombstone; with softDelete marked, and there
 *   delete          no          ignored, its order kept as a tombstone
 *
 * A truncate is ignored itself; the rows that it removes, those whose order is not above its own, are deleted beyond what was read.
 */
import { type Incoming, type IncomingOptions, refuseNullKeys, withColumnsOf } from './incoming.js'
import {
  applied,
  byKey,
  cell,
  type EventState,
  keyText,
  type Load,
  type Outcome,
  onlyRow,
  Refused,
  type Row,
  type RowChange,
  stampInserted,
  stampUpdated,
  type Table,
  type Tombstone,
  typeOf,
} from './table.js'
import { type ColumnType, compareNullable, compareValues, greatest, type Value } from './value.js'

export interface EventOptions extends IncomingOptions {
  opColumn: string
  orderColumn: string
  softDelete?: string
  /** Default 30 days. */
  tombstoneRetentionMs?: number
}

type Operation = 'upsert' | 'delete' | 'truncate' | 'nothing'

/** A column that the row does not have is absent, which is not null. */
interface Event {
  row: Row
  operation: Operation
  order: Value
  /** A Snowflake stream says a delete with the old row, and so with its order: an equal one is fresh. */
  isStream: boolean
}

const words: Record<string, Operation> = {
  ...Object.fromEntries(
    ['i', 'insert', 'c', 'create', 'r', 'read', 'u', 'update', 'upsert'].map((word) => [word, 'upsert']),
  ),
  d: 'delete',
  delete: 'delete',
  t: 'truncate',
  truncate: 'truncate',
  update_postimage: 'upsert',
  update_preimage: 'nothing',
}

/** @param incoming rows that say their operation and their order */
export function cdc(before: Table, incoming: Incoming, options: EventOptions, load: Load): Outcome {
  const table = tableOf(before, incoming, options)
  const orderType = typeOf(table, options.orderColumn)
  const events = incoming.rows.map((row) => eventOf(row, options))
  const keyed = events.filter(({ operation }) => operation === 'upsert' || operation === 'delete')
  refuseNullKeys(table, { columns: [], rows: keyed.map(({ row }) => row) })
  const truncated = events.filter(({ operation }) => operation === 'truncate').map(({ order }) => order)
  const old = { floor: null, ...before.events, tombstones: kept(before.events?.tombstones ?? new Map(), options, load) }
  const floor = greatest([old.floor, ...truncated], orderType)
  const counts = { read: events.length, inserted: 0, updated: 0, deleted: 0, ignored: events.length - keyed.length }
  const isAbove = (order: Value, other: Value) => compareNullable(order, other, orderType) > 0
  const truncates = isAbove(floor, old.floor)
  const tombstones = new Map([...old.tombstones].filter(([, one]) => !isAbove(floor, one.order)))

  const changes: RowChange[] = []
  const rows = byKey(table.rows, table.key)
  const batch = byKeyOf(keyed, table.key)
  for (const text of new Set([...rows.keys(), ...batch.keys()])) {
    const mine = batch.get(text) ?? []
    const was = onlyRow(mine.length > 0 || truncates ? rows.get(text) : undefined)
    const lives = was !== undefined && (!truncates || isAbove(cell(was, options.orderColumn), floor))
    const buried = greatest([floor, old.tombstones.get(text)?.order ?? null], orderType)
    const lived = was ? cell(was, options.orderColumn) : null
    const isFresh = ({ order, operation, isStream }: Event) =>
      isAbove(order, buried) &&
      (isAbove(order, lived) || (isStream && operation === 'delete' && !isAbove(lived, order)))
    const fresh = mine.filter(isFresh)
    const last = inOrder(fresh, orderType).at(-1)
    const row = folded(lives ? was : undefined, inOrder(fresh, orderType), table, options)
    counts.ignored += mine.length - fresh.length + Math.max(fresh.length - 1, 0)
    if (was && !lives) counts.deleted++
    if (last) counts[outcomeOf(lives ? was : undefined, row, last)]++
    if (last && row === undefined) tombstones.set(text, tombstoneOf(last, table.key, load))
    if (last && row !== undefined) tombstones.delete(text)
    changes.push(...changeOf(table, was, last || !lives ? row : was, load))
  }
  const state: EventState = { floor, tombstones }
  return { table: { ...table, rows: applied(table.rows, changes), events: state }, counts, changes }
}

/** What the events leave of a row, one after the other. */
function folded(was: Row | undefined, events: readonly Event[], table: Table, options: EventOptions): Row | undefined {
  let row = was
  let isDeleted = was !== undefined && options.softDelete !== undefined && cell(was, options.softDelete) === true
  for (const event of events) {
    const order = { [options.orderColumn]: event.order }
    if (event.operation === 'delete') {
      row = row && options.softDelete !== undefined ? { ...row, ...order, [options.softDelete]: true } : undefined
      isDeleted = true
    } else {
      const base = isDeleted ? {} : (row ?? {})
      const own = table.columns.filter(({ name }) => name in event.row)
      row = {
        ...base,
        ...Object.fromEntries(own.map(({ name }) => [name, cell(event.row, name)])),
        ...(options.softDelete === undefined ? {} : { [options.softDelete]: false }),
      }
      isDeleted = false
    }
  }
  return row
}

function outcomeOf(
  was: Row | undefined,
  row: Row | undefined,
  last: Event,
): 'inserted' | 'updated' | 'deleted' | 'ignored' {
  if (was === undefined) return row === undefined ? 'ignored' : 'inserted'
  return last.operation === 'delete' ? 'deleted' : 'updated'
}

function changeOf(table: Table, was: Row | undefined, row: Row | undefined, load: Load): RowChange[] {
  if (was === row) return []
  if (was === undefined) return row ? [{ kind: 'insert', row: stampInserted(table, row, load) }] : []
  if (row === undefined) return [{ kind: 'delete', row: was }]
  return [{ kind: 'update', before: was, after: stampUpdated(table, was, row, load) }]
}

function eventOf(row: Row, { opColumn, orderColumn }: EventOptions): Event {
  const operation = operationOf(row, opColumn)
  const order = cell(row, orderColumn)
  if (order === null && operation !== 'nothing') throw new Refused('invalid', 'an order is null')
  return { row, operation, order, isStream: opColumn === 'METADATA$ACTION' }
}

function operationOf(row: Row, opColumn: string): Operation {
  const word = cell(row, opColumn)
  const operation = typeof word === 'string' ? words[word.toLowerCase()] : undefined
  if (operation === undefined) throw new Refused('invalid', `no operation: ${word}`)
  // A Snowflake stream says an update as a delete and an insert.
  return operation === 'delete' && cell(row, 'METADATA$ISUPDATE') === true ? 'nothing' : operation
}

/** Of equal orders the later one in the input is the higher. */
function inOrder(events: readonly Event[], type: ColumnType): Event[] {
  return events.toSorted((a, b) => compareValues(a.order, b.order, type))
}

function byKeyOf(events: readonly Event[], key: readonly string[]): Map<string, Event[]> {
  const groups = new Map<string, Event[]>()
  for (const event of events) {
    const text = keyText(event.row, key)
    groups.set(text, [...(groups.get(text) ?? []), event])
  }
  return groups
}

function tombstoneOf({ row, order }: Event, key: readonly string[], load: Load): Tombstone {
  return { key: Object.fromEntries(key.map((name) => [name, cell(row, name)])), order, deletedAt: load.at }
}

function kept(
  tombstones: ReadonlyMap<string, Tombstone>,
  { tombstoneRetentionMs = 30 * 86_400_000 }: EventOptions,
  load: Load,
): Map<string, Tombstone> {
  const oldest = Date.parse(load.at) - tombstoneRetentionMs
  return new Map([...tombstones].filter(([, { deletedAt }]) => Date.parse(deletedAt) >= oldest))
}

function tableOf(before: Table, incoming: Incoming, options: EventOptions): Table {
  const unstored = [options.opColumn, 'METADATA$ISUPDATE']
  const columns = incoming.columns.filter(({ name }) => !unstored.includes(name))
  const table = withColumnsOf(before, { columns, rows: [] }, options)
  const { softDelete } = options
  if (softDelete === undefined || table.columns.some(({ name }) => name === softDelete)) return table
  return { ...table, columns: [...table.columns, { name: softDelete, type: 'boolean' }] }
}
