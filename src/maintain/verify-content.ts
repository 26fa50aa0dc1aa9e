/**
 * The rows of data files against what the log says of them: they decode, they have the recorded fingerprint, and no
 * statistics would make a reader skip a row that is there. One pass over each file.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineError, openDuckDB } from '../engine/duckdb.js'
import type { Engine, Row, RunOptions } from '../engine/port.js'
import { filesRelation } from '../engine/relation.js'
import { quoteIdent } from '../engine/sql.js'
import { isLakeError } from '../errors.js'
import type { AddFile, FileStats, Metadata, Snapshot } from '../manifest/actions.js'
import { canContain, parseStats } from '../manifest/stats.js'
import { FileCache } from '../read/fetch.js'
import type { Reading } from '../read/reading.js'
import { isNested, sameName } from '../schema/names.js'
import type { Field, Schema } from '../schema/types.js'
import {
  fingerprintName,
  fingerprintOfRow,
  fingerprintSql,
  fingerprintTagName,
  parseFingerprintTag,
  sameContent,
} from '../stage/fingerprint.js'
import type { CallOptions } from '../store/port.js'
import { problemOf, type VerifyProblem } from './verify.js'

export async function checkContent(
  reading: Reading,
  { metadata }: Snapshot,
  files: readonly AddFile[],
  { onFile, ...options }: CallOptions & { onFile?: (file: AddFile) => void } = {},
): Promise<VerifyProblem[]> {
  const { settings, store } = reading
  const folder = await mkdtemp(join(settings.tempFolder ?? tmpdir(), 'lakewright-verify-'))
  try {
    const { memory, threads } = settings
    const use = { ...(memory === undefined ? {} : { memory }), ...(threads === undefined ? {} : { threads }) }
    const engine = await openDuckDB({ ...use, spillFolder: join(folder, 'spill') })
    try {
      const problems: VerifyProblem[] = []
      for (const [i, batch] of batchesOf(files).entries()) {
        const cache = new FileCache(store, join(folder, `files-${i}`))
        for (const file of batch) {
          problems.push(...(await checkFile({ engine, cache, metadata }, file, options)))
          onFile?.(file)
        }
        await cache.close()
      }
      return problems
    } finally {
      await engine.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Bench {
  engine: Engine
  cache: FileCache
  metadata: Metadata
}

async function checkFile(
  { engine, cache, metadata }: Bench,
  file: AddFile,
  options: RunOptions,
): Promise<VerifyProblem[]> {
  const { key } = file
  const { partitionBy, schema } = metadata
  const columns = schema.filter(({ name }) => !partitionBy.some((partition) => sameName(partition, name)))
  try {
    const local = await cache.local([file], options)
    const relation = filesRelation({ files: local, schema, partitionBy })
    const stats = parseStats(file.stats)
    const tag = parseFingerprintTag(file.tags?.[fingerprintTagName])
    const fingerprinted = tag && fingerprintColumns(engine.id, tag.of, columns)
    const facts = [
      // Every column is decoded, also those of which nothing is recorded.
      fingerprintSql(fingerprinted ?? columns),
      ...columns.flatMap((field, i) => factsOf(field, i)),
    ]
    const [row = {}] = await engine.rows(`SELECT ${facts.join(', ')} FROM (${relation})`, options)
    const problems =
      stats === undefined ? [] : columns.flatMap((field, i) => statisticsProblems(file, field, i, stats, row))
    if (tag && fingerprinted && !sameContent(fingerprintOfRow(tag.of, row), tag))
      problems.push({
        code: 'content',
        key,
        message: 'the rows are not those that were written: their fingerprint differs',
      })
    return problems
  } catch (error) {
    if (isLakeError(error, 'corrupt')) return [problemOf('content', error, key)]
    if (error instanceof EngineError)
      return [{ code: 'content', key, message: `the rows cannot be read: ${firstLine(error)}` }]
    throw error
  }
}

/**
 * The columns that a fingerprint was made of, where that is known: all, or all but those that loads add.
 * A fingerprint of another engine's version or of older columns cannot be made again.
 */
function fingerprintColumns(engineId: string, of: string, columns: Schema): Schema | undefined {
  const without = columns.filter(({ name }) => !loadColumns.includes(name))
  return [without, columns].find((candidate) => fingerprintName(engineId, candidate) === of)
}

const loadColumns = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

function factsOf({ name, type }: Field, i: number): string[] {
  const column = quoteIdent(name)
  if (isNested(type)) return []
  const facts = [`count(*) FILTER (${column} IS NULL) AS nulls_${i}`]
  if (type.kind === 'boolean' || type.kind === 'blob') return facts
  // NaN is outside of every bound, and readers know.
  const filter = type.kind === 'float' || type.kind === 'double' ? ` FILTER (NOT isnan(${column}))` : ''
  return [
    ...facts,
    `CAST(min(${column})${filter} AS VARCHAR) AS min_${i}`,
    `CAST(max(${column})${filter} AS VARCHAR) AS max_${i}`,
  ]
}

function statisticsProblems({ key }: AddFile, field: Field, i: number, stats: FileStats, row: Row): VerifyProblem[] {
  const problems: VerifyProblem[] = []
  const report = (what: string) =>
    problems.push({ code: 'statistics', key, message: `column \`${field.name}\`: ${what}` })
  const recorded = stats.nullCount[field.name]
  const nulls = row[`nulls_${i}`]
  if (typeof recorded === 'number' && nulls !== undefined && recorded !== Number(nulls))
    report(`it has ${nulls} nulls, the manifest says ${recorded}`)
  for (const bound of ['min', 'max'] as const) {
    const value = row[`${bound}_${i}`]
    if (typeof value === 'string' && !canContain(stats, field, '=', value))
      report(`its ${bound === 'min' ? 'least' : 'greatest'} value is outside of the recorded bounds`)
  }
  return problems
}

/** So that fetched files do not pile up on this machine. */
const batchBytes = 512 * 1024 * 1024

function batchesOf(files: readonly AddFile[]): AddFile[][] {
  const batches: AddFile[][] = [[]]
  let bytes = 0
  for (const file of files) {
    if (bytes > 0 && bytes + file.sizeBytes > batchBytes) {
      batches.push([])
      bytes = 0
    }
    batches.at(-1)?.push(file)
    bytes += file.sizeBytes
  }
  return batches
}

function firstLine(error: Error): string {
  return (error.message.split('\n', 1)[0] ?? '').trim()
}
