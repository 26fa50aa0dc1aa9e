/**
 * `sync`: a full snapshot. The table, or the part of it that the scope names, becomes equal to it, and only files with a
 * row that changes are rewritten. Nothing needs a time stamp.
 *
 *   orders.sync(dump)
 *     relation  lw_rows      the input once, with its row hashes       SELECT *, hash(…) … FROM lw_input
 *     rows      keys that are null or repeated                         refused
 *     relation  lw_parts     the input's partitions, with row counts
 *     rows      fingerprints of partitions with as many rows as before: equal ones drop out on both sides, unread
 *     relation  lw_changes   keys and hashes of the rest, old and new  FULL JOIN … WHERE the hashes differ
 *     relation  lw_removed   where the changed and deleted rows lie    file, row
 *     relation  lw_added     the changed and new rows                  lw_rows JOIN lw_changes
 *     stage     the rewritten files, and the changes for the feed      rewrite.ts
 *
 * What may be as large as the table is asked for with few columns, and kept in files.
 */
import { LakeError } from '../errors.js'
import type { AddFile, PartitionValues } from '../manifest/actions.js'
import { matchesPartition, type Predicate, predicateText } from '../partition/scope.js'
import { assertPartitionValue, partitionId } from '../partition/spec.js'
import { partitionTextSql } from '../partition/value.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Field, Schema } from '../schema/types.js'
import {
  combineFingerprints,
  fingerprintOfRow,
  fingerprintSql,
  fingerprintTagName,
  parseFingerprintTag,
  sameContent,
} from '../stage/fingerprint.js'
import type { Fingerprint, Reads } from '../stage/port.js'
import { hashColumns, rowHashColumns } from '../stage/row-hash.js'
import { candidateFiles } from './candidates.js'
import { compareSql } from './compare.js'
import { refuseRepeatedKeys, repeatedKeysSql } from './keys.js'
import { byPartition, folderOf, type Partition, rowsInFile, stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, ReadSet, RowCounts, Verdict } from './port.js'
import { outcome, type RowChanges, rewrite } from './rewrite.js'
import { type UniqueRows, uniqueRows } from './unique.js'

export const sync: Plan = function* (ctx) {
  const { name, read } = yield* keepRows(ctx)
  const input = yield* uniqueRows(ctx, name, read, hashFields)
  const parts = yield* inputPartitions(ctx, input)
  refuseOutsideScope(ctx, parts)
  const old = oldPartitions(ctx)
  const rowsBefore = yield* countRows([...old.values()].flatMap(({ files }) => files))
  const same = yield* equalPartitions(ctx, input, parts, old)
  const rest = {
    files: [...old.values()].filter(({ id }) => !same.has(id)).flatMap(({ files }) => files),
    parts: parts.filter(({ id }) => !same.has(id)),
  }
  const side: Sides = { input, ...rest, skipped: parts.filter(({ id }) => same.has(id)) }
  const changes = yield* compareSides(ctx, side)
  yield* refuseRepeatedInTable(ctx, side, changes)
  const outside = yield* refuseKeysOutside(ctx, changes)
  const rewritten = yield* applyChanges(ctx, side, changes)
  const { inserted, updated, deleted } = changes
  const unchanged = input.rows - inserted - updated
  const rows: RowCounts = {
    read,
    written: stagedRows(rewritten.add),
    ...{ inserted, updated, deleted, unchanged, ignored: input.ignored },
  }
  return { ...rewritten, rows, rowsBefore, reads: readSet(ctx, parts, old, outside), dataChange: true }
}

const rowsName = 'lw_rows'
const partsName = 'lw_parts'
const restName = 'lw_rest'
const changesName = 'lw_changes'
const removedName = 'lw_removed'
const addedName = 'lw_added'

/** What `lw_rows` has beside the table's columns; only the names are used. */
const hashFields: Schema = Object.values(hashColumns).map((name) => ({
  name,
  type: { kind: 'bigint' },
  nullable: true,
}))

function* keepRows(ctx: PlanContext): Generator<Ask, { name: string; read: number }, Answer> {
  const columns = ctx.schema.map(({ name }) => quoteIdentifier(name)).join(', ')
  const sql = `SELECT ${columns}, ${rowHashColumns(ctx.rowHash.columns)} FROM ${ctx.input.name}`
  const answer = yield { ask: 'relation', name: rowsName, sql, kept: 'file', input: true }
  return { name: rowsName, read: answer.ask === 'relation' ? answer.rows : 0 }
}

/** One of the input. */
interface InputPartition {
  id: string
  /** In `lw_parts`. */
  n: number
  values: PartitionValues
  rows: number
}

/** A table without partitions is one. */
function* inputPartitions(ctx: PlanContext, input: UniqueRows): Generator<Ask, InputPartition[], Answer> {
  const fields = partitionFields(ctx)
  const id = (values: PartitionValues) => partitionId(values, ctx.partitionBy, ctx.schema)
  if (fields.length === 0) return [{ id: id({}), n: 0, values: {}, rows: input.rows }]
  const columns = fields.map(({ name }) => quoteIdentifier(name)).join(', ')
  yield {
    ask: 'relation',
    name: partsName,
    sql: `SELECT ${columns}, count(*) AS __lw_rows, row_number() OVER () AS __lw_n FROM ${quoteIdentifier(input.name)} GROUP BY ${columns}`,
  }
  const texts = fields.map(({ name, type }, i) => `${partitionTextSql(type, quoteIdentifier(name), name)} AS p${i}`)
  const answer = yield { ask: 'rows', sql: `SELECT __lw_n, __lw_rows, ${texts.join(', ')} FROM ${partsName}` }
  return (answer.ask === 'rows' ? answer.rows : []).map((row) => {
    const values = Object.fromEntries(fields.map(({ name }, i) => [name, textOrNull(row[`p${i}`])]))
    // Readers take some texts for null; here they would be the partition of null.
    for (const [column, value] of Object.entries(values)) assertPartitionValue(column, value)
    return { id: id(values), n: Number(row.__lw_n), values, rows: Number(row.__lw_rows) }
  })
}

function refuseOutsideScope(ctx: PlanContext, parts: readonly InputPartition[]): void {
  const { scope } = ctx
  if (!scope) return
  const outside = parts.filter(({ rows, values }) => rows > 0 && !matchesPartition(scope, values, ctx.schema))
  if (outside.length === 0) return
  const examples = outside
    .slice(0, 3)
    .map(({ rows, values }) => `${folderOf(ctx, { partitionValues: values })} (${rows} rows)`)
  throw new LakeError('invalid', 'rows lie outside the scope', {
    rows: outside.reduce((sum, { rows }) => sum + rows, 0),
    scope: predicateText(scope),
    partitions: outside.length,
    examples: examples.join(', '),
    fix: 'Widen --scope, or leave these rows out of the input; nothing was loaded.',
  })
}

/** Those that the snapshot stands for. */
function oldPartitions({ base, partitionBy, schema, scope }: PlanContext): Map<string, Partition<AddFile>> {
  const all = byPartition(base?.files.values() ?? [], partitionBy, schema)
  if (scope === undefined) return all
  return new Map([...all].filter(([, { values }]) => matchesPartition(scope, values, schema)))
}

function* countRows(files: readonly AddFile[]): Generator<Ask, number, Answer> {
  const known = files.reduce((sum, file) => sum + (rowsInFile(file) ?? 0), 0)
  const unknown = files.filter((file) => rowsInFile(file) === undefined)
  if (unknown.length === 0) return known
  const reads = [{ alias: 'old', files: unknown, columns: [] }]
  const answer = yield { ask: 'rows', sql: 'SELECT count(*) AS n FROM old', reads }
  return known + (answer.ask === 'rows' ? Number(answer.rows[0]?.n ?? 0) : 0)
}

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

interface Changes {
  inserted: number
  updated: number
  deleted: number
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
function* refuseRepeatedInTable(ctx: PlanContext, side: Sides, changes: Changes): Generator<Ask, void, Answer> {
  const { key } = ctx
  const { inserted, updated, deleted } = changes
  const refusal = {
    of: 'the table',
    key,
    fix: 'Rows with one key came from plain appends: remove them with `delete`, or `overwrite` the table.',
  }
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
  // A row whose key is alive in a partition that was not looked at is the second of its key.
  const alive =
    side.skipped.length === 0 || impliedByKey(ctx, ctx.partitionBy)
      ? ''
      : ` UNION ALL SELECT ${columns} FROM ${quoteIdentifier(side.input.name)} o SEMI JOIN (${gone}) n ON ${sameKeys(key)}`
  const answer = yield { ask: 'rows', sql: repeatedKeysSql(`(${gone}${alive})`, key), reads: [] }
  refuseRepeatedKeys(answer.ask === 'rows' ? answer.rows : [], refusal)
}

/**
 * With a scope that the key does not imply, a new key may be one that the table has elsewhere: inserted here, it would be
 * there twice.
 * @returns what was looked at for that, beyond the scope
 */
function* refuseKeysOutside(ctx: PlanContext, { inserted }: Changes): Generator<Ask, ReadSet, Answer> {
  const { base, key, schema, scope } = ctx
  const nothing: ReadSet = { kind: 'nothing' }
  if (scope === undefined || inserted === 0 || impliedByKey(ctx, columnsOf(scope))) return nothing
  const files = [...(base?.files.values() ?? [])].filter(
    (file) => !matchesPartition(scope, file.partitionValues, schema),
  )
  if (files.length === 0) return { kind: 'everything' }
  const columns = key.map(quoteIdentifier).join(', ')
  const newName = 'lw_new_keys'
  const newKeys = `SELECT ${columns} FROM ${changesName} WHERE __lw_change = 'i'`
  yield { ask: 'relation', name: newName, sql: newKeys, reads: [], kept: 'file' }
  const candidates = yield* candidateFiles(ctx, files, newName)
  if (candidates.files.length === 0) return candidates.reads
  const example = `CAST(json_object(${key.map((name) => `${quoteText(name)}, o.${quoteIdentifier(name)}`).join(', ')}) AS VARCHAR)`
  const answer = yield {
    ask: 'rows',
    sql: `SELECT count(*) AS n, min(${example}, 3) AS examples FROM outside o SEMI JOIN ${newName} n ON ${sameKeys(key)}`,
    reads: [{ alias: 'outside', files: candidates.files, columns: key }],
  }
  const [row] = answer.ask === 'rows' ? answer.rows : []
  if (row === undefined || Number(row.n) === 0) return candidates.reads
  throw new LakeError('invalid', 'keys of the input are in the table outside the scope', {
    key: key.join(', '),
    scope: predicateText(scope),
    rows: Number(row.n),
    examples: Array.isArray(row.examples) ? row.examples.join(', ') : '',
    fix: 'They would be in the table twice. Widen --scope to where they are, so that they can move.',
  })
}

function* applyChanges(
  ctx: PlanContext,
  side: Sides,
  changes: Changes,
): Generator<Ask, Pick<Verdict, 'supersede' | 'add' | 'partitions' | 'changeData'>, Answer> {
  const addedRows = changes.inserted + changes.updated
  const removedRows = changes.updated + changes.deleted
  if (addedRows + removedRows === 0) return { supersede: [], add: [], partitions: outcome(ctx, [], []) }
  if (isAllNew(side)) return yield* rewrite(ctx, { added: side.input.name, addedRows })
  const holders = removedRows > 0 ? yield* findRemoved(ctx, side.files) : []
  if (addedRows > 0) yield* findAdded(ctx, side.input, changes.updated > 0 ? holders : [])
  const feed = ctx.changeFeed && removedRows > 0 ? { changes: changesSql(ctx, holders, addedRows) } : {}
  return yield* rewrite(ctx, {
    ...(removedRows > 0 ? { removed: removedName } : {}),
    ...{ added: addedName, addedRows },
    ...feed,
  })
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

/** `lw_added`: the rows that come, and `__lw_change`. A row that changes keeps the time at which it was made. */
function* findAdded(ctx: PlanContext, input: UniqueRows, holders: AddFile[]): Generator<Ask, void, Answer> {
  const { key, loadColumns, schema } = ctx
  const keepsCreation = loadColumns.includes(createdAt) && holders.length > 0
  const columns = schema.map(({ name }) => {
    const column = quoteIdentifier(name)
    return keepsCreation && name === createdAt
      ? `CASE WHEN n.__lw_change = 'u' THEN b.${column} ELSE o.${column} END AS ${column}`
      : `o.${column}`
  })
  const from = `${quoteIdentifier(input.name)} o JOIN ${changesName} n ON ${sameKeys(key)}`
  const names = key.map(quoteIdentifier)
  const before = `SELECT ${names.map((name) => `r.${name}`).join(', ')}, c.${quoteIdentifier(createdAt)} FROM ${removedName} r JOIN created c USING (__lw_file, __lw_row)`
  const onBefore = names.map((name) => `b.${name} = o.${name}`).join(' AND ')
  yield {
    ask: 'relation',
    name: addedName,
    sql: `SELECT ${columns.join(', ')}, n.__lw_change FROM ${from}${keepsCreation ? ` LEFT JOIN (${before}) b ON ${onBefore}` : ''} WHERE n.__lw_change <> 'd'`,
    reads: keepsCreation ? [{ alias: 'created', files: holders, columns: [createdAt] }] : [],
    kept: 'file',
  }
}

const createdAt = '_created_at'

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

/** All that decided what is rewritten: also partitions that were found equal, and those of the scope that are not there. */
function readSet(
  { scope }: PlanContext,
  parts: readonly InputPartition[],
  old: ReadonlyMap<string, unknown>,
  outside: ReadSet,
): ReadSet {
  if (scope === undefined || outside.kind === 'everything') return { kind: 'everything' }
  const ids = new Set([...parts.map(({ id }) => id), ...old.keys()])
  if (outside.kind === 'partitions') for (const id of outside.ids) ids.add(id)
  return { kind: 'partitions', ids, scope }
}

function partitionFields({ partitionBy, schema }: PlanContext): Field[] {
  return partitionBy.flatMap((name) => findColumn(schema, name) ?? [])
}

/** Null is a partition like any other. */
function samePartition(fields: readonly Field[]): string {
  return fields
    .map(({ name }) => quoteIdentifier(name))
    .map((name) => `p.${name} IS NOT DISTINCT FROM r.${name}`)
    .join(' AND ')
}

function sameKeys(key: readonly string[]): string {
  return key
    .map(quoteIdentifier)
    .map((name) => `o.${name} = n.${name}`)
    .join(' AND ')
}

/** Whether rows of one key have one value in each of the columns. */
function impliedByKey({ key }: PlanContext, columns: readonly string[]): boolean {
  return columns.every((name) => key.includes(name))
}

function columnsOf(predicate: Predicate): string[] {
  switch (predicate.op) {
    case 'true':
    case 'false':
      return []
    case 'and':
    case 'or':
      return predicate.of.flatMap(columnsOf)
    case 'not':
      return columnsOf(predicate.of)
    default:
      return [predicate.column]
  }
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}
