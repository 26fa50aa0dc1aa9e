/**
 * One run of a change feed, in an engine of its own.
 *
 *   commits ─► the files that say what they changed (sources) ─► those on this machine (files) ─► a view of each kind
 *       ─► step by step (sql), each in a file of its own ─► rows, or a file (write)
 */
import { join } from 'node:path'
import { EngineError } from '../../engine/duckdb.js'
import type { Engine, Row, RunOptions } from '../../engine/port.js'
import { emptyRelation, filesRelation, type RelationFile } from '../../engine/relation.js'
import { identList, quotePath, quoteText } from '../../engine/sql.js'
import { isLakeError, LakeError } from '../../errors.js'
import type { Commit, Metadata, Snapshot } from '../../manifest/actions.js'
import { keyOf, refuseChangeFeedColumns } from '../../manifest/create.js'
import { type ReadOptions, readCommits, readSnapshot } from '../../manifest/log.js'
import { findColumn } from '../../schema/names.js'
import type { Schema } from '../../schema/types.js'
import { writeChanges } from '../change-rows.js'
import type { ChangesOptions, VersionRange } from '../changes.js'
import { callOf, type Reading } from '../reading.js'
import type { OpenResult } from '../result.js'
import { snapshotAt } from '../snapshot.js'
import { openWorkplace } from '../workplace.js'
import { type LocalFileAt, localFilesAt } from './files.js'
import { type SourceName, type Sources, sourceNames, sourcesOf } from './sources.js'
import { type ChangeRequest, type ChangeShape, changesSql, changeType, commitVersion, repeatedKeySql } from './sql.js'

/** @throws LakeError invalid: changes that are not there any more, or that the columns of today cannot show */
export async function openChanges(reading: Reading, range: VersionRange, options: ChangesOptions): Promise<OpenResult> {
  const call = callOf(reading, options.signal)
  const { metadata } = await snapshotAt(reading.store, { version: range.until }, call)
  refuseChangeFeedColumns(metadata.schema, 'Rename the column, or compare two versions with `diff`.')
  const commits = await commitsOf(reading, range, call)
  const sources = await sourcesOf(commits, metadata.schema, tableBefore(reading, range, call))
  const { engine, cache, folder, close } = await openWorkplace(reading, options)
  try {
    const run = call.signal === undefined ? {} : { signal: call.signal }
    const wanted = { columns: [...metadata.schema.map(({ name }) => name), changeType], ...run }
    const local = await localFilesAt({ store: reading.store, cache, range }, sources, wanted)
    await defineViews(engine, metadata, local, commits)
    const described = await engine.describe(emptyFeed(metadata.schema))
    const columns = described.map(({ name, sqlType }) => ({ name, type: sqlType }))
    const has = new Set(sourceNames.filter((name) => sources[name].length > 0))
    let composed: Promise<string> | undefined
    const select = () => {
      composed ??= composeChanges({ engine, folder, run }, shapeOf(metadata), { net: options.net ?? false, has })
      return composed
    }
    const files = sourceNames.flatMap((name) => sources[name])
    return {
      columns,
      rows: () => rowsOfChanges(engine, select, files, run),
      write: async (path, format) => {
        try {
          return await writeChanges({ engine, sql: await select(), columns }, path, format, run)
        } catch (error) {
          throw damagedFile(error, files)
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What takes long happens when the first row is asked for. @returns the SELECT of all changes in order */
async function composeChanges(
  { engine, folder, run }: { engine: Engine; folder: string; run: RunOptions },
  shape: ChangeShape,
  request: Omit<ChangeRequest, 'byKey'>,
): Promise<string> {
  const byKey = request.has.has('before') && (await isByKey(engine, shape, run))
  const { steps, select } = changesSql(shape, { ...request, byKey })
  for (const { name, sql } of steps) {
    const path = join(folder, `${name}.parquet`)
    // Read again soon and thrown away: cheap to write matters more than small.
    await engine.run(`COPY (${sql}) TO ${quotePath(path)} (FORMAT parquet, COMPRESSION lz4_raw)`, run)
    await engine.run(`CREATE VIEW ${name} AS SELECT * FROM read_parquet(${quotePath(path)}, hive_partitioning = false)`)
  }
  return select
}

async function* rowsOfChanges(
  engine: Engine,
  select: () => Promise<string>,
  files: Sources[SourceName],
  run: RunOptions,
): AsyncGenerator<Row[]> {
  try {
    yield* engine.stream(await select(), run)
  } catch (error) {
    throw damagedFile(error, files)
  }
}

async function commitsOf(reading: Reading, { since, until }: VersionRange, call: ReadOptions): Promise<Commit[]> {
  if (since === until) return []
  try {
    return await readCommits(reading.store, since, until, call)
  } catch (error) {
    if (!isLakeError(error, 'invalid') || typeof error.details.oldest !== 'number') throw error
    throw new LakeError('invalid', 'the commits of these versions were cleaned up by another writer', {
      version: error.details.version,
      oldest: error.details.oldest,
      fix: `Ask for --since ${error.details.oldest - 1} or later.`,
      cause: error,
    })
  }
}

/** Read once, and only where the commits do not tell enough. */
function tableBefore(
  { store }: Reading,
  { since }: VersionRange,
  call: ReadOptions,
): () => Promise<Snapshot | undefined> {
  let reading: Promise<Snapshot | undefined> | undefined
  return () => {
    reading ??= since < 0 ? Promise.resolve(undefined) : readSnapshot(store, { ...call, version: since })
    return reading
  }
}

function shapeOf({ schema, configuration }: Metadata): ChangeShape {
  const columns = schema.map(({ name }) => name)
  const key = keyOf({ configuration }).map((name) => findColumn(schema, name)?.name)
  // Of a table with history, where the rows of a key are its versions.
  const version = configuration['lakewright.history'] === 'scd2' ? ['_effective_from'] : []
  const named = key.every((name) => name !== undefined) ? key : []
  const row = named.length === 0 ? [] : [...named, ...version.filter((name) => columns.includes(name))]
  const loadColumns = configuration['lakewright.loadColumns'] === undefined ? [] : loadColumnNames
  return {
    columns,
    key: row,
    compared: columns.filter((name) => !row.includes(name) && !loadColumns.includes(name)),
  }
}

async function isByKey(engine: Engine, shape: ChangeShape, run: RunOptions): Promise<boolean> {
  if (shape.key.length === 0) return false
  for (const view of ['lw_before', 'lw_after'] as const)
    if ((await engine.rows(repeatedKeySql(shape, view), run)).length > 0) return false
  return true
}

/** What loads write about themselves is no part of a row's content. */
const loadColumnNames = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

async function defineViews(
  engine: Engine,
  { schema }: Metadata,
  local: Record<SourceName, LocalFileAt[]>,
  commits: readonly Commit[],
): Promise<void> {
  await fillTable(
    engine,
    'lw_commits (version BIGINT, committed TIMESTAMPTZ)',
    commits.map(({ version, timestamp }) => `(${version}, make_timestamptz(CAST(${timestamp} AS BIGINT) * 1000))`),
  )
  const places = sourceNames.flatMap((name) =>
    local[name].map(({ version, file }) => `(${quoteText(name)}, ${quoteText(file.key)}, ${version})`),
  )
  await fillTable(engine, 'lw_files (source VARCHAR, key VARCHAR, version BIGINT)', places)
  for (const name of sourceNames) {
    const columns = name === 'recorded' ? [...schema, changeTypeField] : schema
    await engine.run(`CREATE VIEW lw_${name} AS ${rowsOf(name, columns, local[name])}`)
  }
}

const changeTypeField = { name: changeType, type: { kind: 'varchar' as const }, nullable: true }

async function fillTable(engine: Engine, table: string, rows: readonly string[]): Promise<void> {
  await engine.run(`CREATE TABLE ${table}`)
  const name = table.slice(0, table.indexOf(' '))
  for (let at = 0; at < rows.length; at += rowsAtOnce)
    await engine.run(`INSERT INTO ${name} VALUES ${rows.slice(at, at + rowsAtOnce).join(', ')}`)
}
const rowsAtOnce = 10_000

/** Rows of all files of one kind with the version of each; a file that was brought back has them in each of its versions. */
function rowsOf(source: SourceName, schema: Schema, files: readonly LocalFileAt[]): string {
  const columns = identList(
    schema.map(({ name }) => name),
    'r',
  )
  const distinct = new Map(files.map(({ file }) => [file.key, file]))
  const relation = arrangements([...distinct.values()], schema)
    .map((group) => filesRelation({ ...group, schema, provenance: 'file' }))
    .join('\nUNION ALL\n')
  return `SELECT ${columns}, f.version AS ${commitVersion} FROM (${relation || emptyRelation(schema, 'file')}) r
JOIN lw_files f ON f.source = ${quoteText(source)} AND f.key = r.__lw_file`
}

/** Which columns lie in the folders is said by each file: a table may have been divided in another way before. */
function arrangements(
  files: readonly RelationFile[],
  schema: Schema,
): { files: RelationFile[]; partitionBy: string[] }[] {
  const groups = new Map<string, { files: RelationFile[]; partitionBy: string[] }>()
  for (const file of files) {
    const values = Object.entries(file.partitionValues).flatMap(([given, value]) => {
      const name = findColumn(schema, given)?.name
      return name === undefined ? [] : [[name, value] as const]
    })
    const partitionBy = values.map(([name]) => name).sort()
    const id = JSON.stringify(partitionBy)
    const group = groups.get(id) ?? { files: [], partitionBy }
    group.files.push({ ...file, partitionValues: Object.fromEntries(values) })
    groups.set(id, group)
  }
  return [...groups.values()]
}

function emptyFeed(schema: Schema): string {
  return `SELECT *, CAST(NULL AS VARCHAR) AS _change_type, CAST(NULL AS BIGINT) AS _commit_version,
CAST(NULL AS TIMESTAMPTZ) AS _commit_timestamp, CAST(NULL AS VARCHAR[]) AS _changed_columns FROM (${emptyRelation(schema)})`
}

function damagedFile(error: unknown, files: Sources[SourceName]): unknown {
  if (!(error instanceof EngineError)) return error
  const damaged = files.find(({ file }) => error.message.includes(file.key))
  if (damaged === undefined) return error
  return new LakeError('corrupt', `a file of the table cannot be read: ${error.message.trim()}`, {
    key: damaged.file.key,
    version: damaged.version,
    fix: 'Look at the table with `lakewright verify`, and ask for the changes after this version.',
    cause: error,
  })
}
