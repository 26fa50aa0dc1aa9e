/** Which files are worth it, and what changes in each of their row groups. */

import { rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import { filesRelation } from '../../engine/relation.js'
import { quoteIdent, quoteText } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import { toSql } from '../../schema/duckdb.js'
import type { Field } from '../../schema/types.js'
import { fingerprintPartsSql } from '../fingerprint.js'
import { openParquet, type ParquetFile } from '../parquet/splice.js'
import { filesTable, type LocalFile, type Patch, type Rewrite } from '../patch.js'
import type { Fingerprint } from '../port.js'
import { dataColumns, newSpoolFolder, type StagingContext } from '../stage.js'
import { type PatchCosts, patchCosts } from './costs.js'
import { copyPiece, mostGroupRows } from './encode.js'

/** Files that are worth it, those with the most bytes last. */
export async function planPatches(
  rewrite: Rewrite,
  ctx: StagingContext,
  costs: PatchCosts = patchCosts,
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

const groupsTable = 'lw_patch_groups'
const touchedTable = 'lw_patch_touched'

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
