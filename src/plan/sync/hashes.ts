/**
 * What differs, by the hashes of rows: where values cannot be compared without reading all of the table, or holding it.
 *
 *   rows      keys that are null or repeated                         refused
 *   rows      fingerprints of partitions with as many rows as before: equal ones drop out on both sides, unread
 *   relation  lw_changes   keys and hashes of the rest, old and new  FULL JOIN … WHERE the hashes differ
 *   relation  lw_removed   where the changed and deleted rows lie    file, row
 *   relation  lw_added     the changed and new rows                  lw_rows JOIN lw_changes
 *
 * What may be as large as the table is asked for with few columns, and kept in files.
 */
import type { AddFile } from '../../manifest/actions.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Schema } from '../../schema/types.js'
import {
  combineFingerprints,
  fingerprintOfRow,
  fingerprintSql,
  fingerprintTagName,
  parseFingerprintTag,
  sameContent,
} from '../../stage/fingerprint.js'
import type { Fingerprint, Reads } from '../../stage/port.js'
import { hashColumns } from '../../stage/row-hash.js'
import { compareSql } from '../compare.js'
import { nullKeysSql, refuseNullKeys, refuseRepeatedKeys, repeatedKeysSql } from '../keys.js'
import type { Partition } from '../partitions.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import type { RowChanges } from '../rewrite.js'
import { type UniqueRows, uniqueRows } from '../unique.js'
import {
  addedName,
  type Changes,
  changesName,
  createdAt,
  type Found,
  ofTable,
  partsName,
  removedName,
  sameKeys,
} from './names.js'
import { impliedByKey } from './outside.js'
import {
  countRows,
  type InputPartition,
  inputPartitions,
  partitionFields,
  refuseOutsideScope,
  samePartition,
} from './partitions.js'

/** @throws LakeError invalid: keys that are null or repeated, rows outside the scope */
export function* byHashes(
  ctx: PlanContext,
  rows: { name: string; read: number },
  old: ReadonlyMap<string, Partition<AddFile>>,
): Generator<Ask, Found, Answer> {
  const input = yield* uniqueRows(ctx, rows.name, rows.read, hashFields)
  const parts = yield* inputPartitions(ctx, input)
  refuseOutsideScope(ctx, parts)
  const same = yield* equalPartitions(ctx, input, parts, old)
  const side: Sides = {
    input,
    files: [...old.values()].filter(({ id }) => !same.has(id)).flatMap(({ files }) => files),
    parts: parts.filter(({ id }) => !same.has(id)),
    skipped: parts.filter(({ id }) => same.has(id)),
  }
  const changes = yield* compareSides(ctx, side)
  yield* refuseWrongInTable(ctx, side, changes)
  return { ...changes, input, parts, rowChanges: () => rowChanges(ctx, side, changes) }
}

/** What `lw_rows` has beside the table's columns; only the names are used. */
const hashFields: Schema = Object.values(hashColumns).map((name) => ({
  name,
  type: { kind: 'bigint' },
  nullable: true,
}))

const restName = 'lw_rest'

/**
 * Ids of the partitions whose rows in the input are the rows that are there. Only fingerprints kept with the files count:
 * where one is missing, comparing keys and hashes costs no more than making it.
 */
function* equalPartitions(
  ctx: PlanContext,
  input: UniqueRows,
  parts: readonly InputPartition[],
  old: ReadonlyMap<string, Partition<AddFile>>,
): Generator<Ask, Set<string>, Answer> {
  const before = new Map<number, Fingerprint>()
  for (const { id, n, rows } of parts) {
    const files = old.get(id)?.files ?? []
    const kept = combineFingerprints(
      ctx.fingerprint.of,
      files.map(({ tags }) => parseFingerprintTag(tags?.[fingerprintTagName])),
    )
    if (kept?.rows === rows) before.set(n, kept)
  }
  const now = before.size > 0 ? yield* fingerprintsOf(ctx, input, parts, [...before.keys()]) : new Map()
  const same = parts.filter(({ n }) => {
    const [kept, found] = [before.get(n), now.get(n)]
    return kept !== undefined && found !== undefined && sameContent(kept, found)
  })
  return new Set(same.map(({ id }) => id))
}

function* fingerprintsOf(
  ctx: PlanContext,
  input: UniqueRows,
  parts: readonly InputPartition[],
  numbers: readonly number[],
): Generator<Ask, Map<number, Fingerprint>, Answer> {
  const { of, columns } = ctx.fingerprint
  const rows = quoteIdentifier(input.name)
  const found = new Map<number, Fingerprint>()
  const fields = partitionFields(ctx)
  const chosen = numbers.length === parts.length ? '' : ` WHERE p.__lw_n IN (${numbers.join(', ')})`
  const sql =
    fields.length === 0
      ? `SELECT 0 AS __lw_n, ${fingerprintSql(columns)} FROM ${rows}`
      : `SELECT __lw_n, ${fingerprintSql(columns)} FROM (SELECT r.*, p.__lw_n FROM ${rows} r JOIN ${partsName} p ON ${samePartition(fields)}${chosen}) GROUP BY __lw_n`
  const answer = yield { ask: 'rows', sql }
  for (const row of answer.ask === 'rows' ? answer.rows : []) found.set(Number(row.__lw_n), fingerprintOfRow(of, row))
  return found
}

/** What is left to compare. */
interface Sides {
  input: UniqueRows
  files: AddFile[]
  parts: InputPartition[]
  skipped: InputPartition[]
}

function isAllNew({ files, skipped }: Sides): boolean {
  return files.length === 0 && skipped.length === 0
}

/** `lw_changes`: the key of each row that is new, gone, or differs. */
function* compareSides(ctx: PlanContext, side: Sides): Generator<Ask, Changes, Answer> {
  const { key, rowHash } = ctx
  // A first load: everything is new, and nothing needs to be named for it.
  if (isAllNew(side) && ctx.scope === undefined) return { inserted: side.input.rows, updated: 0, deleted: 0 }
  const exact = ctx.settings.exact === true ? rowHash.columns : undefined
  const compared = exact?.map(({ name }) => name) ?? Object.values(hashColumns)
  const columns = [...key, ...compared].map(quoteIdentifier).join(', ')
  const rows = yield* restOfInput(ctx, side)
  const reads: Reads =
    exact === undefined
      ? { alias: 'old', files: side.files, columns: key, hashes: rowHash }
      : { alias: 'old', files: side.files, columns: [...key, ...compared] }
  const sql = compareSql({
    old: `(SELECT ${columns} FROM old)`,
    new: `(SELECT ${columns} FROM ${rows})`,
    key,
    ...(exact === undefined ? {} : { exact }),
  })
  yield { ask: 'relation', name: changesName, sql, reads: [reads], kept: 'file' }
  const answer = yield {
    ask: 'rows',
    sql: `SELECT __lw_change, count(*) AS n FROM ${changesName} GROUP BY __lw_change`,
    reads: [],
  }
  const counts = new Map((answer.ask === 'rows' ? answer.rows : []).map((row) => [row.__lw_change, Number(row.n)]))
  return { inserted: counts.get('i') ?? 0, updated: counts.get('u') ?? 0, deleted: counts.get('d') ?? 0 }
}

/** A relation of the input's rows in partitions that are not known to be equal. */
function* restOfInput(ctx: PlanContext, { input, parts, skipped }: Sides): Generator<Ask, string, Answer> {
  const rows = quoteIdentifier(input.name)
  if (skipped.length === 0) return rows
  if (parts.length === 0) return `(SELECT * FROM ${rows} WHERE false)`
  const fields = partitionFields(ctx)
  const columns = fields.map(({ name }) => quoteIdentifier(name)).join(', ')
  yield {
    ask: 'relation',
    name: restName,
    sql: `SELECT ${columns} FROM ${partsName} WHERE __lw_n IN (${parts.map(({ n }) => n).join(', ')})`,
    reads: [],
  }
  return `(SELECT r.* FROM ${rows} r SEMI JOIN ${restName} p ON ${samePartition(fields)})`
}

/**
 * A key that several rows of the table have cannot be compared with one row of the input. Counts tell: as many old rows
 * as new ones are unchanged, unless a new one met two.
 */
function* refuseWrongInTable(ctx: PlanContext, side: Sides, changes: Changes): Generator<Ask, void, Answer> {
  const { key } = ctx
  const { inserted, updated, deleted } = changes
  const refusal = ofTable(key)
  const oldRows = yield* countRows(side.files)
  const newRows = side.input.rows - side.skipped.reduce((sum, { rows }) => sum + rows, 0)
  const columns = key.map(quoteIdentifier).join(', ')
  if (oldRows - updated - deleted !== newRows - inserted - updated) {
    const reads = [{ alias: 'old', files: side.files, columns: key, hashes: ctx.rowHash }]
    const answer = yield { ask: 'rows', sql: repeatedKeysSql('old', key), reads }
    refuseRepeatedKeys(answer.ask === 'rows' ? answer.rows : [], refusal)
  }
  if (deleted === 0) return
  const gone = `SELECT ${columns} FROM ${changesName} WHERE __lw_change = 'd'`
  const nulls = yield { ask: 'rows', sql: nullKeysSql(`(${gone})`, key), reads: [] }
  refuseNullKeys(nulls.ask === 'rows' ? nulls.rows : [], refusal)
  // A row whose key is alive in a partition that was not looked at is the second of its key.
  const alive =
    side.skipped.length === 0 || impliedByKey(ctx, ctx.partitionBy)
      ? ''
      : ` UNION ALL SELECT ${columns} FROM ${quoteIdentifier(side.input.name)} o SEMI JOIN (${gone}) n ON ${sameKeys(key)}`
  const answer = yield { ask: 'rows', sql: repeatedKeysSql(`(${gone}${alive})`, key), reads: [] }
  refuseRepeatedKeys(answer.ask === 'rows' ? answer.rows : [], refusal)
}

function* rowChanges(ctx: PlanContext, side: Sides, changes: Changes): Generator<Ask, RowChanges, Answer> {
  const addedRows = changes.inserted + changes.updated
  const removedRows = changes.updated + changes.deleted
  if (isAllNew(side)) return { added: side.input.name, addedRows }
  const holders = removedRows > 0 ? yield* findRemoved(ctx, side.files) : []
  if (addedRows > 0) yield* findAdded(ctx, side.input, changes.updated > 0 ? holders : [])
  return {
    ...(removedRows > 0 ? { removed: removedName } : {}),
    ...{ added: addedName, addedRows, inPlace: true },
    ...(ctx.changeFeed && removedRows > 0 ? { changes: changesSql(ctx, holders, addedRows) } : {}),
  }
}

/** `lw_removed`: the old rows that go, by file and row. @returns the files that hold them */
function* findRemoved(ctx: PlanContext, files: AddFile[]): Generator<Ask, AddFile[], Answer> {
  const { key } = ctx
  const columns = key.map((name) => `o.${quoteIdentifier(name)}`)
  yield {
    ask: 'relation',
    name: removedName,
    sql: `SELECT ${[...columns, 'o.__lw_file', 'o.__lw_row', 'n.__lw_change'].join(', ')} FROM old o JOIN ${changesName} n ON ${sameKeys(key)} WHERE n.__lw_change <> 'i'`,
    reads: [{ alias: 'old', files, columns: key, hashes: ctx.rowHash }],
    kept: 'file',
  }
  const answer = yield { ask: 'rows', sql: `SELECT DISTINCT __lw_file FROM ${removedName}`, reads: [] }
  const holders = new Set((answer.ask === 'rows' ? answer.rows : []).map((row) => row.__lw_file))
  return files.filter((file) => holders.has(file.key))
}

/** `lw_added`: the rows that come. One that changes keeps the time at which it was made, and its place in its partition. */
function* findAdded(ctx: PlanContext, input: UniqueRows, holders: AddFile[]): Generator<Ask, void, Answer> {
  const { key, loadColumns, partitionBy, schema } = ctx
  const created = loadColumns.includes(createdAt) && holders.length > 0
  const moving = holders.length > 0 ? partitionBy.filter((name) => !key.includes(name)) : []
  const columns = schema.map(({ name }) => {
    const column = quoteIdentifier(name)
    return created && name === createdAt
      ? `CASE WHEN n.__lw_change = 'u' THEN b.${column} ELSE o.${column} END AS ${column}`
      : `o.${column}`
  })
  const stays = moving.map(quoteIdentifier).map((name) => `b.${name} IS NOT DISTINCT FROM o.${name}`)
  const places = Object.entries(placeTypes).map(([name, type]) => {
    if (holders.length === 0) return `CAST(NULL AS ${type}) AS ${name}`
    return stays.length === 0 ? `b.${name}` : `CASE WHEN ${stays.join(' AND ')} THEN b.${name} END AS ${name}`
  })
  const from = `${quoteIdentifier(input.name)} o JOIN ${changesName} n ON ${sameKeys(key)}`
  const ofOld = [...moving, ...(created ? [createdAt] : [])]
  const before = holders.length === 0 ? '' : ` LEFT JOIN (${beforeSql(key, ofOld)}) b ON ${sameKeys(key, 'o', 'b')}`
  yield {
    ask: 'relation',
    name: addedName,
    sql: `SELECT ${[...columns, ...places].join(', ')}, n.__lw_change FROM ${from}${before} WHERE n.__lw_change <> 'd'`,
    reads: ofOld.length > 0 ? [{ alias: 'previous', files: holders, columns: ofOld }] : [],
    kept: 'file',
  }
}

const placeTypes = { __lw_file: 'VARCHAR', __lw_row: 'BIGINT' }

/** Keys and places of the rows that go, with some of their values. */
function beforeSql(key: readonly string[], columns: readonly string[]): string {
  const places = [...key.map((name) => `r.${quoteIdentifier(name)}`), 'r.__lw_file', 'r.__lw_row']
  if (columns.length === 0) return `SELECT ${places.join(', ')} FROM ${removedName} r`
  const values = columns.map((name) => `c.${quoteIdentifier(name)}`)
  return `SELECT ${[...places, ...values].join(', ')} FROM ${removedName} r JOIN previous c ON r.__lw_file = c.__lw_file AND r.__lw_row = c.__lw_row`
}

/** The old rows as they were, the new ones as they are. */
function changesSql(ctx: PlanContext, holders: AddFile[], addedRows: number): NonNullable<RowChanges['changes']> {
  const names = ctx.schema.map(({ name }) => name)
  const columns = names.map(quoteIdentifier).join(', ')
  const before = `SELECT ${columns}, CASE __lw_change WHEN 'd' THEN 'delete' ELSE 'update_preimage' END AS _change_type FROM before JOIN (SELECT __lw_file, __lw_row, __lw_change FROM ${removedName}) USING (__lw_file, __lw_row)`
  const after = `SELECT ${columns}, CASE __lw_change WHEN 'i' THEN 'insert' ELSE 'update_postimage' END AS _change_type FROM ${addedName}`
  return {
    sql: addedRows > 0 ? `${before} UNION ALL ${after}` : before,
    reads: [{ alias: 'before', files: holders, columns: names }],
  }
}
