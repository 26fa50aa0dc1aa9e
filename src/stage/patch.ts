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
 * The fingerprint of such a file is worked out from the old one and the rows that differ; the smallest one is read back,
 * so that pieces which do not fit together are noticed.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
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
import { fingerprintTagName, parseFingerprintTag, sameContent } from './fingerprint.js'
import { type Chunk, openParquet, type ParquetFile, type RowGroup, spliceParquet } from './parquet/splice.js'
import { chunkStatistics } from './parquet/statistics.js'
import type { Fingerprint, StagedFile } from './port.js'
import { rowHashSql } from './row-hash.js'
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
  /** Columns in which a row differs from the one that takes its place. */
  changed: Set<string>
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
  await defineGroups(ours, ctx)
  const found = await touchedGroups(rewrite, ours, ctx)
  const patches = ours.flatMap(({ old, parquet }, n) => {
    const patch = patchOf({ old, parquet, n }, found, ctx)
    return isGain(patch, ctx, costs) ? [patch] : []
  })
  return patches.sort((a, b) => a.old.sizeBytes - b.old.sizeBytes)
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
  const spliced: Promise<Spliced>[] = []
  try {
    for (const patch of patches) {
      const pieces = await encodePieces(patch, ctx)
      spliced.push(inTurn(() => splice(patch, pieces, appended.get(patch), ctx)))
    }
  } finally {
    await Promise.allSettled(spliced)
  }
  const files = await Promise.all(spliced)
  await verify(files, ctx)
  const kept = new Set([...appended.values()].map(({ file }) => file))
  return [...rest.filter((file) => !kept.has(file)), ...files.map(({ staged }) => staged)]
}

const splicesAtOnce = 2
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
    ...{ folder, name, partitionBy: [], inOrder: true, rowGroupRows: mostGroupRows },
    fieldIds: fieldIds(columns),
    signal: ctx.signal,
  })
}

/** Of a piece, which is one row group: beyond it the old file's row groups are too large to be taken apart. */
const mostGroupRows = 2 ** 27

async function defineGroups(files: { old: LocalFile; parquet: ParquetFile }[], ctx: StagingContext): Promise<void> {
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

/** One row for each row group with a row that goes. */
async function touchedGroups(
  { removed, added }: Rewrite,
  files: { old: LocalFile }[],
  ctx: StagingContext,
): Promise<Map<string, Record<string, unknown>>> {
  const relation = filesRelation({
    files: files.map(({ old }) => old),
    schema: ctx.schema,
    partitionBy: ctx.partitionBy,
    provenance: true,
  })
  const isReplaced = added === undefined ? 'false' : 'a.__lw_row IS NOT NULL'
  const differ = dataColumns(ctx).map(({ name }, i) => {
    const column = quoteIdent(name)
    return added === undefined
      ? `false AS c${i}`
      : `bool_or(${isReplaced} AND o.${column} IS DISTINCT FROM a.${column}) AS c${i}`
  })
  const hashes = (alias: string) => {
    const { h1, h2 } = rowHashSql(ctx.fingerprint.columns, alias)
    return { sum: `hash(${h1}, ${h2})`, xor: `hash(${h2}, ${h1})` }
  }
  const [old, now] = [hashes('o'), added === undefined ? { sum: '0', xor: '0' } : hashes('a')]
  const options = { signal: ctx.signal }
  // In a table of its own, so that its size is known where it is joined with what is much larger.
  await ctx.engine.run(
    `CREATE OR REPLACE TEMP TABLE ${touchedTable} AS
      SELECT f.n, g.g, d.__lw_file, d.__lw_row FROM ${quoteIdent(removed)} d JOIN ${filesTable} f ON f.k = d.__lw_file
      ASOF JOIN ${groupsTable} g ON g.n = f.n AND g.s <= d.__lw_row`,
    options,
  )
  const place = (alias: string) => `${alias}.__lw_file = p.__lw_file AND ${alias}.__lw_row = p.__lw_row`
  const rows = await ctx.engine.rows(
    `SELECT p.n, p.g, count(*) AS removed, count(*) FILTER (${isReplaced}) AS replaced,
      sum(${old.sum}::HUGEINT) AS old_sum, bit_xor(${old.xor}) AS old_xor,
      sum(CASE WHEN ${isReplaced} THEN ${now.sum} ELSE 0 END::HUGEINT) AS new_sum,
      bit_xor(CASE WHEN ${isReplaced} THEN ${now.xor} ELSE 0 END::UBIGINT) AS new_xor, ${differ.join(', ')}
    FROM (${relation}) o JOIN ${touchedTable} p ON ${place('o')}
    ${added === undefined ? '' : `LEFT JOIN ${quoteIdent(added)} a ON ${place('a')}`}
    GROUP BY p.n, p.g`,
    options,
  )
  return new Map(rows.map((row) => [`${row.n}:${row.g}`, row]))
}

function patchOf(
  { old, parquet, n }: Pick<Patch, 'old' | 'parquet' | 'n'>,
  found: Map<string, Record<string, unknown>>,
  ctx: StagingContext,
): Patch {
  const { of } = ctx.fingerprint
  const touched: Patch['touched'] = new Map()
  const before: Fingerprint = { of, sum: 0n, xor: 0n, rows: 0 }
  const after: Fingerprint = { ...before }
  for (const [g, { rows, start }] of groupsOf(parquet).entries()) {
    const row = found.get(`${n}:${g}`)
    if (row === undefined) continue
    const changed = dataColumns(ctx).filter((_, i) => row[`c${i}`] === true)
    const group = { rows, start, removed: Number(row.removed), replaced: Number(row.replaced) }
    touched.set(g, { ...group, changed: new Set(changed.map(({ name }) => name)) })
    addTo(before, row.old_sum, row.old_xor, group.removed)
    addTo(after, row.new_sum, row.new_xor, group.replaced)
  }
  return { old, parquet, n, touched, before, after }
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
    if (ctx.sortBy.some((name) => changed.has(name))) return false
    cost += costs.perGroup + rows * (removed > replaced ? columns : changed.size)
  }
  const small = parquet.rowGroups.filter(({ rows }) => rows < costs.smallRows).length
  return cost < cells * costs.gain && small <= costs.mostSmall
}

/** Rows by file and number, in that order, so that those of a row group lie together. */
async function defineRows(patches: readonly Patch[], { removed, added }: Rewrite, ctx: StagingContext): Promise<void> {
  const numbered = patches.map(({ n }) => n).join(', ')
  const some = patches.some(({ touched }) => [...touched.values()].some((group) => group.removed > group.replaced))
  const changed = new Set(
    patches.flatMap(({ touched }) => [...touched.values()].flatMap((group) => [...group.changed])),
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
  await ctx.engine.run(`CREATE OR REPLACE TEMP TABLE ${rowsTable} AS ${rows}`, options)
  const gone = `SELECT f.n AS __lw_n, a.__lw_row FROM ${place(removed)}`
  await ctx.engine.run(
    `CREATE OR REPLACE TEMP TABLE ${goneTable} AS SELECT * FROM (${gone}) ANTI JOIN ${rowsTable} USING (__lw_n, __lw_row) ORDER BY __lw_n, __lw_row`,
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

async function encodePieces({ old, n, touched }: Patch, ctx: StagingContext): Promise<Pieces> {
  const folder = await newSpoolFolder(ctx)
  const byGroup: Pieces['byGroup'] = new Map()
  const request = { files: [old], schema: ctx.schema, partitionBy: ctx.partitionBy, provenance: true }
  const relation = filesRelation(request)
  for (const [g, group] of touched) {
    const loses = group.removed > group.replaced
    const rows = group.rows - group.removed + group.replaced
    const columns = dataColumns(ctx).filter(({ name }) => loses || group.changed.has(name))
    if (rows === 0) byGroup.set(g, undefined)
    if (rows === 0 || columns.length === 0) continue
    const [copied] = await copyPiece(pieceSql(relation, n, group, columns), folder, `group-${g}`, columns, ctx)
    const file = await openParquet(copied?.path ?? '')
    if (file.rowGroups.length !== 1 || file.rowGroups[0]?.rows !== rows) throw notWhole(old, rows)
    const hasNaN = columns.filter(({ name }) => copied?.columns[name]?.hasNaN).map(({ name }) => name)
    byGroup.set(g, { file, columns: new Set(columns.map(({ name }) => name)), hasNaN: new Set(hasNaN) })
  }
  return { folder, byGroup }
}

/** The rows of a row group as they are now, in their order. */
function pieceSql(relation: string, n: number, { rows, start }: TouchedGroup, columns: Field[]): string {
  const within = `__lw_row BETWEEN ${start} AND ${start + rows - 1}`
  const names = columns.map(({ name }) => quoteIdent(name))
  const values = names.map((name) => `CASE WHEN a.__lw_row IS NULL THEN o.${name} ELSE a.${name} END AS ${name}`)
  return `SELECT ${values.join(', ')}
    FROM (SELECT ${names.join(', ')}, __lw_row FROM (${relation}) WHERE ${within}) o
    LEFT JOIN (SELECT * FROM ${rowsTable} WHERE __lw_n = ${n} AND ${within}) a ON a.__lw_row = o.__lw_row
    ANTI JOIN (SELECT __lw_row FROM ${goneTable} WHERE __lw_n = ${n} AND ${within}) d ON d.__lw_row = o.__lw_row
    ORDER BY o.__lw_row`
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

/** Pieces that do not fit together would do so in every file: one is enough to tell. */
async function verify(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const derived = files.filter(({ isDerived }) => isDerived).map(({ staged }) => staged)
  const [smallest] = derived.sort((a, b) => a.file.sizeBytes - b.file.sizeBytes)
  if (smallest === undefined) return
  const { path } = smallest.file
  const read = (await fingerprintsOf([smallest.file], ctx)).get(path)
  if (read === undefined || !sameContent(read, smallest.fingerprint)) throw notWhole(smallest, smallest.rows)
}

function notWhole({ key }: { key: string }, rows: number): LakeError {
  return new LakeError('corrupt', 'a file that was put together from pieces does not hold the rows that it should', {
    key,
    rows,
    fix: 'Check the disk that holds the temporary folder, and the table with `lakewright verify --deep`; nothing was loaded.',
  })
}
