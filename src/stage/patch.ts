/**
 * Old files with some of their rows gone or changed, put together from their own bytes where little of them changes: row
 * groups without a change, and columns in which no row of a group changes, are copied; the rest is encoded anew, row group
 * by row group. Encoding is what a rewrite costs, so 1,000 changed amounts in 10 million rows cost a fifth of it.
 *
 *   row group   rows go or move    rows change in place           becomes
 *   0           none               none                           the same bytes
 *   1           none               12, all in `amount`            `amount` anew, in the old order; other columns the same bytes
 *   2           3                  any                            all columns anew
 *   –                                                             new rows of the partition, where they are few
 *
 * A file for which this is no gain, or whose columns are not laid out as ours are, is none of it: `rest`.
 *
 * The fingerprint of such a file is worked out from the old one and the rows that differ, and compared with the one that
 * is read back, so that pieces which do not fit together are noticed.
 */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import pLimit, { type LimitFunction } from 'p-limit'
import { filesRelation, type RelationFile } from '../engine/relation.js'
import { quoteIdent, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { encodeStats, parseStats } from '../manifest/stats.js'
import { partitionId } from '../partition/spec.js'
import { toSql } from '../schema/duckdb.js'
import { fieldIds } from '../schema/field-ids.js'
import { isNested } from '../schema/names.js'
import type { Field } from '../schema/types.js'
import { fingerprintPartsSql, fingerprintTagName, parseFingerprintTag, sameContent } from './fingerprint.js'
import { type Chunk, openParquet, type ParquetFile, type RowGroup, spliceParquet } from './parquet/splice.js'
import { chunkStatistics } from './parquet/statistics.js'
import type { Fingerprint, StagedFile } from './port.js'
import { dataColumns, fingerprintsOf, keyOf, newSpoolFolder, type StagingContext } from './stage.js'

export interface Rewrite {
  /** On this machine. */
  files: readonly LocalFile[]
  /** A relation of the rows that go: `__lw_file`, `__lw_row`. */
  removed: string
  /**
   * A relation of the rows that come: the table's columns, and `__lw_file`, `__lw_row` of the removed row whose place in
   * the same partition they take, or nulls.
   */
  added: string | undefined
  /**
   * Known of the rows already, so that the old ones need not be read for it: `removed` has `__lw_sum` and `__lw_xor`, the
   * row's part in its file's fingerprint, and `added` has `__lw_changed`, a bit for each data column, in the schema's order,
   * that differs.
   */
  known: boolean
}

export type LocalFile = AddFile & RelationFile

/** What is known of a file that is worth it. */
export interface Patch {
  old: LocalFile
  parquet: ParquetFile
  /** Number of the file in the relations below. */
  n: number
  /** Row groups with a row that goes, by their number. */
  touched: Map<number, TouchedGroup>
  /** Of the rows that go, and of those that take their place. */
  before: Fingerprint
  after: Fingerprint
}

interface TouchedGroup {
  rows: number
  start: number
  removed: number
  replaced: number
  /** Columns in which a row differs from the one that takes its place. Undefined before that is known. */
  changed: Set<string> | undefined
}

/** What encoding costs, in cells: a value of one column of one row. Tests make it cheap. */
export interface PatchCosts {
  /** Of one row group, beside its cells. */
  perGroup: number
  /** Share of the cost of encoding the whole file up to which a patch is a gain. */
  gain: number
  /** Row groups below this many rows are small, and so many of them are too many. */
  smallRows: number
  mostSmall: number
}
const measured: PatchCosts = { perGroup: 70_000, gain: 0.6, smallRows: 10_000, mostSmall: 8 }

/** Files that are worth it, those with the most bytes last. */
export async function planPatches(
  rewrite: Rewrite,
  ctx: StagingContext,
  costs: PatchCosts = measured,
): Promise<Patch[]> {
  const ours = await oursAmong(rewrite.files, ctx)
  if (ours.length === 0) return []
  const patches = ours.map((file, n): Patch => ({ ...file, n, ...nothingTouched(ctx) }))
  await defineGroups(patches, ctx)
  await countTouched(patches, rewrite, ctx)
  // What changes in them is not known yet; if they are too dear even for one column, that is not looked at.
  const hopeful = patches.filter((patch) => isGain(patch, ctx, costs))
  if (hopeful.length === 0) return []
  await (rewrite.known ? sumKnown(hopeful, rewrite, ctx) : sumRead(hopeful, rewrite, ctx))
  return hopeful.filter((patch) => isGain(patch, ctx, costs)).sort((a, b) => a.old.sizeBytes - b.old.sizeBytes)
}

/** @param rest staged files with rows that came anew; few of them are put at the end of a file of their partition */
export async function patchFiles(
  patches: readonly Patch[],
  rest: readonly StagedFile[],
  rewrite: Rewrite,
  ctx: StagingContext,
): Promise<StagedFile[]> {
  await defineRows(patches, rewrite, ctx)
  const appended = await appendable(patches, rest, ctx)
  const inTurn = pLimit(splicesAtOnce)
  const encoding = pLimit(Math.min(availableParallelism(), mostAtOnce))
  const spliced = patches.map((patch) =>
    inTurn(async () => await splice(patch, await encodePieces(patch, encoding, ctx), appended.get(patch), ctx)),
  )
  // Nothing may still be under way when the caller cleans up.
  const failed = (await Promise.allSettled(spliced)).find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  const files = await Promise.all(spliced)
  await verify(files, ctx)
  const kept = new Set([...appended.values()].map(({ file }) => file))
  return [...rest.filter((file) => !kept.has(file)), ...files.map(({ staged }) => staged)]
}

/** One is put together while pieces of others are encoded. */
const splicesAtOnce = 4
const mostAtOnce = 8
const filesTable = 'lw_patch_files'
const groupsTable = 'lw_patch_groups'
const touchedTable = 'lw_patch_touched'
const rowsTable = 'lw_patch_rows'
const goneTable = 'lw_patch_gone'

/** Files whose columns lie in them just as this engine writes them. */
async function oursAmong(
  files: readonly LocalFile[],
  ctx: StagingContext,
): Promise<{ old: LocalFile; parquet: ParquetFile }[]> {
  const model = await modelColumns(ctx)
  const limit = pLimit(16)
  const opened = await Promise.all(
    files.map((old) => limit(async () => ({ old, parquet: old.deletionVector ? undefined : await open(old) }))),
  )
  return opened.flatMap(({ old, parquet }) => {
    if (parquet === undefined || parquet.columns.size !== model.size) return []
    const isSame = [...model].every(([name, { schema }]) => parquet.columns.get(name)?.schema === schema)
    return isSame ? [{ old, parquet }] : []
  })
}

async function open({ path }: LocalFile): Promise<ParquetFile | undefined> {
  try {
    return await openParquet(path)
  } catch (error) {
    if (error instanceof LakeError && error.code === 'unsupported') return undefined
    throw error
  }
}

async function modelColumns(ctx: StagingContext): Promise<ParquetFile['columns']> {
  const columns = dataColumns(ctx).map(({ name, type }) => `CAST(NULL AS ${toSql(type)}) AS ${quoteIdent(name)}`)
  const folder = await newSpoolFolder(ctx)
  const [file] = await copyPiece(`SELECT ${columns.join(', ')}`, folder, 'model', dataColumns(ctx), ctx)
  const { columns: found } = await openParquet(file?.path ?? '')
  await rm(folder, { recursive: true, force: true })
  return found
}

async function copyPiece(sql: string, folder: string, name: string, columns: Field[], ctx: StagingContext) {
  return await ctx.engine.copy(sql, {
    ...{ folder, name, partitionBy: [], inOrder: true, apart: true, rowGroupRows: mostGroupRows },
    fieldIds: fieldIds(columns),
    signal: ctx.signal,
  })
}

/** Of a piece, which is one row group: beyond it the old file's row groups are too large to be taken apart. */
const mostGroupRows = 2 ** 27

async function defineGroups(files: readonly Pick<Patch, 'old' | 'parquet'>[], ctx: StagingContext): Promise<void> {
  const named = files.map(({ old }, n) => ({ n, k: old.key }))
  const groups = files.flatMap(({ parquet }, n) => groupsOf(parquet).map(({ start }, g) => ({ n, g, s: start })))
  await defineTable(filesTable, named, { n: 'INTEGER', k: 'VARCHAR' }, ctx)
  await defineTable(groupsTable, groups, { n: 'INTEGER', g: 'INTEGER', s: 'BIGINT' }, ctx)
}

/** As one text of JSON, which is parsed much faster than `VALUES`. */
async function defineTable(
  name: string,
  rows: object[],
  columns: Record<string, string>,
  { engine, signal }: StagingContext,
): Promise<void> {
  const structure = quoteText(JSON.stringify([columns]))
  await engine.run(
    `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT unnest(from_json(${quoteText(JSON.stringify(rows))}, ${structure}), recursive := true)`,
    { signal },
  )
}

function groupsOf({ rowGroups }: ParquetFile): { rows: number; start: number }[] {
  let start = 0
  return rowGroups.map(({ rows }) => {
    const group = { rows, start }
    start += rows
    return group
  })
}

function nothingTouched({ fingerprint: { of } }: StagingContext): Pick<Patch, 'touched' | 'before' | 'after'> {
  const nothing = { of, sum: 0n, xor: 0n, rows: 0 }
  return { touched: new Map(), before: { ...nothing }, after: { ...nothing } }
}

/** Which row groups lose a row, and how many of these rows are replaced. */
async function countTouched(patches: Patch[], { removed, added }: Rewrite, ctx: StagingContext): Promise<void> {
  const options = { signal: ctx.signal }
  await ctx.engine.run(
    `CREATE OR REPLACE TEMP TABLE ${touchedTable} AS
      SELECT g.g, f.n, d.* FROM ${quoteIdent(removed)} d JOIN ${filesTable} f ON f.k = d.__lw_file
      ASOF JOIN ${groupsTable} g ON g.n = f.n AND g.s <= d.__lw_row`,
    options,
  )
  const replaced =
    added === undefined
      ? '0'
      : `count(a.__lw_row) AS replaced FROM ${touchedTable} p LEFT JOIN ${quoteIdent(added)} a ON ${placeOf('a')}`
  const rows = await ctx.engine.rows(
    `SELECT p.n, p.g, count(*) AS removed, ${added === undefined ? `0 AS replaced FROM ${touchedTable} p` : replaced} GROUP BY p.n, p.g`,
    options,
  )
  const groups = patches.map(({ parquet }) => groupsOf(parquet))
  for (const { n, g, removed: gone, replaced: kept } of rows) {
    const group = groups[Number(n)]?.[Number(g)]
    const counts = { removed: Number(gone), replaced: Number(kept), changed: undefined }
    if (group) patches[Number(n)]?.touched.set(Number(g), { ...group, ...counts })
  }
}

/** What differs, and what fingerprints gain and lose by it, from what the plan knows. */
async function sumKnown(patches: readonly Patch[], { added }: Rewrite, ctx: StagingContext): Promise<void> {
  const now = partsOf('a', added, ctx)
  const changed = added === undefined ? '0::UBIGINT' : 'coalesce(bit_or(a.__lw_changed), 0)::UBIGINT'
  const rows = await ctx.engine.rows(
    `SELECT p.n, p.g, sum(p.__lw_sum::HUGEINT) AS old_sum, bit_xor(p.__lw_xor) AS old_xor,
      ${now.sum} AS new_sum, ${now.xor} AS new_xor, ${changed} AS changed
    FROM ${touchedTable} p ${now.join} GROUP BY p.n, p.g`,
    { signal: ctx.signal },
  )
  const columns = dataColumns(ctx)
  take(patches, rows, (row) => columns.filter((_, i) => ((BigInt(String(row.changed)) >> BigInt(i)) & 1n) === 1n))
}

/** The same, from the old rows themselves. */
async function sumRead(patches: readonly Patch[], { added }: Rewrite, ctx: StagingContext): Promise<void> {
  const { schema, partitionBy } = ctx
  const relation = filesRelation({ files: patches.map(({ old }) => old), schema, partitionBy, provenance: true })
  const columns = dataColumns(ctx)
  const now = partsOf('a', added, ctx)
  const differ = columns.map(({ name }, i) => {
    const column = quoteIdent(name)
    return added === undefined
      ? `false AS c${i}`
      : `bool_or(a.__lw_row IS NOT NULL AND o.${column} IS DISTINCT FROM a.${column}) AS c${i}`
  })
  const old = fingerprintParts(ctx, 'o')
  const rows = await ctx.engine.rows(
    `SELECT p.n, p.g, sum(${old.sum}::HUGEINT) AS old_sum, bit_xor(${old.xor}) AS old_xor,
      ${now.sum} AS new_sum, ${now.xor} AS new_xor, ${differ.join(', ')}
    FROM (${relation}) o JOIN ${touchedTable} p ON ${placeOf('o')} ${now.join} GROUP BY p.n, p.g`,
    { signal: ctx.signal },
  )
  take(patches, rows, (row) => columns.filter((_, i) => row[`c${i}`] === true))
}

/** Of the rows that take the place of others. */
function partsOf(
  alias: string,
  added: string | undefined,
  ctx: StagingContext,
): { sum: string; xor: string; join: string } {
  if (added === undefined) return { sum: '0', xor: '0', join: '' }
  const parts = fingerprintParts(ctx, alias)
  const isReplaced = `${alias}.__lw_row IS NOT NULL`
  return {
    sum: `sum(CASE WHEN ${isReplaced} THEN ${parts.sum} ELSE 0 END::HUGEINT)`,
    xor: `bit_xor(CASE WHEN ${isReplaced} THEN ${parts.xor} ELSE 0 END::UBIGINT)`,
    join: `LEFT JOIN ${quoteIdent(added)} ${alias} ON ${placeOf(alias)}`,
  }
}

function placeOf(alias: string): string {
  return `${alias}.__lw_file = p.__lw_file AND ${alias}.__lw_row = p.__lw_row`
}

function fingerprintParts({ fingerprint }: StagingContext, alias: string): { sum: string; xor: string } {
  return fingerprintPartsSql(fingerprint.columns, alias)
}

function take(
  patches: readonly Patch[],
  rows: readonly Record<string, unknown>[],
  changedIn: (row: Record<string, unknown>) => Field[],
): void {
  const byNumber = new Map(patches.map((patch) => [patch.n, patch]))
  for (const row of rows) {
    const patch = byNumber.get(Number(row.n))
    const group = patch?.touched.get(Number(row.g))
    if (patch === undefined || group === undefined) continue
    group.changed = new Set(changedIn(row).map(({ name }) => name))
    addTo(patch.before, row.old_sum, row.old_xor, group.removed)
    addTo(patch.after, row.new_sum, row.new_xor, group.replaced)
  }
}

function addTo(fingerprint: Fingerprint, sum: unknown, xor: unknown, rows: number): void {
  fingerprint.sum += BigInt(String(sum))
  fingerprint.xor ^= BigInt(String(xor))
  fingerprint.rows += rows
}

function isGain({ parquet, touched }: Patch, ctx: StagingContext, costs: PatchCosts): boolean {
  const columns = dataColumns(ctx).length
  const cells = parquet.rowGroups.reduce((sum, { rows }) => sum + rows * columns, 0)
  let cost = 0
  for (const { rows, removed, replaced, changed } of touched.values()) {
    if (rows > mostGroupRows) return false
    // In files that are kept in an order, a row whose place in it changes goes to where it belongs.
    if (ctx.sortBy.some((name) => changed?.has(name))) return false
    cost += costs.perGroup + rows * (removed > replaced ? columns : (changed?.size ?? 1))
  }
  const small = parquet.rowGroups.filter(({ rows }) => rows < costs.smallRows).length
  return cost < cells * costs.gain && small <= costs.mostSmall
}

/** Rows by file and number, in that order, so that those of a row group lie together. Other connections read them. */
async function defineRows(patches: readonly Patch[], { removed, added }: Rewrite, ctx: StagingContext): Promise<void> {
  const numbered = patches.map(({ n }) => n).join(', ')
  const some = patches.some(({ touched }) => [...touched.values()].some((group) => group.removed > group.replaced))
  const changed = new Set(
    patches.flatMap(({ touched }) => [...touched.values()].flatMap(({ changed: own }) => [...(own ?? [])])),
  )
  const columns = dataColumns(ctx).filter(({ name }) => some || changed.has(name))
  const values = columns.map(({ name }) => `, a.${quoteIdent(name)}`).join('')
  const place = (from: string) =>
    `${quoteIdent(from)} a JOIN ${filesTable} f ON f.k = a.__lw_file WHERE f.n IN (${numbered})`
  const rows =
    added === undefined
      ? `SELECT 0 AS __lw_n, 0::BIGINT AS __lw_row WHERE false`
      : `SELECT f.n AS __lw_n, a.__lw_row${values} FROM ${place(added)} ORDER BY __lw_n, __lw_row`
  const options = { signal: ctx.signal }
  await ctx.engine.run(`CREATE OR REPLACE TABLE ${rowsTable} AS ${rows}`, options)
  const gone = `SELECT f.n AS __lw_n, a.__lw_row FROM ${place(removed)}`
  await ctx.engine.run(
    `CREATE OR REPLACE TABLE ${goneTable} AS SELECT * FROM (${gone}) ANTI JOIN ${rowsTable} USING (__lw_n, __lw_row) ORDER BY __lw_n, __lw_row`,
    options,
  )
}

/** What takes the place of a row group's columns; undefined where no row is left of it. */
type Piece = { file: ParquetFile; columns: Set<string>; hasNaN: Set<string> } | undefined

interface Pieces {
  folder: string
  /** By row group. */
  byGroup: Map<number, Piece>
}

async function encodePieces(patch: Patch, encoding: LimitFunction, ctx: StagingContext): Promise<Pieces> {
  const folder = await newSpoolFolder(ctx)
  const { schema, partitionBy } = ctx
  const relation = filesRelation({ files: [patch.old], schema, partitionBy, provenance: true })
  const pieces = [...patch.touched].map(([g, group]) =>
    encoding(async (): Promise<[number, Piece][]> => {
      const loses = group.removed > group.replaced
      const columns = dataColumns(ctx).filter(({ name }) => loses || group.changed?.has(name))
      if (group.rows - group.removed + group.replaced === 0) return [[g, undefined]]
      if (columns.length === 0) return []
      const sql = pieceSql(relation, patch.n, group, columns)
      return [[g, await encodePiece(sql, `group-${g}`, group, columns, patch.old, folder, ctx)]]
    }),
  )
  const settled = await Promise.allSettled(pieces)
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  return { folder, byGroup: new Map((await Promise.all(pieces)).flat()) }
}

async function encodePiece(
  sql: string,
  name: string,
  group: TouchedGroup,
  columns: Field[],
  old: LocalFile,
  folder: string,
  ctx: StagingContext,
): Promise<Piece> {
  const rows = group.rows - group.removed + group.replaced
  const [copied] = await copyPiece(sql, folder, name, columns, ctx)
  const file = await openParquet(copied?.path ?? '')
  if (file.rowGroups.length !== 1 || file.rowGroups[0]?.rows !== rows) throw notWhole(old, rows)
  const names = columns.map((column) => column.name)
  return { file, columns: new Set(names), hasNaN: new Set(names.filter((one) => copied?.columns[one]?.hasNaN)) }
}

/** The rows of a row group as they are now, in their order. */
function pieceSql(relation: string, n: number, group: TouchedGroup, columns: Field[]): string {
  const { start, rows, removed, replaced } = group
  const within = `__lw_row BETWEEN ${start} AND ${start + rows - 1}`
  const names = columns.map(({ name }) => quoteIdent(name))
  const values = names.map((name) => `CASE WHEN a.__lw_row IS NULL THEN o.${name} ELSE a.${name} END AS ${name}`)
  const of = (table: string) => `(SELECT * FROM ${table} WHERE __lw_n = ${n} AND ${within})`
  const without = removed > replaced ? ` ANTI JOIN ${of(goneTable)} d ON d.__lw_row = o.__lw_row` : ''
  return `SELECT ${values.join(', ')} FROM (SELECT ${names.join(', ')}, __lw_row FROM (${relation}) WHERE ${within}) o
    LEFT JOIN ${of(rowsTable)} a ON a.__lw_row = o.__lw_row${without} ORDER BY o.__lw_row`
}

/** By patch, the staged file that is put at its end: one that would be small on its own. */
async function appendable(
  patches: readonly Patch[],
  rest: readonly StagedFile[],
  ctx: StagingContext,
): Promise<Map<Patch, { file: StagedFile; parquet: ParquetFile }>> {
  const found = new Map<Patch, { file: StagedFile; parquet: ParquetFile }>()
  // Rows at the end of a file would not be in its order.
  if (ctx.sortBy.length > 0) return found
  const idOf = ({ partitionValues }: Pick<AddFile, 'partitionValues'>) =>
    partitionId(partitionValues, ctx.partitionBy, ctx.schema)
  for (const patch of patches) {
    const id = idOf(patch.old)
    const taken = new Set([...found.values()].map(({ file }) => file))
    const file = rest.find((one) => !taken.has(one) && idOf(one) === id && one.file.sizeBytes * 4 < patch.old.sizeBytes)
    if (file === undefined) continue
    found.set(patch, { file, parquet: await openParquet(file.file.path) })
  }
  return found
}

interface Spliced {
  staged: StagedFile
  /** Worked out rather than read: undefined where the old file's is not known. */
  isDerived: boolean
}

async function splice(
  patch: Patch,
  { folder, byGroup }: Pieces,
  appended: { file: StagedFile; parquet: ParquetFile } | undefined,
  ctx: StagingContext,
): Promise<Spliced> {
  const { old, parquet } = patch
  const groups = [
    ...parquet.rowGroups.flatMap((group, g) => {
      const piece = byGroup.get(g)
      if (piece === undefined) return byGroup.has(g) ? [] : [group]
      return [inOrder(parquet, [group, ...piece.file.rowGroups], piece.file.rowGroups[0]?.rows ?? 0)]
    }),
    ...(appended?.parquet.rowGroups ?? []).map((group) => inOrder(parquet, [group], group.rows)),
  ]
  const path = join(folder, 'patched.staged')
  const { sizeBytes } = await spliceParquet(path, parquet, groups)
  for (const piece of byGroup.values()) if (piece) await rm(piece.file.path, { force: true })
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  const derived = derivedFingerprint(patch, appended?.file.fingerprint)
  const fingerprint = derived ?? (await fingerprintsOf([{ path }], ctx)).get(path)
  if (fingerprint === undefined || fingerprint.rows !== rows) throw notWhole(old, rows)
  return {
    staged: {
      key: keyOf(old, ctx),
      file: { path, sizeBytes },
      partitionValues: old.partitionValues,
      rows,
      stats: statsOf(patch, [...byGroup.values()], appended?.file, groups, ctx),
      fingerprint,
    },
    isDerived: derived !== undefined,
  }
}

/** A row group whose columns are in the file's order, each from the last of the groups that has it. */
function inOrder({ columns }: ParquetFile, groups: readonly RowGroup[], rows: number): RowGroup {
  const chunks = [...columns.keys()].flatMap((column) => {
    const having = groups.findLast((group) => group.chunks.some((chunk) => chunk.column === column))
    return having?.chunks.filter((chunk) => chunk.column === column) ?? []
  })
  return { rows, chunks }
}

function derivedFingerprint({ old, before, after }: Patch, appended: Fingerprint | undefined): Fingerprint | undefined {
  const kept = parseFingerprintTag(old.tags?.[fingerprintTagName])
  if (kept?.of !== before.of) return undefined
  return {
    of: kept.of,
    sum: kept.sum - before.sum + after.sum + (appended?.sum ?? 0n),
    xor: kept.xor ^ before.xor ^ after.xor ^ (appended?.xor ?? 0n),
    rows: kept.rows - before.rows + after.rows + (appended?.rows ?? 0),
  }
}

/** Out of the footers of all pieces; a NaN, of which they say nothing, is known from the statistics of old. */
function statsOf(
  { old }: Patch,
  pieces: readonly Piece[],
  appended: StagedFile | undefined,
  groups: readonly RowGroup[],
  ctx: StagingContext,
): string {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  const stats = [old.stats, ...(appended ? [appended.stats] : [])].map(parseStats)
  const mayHaveNaN = ({ name, type }: Field) =>
    (type.kind === 'float' || type.kind === 'double') &&
    (pieces.some((piece) => piece?.hasNaN.has(name)) ||
      stats.some(
        (one) => one === undefined || (one.maxValues[name] === undefined && one.nullCount[name] !== one.numRecords),
      ))
  const columns = dataColumns(ctx).filter(({ type }) => !isNested(type))
  const texts = columns.map((field) => {
    const chunks = groups.flatMap((group): Chunk[] => group.chunks.filter(({ column }) => column === field.name))
    return [field.name, { ...chunkStatistics(chunks, field), hasNaN: mayHaveNaN(field) }] as const
  })
  return encodeStats(rows, columns, Object.fromEntries(texts))
}

/** What was worked out from the old file and the rows that differ, and what is read back, were arrived at independently. */
async function verify(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const derived = files.filter(({ isDerived }) => isDerived).map(({ staged }) => staged)
  const found = await fingerprintsOf(
    derived.map(({ file }) => file),
    ctx,
  )
  for (const staged of derived) {
    const read = found.get(staged.file.path)
    if (read === undefined || !sameContent(read, staged.fingerprint)) throw notWhole(staged, staged.rows)
  }
}

function notWhole({ key }: { key: string }, rows: number): LakeError {
  return new LakeError('corrupt', 'a file that was put together from pieces does not hold the rows that it should', {
    key,
    rows,
    fix: 'Check the disk that holds the temporary folder, and the table with `lakewright verify --deep`; nothing was loaded.',
  })
}
