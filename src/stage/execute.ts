/**
 * Answers what a plan asks. Answers about the input alone are remembered, so that planning again on another base does
 * not stage the rows again.
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { filesRelation, type RelationFile } from '../engine/relation.js'
import { quoteGlobFree, quotePath } from '../engine/sql.js'
import type { AddFile } from '../manifest/actions.js'
import { toSql } from '../schema/duckdb.js'
import { findColumn, foldName } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Field } from '../schema/types.js'
import { changeDataKey, tombstonesKey } from '../store/keys.js'
import { copyJoins, spoolFormat } from './compare/joined.js'
import { keyRanges } from './compare/ranges.js'
import { imagesSql } from './compare/values.js'
import { fingerprintName } from './fingerprint.js'
import type { Answer, Ask, Compare, Compared, Reads, Rewrites, RowHashes, StagedFile, StagedKind } from './port.js'
import { stageRewrite } from './rewrite.js'
import { type StagingContext, stageRows } from './stage.js'

export interface ExecutorContext extends StagingContext {
  /** Whether the input reads only the columns that are asked of it: then it is its own copy. */
  columnar: boolean
  /** The Parquet files of which such an input is made; none where it is not made of these alone. */
  inputFiles: readonly string[]
  /** Where these files lie anyway, without being fetched; undefined where one does not. */
  pathsOf(files: readonly AddFile[]): string[] | undefined
  /** The files on this machine, fetched where they are not. */
  localFiles(files: readonly AddFile[], columns: string[]): Promise<RelationFile[]>
  /** A SELECT of the keys and row hashes of these files: see `Reads.hashes`. */
  hashedRows(files: readonly AddFile[], hashes: RowHashes): Promise<string>
}

export interface Executor {
  answer(ask: Ask): Promise<Answer>
  /** A SELECT of the load's own rows as they were kept: without old rows that it rewrites. Undefined before the plan asked for them. */
  content(): string | undefined
}

export function createExecutor(ctx: ExecutorContext): Executor {
  const remembered = new Map<string, Answer>()
  /** By relation, the Parquet files that hold its rows. */
  const keptFiles = new Map<string, readonly string[]>()
  const stagedInput: StagedFile[] = []
  let keptInput: string | undefined

  async function answer(ask: Ask): Promise<Answer> {
    if (ask.ask === 'compare') return { ask: 'compare', found: await compare(ask, keptFiles.get(ask.rows) ?? [], ctx) }
    const name = `${ask.ask}\u0000${ask.sql}`
    const known = ask.reads === undefined ? remembered.get(name) : undefined
    if (known) return known
    for (const reads of ask.reads ?? []) await defineReads(ctx, reads)
    const found = await run(ask)
    if (ask.reads === undefined) remembered.set(name, found)
    return found
  }

  async function run(ask: Exclude<Ask, Compare>): Promise<Answer> {
    const options = { signal: ctx.signal }
    switch (ask.ask) {
      case 'rows':
        return { ask: 'rows', rows: await ctx.engine.rows(ask.sql, options) }
      case 'relation': {
        const { rows, files } = await keep(ctx, ask)
        keptFiles.set(ask.name, files)
        if (ask.reads === undefined && ask.kept === 'file') keptInput ??= `SELECT * FROM ${quoteIdentifier(ask.name)}`
        return { ask: 'relation', rows }
      }
      case 'stage': {
        const kind = ask.as ?? { kind: 'data' }
        const staging = stagingFor(kind, { ...ctx, replayable: ctx.replayable || ask.reads !== undefined })
        const files = ask.rewrites ? await rewritten(ctx, ask.sql, ask.rewrites) : await stageRows(ask.sql, staging)
        if (ask.reads === undefined) stagedInput.push(...files)
        return { ask: 'stage', files }
      }
    }
  }

  function content(): string | undefined {
    if (keptInput !== undefined) return keptInput
    if (stagedInput.length === 0) return undefined
    const files = stagedInput.map(({ key, file, partitionValues }) => ({ key, path: file.path, partitionValues }))
    return filesRelation({ files, schema: ctx.schema, partitionBy: ctx.partitionBy })
  }

  return { answer, content }
}

async function rewritten(
  ctx: ExecutorContext,
  sql: string,
  { files, removed, added, known = false }: Rewrites,
): Promise<StagedFile[]> {
  const local = await ctx.localFiles(
    files,
    ctx.schema.map(({ name }) => name),
  )
  const byKey = new Map(local.map((file) => [file.key, file]))
  const here = files.flatMap((file) => {
    const found = byKey.get(file.key)
    return found ? [{ ...file, path: found.path }] : []
  })
  return await stageRewrite(sql, { files: here, removed, added, known }, ctx)
}

interface Kept {
  rows: number
  /** Parquet files, where these hold the rows. */
  files: readonly string[]
}

async function keep(ctx: ExecutorContext, ask: Extract<Ask, { ask: 'relation' }>): Promise<Kept> {
  const { name, sql, kept, input } = ask
  if (kept === 'view') return { rows: await defineView(ctx, name, sql), files: [] }
  if (kept !== 'file') return { rows: await keepInMemory(ctx, ask), files: [] }
  if (input && ctx.columnar) return { rows: await defineView(ctx, name, sql), files: ctx.inputFiles }
  return await keepInFile(ctx, name, sql)
}

async function keepInMemory(ctx: ExecutorContext, { name, sql }: { name: string; sql: string }): Promise<number> {
  const options = { signal: ctx.signal }
  await dropRelation(ctx, name)
  await ctx.engine.run(`CREATE TEMP TABLE ${quoteIdentifier(name)} AS ${sql}`, options)
  const [row] = await ctx.engine.rows(`SELECT count(*) AS n FROM ${quoteIdentifier(name)}`, options)
  return Number(row?.n ?? 0)
}

/** Rows that may be more than fit into memory, or of which later questions want single columns. */
async function keepInFile(ctx: ExecutorContext, name: string, sql: string): Promise<Kept> {
  const options = { signal: ctx.signal }
  const path = join(await newKeptFolder(ctx), 'rows.kept')
  await ctx.engine.run(`COPY (${sql}) TO ${quotePath(path)} (${spoolFormat})`, options)
  return { rows: await defineView(ctx, name, spoolSql([path])), files: [path] }
}

async function newKeptFolder({ spoolFolder }: ExecutorContext): Promise<string> {
  await mkdir(spoolFolder, { recursive: true })
  return await mkdtemp(join(spoolFolder, 'kept-'))
}

function spoolSql(paths: readonly string[]): string {
  return `SELECT * FROM read_parquet([${paths.map(quoteGlobFree).join(', ')}], hive_partitioning = false)`
}

/** @param files that hold the new rows */
async function compare(ask: Compare, files: readonly string[], ctx: ExecutorContext): Promise<Compared | undefined> {
  const { engine, schema } = ctx
  const run = { signal: ctx.signal }
  const [old] = ask.reads
  const paths = ctx.pathsOf(old.files)
  const column = findColumn(schema, ask.key[0] ?? '')
  if (paths === undefined || column === undefined || files.length === 0) return undefined
  // Where an old row lies is long, and is not to be held for each.
  const held = 'new'
  const ranges = await keyRanges({ engine, run, column, schema, held, files: { old: paths, new: files } })
  if (ranges === undefined) return undefined
  if (ranges.length > 1 && !(await hasColumn(files, column, ctx))) return undefined
  await defineReads(ctx, old)
  const folder = await newKeptFolder(ctx)
  const joins = ranges.map((range, i) => ({
    select: imagesSql({
      old: `(SELECT * FROM ${quoteIdentifier(old.alias)} WHERE ${range})`,
      new: `(SELECT * FROM (${ask.sql}) WHERE ${range})`,
      ...{ schema, key: ask.key, compared: ask.compared },
      held,
      places: ['__lw_file', '__lw_row'],
    }),
    path: join(folder, `${i}.kept`),
  }))
  const joined = await copyJoins(engine, joins, run)
  await defineView(ctx, ask.name, spoolSql(joins.map(({ path }) => path)))
  return await comparedRows(ask.name, joined, ctx)
}

async function comparedRows(name: string, joined: number | undefined, ctx: ExecutorContext): Promise<Compared> {
  const counts = ['i', 'u', 'd'].map((change) => `count(*) FILTER (__lw_change = '${change}') AS ${change}`)
  const sql = `SELECT ${counts.join(', ')} FROM ${quoteIdentifier(name)}`
  const [row] = await ctx.engine.rows(sql, { signal: ctx.signal })
  const [inserted, updated, deleted] = [Number(row?.i ?? 0), Number(row?.u ?? 0), Number(row?.d ?? 0)]
  return { inserted, updated, deleted, pairs: joined === undefined ? undefined : joined - inserted - deleted }
}

/** Whether the column lies in the files as it is, so that a range of it need not be looked for in all of them. */
async function hasColumn(
  files: readonly string[],
  { name, type }: Field,
  { engine }: ExecutorContext,
): Promise<boolean> {
  const columns = await engine.describe(spoolSql(files))
  return columns.some((one) => foldName(one.name) === foldName(name) && one.sqlType === toSql(type))
}

async function defineView(ctx: ExecutorContext, name: string, sql: string): Promise<number> {
  const options = { signal: ctx.signal }
  await dropRelation(ctx, name)
  await ctx.engine.run(`CREATE TEMP VIEW ${quoteIdentifier(name)} AS ${sql}`, options)
  const [row] = await ctx.engine.rows(`SELECT count(*) AS n FROM ${quoteIdentifier(name)}`, options)
  return Number(row?.n ?? 0)
}

/** A name may stand for a table in one plan and for a view in the next. */
async function dropRelation(ctx: ExecutorContext, name: string): Promise<void> {
  const [found] = await ctx.engine.rows(
    `SELECT 'TABLE' AS kind FROM duckdb_tables() WHERE temporary AND table_name = ${quoteText(name)}
     UNION ALL SELECT 'VIEW' FROM duckdb_views() WHERE temporary AND view_name = ${quoteText(name)}`,
  )
  if (found !== undefined) await ctx.engine.run(`DROP ${String(found.kind)} ${quoteIdentifier(name)}`)
}

async function defineReads(ctx: ExecutorContext, reads: Reads): Promise<void> {
  const select = await readsSql(ctx, reads)
  await dropRelation(ctx, reads.alias)
  await ctx.engine.run(`CREATE TEMP VIEW ${quoteIdentifier(reads.alias)} AS ${select}`)
}

async function readsSql(ctx: ExecutorContext, { files, columns, hashes, schema }: Reads): Promise<string> {
  if (hashes !== undefined) return await ctx.hashedRows(files, hashes)
  const local = await ctx.localFiles(files, columns)
  if (schema !== undefined) return filesRelation({ files: local, schema, partitionBy: [], provenance: true })
  // The engine numbers rows in a column of this name; a table that has one goes without.
  const provenance = findColumn(ctx.schema, 'file_row_number') === undefined ? true : 'file'
  return filesRelation({ files: local, schema: ctx.schema, partitionBy: ctx.partitionBy, provenance })
}

function stagingFor(as: StagedKind, ctx: StagingContext): StagingContext {
  switch (as.kind) {
    case 'data':
      return ctx
    case 'change-data': {
      const changeType = { name: '_change_type', type: { kind: 'varchar' as const }, nullable: true }
      const schema = [...ctx.schema, changeType]
      return {
        ...ctx,
        schema,
        fingerprint: fingerprintOver(schema, ctx),
        keyFor: (n) => changeDataKey(ctx.txnId, n),
      }
    }
    case 'tombstones':
      return {
        ...ctx,
        schema: as.columns,
        partitionBy: [],
        sortBy: [],
        // A table property names one file.
        targetFileBytes: Number.MAX_SAFE_INTEGER,
        fingerprint: fingerprintOver(as.columns, { ...ctx, partitionBy: [] }),
        keyFor: (n) => tombstonesKey(ctx.txnId, n),
      }
  }
}

function fingerprintOver(schema: StagingContext['schema'], ctx: StagingContext): StagingContext['fingerprint'] {
  const columns = schema.filter(({ name }) => !ctx.partitionBy.includes(name))
  return { of: fingerprintName(ctx.engine.id, columns), columns }
}
