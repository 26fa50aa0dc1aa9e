/**
 * Rows as change events: which operation each says, and where it stands in order. Pure; the planner of `cdc` reads what
 * comes out.
 *
 *   op column says                                                     __lw_op
 *   I INSERT C CREATE R READ U UPDATE UPSERT update_postimage          u   the row is so now
 *   D DELETE                                                           d   it is gone
 *   T TRUNCATE                                                         t   all are gone
 *   update_preimage; Snowflake's DELETE with METADATA$ISUPDATE         null: the old half of an update, ignored
 *
 * Letter case does not count. Anything else, and null, is refused with the row. Not stored are the op column and what comes
 * with it: Snowflake's `METADATA$…`; for Delta's `_change_type` also `_changed_columns`, `_commit_version`,
 * `_commit_timestamp`, which a table with a change feed may not have.
 */
import { LakeError } from '../errors.js'
import { type Misfit, misfitSql } from '../schema/misfit.js'
import { findColumn, foldName, nearMiss, sameName, typeName } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Field, LakeType, Schema } from '../schema/types.js'
import type { Input } from './port.js'

/**
 * @param input opened with `absent`
 * @throws LakeError invalid
 */
export function eventRows(
  input: Pick<Input, 'schema' | 'select' | 'events'>,
  { opColumn, orderColumn }: { opColumn?: string; orderColumn?: string },
): EventRows {
  const operation = input.events ? ownOperation(input.events, opColumn) : operationOf(input.schema, opColumn)
  const order = orderOf(input, orderColumn)
  const unstored = input.schema.map(({ name }) => name).filter((name) => operation.unstored(name))
  const schema = input.schema.filter(({ name }) => !unstored.includes(name))
  const values = [
    ...schema.map(({ name }) => quoteIdentifier(name)),
    `${ofEvents(operation, operation.sql)} AS __lw_op`,
    `${ofEvents(operation, order.sql)} AS __lw_order`,
    '__lw_absent',
    '__lw_seq',
  ]
  const isStored = order.column !== undefined && !unstored.some((name) => sameName(name, order.column ?? ''))
  return {
    schema,
    unstored,
    select: `SELECT ${values.join(', ')} FROM (${input.select})`,
    ...(input.events ? { ignored: input.events.ignored } : {}),
    orderType: order.type,
    orderKind: order.kind,
    ...(isStored && order.column !== undefined ? { orderColumn: order.column } : {}),
  }
}

export interface EventRows {
  /** Of the rows: what the table may store. */
  schema: Schema
  /** Columns of the input that no table stores. */
  unstored: string[]
  /**
   * `schema`, then `__lw_op` (VARCHAR), `__lw_order`, `__lw_absent` (VARCHAR[]), `__lw_seq` (BIGINT). Rows that are no event
   * have neither operation nor order.
   */
  select: string
  /** A SELECT of one BIGINT `n`: what was read and is no row of `select`. */
  ignored?: string
  /** Of `__lw_order`. */
  orderType: LakeType
  /** What the order counts: `lsn` and the like, or `column:NAME`. A table whose orders are of another kind cannot take it. */
  orderKind: string
  /** The column of `schema` that is the order; undefined where the table needs one of its own for it. */
  orderColumn?: string
}

/** The old half of an update says nothing, and need not have an order. */
function ofEvents({ ignored }: Operation, sql: string): string {
  return ignored === undefined ? sql : `CASE WHEN ${ignored} THEN NULL ELSE ${sql} END`
}

/** What a misfit that these expressions raise means; undefined for others. */
export function explainEventMisfit({ type, column, reason }: Misfit): { message: string; fix: string } | undefined {
  if (type === operationType)
    return {
      message: reason ?? 'the operation of the event is not known',
      fix: `Operations are ${Object.values(words).flat().join(', ')}: translate others with \`--derive\`, and name that column with \`--op-column\`.`,
    }
  if (type === orderTypeName)
    return {
      message: 'the event has no order',
      fix: `Give every event a value of \`${column}\`, or order by another column with \`--order-column\`.`,
    }
  return undefined
}

interface Operation {
  sql: string
  /** SQL, never NULL: the row is no event. */
  ignored?: string
  unstored(name: string): boolean
}

const operationType = 'operation'
const orderTypeName = 'order'

const words = {
  u: ['i', 'insert', 'c', 'create', 'r', 'read', 'u', 'update', 'upsert', 'update_postimage'],
  d: ['d', 'delete'],
  t: ['t', 'truncate'],
}
const preimage = 'update_preimage'

function ownOperation({ orderKind }: NonNullable<Input['events']>, opColumn: string | undefined): Operation {
  if (opColumn === undefined) return { sql: '__lw_op', unstored: () => false }
  throw new LakeError('invalid', 'Debezium events say themselves what happened', {
    opColumn,
    order: orderKind,
    fix: 'Leave `--op-column` out, or read the file with another `--format`.',
  })
}

function operationOf(schema: Schema, opColumn: string | undefined): Operation {
  if (opColumn === undefined)
    throw new LakeError('invalid', 'nothing says what happened to the rows', {
      fix: 'Name the column that does with `--op-column`, or say `--format debezium`.',
    })
  const field = columnNamed(schema, opColumn, '--op-column')
  const word = `lower(CAST(${quoteIdentifier(field.name)} AS VARCHAR))`
  const cases = Object.entries(words).map(
    ([op, list]) => `WHEN ${word} IN (${list.map(quoteText).join(', ')}) THEN '${op}'`,
  )
  const none = misfitOf(field.name, operationType, 'an event has no operation')
  const unknown = misfitOf(field.name, operationType, 'the operation of the event is not known')
  const isNull = `WHEN ${quoteIdentifier(field.name)} IS NULL THEN ${none}`
  const plain = { sql: `CASE ${isNull} ${cases.join(' ')} ELSE ${unknown} END`, unstored: isNamed([field.name]) }
  if (sameName(field.name, '_change_type'))
    return { ...plain, ignored: isPreimage(word), unstored: isNamed([field.name, ...deltaColumns]) }
  if (!sameName(field.name, 'METADATA$ACTION')) return { ...plain, ignored: isPreimage(word) }
  return {
    ...plain,
    ignored: `coalesce(${word} = 'delete' AND ${isUpdateSql(schema)}, false)`,
    unstored: (name) => foldName(name).startsWith('metadata$'),
  }
}

const deltaColumns = ['_changed_columns', '_commit_version', '_commit_timestamp']

function isNamed(names: readonly string[]): (name: string) => boolean {
  return (name) => names.some((one) => sameName(one, name))
}

function isPreimage(word: string): string {
  return `coalesce(${word} = '${preimage}', false)`
}

/** Without it the two halves of an update look like a delete and an insert, in no order. */
function isUpdateSql(schema: Schema): string {
  const { name, type } = columnNamed(schema, 'METADATA$ISUPDATE', 'METADATA$ACTION')
  const column = quoteIdentifier(name)
  return type.kind === 'boolean' ? column : `lower(CAST(${column} AS VARCHAR)) IN ('true', '1')`
}

function orderOf(
  { schema, events }: Pick<Input, 'schema' | 'events'>,
  orderColumn: string | undefined,
): { sql: string; type: LakeType; kind: string; column?: string } {
  if (orderColumn !== undefined) {
    const { name, type } = columnNamed(schema, orderColumn, '--order-column')
    if (!ordered.has(type.kind)) throw notOrdered(name, type)
    const column = quoteIdentifier(name)
    const none = misfitOf(name, orderTypeName)
    return {
      sql: `CASE WHEN ${column} IS NULL THEN ${none} ELSE ${column} END`,
      type,
      kind: `column:${name}`,
      column: name,
    }
  }
  if (events?.orderKind !== undefined) return { sql: '__lw_order', type: events.orderType, kind: events.orderKind }
  const fix = events
    ? 'Name a column of the rows with `--order-column`, or let ExtractNewRecordState add the position (`add.fields=op,source.lsn`).'
    : 'Name the column that does with `--order-column`: a version, a sequence or a time of the change.'
  throw new LakeError('invalid', 'nothing says in which order the events happened', { fix })
}

const ordered = new Set<LakeType['kind']>(['tinyint', 'smallint', 'integer', 'bigint', 'decimal', 'date', 'timestamp'])

function notOrdered(column: string, type: LakeType): LakeError {
  const isText = type.kind === 'varchar'
  return new LakeError('invalid', 'events cannot be put in order by a column of this type', {
    column,
    type: typeName(type),
    fix: isText
      ? `Text sorts \`10\` before \`9\`: declare what it is, e.g. \`--types "${column}=bigint"\` or \`"${column}=timestamp"\`.`
      : 'Use an integer, a decimal, a date or a timestamp.',
  })
}

/** The row comes from where it stands. */
function misfitOf(column: string, type: string, reason?: string): string {
  const value = `coalesce(CAST(${quoteIdentifier(column)} AS VARCHAR), 'null')`
  return misfitSql({ column, type, ...(reason ? { reason } : {}) }, value, `{'seq': CAST(__lw_seq AS VARCHAR)}`)
}

function columnNamed(schema: Schema, name: string, by: string): Field {
  const field = findColumn(schema, name)
  if (field !== undefined) return field
  const names = schema.map((one) => one.name)
  const near = nearMiss(name, names)
  throw new LakeError('invalid', `\`${by}\` needs a column that the input does not have`, {
    column: name,
    fix: `${near === undefined ? '' : `Did you mean \`${near}\`? `}Columns are ${names.slice(0, 30).join(', ')}.`,
  })
}
