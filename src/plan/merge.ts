/**
 * `merge`: rows by key. Known ones are updated, or deleted where the input says so; new ones are inserted; of the table
 * only files that hold a row which changes are written again.
 *
 *   orders.merge(rows, { deleteWhen: 'incoming.is_deleted' })
 *     relation  lw_rows      the input once                             SELECT * FROM lw_input
 *     rows      keys that are null or repeated                          refused, or resolved (`onDuplicate`)
 *     rows      files that can hold one of the keys                     partitions, statistics
 *     relation  lw_matched   which of these do, for few keys            key columns of these files JOIN lw_rows
 *     relation  lw_decided   where the keys lie, and what becomes of    key and compared columns of the files that have one
 *                            the old row
 *     relation  lw_added     updated and new rows                       what updated rows keep, of the files that have one
 *     relation  lw_removed   where updated and deleted rows lie
 *     stage     the rewritten files, and the changes for the feed       rewrite.ts
 *
 *   __lw_change   u updated · d deleted · x ignored (`whenMatched` is not true) · = unchanged · i inserted
 *
 * Both rows are at hand where they are compared, so that is done by value, and only over columns that the input may change.
 */
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { matchesPartition, type Predicate, predicateSql, predicateText } from '../partition/scope.js'
import { findColumn, foldName, nearMiss } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import { fingerprintPartsSql } from '../stage/fingerprint.js'
import { candidateFiles } from './candidates.js'
import { columnsIn, conditionSql, parseCondition } from './condition.js'
import { refuseRepeatedKeys, repeatedKeysSql } from './keys.js'
import { stagedRows } from './partitions.js'
import type { Answer, Ask, Plan, PlanContext, ReadSet, RowCounts } from './port.js'
import { assertRowsNumbered, outcome, type Rewritten, type RowChanges, rewrite } from './rewrite.js'
import { type UniqueRows, uniqueRows } from './unique.js'

export const merge: Plan = function* (ctx) {
  assertRowsNumbered(ctx)
  const rules = rulesOf(ctx)
  const read = yield* keepRows(ctx)
  const input = yield* uniqueRows(ctx, rowsName, read, [...ctx.input.extras])
  yield* refuseOutsideScope(ctx, input)
  const files = [...(ctx.base?.files.values() ?? [])]
  const candidates = yield* candidateFiles(ctx, files, input.name)
  const decided = yield* decide(ctx, rules, input, candidates.files)
  yield* findLeft(ctx, input, files, decided)
  const inserted = yield* countInserted(ctx, rules, input, decided)
  const rewritten = yield* applyChanges(ctx, rules, input, decided, inserted)
  const { u: updated, d, '=': unchanged, left } = decided
  const rows: RowCounts = {
    read,
    written: stagedRows(rewritten.add),
    ...{ inserted, updated, deleted: d + left, unchanged },
    ignored: read - inserted - updated - d - unchanged,
  }
  return { ...rewritten, rows, reads: readSet(ctx, candidates.reads), dataChange: true }
}

const rowsName = 'lw_rows'
const matchedName = 'lw_matched'
const leftName = 'lw_left'
const decidedName = 'lw_decided'
const addedName = 'lw_added'
const removedName = 'lw_removed'

const createdAt = '_created_at'
/** Bits of `__lw_changed`. */
const mostKnownColumns = 64

/** What the caller said about rows that meet. */
interface Rules {
  deleteWhen: Predicate | undefined
  whenMatched: Predicate | undefined
  /** Columns that a matched row takes from the input, and that are compared. */
  updated: string[]
  /** What an updated row keeps of its own. */
  kept: string[]
  /** Columns of the matched row that decide what becomes of it. */
  deciding: string[]
  /** An updated row is the incoming one, but for the time of its creation: `lw_decided` has it then. */
  isWhole: boolean
}

function rulesOf(ctx: PlanContext): Rules {
  const { schema, key, loadColumns, settings, input } = ctx
  const supplied = schema.filter(({ name }) => input.supplied.includes(name))
  const conditionRows = { incoming: [...supplied, ...input.extras], current: schema }
  const condition = (setting: 'deleteWhen' | 'whenMatched') => {
    const text = settings[setting]
    return text === undefined ? undefined : parseCondition(text, setting, conditionRows)
  }
  const [deleteWhen, whenMatched] = [condition('deleteWhen'), condition('whenMatched')]
  const updated = updatedColumns(ctx)
  const tested = [deleteWhen, whenMatched].flatMap((one) => (one ? [...columnsIn(one, 'current')] : []))
  const names = schema.map(({ name }) => name)
  const kept = names.filter(
    (name) => !key.includes(name) && !updated.includes(name) && (!loadColumns.includes(name) || name === createdAt),
  )
  const deciding = names.filter((name) => updated.includes(name) || tested.includes(foldName(name)))
  const isWhole = kept.every((name) => name === createdAt) && schema.length <= mostKnownColumns
  return { deleteWhen, whenMatched, updated, kept, deciding, isWhole }
}

function updatedColumns({ schema, key, loadColumns, input, settings }: PlanContext): string[] {
  const possible = input.supplied.filter((name) => !key.includes(name) && !loadColumns.includes(name))
  return (settings.updateColumns ?? possible).map((name) => {
    const found = findColumn(schema, name)?.name
    if (found !== undefined && possible.includes(found)) return found
    const near = nearMiss(name, possible)
    const what =
      found !== undefined && key.includes(found) ? 'a column of the key' : 'a column that the input does not supply'
    throw new LakeError('invalid', `--update-columns names ${what}`, {
      column: name,
      columns: possible.join(', '),
      fix: near ? `Did you mean \`${near}\`?` : 'Name columns of the input that are no part of the key.',
    })
  })
}

function* keepRows(ctx: PlanContext): Generator<Ask, number, Answer> {
  return yield* relation({ name: rowsName, sql: `SELECT * FROM ${ctx.input.name}`, kept: 'file', input: true })
}

function* refuseOutsideScope({ scope, key }: PlanContext, input: UniqueRows): Generator<Ask, void, Answer> {
  if (scope === undefined) return
  const sql = `SELECT count(*) AS n, min(${keyText(key)}, 3) AS examples FROM ${input.name} WHERE ${predicateSql(scope)} IS NOT TRUE`
  const answer = yield { ask: 'rows', sql }
  const [row] = answer.ask === 'rows' ? answer.rows : []
  if (row === undefined || Number(row.n) === 0) return
  throw new LakeError('invalid', 'rows lie outside the scope', {
    rows: Number(row.n),
    scope: predicateText(scope),
    key: key.join(', '),
    examples: textOf(row.examples),
    fix: 'Widen --scope, or leave these rows out of the input; nothing was loaded.',
  })
}

/** What became of the rows that the table has. */
interface Decided {
  /** Rows that the input has too, by `__lw_change`. */
  u: number
  d: number
  x: number
  '=': number
  matched: number
  /** Files that hold a row which goes. */
  holders: AddFile[]
  /** Rows that only the table has, where these are to be deleted. */
  left: number
}

/** `lw_decided`: the keys that the input and the table both have, where the old rows lie, and what becomes of them. */
function* decide(
  ctx: PlanContext,
  rules: Rules,
  input: UniqueRows,
  candidates: AddFile[],
): Generator<Ask, Decided, Answer> {
  const decided: Decided = { u: 0, d: 0, x: 0, '=': 0, matched: 0, holders: [], left: 0 }
  const isSparse = input.rows < candidates.length * denseRowsPerFile
  const files = isSparse ? yield* filesWithMatch(ctx, input, candidates) : candidates
  if (files.length === 0) return decided
  const matches = isSparse
    ? `${matchedName} m JOIN lw_old AS "current" ON ${samePlace('m', '"current"')} JOIN ${input.name} AS incoming ON ${sameKey(ctx.key, 'm', 'incoming')}`
    : `lw_old AS "current" JOIN ${input.name} AS incoming ON ${sameKey(ctx.key, '"current"', 'incoming')}`
  const sql = rules.isWhole ? wholeRowsSql(ctx, rules, matches) : decisionSql(ctx, rules, matches)
  const columns = rules.isWhole ? [...rules.deciding, ...rules.kept] : rules.deciding
  const old = { alias: 'lw_old', files, columns: isSparse && !rules.isWhole ? columns : [...ctx.key, ...columns] }
  decided.matched = yield* relation({ name: decidedName, sql, reads: [old], kept: 'file' })
  const groups = yield* changesByFile()
  for (const { __lw_change: name, n } of groups) decided[name as 'u' | 'd' | 'x' | '='] += Number(n)
  yield* refuseRepeatedInTable(ctx)
  const holding = (names: string[]) => {
    const keys = new Set(groups.filter((row) => names.includes(String(row.__lw_change))).map((row) => row.__lw_file))
    return files.filter(({ key }) => keys.has(key))
  }
  refuseMatchesOutside(ctx, holding(['u', 'd', 'x', '=']))
  decided.holders = holding(['u', 'd'])
  return decided
}

/** @param matches what follows FROM: `incoming` and `current`, side by side */
function decisionSql(ctx: PlanContext, rules: Rules, matches: string): string {
  return `SELECT ${columnList(ctx.key, 'incoming')}, ${decisionColumns(ctx, rules).join(', ')} FROM ${matches}`
}

function decisionColumns({ partitionBy }: PlanContext, { deleteWhen, whenMatched, updated }: Rules): string[] {
  const differ = updated.map(
    (name) => `incoming.${quoteIdentifier(name)} IS DISTINCT FROM "current".${quoteIdentifier(name)}`,
  )
  const change = [
    ...(deleteWhen ? [`WHEN ${conditionSql(deleteWhen)} THEN 'd'`] : []),
    ...(whenMatched ? [`WHEN NOT ${conditionSql(whenMatched)} THEN 'x'`] : []),
    ...(differ.length > 0 ? [`WHEN ${differ.join(' OR ')} THEN 'u'`] : []),
    `WHEN true THEN '='`,
  ]
  const moving = partitionBy.filter((name) => updated.includes(name)).map(quoteIdentifier)
  const stays = moving.map((name) => `incoming.${name} IS NOT DISTINCT FROM "current".${name}`).join(' AND ') || 'true'
  const places = ['"current".__lw_file', '"current".__lw_row']
  return [...places, `CASE ${change.join(' ')} END AS __lw_change`, `${stays} AS __lw_stays`]
}

/**
 * With the row as it will be where it is updated, and what is known of the old one while it is at hand, so that it need not
 * be read again: `__lw_sum`, `__lw_xor`, `__lw_changed` (see `Rewrites.known`).
 */
function wholeRowsSql(ctx: PlanContext, rules: Rules, matches: string): string {
  const { schema, key, partitionBy, loadColumns, fingerprint } = ctx
  const oldName = (name: string) => quoteIdentifier(`__lw_old_${name}`)
  const newName = (name: string) => quoteIdentifier(`__lw_new_${name}`)
  const both = schema.flatMap(({ name }) => [
    ...(rules.kept.includes(name) || !loadColumns.includes(name)
      ? [`"current".${quoteIdentifier(name)} AS ${oldName(name)}`]
      : []),
    `incoming.${quoteIdentifier(name)} AS ${newName(name)}`,
  ])
  const isUpdated = `__lw_change = 'u'`
  const values = schema.map(({ name }) => {
    if (key.includes(name)) return `${newName(name)} AS ${quoteIdentifier(name)}`
    const value = rules.kept.includes(name) ? oldName(name) : newName(name)
    return `CASE WHEN ${isUpdated} THEN ${value} END AS ${quoteIdentifier(name)}`
  })
  const bits = schema
    .filter(({ name }) => !partitionBy.includes(name))
    .map(({ name }, bit) => {
      if (key.includes(name) || rules.kept.includes(name)) return '0'
      const differs = loadColumns.includes(name) ? 'true' : `${oldName(name)} IS DISTINCT FROM ${newName(name)}`
      return `CASE WHEN ${differs} THEN ${1n << BigInt(bit)}::UBIGINT ELSE 0 END`
    })
  const parts = fingerprintPartsSql(fingerprint.columns.map((field) => ({ ...field, name: `__lw_old_${field.name}` })))
  const goes = `__lw_change IN ('u', 'd')`
  const known = [
    `CASE WHEN ${goes} THEN ${parts.sum} END AS __lw_sum`,
    `CASE WHEN ${goes} THEN ${parts.xor} END AS __lw_xor`,
    `CASE WHEN ${isUpdated} THEN (${bits.join(' + ') || '0'})::UBIGINT END AS __lw_changed`,
  ]
  const decision = ['__lw_file', '__lw_row', '__lw_change', '__lw_stays']
  return `SELECT ${[...values, ...decision, ...known].join(', ')}
    FROM (SELECT ${[...decisionColumns(ctx, rules), ...both].join(', ')} FROM ${matches})`
}

/** With so many rows of the input for each file, nearly every file has a match: to find out which would cost a scan. */
const denseRowsPerFile = 16

/** `lw_matched`: where the keys lie, so that further columns need be read of few files only. */
function* filesWithMatch(
  { key }: PlanContext,
  input: UniqueRows,
  candidates: AddFile[],
): Generator<Ask, AddFile[], Answer> {
  if (candidates.length === 0) return []
  const sql = `SELECT ${columnList(key, 'o')}, o.__lw_file, o.__lw_row FROM lw_old o SEMI JOIN ${input.name} i ON ${sameKey(key, 'o', 'i')}`
  const old = { alias: 'lw_old', files: candidates, columns: key }
  const rows = yield* relation({ name: matchedName, sql, reads: [old], kept: 'file' })
  return rows === 0 ? [] : yield* filesIn(candidates, matchedName)
}

function* changesByFile(): Generator<Ask, Record<string, unknown>[], Answer> {
  const sql = `SELECT __lw_file, __lw_change, count(*) AS n FROM ${decidedName} GROUP BY ALL`
  const answer = yield { ask: 'rows', sql, reads: [] }
  return answer.ask === 'rows' ? answer.rows : []
}

function* refuseRepeatedInTable({ key }: PlanContext): Generator<Ask, void, Answer> {
  const answer = yield { ask: 'rows', sql: repeatedKeysSql(decidedName, key), reads: [] }
  refuseRepeatedKeys(answer.ask === 'rows' ? answer.rows : [], {
    of: 'the table',
    key,
    fix: 'Rows with one key came from plain appends: remove them with `delete`, or `overwrite` the table.',
  })
}

/** A row of the scope whose key lies elsewhere would take that row out of its partition, which was not to be touched. */
function refuseMatchesOutside({ scope, schema, key }: PlanContext, files: readonly AddFile[]): void {
  if (scope === undefined) return
  const outside = files.filter((file) => !matchesPartition(scope, file.partitionValues, schema))
  if (outside.length === 0) return
  throw new LakeError('invalid', 'keys of the input are in the table outside the scope', {
    key: key.join(', '),
    scope: predicateText(scope),
    files: outside.length,
    examples: outside
      .slice(0, 3)
      .map((file) => file.key)
      .join(', '),
    fix: 'Widen --scope to where they are, so that they can move.',
  })
}

/** `lw_left`: rows of the table, or of the scope, that the input does not have, where these are to be deleted. */
function* findLeft(
  ctx: PlanContext,
  input: UniqueRows,
  files: AddFile[],
  decided: Decided,
): Generator<Ask, void, Answer> {
  const { key, scope, schema, settings } = ctx
  if (settings.whenNotMatchedBySource !== 'delete') return
  const synced = scope ? files.filter((file) => matchesPartition(scope, file.partitionValues, schema)) : files
  if (synced.length === 0) return
  const sql = `SELECT o.__lw_file, o.__lw_row FROM lw_old o ANTI JOIN ${input.name} i ON ${sameKey(key, 'o', 'i')}`
  const old = { alias: 'lw_old', files: synced, columns: key }
  decided.left = yield* relation({ name: leftName, sql, reads: [old], kept: 'file' })
  if (decided.left === 0) return
  const holders = yield* filesIn(synced, leftName)
  decided.holders = [...new Set([...decided.holders, ...holders])]
}

function* countInserted(
  ctx: PlanContext,
  { deleteWhen }: Rules,
  input: UniqueRows,
  decided: Decided,
): Generator<Ask, number, Answer> {
  if (deleteWhen === undefined) return input.rows - decided.matched
  const sql = `SELECT count(*) AS n FROM ${unmatched(ctx, deleteWhen, input, decided)}`
  const answer = yield { ask: 'rows', sql, reads: [] }
  return answer.ask === 'rows' ? Number(answer.rows[0]?.n ?? 0) : 0
}

/** What follows FROM: rows of the input whose key is new, without those that the input itself says are gone. */
function unmatched(
  { key }: PlanContext,
  deleteWhen: Predicate | undefined,
  input: UniqueRows,
  { matched }: Decided,
): string {
  const known = matched > 0 ? ` ANTI JOIN ${decidedName} m ON ${sameKey(key, 'm', 'incoming')}` : ''
  const gone = deleteWhen ? ` WHERE NOT ${conditionSql(deleteWhen, { withoutCurrent: true })}` : ''
  return `${input.name} AS incoming${known}${gone}`
}

function* applyChanges(
  ctx: PlanContext,
  rules: Rules,
  input: UniqueRows,
  decided: Decided,
  inserted: number,
): Generator<Ask, Rewritten, Answer> {
  const addedRows = inserted + decided.u
  const removedRows = decided.u + decided.d + decided.left
  if (addedRows + removedRows === 0) return { supersede: [], add: [], partitions: outcome(ctx, [], []) }
  // What only the table has is known by its key alone.
  const known = rules.isWhole && decided.left === 0
  if (removedRows > 0) yield* makeRemoved(decided, known)
  const isAllNew = removedRows === 0 && addedRows === input.rows
  if (addedRows > 0 && !isAllNew) yield* makeAdded(ctx, rules, input, decided, inserted)
  const added = isAllNew ? input.name : addedName
  return yield* rewrite(ctx, {
    ...(removedRows > 0 ? { removed: removedName } : {}),
    ...{ added, addedRows, inPlace: !isAllNew, known, changes: changesSql(ctx, added, decided.holders, addedRows) },
  })
}

/** `lw_removed`: where the old rows lie that go, and why. */
function* makeRemoved(decided: Decided, known: boolean): Generator<Ask, void, Answer> {
  const columns = ['__lw_file', '__lw_row', '__lw_change', ...(known ? ['__lw_sum', '__lw_xor'] : [])].join(', ')
  const parts = [
    ...(decided.u + decided.d > 0 ? [`SELECT ${columns} FROM ${decidedName} WHERE __lw_change IN ('u', 'd')`] : []),
    ...(decided.left > 0 ? [`SELECT __lw_file, __lw_row, 'd' AS __lw_change FROM ${leftName}`] : []),
  ]
  yield* relation({ name: removedName, sql: parts.join(' UNION ALL '), reads: [], kept: 'view' })
}

/** `lw_added`: the rows that come, as the table will have them, `__lw_change`, and whose place they take. */
function* makeAdded(
  ctx: PlanContext,
  rules: Rules,
  input: UniqueRows,
  decided: Decided,
  inserted: number,
): Generator<Ask, void, Answer> {
  const { deleteWhen, kept, isWhole } = rules
  const columns = columnList(
    ctx.schema.map(({ name }) => name),
    'incoming',
  )
  const nowhere = 'NULL::VARCHAR AS __lw_file, NULL::BIGINT AS __lw_row, NULL::UBIGINT AS __lw_changed'
  const parts = [
    ...(decided.u > 0 ? [updatedSql(ctx, rules, input)] : []),
    ...(inserted > 0
      ? [`SELECT ${columns}, 'i' AS __lw_change, ${nowhere} FROM ${unmatched(ctx, deleteWhen, input, decided)}`]
      : []),
  ]
  const needsOld = decided.u > 0 && !isWhole && kept.length > 0
  const reads = needsOld ? [{ alias: 'lw_before', files: decided.holders, columns: kept }] : []
  const sql = parts.join(' UNION ALL ')
  yield* relation({ name: addedName, sql, reads, kept: isWhole && inserted === 0 ? 'view' : 'file' })
}

function updatedSql({ schema, key }: PlanContext, { kept, isWhole }: Rules, input: UniqueRows): string {
  const place = ['__lw_file', '__lw_row'].map((name) => `CASE WHEN m.__lw_stays THEN m.${name} END AS ${name}`)
  const columns = schema.map(({ name }) => {
    const from = isWhole ? 'm' : kept.includes(name) ? '"current"' : 'incoming'
    return `${from}.${quoteIdentifier(name)}`
  })
  const changed = isWhole ? 'm.__lw_changed' : 'NULL::UBIGINT AS __lw_changed'
  const before = kept.length === 0 ? '' : ` JOIN lw_before AS "current" ON ${samePlace('m', '"current"')}`
  const from = isWhole
    ? `${decidedName} m`
    : `${decidedName} m JOIN ${input.name} AS incoming ON ${sameKey(key, 'm', 'incoming')}${before}`
  return `SELECT ${[...columns, `'u' AS __lw_change`, ...place, changed].join(', ')} FROM ${from} WHERE m.__lw_change = 'u'`
}

/** The old rows as they were, the new ones as they are. */
function changesSql(
  ctx: PlanContext,
  added: string,
  holders: AddFile[],
  addedRows: number,
): NonNullable<RowChanges['changes']> {
  const names = ctx.schema.map(({ name }) => name)
  const columns = names.map(quoteIdentifier).join(', ')
  const cause = added === addedName ? `CASE __lw_change WHEN 'i' THEN 'insert' ELSE 'update_postimage' END` : `'insert'`
  const parts = [
    ...(holders.length > 0
      ? [
          `SELECT ${columns}, CASE __lw_change WHEN 'd' THEN 'delete' ELSE 'update_preimage' END AS _change_type FROM lw_before JOIN ${removedName} USING (__lw_file, __lw_row)`,
        ]
      : []),
    ...(addedRows > 0 ? [`SELECT ${columns}, ${cause} AS _change_type FROM ${added}`] : []),
  ]
  return {
    sql: parts.join(' UNION ALL '),
    reads: holders.length > 0 ? [{ alias: 'lw_before', files: holders, columns: names }] : [],
  }
}

/** What the keys make the load look at; with deletion by source everything, or all of the scope. */
function readSet({ scope, settings }: PlanContext, reads: ReadSet): ReadSet {
  if (reads.kind !== 'partitions') return reads
  if (scope !== undefined) return { ...reads, scope }
  return settings.whenNotMatchedBySource === 'delete' ? { kind: 'everything' } : reads
}

function* relation(ask: Omit<Extract<Ask, { ask: 'relation' }>, 'ask'>): Generator<Ask, number, Answer> {
  const answer = yield { ask: 'relation', ...ask }
  return answer.ask === 'relation' ? answer.rows : 0
}

/** Of the files those that the relation names. */
function* filesIn(files: readonly AddFile[], name: string): Generator<Ask, AddFile[], Answer> {
  const answer = yield { ask: 'rows', sql: `SELECT DISTINCT __lw_file FROM ${name}`, reads: [] }
  const keys = new Set((answer.ask === 'rows' ? answer.rows : []).map((row) => row.__lw_file))
  return files.filter(({ key }) => keys.has(key))
}

function columnList(names: readonly string[], alias: string): string {
  return names.map((name) => `${alias}.${quoteIdentifier(name)}`).join(', ')
}

function sameKey(key: readonly string[], left: string, right: string): string {
  return key.map((name) => `${left}.${quoteIdentifier(name)} = ${right}.${quoteIdentifier(name)}`).join(' AND ')
}

function samePlace(left: string, right: string): string {
  return `${left}.__lw_file = ${right}.__lw_file AND ${left}.__lw_row = ${right}.__lw_row`
}

/** `{"id":7,"region":"EU"}` */
function keyText(key: readonly string[]): string {
  const members = key.map((name) => `${quoteText(name)}, ${quoteIdentifier(name)}`)
  return `CAST(json_object(${members.join(', ')}) AS VARCHAR)`
}

function textOf(examples: unknown): string {
  return Array.isArray(examples) ? examples.join(', ') : ''
}
