/**
 * One diff, top to bottom.
 *
 *   sides ─► types ─► two relations of the same columns ─► one row per key ─► changed rows ─► proof ─► counts
 */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { openDuckDB } from '../../engine/duckdb.js'
import type { Engine, Row, RunOptions } from '../../engine/port.js'
import { quotePath } from '../../engine/sql.js'
import { isLakeError, LakeError } from '../../errors.js'
import { dedupeSql, refuseTiedRows, tiedRowsSql } from '../../plan/keys.js'
import { systemRuntime } from '../../runtime.js'
import { spoolFormat } from '../../stage/compare/joined.js'
import { rowHashName } from '../../stage/row-hash.js'
import { writeChanges } from '../change-rows.js'
import type { DiffResult, DiffSummary } from '../diff.js'
import { lazyResult, type OpenResult, type QueryResult } from '../result.js'
import type { ResultFormat } from '../write.js'
import { type Alignment, align } from './align.js'
import { changesFolder, findChanges, relationOf, type Which } from './changes.js'
import { prove } from './prove.js'
import { type ChangedRows, changedColumnsCountSql, changeRowsSql, refuseFeedColumns } from './rows.js'
import type { DiffSettings } from './settings.js'
import { type DiffSide, type OpenSides, openSides, type Place, spoolSql } from './sides.js'
import { refuseSharedKeys } from './tables.js'
import { settleTypes } from './types.js'

export async function runDiff(old: DiffSide, now: DiffSide, settings: DiffSettings): Promise<DiffResult> {
  if (settings.out !== undefined) await assertWritable(settings.out)
  const folder = await mkdtemp(join(settings.tempFolder ?? tmpdir(), 'lakewright-diff-'))
  removeAtExit(folder)
  try {
    const { summary, rows } = await compare(old, now, folder, settings)
    const result = new Diff(summary, rows, folder, settings)
    if (settings.out !== undefined) await result.write(settings.out)
    return result
  } catch (error) {
    await remove(folder)
    // What was under way when the caller aborted failed in its own words; the caller's reason is what happened.
    if (settings.signal?.aborted && !isLakeError(error)) throw settings.signal.reason
    throw error
  }
}

interface Compared {
  summary: DiffSummary
  rows: ChangedRows
}

async function compare(old: DiffSide, now: DiffSide, folder: string, settings: DiffSettings): Promise<Compared> {
  const work = join(folder, 'work')
  await mkdir(work)
  const engine = await openEngine(settings, work)
  try {
    const run = settings.signal === undefined ? {} : { signal: settings.signal }
    const runtime = { ...systemRuntime, ...settings.components?.runtime }
    const place: Place = { engine, runtime, folder: work, settings, run }
    const compared = await compareSides(await openSides(old, now, place), place)
    await rename(join(work, changesFolder), join(folder, changesFolder))
    return { ...compared, rows: { ...compared.rows, folder } }
  } finally {
    await engine.close()
    await rm(work, { recursive: true, force: true })
  }
}

async function compareSides(sides: OpenSides, place: Place): Promise<Compared> {
  try {
    return await compareAligned(sides, place)
  } catch (error) {
    // Parquet files are read in place, so what is wrong with one may show at any time.
    if (!isLakeError(error)) for (const side of [sides.old, sides.new]) await side.explain(error)
    throw error
  } finally {
    await sides.close()
  }
}

async function compareAligned(sides: OpenSides, { engine, folder, settings, run }: Place): Promise<Compared> {
  const alignment = align(sides, await settleTypes(sides, engine, run), settings)
  const { schema, key, compared, added, removed } = alignment
  if (settings.out !== undefined) refuseFeedColumns(schema)
  for (const which of ['old', 'new'] as const) await defineRelation(which, alignment, { engine, folder, settings, run })
  await mkdir(join(folder, changesFolder))
  const exact = settings.exact ?? false
  const files = settings.orderBy === undefined ? alignment.files : { old: [], new: [] }
  const changes = await findChanges({ engine, run, folder, schema, key, compared, exact, files })
  if (sides.shared) await refuseSharedKeys(sides.shared, { engine, run, key, rows: changes.rows })
  const rows = { folder, schema, key, compared }
  if (settings.prove) await prove({ engine, run, exact, ...rows })
  const { inserted, updated, deleted } = changes
  const summary: DiffSummary = {
    inserted,
    updated,
    deleted,
    unchanged: changes.rows.new - inserted - updated + (sides.shared?.rows ?? 0),
    changedColumns: await changedColumns(engine, rows, run),
    schema: { added, removed },
    algorithm: changes.exact ? 'exact' : rowHashName(engine.id, compared, key),
    ...(settings.prove ? { proved: true } : {}),
  }
  return { summary, rows }
}

/** The relation `lw_old` or `lw_new`: with `onDuplicate` one row per key. */
async function defineRelation(
  which: Which,
  alignment: Alignment,
  { engine, folder, settings, run }: Pick<Place, 'engine' | 'folder' | 'settings' | 'run'>,
): Promise<void> {
  const { onDuplicate = 'fail', orderBy = [] } = settings
  const { schema, key } = alignment
  let select = alignment[which]
  if (onDuplicate !== 'fail') {
    const all = `(${select})`
    const keep = { keep: onDuplicate, orderBy }
    const values = schema.filter(({ name }) => !key.includes(name))
    const tied = await engine.rows(tiedRowsSql(all, key, keep, values), run)
    refuseTiedRows(tied, { of: `the ${which} side`, key, orderBy })
    const path = join(folder, `${which}-kept.parquet`)
    await engine.run(`COPY (${dedupeSql(all, key, keep, schema)}) TO ${quotePath(path)} (${spoolFormat})`, run)
    select = spoolSql(path)
  }
  await engine.run(`CREATE VIEW ${relationOf(which)} AS ${select}`, run)
}

async function changedColumns(engine: Engine, rows: ChangedRows, run: RunOptions): Promise<Record<string, number>> {
  const [counts = {}] = await engine.rows(changedColumnsCountSql(rows), run)
  const entries = rows.compared.map(({ name }, i) => [name, Number(counts[`c${i}`])] as const)
  return Object.fromEntries(entries.filter(([, count]) => count > 0))
}

class Diff implements DiffResult {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly unchanged: number
  readonly changedColumns: Record<string, number>
  readonly schema: { added: string[]; removed: string[] }
  readonly algorithm: string
  readonly proved?: true
  // Not in the JSON.
  readonly #rows: QueryResult
  readonly #folder: string

  constructor(summary: DiffSummary, rows: ChangedRows, folder: string, settings: DiffSettings) {
    this.inserted = summary.inserted
    this.updated = summary.updated
    this.deleted = summary.deleted
    this.unchanged = summary.unchanged
    this.changedColumns = summary.changedColumns
    this.schema = summary.schema
    this.algorithm = summary.algorithm
    if (summary.proved) this.proved = true
    this.#folder = folder
    this.#rows = lazyResult(() => openRows(rows, folder, settings))
  }

  columns(): Promise<{ name: string; type: string }[]> {
    return this.#rows.columns()
  }

  toArray(): Promise<Row[]> {
    return this.#rows.toArray()
  }

  batches(): AsyncIterable<Row[]> {
    return this.#rows.batches()
  }

  [Symbol.asyncIterator](): AsyncIterator<Row> {
    return this.#rows[Symbol.asyncIterator]()
  }

  async write(path: string, format: ResultFormat = formatOf(path)): Promise<{ rows: number; bytes: number }> {
    return await this.#rows.write(path, format)
  }

  async close(): Promise<void> {
    await this.#rows.close()
    await remove(this.#folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

async function openRows(rows: ChangedRows, folder: string, settings: DiffSettings): Promise<OpenResult> {
  refuseFeedColumns(rows.schema)
  if (!(await stat(folder).catch(() => undefined)))
    throw new LakeError('invalid', 'the diff is closed, and its rows are gone', {
      fix: 'Read the rows before `close()`.',
    })
  const engine = await openEngine(settings, folder)
  try {
    const run = settings.signal === undefined ? {} : { signal: settings.signal }
    const sql = changeRowsSql(rows)
    const columns = (await engine.describe(sql)).map(({ name, sqlType }) => ({ name, type: sqlType }))
    return {
      columns,
      rows: () => engine.stream(sql, run),
      write: (path, format) => writeChanges({ engine, sql, columns }, path, format, run),
      close: () => engine.close(),
    }
  } catch (error) {
    await engine.close()
    throw error
  }
}

async function openEngine({ memory, threads }: DiffSettings, folder: string): Promise<Engine> {
  return await openDuckDB({
    ...(memory === undefined ? {} : { memory }),
    ...(threads === undefined ? {} : { threads }),
    spillFolder: join(folder, 'spill'),
  })
}

const formats: Record<string, ResultFormat> = {
  parquet: 'parquet',
  csv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'json',
  arrow: 'arrow',
}

function formatOf(path: string): ResultFormat {
  const format = formats[extname(path).slice(1).toLowerCase()]
  if (format !== undefined) return format
  throw new LakeError('invalid', 'the name of the file does not say how to write the changed rows', {
    file: path,
    fix: `End it with .${Object.keys(formats).join(', .')}.`,
  })
}

/** Before the work, and not after it. */
async function assertWritable(out: string): Promise<void> {
  formatOf(out)
  const folder = await stat(dirname(out)).catch(() => undefined)
  if (folder?.isDirectory()) return
  throw new LakeError('invalid', 'there is no folder to write the changed rows to', {
    folder: dirname(out),
    fix: 'Make the folder first.',
  })
}

/** Folders of results that nobody has closed yet. */
const unclosed = new Set<string>()

function removeAtExit(folder: string): void {
  if (unclosed.size === 0) process.once('exit', removeUnclosed)
  unclosed.add(folder)
}

function removeUnclosed(): void {
  for (const folder of unclosed) rmSync(folder, { recursive: true, force: true })
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  unclosed.delete(folder)
  if (unclosed.size === 0) process.removeListener('exit', removeUnclosed)
}
