/**
 * Keys of the rows that a load brings or a table has: never null, never twice. What is asked is SQL, what is refused
 * names up to three keys; other values of the rows are not shown.
 *
 *   wrongKeysSql('lw_input', ['id'])         one pass: keys that are null, keys that occur more than once
 *   dedupeSql('lw_input', ['id'], { keep: 'last', orderBy: ['ts'] })
 *                                            SELECT * … QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC) = 1
 *   tiedRowsSql(…)                           rows of one key that differ, and of which none is the last
 */
import { LakeError } from '../errors.js'
import { findColumn, foldName, isNested, typeName } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Schema } from '../schema/types.js'
import { rowHashColumns } from '../stage/row-hash.js'

/** @throws LakeError invalid: a key column that is not there, or of a nested type */
export function assertKeyTypes(schema: Schema, key: readonly string[]): void {
  for (const name of key) {
    const field = findColumn(schema, name)
    if (field === undefined)
      throw new LakeError('invalid', 'there is no such column to be the key', {
        column: name,
        columns: schema.map((one) => one.name).join(', '),
        fix: 'Name the columns that identify a row.',
      })
    if (isNested(field.type))
      throw new LakeError('invalid', 'a column of lists, structs or maps cannot be a key', {
        column: field.name,
        type: typeName(field.type),
        fix: 'Name columns of single values, or derive one: `--derive "id=…"`.',
      })
  }
}

/**
 * One row: of rows whose key is null in a column, `__lw_rows` and up to `limit` `__lw_examples` (texts). Cheap: what is
 * never null is not read.
 *
 * @param relation a name, or a SELECT in parentheses
 */
export function nullKeysSql(relation: string, key: readonly string[], limit = mostExamples): string {
  return `SELECT count(*) AS __lw_rows, min(${keyText(key)}, ${limit}) AS __lw_examples FROM ${relation} WHERE ${anyNull(key)}`
}

/** One row: `__lw_keys` that occur more than once, their `__lw_rows`, up to `limit` `__lw_examples`. */
export function repeatedKeysSql(relation: string, key: readonly string[], limit = mostExamples): string {
  const example = `${keyText(key)} || ' ' || __lw_n || ' times'`
  return (
    `SELECT count(*) AS __lw_keys, coalesce(sum(__lw_n), 0) AS __lw_rows, min(${example}, ${limit}) AS __lw_examples ` +
    `FROM (${groupedKeys(relation, key, 'count(*) > 1')})`
  )
}

/**
 * Both in one pass over the rows, as two rows: `__lw_wrong` (`null`, `repeated`) and the columns of the two above. The
 * rows are grouped by their keys, which spills; counting distinct keys costs the same and has no examples.
 */
export function wrongKeysSql(relation: string, key: readonly string[], limit = mostExamples): string {
  const isNull = anyNull(key)
  const example = `${keyText(key)} || CASE WHEN ${isNull} THEN '' ELSE ' ' || __lw_n || ' times' END`
  return (
    `SELECT CASE WHEN ${isNull} THEN 'null' ELSE 'repeated' END AS __lw_wrong, count(*) AS __lw_keys, sum(__lw_n) AS __lw_rows, ` +
    `min(${example}, ${limit}) AS __lw_examples FROM (${groupedKeys(relation, key, `count(*) > 1 OR ${isNull}`)}) GROUP BY 1`
  )
}

/** @param of what the rows are: `the input`, `the table`, `the old side` */
export function refuseNullKeys(rows: Answered, { of, key, fix = nameOthers }: KeyRefusal): void {
  const [row] = rows.filter(({ __lw_wrong: wrong }) => wrong === undefined || wrong === 'null')
  if (row === undefined || Number(row.__lw_rows) === 0) return
  throw new LakeError('invalid', `rows of ${of} have no key`, {
    key: key.join(', '),
    rows: Number(row.__lw_rows),
    examples: examplesOf(row),
    fix,
  })
}

const nameOthers = 'Name columns that are never null, or give every row a value: `--derive "id=coalesce(…)"`.'

export function refuseRepeatedKeys(rows: Answered, { of, key, fix = deduplicate }: KeyRefusal): void {
  const [row] = rows.filter(({ __lw_wrong: wrong }) => wrong === undefined || wrong === 'repeated')
  if (row === undefined || Number(row.__lw_keys) === 0) return
  throw new LakeError('invalid', `keys occur more than once in ${of}`, {
    key: key.join(', '),
    keys: Number(row.__lw_keys),
    rows: Number(row.__lw_rows),
    examples: examplesOf(row),
    fix,
  })
}

/** From the rows of `wrongKeysSql`. */
export function refuseWrongKeys(rows: Answered, refusal: KeyRefusal): void {
  refuseNullKeys(rows, refusal)
  refuseRepeatedKeys(rows, refusal)
}

export interface KeyRefusal {
  of: string
  key: readonly string[]
  /** What to do about it; default: name other columns, deduplicate. */
  fix?: string
}

export interface Duplicates {
  keep: 'last' | 'first'
  orderBy: readonly string[]
}

/** The rows that are kept: one per key, with the greatest (least) order; null is the least. */
export function dedupeSql(
  relation: string,
  key: readonly string[],
  { keep, orderBy }: Duplicates,
  schema: Schema,
): string {
  const columns = schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  const window = `PARTITION BY ${list(key)} ORDER BY ${order(orderBy, keep)}`
  return `SELECT ${columns} FROM ${relation} QUALIFY row_number() OVER (${window}) = 1`
}

/**
 * One row like that of `repeatedKeysSql`: of keys whose last (first) place is held by several rows that differ in a
 * column of `compared`. Rows that are the same in all are one.
 */
export function tiedRowsSql(
  relation: string,
  key: readonly string[],
  { keep, orderBy }: Duplicates,
  compared: Schema,
  limit = mostExamples,
): string {
  const window = `PARTITION BY ${list(key)} ORDER BY ${order(orderBy, keep)}`
  const named = [...new Map([...key, ...orderBy].map((name) => [foldName(name), name])).values()]
  const hashed = `SELECT ${list(named)}, ${rowHashColumns(compared)} FROM ${relation}`
  const first = `SELECT * FROM (${hashed}) QUALIFY rank() OVER (${window}) = 1`
  const differ = 'min(__lw_h1) <> max(__lw_h1) OR min(__lw_h2) <> max(__lw_h2)'
  const example = `${keyText(key)} || ' ' || __lw_n || ' times'`
  return (
    `SELECT count(*) AS __lw_keys, coalesce(sum(__lw_n), 0) AS __lw_rows, min(${example}, ${limit}) AS __lw_examples ` +
    `FROM (${groupedKeys(`(${first})`, key, differ)})`
  )
}

export function refuseTiedRows(
  rows: Answered,
  { of, key, orderBy }: KeyRefusal & { orderBy: readonly string[] },
): void {
  const [row] = rows
  if (row === undefined || Number(row.__lw_keys) === 0) return
  throw new LakeError('invalid', `rows of ${of} with the same key and the same order differ`, {
    key: key.join(', '),
    orderBy: orderBy.join(', '),
    keys: Number(row.__lw_keys),
    examples: examplesOf(row),
    fix: 'Add a column to --order-by that says which of them is the last.',
  })
}

type Answered = readonly Record<string, unknown>[]

const mostExamples = 3
const deduplicate = 'Remove the duplicates, or say which row counts: `--on-duplicate last --order-by COLUMN`.'

function groupedKeys(relation: string, key: readonly string[], having: string): string {
  return `SELECT ${list(key)}, count(*) AS __lw_n FROM ${relation} GROUP BY ${list(key)} HAVING ${having}`
}

/** `{"id":7,"region":"EU"}` */
export function keyText(key: readonly string[]): string {
  const members = key.map((name) => `${quoteText(name)}, ${quoteIdentifier(name)}`)
  return `CAST(json_object(${members.join(', ')}) AS VARCHAR)`
}

function anyNull(key: readonly string[]): string {
  return `(${key.map((name) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')})`
}

function order(columns: readonly string[], keep: Duplicates['keep']): string {
  const direction = keep === 'last' ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'
  return columns.map((name) => `${quoteIdentifier(name)} ${direction}`).join(', ')
}

function list(names: readonly string[]): string {
  return names.map(quoteIdentifier).join(', ')
}

function examplesOf(row: Record<string, unknown>): string {
  return Array.isArray(row.__lw_examples) ? row.__lw_examples.join(', ') : ''
}
