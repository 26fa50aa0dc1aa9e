/**
 * What differs, by the values of all columns: where both sides are at hand, and can be held range by range. Both images of
 * the rows that differ are found at once, so nothing of the table is read again.
 *
 *   compare   lw_compared   both images of rows that differ, and where the old ones lie
 *   rows      keys that are null or repeated: as many pairs as rows say that there are none
 *   views     lw_changes, lw_removed, lw_added
 */
import type { AddFile } from '../../manifest/actions.js'
import { findColumn } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import { fingerprintPartsSql } from '../../stage/fingerprint.js'
import type { Compared, Reads } from '../../stage/port.js'
import {
  assertKeyTypes,
  nullKeysSql,
  refuseNullKeys,
  refuseRepeatedKeys,
  refuseWrongKeys,
  repeatedKeysSql,
  wrongKeysSql,
} from '../keys.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import type { RowChanges } from '../rewrite.js'
import type { UniqueRows } from '../unique.js'
import { addedName, changesName, createdAt, type Found, ofTable, removedName } from './names.js'
import { countRows, inputPartitions, refuseOutsideScope } from './partitions.js'

const comparedName = 'lw_compared'

/**
 * @returns undefined where comparing hashes costs less
 * @throws LakeError invalid: keys that are null or repeated, rows outside the scope
 */
export function* byValues(
  ctx: PlanContext,
  rows: { name: string; read: number },
  files: AddFile[],
): Generator<Ask, Found | undefined, Answer> {
  const { key, rowHash, schema, settings } = ctx
  // Of rows with one key the last is to be found, or there is nothing to compare them with.
  if (files.length === 0 || (settings.onDuplicate ?? 'fail') !== 'fail') return undefined
  // Where an old row lies cannot be told beside such a column: that is refused where it is asked.
  if (findColumn(schema, 'file_row_number') !== undefined) return undefined
  assertKeyTypes(schema, key)
  const input: UniqueRows = { name: rows.name, rows: rows.read, ignored: 0 }
  const columns = schema.map(({ name }) => name)
  const answer = yield {
    ask: 'compare',
    name: comparedName,
    sql: `SELECT ${columns.map(quoteIdentifier).join(', ')} FROM ${quoteIdentifier(rows.name)}`,
    rows: rows.name,
    reads: [{ alias: 'old', files, columns }],
    ...{ key, compared: rowHash.columns },
  }
  if (answer.ask !== 'compare' || answer.found === undefined) return undefined
  yield* refuseWrongRows(ctx, input, files, answer.found)
  const parts = yield* inputPartitions(ctx, input)
  refuseOutsideScope(ctx, parts)
  const changed = key.map(
    (name) =>
      `CASE __lw_change WHEN 'd' THEN ${image(ctx, 'o', name)} ELSE ${image(ctx, 'n', name)} END AS ${quoteIdentifier(name)}`,
  )
  yield* view(changesName, `SELECT ${changed.join(', ')}, __lw_change FROM ${comparedName}`)
  const { inserted, updated, deleted } = answer.found
  return {
    inserted,
    updated,
    deleted,
    input,
    parts,
    rowChanges: () => rowChanges(ctx, inserted + updated, updated + deleted),
  }
}

/** Each key is there once on both sides: then there are as many pairs as rows without those that have no partner. */
function* refuseWrongRows(
  ctx: PlanContext,
  input: UniqueRows,
  files: AddFile[],
  { inserted, deleted, pairs }: Compared,
): Generator<Ask, void, Answer> {
  const { key } = ctx
  const alone = (alias: 'o' | 'n', change: string): string => {
    const columns = key.map((name) => `${image(ctx, alias, name)} AS ${quoteIdentifier(name)}`)
    return `(SELECT ${columns.join(', ')} FROM ${comparedName} WHERE __lw_change = '${change}')`
  }
  const ofInput = { of: 'the input', key }
  const isPaired = pairs === (yield* countRows(files)) - deleted && pairs === input.rows - inserted
  if (!isPaired) refuseWrongKeys(yield* asked(wrongKeysSql(input.name, key)), ofInput)
  if (inserted > 0) refuseWrongKeys(yield* asked(wrongKeysSql(alone('n', 'i'), key), []), ofInput)
  const table = isPaired ? alone('o', 'd') : 'old'
  if (isPaired && deleted === 0) return
  const reads = isPaired ? [] : [{ alias: 'old', files, columns: key }]
  refuseNullKeys(yield* asked(nullKeysSql(table, key), reads), ofTable(key))
  refuseRepeatedKeys(yield* asked(repeatedKeysSql(table, key), reads), ofTable(key))
}

function* rowChanges(ctx: PlanContext, addedRows: number, removedRows: number): Generator<Ask, RowChanges, Answer> {
  const known = ctx.schema.length - ctx.partitionBy.length <= mostBits
  if (removedRows > 0) yield* view(removedName, removedSql(ctx))
  if (addedRows > 0) yield* view(addedName, addedSql(ctx))
  return {
    ...(removedRows > 0 ? { removed: removedName } : {}),
    ...{ added: addedName, addedRows, inPlace: true, known },
    ...(ctx.changeFeed && removedRows > 0 ? { changes: { sql: changesSql(ctx, addedRows) } } : {}),
  }
}

/** Of `__lw_changed`. */
const mostBits = 64

function removedSql(ctx: PlanContext): string {
  const { sum, xor } = fingerprintPartsSql(ctx.fingerprint.columns)
  const places = '__lw_file, __lw_row, __lw_change'
  return `SELECT ${places}, ${sum} AS __lw_sum, ${xor} AS __lw_xor
    FROM (SELECT ${oldImage(ctx)}, ${places} FROM ${comparedName} WHERE __lw_change <> 'i')`
}

/** A row that changes keeps the time at which it was made, and its place in its partition. */
function addedSql(ctx: PlanContext): string {
  const { schema, partitionBy } = ctx
  const value = (name: string): string => {
    const now = image(ctx, 'n', name)
    return name === createdAt && ctx.loadColumns.includes(createdAt)
      ? `CASE __lw_change WHEN 'u' THEN ${image(ctx, 'o', name)} ELSE ${now} END`
      : now
  }
  const differs = (name: string): string => `${value(name)} IS DISTINCT FROM ${image(ctx, 'o', name)}`
  const bits = schema
    .filter(({ name }) => !partitionBy.includes(name))
    .slice(0, mostBits)
    .map(({ name }, bit) => `CASE WHEN ${differs(name)} THEN ${1n << BigInt(bit)}::UBIGINT ELSE 0 END`)
  const leaves = partitionBy.map(differs)
  const stays = [`__lw_change = 'u'`, ...leaves.map((condition) => `NOT (${condition})`)].join(' AND ')
  const columns = [
    ...schema.map(({ name }) => `${value(name)} AS ${quoteIdentifier(name)}`),
    '__lw_change',
    ...['__lw_file', '__lw_row'].map((name) => `CASE WHEN ${stays} THEN ${name} END AS ${name}`),
    `CASE WHEN __lw_change = 'u' THEN (${bits.join(' + ') || '0'})::UBIGINT END AS __lw_changed`,
  ]
  return `SELECT ${columns.join(', ')} FROM ${comparedName} WHERE __lw_change <> 'd'`
}

function changesSql(ctx: PlanContext, addedRows: number): string {
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  const before = `SELECT ${oldImage(ctx)}, CASE __lw_change WHEN 'd' THEN 'delete' ELSE 'update_preimage' END AS _change_type FROM ${comparedName} WHERE __lw_change <> 'i'`
  const after = `SELECT ${columns}, CASE __lw_change WHEN 'i' THEN 'insert' ELSE 'update_postimage' END AS _change_type FROM ${addedName}`
  return addedRows > 0 ? `${before} UNION ALL ${after}` : before
}

function oldImage(ctx: PlanContext): string {
  return ctx.schema.map(({ name }) => `${image(ctx, 'o', name)} AS ${quoteIdentifier(name)}`).join(', ')
}

/** The column of `lw_compared` that has a column of the table as it was, or as it is now. */
function image({ schema }: PlanContext, side: 'o' | 'n', name: string): string {
  return `${side}${schema.findIndex((field) => field.name === name)}`
}

function* view(name: string, sql: string): Generator<Ask, void, Answer> {
  yield { ask: 'relation', name, sql, reads: [], kept: 'view' }
}

function* asked(sql: string, reads?: Reads[]): Generator<Ask, Record<string, unknown>[], Answer> {
  const answer = yield { ask: 'rows', sql, ...(reads === undefined ? {} : { reads }) }
  return answer.ask === 'rows' ? answer.rows : []
}
