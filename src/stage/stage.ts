/**
 * Rows → Parquet files in the local spool, with everything the manifest will say about them. Nothing here is visible to
 * anybody: promotion comes later.
 *
 *   SELECT …            one partitioned COPY; partition values travel as marked text, so that null, '' and 'NULL' stay apart
 *   files per partition rearranged where the COPY left too many small ones or one that is too large
 *   files               read back once: rows counted again, fingerprint
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CopiedFile, Engine } from '../engine/port.js'
import { filesRelation } from '../engine/relation.js'
import { LakeError } from '../errors.js'
import type { PartitionValues } from '../manifest/actions.js'
import { encodeStats } from '../manifest/stats.js'
import { assertPartitionValue, partitionId, partitionPath } from '../partition/spec.js'
import { isHashed, markedPartitionSql, unmark } from '../partition/value.js'
import { fieldIds } from '../schema/field-ids.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Field, Schema } from '../schema/types.js'
import { dataKey } from '../store/keys.js'
import { fingerprintOfRow, fingerprintSql } from './fingerprint.js'
import type { Fingerprint, StagedFile } from './port.js'

export interface StagingContext {
  engine: Engine
  txnId: string
  /** All columns of the table, partition columns included. */
  schema: Schema
  partitionBy: string[]
  sortBy: string[]
  targetFileBytes: number
  fingerprint: { of: string; columns: Schema }
  spoolFolder: string
  /** Whether the rows can be read twice, so that a sample may choose the arrangement. */
  replayable: boolean
  /** A SELECT of the input's first rows, where the input itself can be read only once. */
  sample?: string
  /** Numbers the files of one load. */
  nextNumber: () => number
  /** Names a file, where it is none of the table's data. */
  keyFor?: (n: number) => string
  signal?: AbortSignal | undefined
  onStaged?: (progress: { rows: number; bytes: number; partitions: number }) => void
}

export async function stageRows(sql: string, ctx: StagingContext): Promise<StagedFile[]> {
  const sample = ctx.replayable ? sql : ctx.sample
  const sorted = ctx.partitionBy.length > 0 && sample !== undefined && (await manyPartitions(sample, ctx))
  const first = await copyPartitioned(sql, ctx, sorted)
  const files = await rearrange(first, ctx)
  const staged = await describe(files, ctx)
  ctx.onStaged?.({
    rows: staged.reduce((sum, file) => sum + file.rows, 0),
    bytes: staged.reduce((sum, file) => sum + file.file.sizeBytes, 0),
    partitions: new Set(staged.map((file) => partitionId(file.partitionValues, ctx.partitionBy))).size,
  })
  return staged
}

interface SpoolFile extends CopiedFile {
  partitionValues: PartitionValues
}

/** Above this many partitions in the sample the rows are sorted by partition first: fewer open files, fewer files. */
const sortedAbovePartitions = 64
const sampleRows = 50_000

async function manyPartitions(sql: string, ctx: StagingContext): Promise<boolean> {
  const keys = ctx.partitionBy.map(quoteIdentifier).join(', ')
  const [row] = await ctx.engine.rows(
    `SELECT count(*) AS n FROM (SELECT DISTINCT ${keys} FROM (SELECT ${keys} FROM (${sql}) LIMIT ${sampleRows}))`,
    { signal: ctx.signal },
  )
  return Number(row?.n ?? 0) > sortedAbovePartitions
}

async function copyPartitioned(sql: string, ctx: StagingContext, sorted: boolean): Promise<SpoolFile[]> {
  const partitionColumns = ctx.partitionBy.map((name) => columnOf(ctx.schema, name))
  const marks = partitionColumns.map((field, i) => ({ field, name: `__lw_p${i}` }))
  const data = dataColumns(ctx).map(({ name }) => quoteIdentifier(name))
  const marked = marks.map(
    ({ field, name }) => `${markedPartitionSql(field.type, quoteIdentifier(field.name), field.name)} AS ${name}`,
  )
  const order = [...(sorted ? marks.map(({ name }) => name) : []), ...ctx.sortBy.map(quoteIdentifier)]
  const orderBy = order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''
  const folder = await newSpoolFolder(ctx)
  const copied = await ctx.engine.copy(`SELECT ${[...data, ...marked].join(', ')} FROM (${sql})${orderBy}`, {
    folder,
    partitionBy: marks.map(({ name }) => name),
    fieldIds: fieldIds(dataColumns(ctx)),
    name: 'part',
    ...(marks.length === 0 ? { targetFileBytes: ctx.targetFileBytes } : {}),
    // Unsorted, fewer would make many small row groups; sorted, half a million rows may be thousands of partitions, and each
    // of them takes blocks of memory.
    ...(sorted ? { gatheredRows: 100_000 } : {}),
    signal: ctx.signal,
  })
  const files: SpoolFile[] = []
  const longTexts = copied.some((file) => Object.values(file.partitionKeys).some(isHashed))
    ? await longPartitionTexts(sql, ctx, partitionColumns)
    : new Map<string, string>()
  for (const file of copied) {
    if (file.rows === 0) continue
    const values = marks.map(({ field, name }) => {
      const mark = file.partitionKeys[name] ?? 'n'
      const text = isHashed(mark) ? (longTexts.get(mark) ?? refuseLong(field.name)) : unmark(mark)
      return [field.name, text] as const
    })
    files.push({ ...file, partitionValues: Object.fromEntries(values) })
  }
  assertPartitions(files, ctx.partitionBy)
  return files
}

/** Values too long for a directory name of DuckDB's travel as `h` + md5; their texts are looked up here. */
async function longPartitionTexts(sql: string, ctx: StagingContext, columns: Field[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  if (!ctx.replayable) return texts
  for (const { name, type } of columns) {
    if (type.kind !== 'varchar') continue
    const column = quoteIdentifier(name)
    const mark = markedPartitionSql(type, column)
    const rows = await ctx.engine.rows(
      `SELECT DISTINCT ${mark} AS mark, ${column} AS text FROM (${sql}) WHERE starts_with(${mark}, 'h')`,
      { signal: ctx.signal },
    )
    for (const row of rows) texts.set(String(row.mark), String(row.text))
  }
  return texts
}

function refuseLong(column: string): never {
  throw new LakeError('invalid', 'a partition value is too long for a stream that can be read only once', {
    column,
    fix: 'Pass an array or a file instead of a synchronous stream, or partition by a shorter column.',
  })
}

function assertPartitions(files: SpoolFile[], partitionBy: string[]): void {
  const checked = new Set<string>()
  for (const { partitionValues } of files) {
    const id = partitionId(partitionValues, partitionBy)
    if (checked.has(id)) continue
    checked.add(id)
    for (const column of partitionBy) assertPartitionValue(column, partitionValues[column] ?? null)
  }
}

/**
 * Partitions whose files are many and small, or too large, are written again with the sizes now known: the first pass
 * had to choose before it had seen the rows.
 */
async function rearrange(files: SpoolFile[], ctx: StagingContext): Promise<SpoolFile[]> {
  if (ctx.partitionBy.length === 0) return files
  const partitions = groupById(files, ctx.partitionBy)
  const crowded: SpoolFile[] = []
  const oversized: SpoolFile[] = []
  const fine: SpoolFile[] = []
  for (const group of partitions.values()) {
    const bytes = group.reduce((sum, file) => sum + file.sizeBytes, 0)
    if (group.length > Math.ceil(bytes / ctx.targetFileBytes) + 1) crowded.push(...group)
    else {
      for (const file of group) (file.sizeBytes > 1.5 * ctx.targetFileBytes ? oversized : fine).push(file)
    }
  }
  if (crowded.length > 0) fine.push(...(await gather(crowded, ctx)))
  for (const file of oversized) fine.push(...(await split(file, ctx)))
  return fine
}

async function gather(files: SpoolFile[], ctx: StagingContext): Promise<SpoolFile[]> {
  const gathered = await copyPartitioned(relationOf(files, ctx), ctx, true)
  await Promise.all(files.map((file) => rm(file.path, { force: true })))
  return gathered
}

async function split(file: SpoolFile, ctx: StagingContext): Promise<SpoolFile[]> {
  const columns = dataColumns(ctx).map(({ name }) => quoteIdentifier(name))
  const order = ctx.sortBy.length > 0 ? ` ORDER BY ${ctx.sortBy.map(quoteIdentifier).join(', ')}` : ''
  const parts = await ctx.engine.copy(`SELECT ${columns.join(', ')} FROM (${relationOf([file], ctx)})${order}`, {
    folder: await newSpoolFolder(ctx),
    partitionBy: [],
    fieldIds: fieldIds(dataColumns(ctx)),
    name: 'part',
    targetFileBytes: ctx.targetFileBytes,
    // The writer looks at the size after each row group: several of them must fit into a file.
    rowGroupRows: Math.max(2048, Math.min(122_880, Math.floor((file.rows * ctx.targetFileBytes) / file.sizeBytes / 2))),
    signal: ctx.signal,
  })
  await rm(file.path, { force: true })
  return parts.filter(({ rows }) => rows > 0).map((part) => ({ ...part, partitionValues: file.partitionValues }))
}

/** The second look at each file: what the footer says is there, and the fingerprint of what was read back. */
async function describe(files: SpoolFile[], ctx: StagingContext): Promise<StagedFile[]> {
  const fingerprints = await fingerprintsOf(files, ctx)
  const columns = dataColumns(ctx)
  return files.map((file) => {
    const fingerprint = fingerprints.get(file.path)
    if (fingerprint === undefined || fingerprint.rows !== file.rows) {
      throw new LakeError('corrupt', 'a staged file does not hold the rows that were written', {
        file: file.path,
        written: file.rows,
        read: fingerprint?.rows ?? 0,
        fix: 'Check the disk that holds the temporary folder; nothing was loaded.',
      })
    }
    return {
      key: keyOf(file, ctx),
      file: { path: file.path, sizeBytes: file.sizeBytes },
      partitionValues: file.partitionValues,
      rows: file.rows,
      stats: encodeStats(file.rows, columns, file.columns),
      fingerprint,
    }
  })
}

export function keyOf({ partitionValues }: Pick<SpoolFile, 'partitionValues'>, ctx: StagingContext): string {
  const n = ctx.nextNumber()
  return ctx.keyFor?.(n) ?? dataKey(partitionPath(partitionValues, ctx.partitionBy), ctx.txnId, n)
}

/** By path. */
export async function fingerprintsOf(
  files: Pick<SpoolFile, 'path'>[],
  ctx: StagingContext,
): Promise<Map<string, Fingerprint>> {
  const { of, columns } = ctx.fingerprint
  const found = new Map<string, Fingerprint>()
  if (files.length === 0) return found
  // Partition columns are no part of a fingerprint; without them the path needs no join.
  const relation = filesRelation({
    files: files.map(({ path }) => ({ path, key: path, partitionValues: {} })),
    schema: dataColumns(ctx),
    partitionBy: [],
    provenance: 'file',
  })
  const rows = await ctx.engine.rows(
    `SELECT __lw_file, ${fingerprintSql(columns)} FROM (${relation}) GROUP BY __lw_file`,
    { signal: ctx.signal },
  )
  for (const row of rows) found.set(String(row.__lw_file), fingerprintOfRow(of, row))
  return found
}

function relationOf(files: SpoolFile[], ctx: StagingContext): string {
  return filesRelation({
    files: files.map(({ path, partitionValues }) => ({ path, key: path, partitionValues })),
    schema: ctx.schema,
    partitionBy: ctx.partitionBy,
    provenance: 'file',
  })
}

export function dataColumns(ctx: StagingContext): Schema {
  const partitionColumns = new Set(ctx.partitionBy)
  return ctx.schema.filter(({ name }) => !partitionColumns.has(name))
}

function columnOf(schema: Schema, name: string): Field {
  const field = findColumn(schema, name)
  if (field === undefined) throw new LakeError('invalid', 'the partition column does not exist', { column: name })
  return field
}

function groupById(files: SpoolFile[], partitionBy: string[]): Map<string, SpoolFile[]> {
  const groups = new Map<string, SpoolFile[]>()
  for (const file of files) {
    const id = partitionId(file.partitionValues, partitionBy)
    const group = groups.get(id)
    if (group) group.push(file)
    else groups.set(id, [file])
  }
  return groups
}

/** A name of its own, so that no COPY meets the files of another. */
export async function newSpoolFolder(ctx: StagingContext): Promise<string> {
  await mkdir(ctx.spoolFolder, { recursive: true })
  return await mkdtemp(join(ctx.spoolFolder, 'copy-'))
}
