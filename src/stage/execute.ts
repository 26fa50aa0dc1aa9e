/**
 * Answers what a plan asks. Answers about the input alone are remembered, so that planning again on another base does
 * not stage the rows again.
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { filesRelation, type RelationFile } from '../engine/relation.js'
import { quotePath } from '../engine/sql.js'
import type { AddFile } from '../manifest/actions.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import { changeDataKey, tombstonesKey } from '../store/keys.js'
import { fingerprintName } from './fingerprint.js'
import type { Answer, Ask, Reads, Rewrites, RowHashes, StagedFile, StagedKind } from './port.js'
import { stageRewrite } from './rewrite.js'
import { type StagingContext, stageRows } from './stage.js'

export interface ExecutorContext extends StagingContext {
  /** Whether the input reads only the columns that are asked of it: then it is its own copy. */
  columnar: boolean
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
  const stagedInput: StagedFile[] = []
  let keptInput: string | undefined

  async function answer(ask: Ask): Promise<Answer> {
    const name = `${ask.ask}\u0000${ask.sql}`
    const known = ask.reads === undefined ? remembered.get(name) : undefined
    if (known) return known
    for (const reads of ask.reads ?? []) await defineReads(ctx, reads)
    const found = await run(ask)
    if (ask.reads === undefined) remembered.set(name, found)
    return found
  }

  async function run(ask: Ask): Promise<Answer> {
    const options = { signal: ctx.signal }
    switch (ask.ask) {
      case 'rows':
        return { ask: 'rows', rows: await ctx.engine.rows(ask.sql, options) }
      case 'relation': {
        const kept = await keep(ctx, ask)
        if (ask.reads === undefined && ask.kept === 'file') keptInput ??= `SELECT * FROM ${quoteIdentifier(ask.name)}`
        return { ask: 'relation', rows: kept }
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

function keep(ctx: ExecutorContext, ask: Extract<Ask, { ask: 'relation' }>): Promise<number> {
  if (ask.kept === 'view') return defineView(ctx, ask.name, ask.sql)
  if (ask.kept !== 'file') return keepInMemory(ctx, ask)
  return ask.input && ctx.columnar ? defineView(ctx, ask.name, ask.sql) : keepInFile(ctx, ask.name, ask.sql)
}

async function keepInMemory(ctx: ExecutorContext, { name, sql }: { name: string; sql: string }): Promise<number> {
  const options = { signal: ctx.signal }
  await dropRelation(ctx, name)
  await ctx.engine.run(`CREATE TEMP TABLE ${quoteIdentifier(name)} AS ${sql}`, options)
  const [row] = await ctx.engine.rows(`SELECT count(*) AS n FROM ${quoteIdentifier(name)}`, options)
  return Number(row?.n ?? 0)
}

/** Rows that may be more than fit into memory, or of which later questions want single columns. */
async function keepInFile(ctx: ExecutorContext, name: string, sql: string): Promise<number> {
  const options = { signal: ctx.signal }
  await mkdir(ctx.spoolFolder, { recursive: true })
  const path = join(await mkdtemp(join(ctx.spoolFolder, 'kept-')), 'rows.kept')
  // Read again soon and thrown away: cheap to write matters more than small.
  await ctx.engine.run(`COPY (${sql}) TO ${quotePath(path)} (FORMAT parquet, COMPRESSION lz4_raw)`, options)
  return await defineView(ctx, name, `SELECT * FROM read_parquet(${quotePath(path)}, hive_partitioning = false)`)
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
