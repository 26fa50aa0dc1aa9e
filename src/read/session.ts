/**
 * One run of a query, in an engine of its own.
 *
 *   SQL ─► what it reads of t (uses) ─► files that may hold it (prune) ─► those, or their columns, on this machine
 *       (fetch) ─► t over them ─► rows, or a file (write)
 */
import { EngineError } from '../engine/duckdb.js'
import type { Engine, Row, RunOptions } from '../engine/port.js'
import { filesRelation } from '../engine/relation.js'
import { quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import type { AddFile, Snapshot } from '../manifest/actions.js'
import type { FileCache } from './fetch.js'
import { pruneFiles } from './prune.js'
import type { QueryOptions } from './query.js'
import { callOf, type Reading } from './reading.js'
import type { OpenResult } from './result.js'
import { snapshotAt } from './snapshot.js'
import { bindParams, hasWord, notOneSelect, oneStatement } from './sql-text.js'
import { defineShape, findUses, freezeTime, type Use } from './uses.js'
import { openWorkplace } from './workplace.js'
import { writeResult } from './write.js'

/** @throws LakeError invalid: the SQL, the version, or that there is no table */
export async function openSession(reading: Reading, sql: string, options: QueryOptions): Promise<Session> {
  const statement = oneStatement(bindParams(sql, options.params))
  const call = callOf(reading, options.signal)
  const snapshot = await snapshotAt(reading.store, options, call)
  const { engine, cache, close } = await openWorkplace(reading, options)
  try {
    const run = call.signal === undefined ? {} : { signal: call.signal }
    return await prepare({ engine, cache, snapshot, sql: statement, nowMs: reading.runtime.now(), run, close })
  } catch (error) {
    await close()
    throw error
  }
}

export interface Session extends OpenResult {
  readonly snapshot: Snapshot
  /** Those that `t` reads. */
  readonly files: readonly AddFile[]
}

interface Preparation {
  engine: Engine
  cache: FileCache
  snapshot: Snapshot
  sql: string
  nowMs: number
  run: RunOptions
  close(): Promise<void>
}

async function prepare({ engine, cache, snapshot, sql, nowMs, run, close }: Preparation): Promise<Session> {
  const { schema, partitionBy } = snapshot.metadata
  let files: AddFile[] = []
  const inUsersWords = (error: unknown) => usersError(error, snapshot, files)
  try {
    await freezeTime(engine, nowMs)
    await defineShape(engine, schema)
    const uses = await usesOf(engine, sql, snapshot, run)
    files = uses === 'everything' ? [...snapshot.files.values()] : pruneFiles(snapshot, uses)
    const wanted = uses === 'everything' ? {} : { columns: [...new Set(uses.flatMap(({ columns }) => columns))] }
    const local = await cache.local(files, { ...run, ...wanted })
    await engine.run(`CREATE OR REPLACE VIEW t AS ${filesRelation({ files: local, schema, partitionBy })}`)
    const { statement, columns } = await describe(engine, sql)
    return {
      columns,
      snapshot,
      files,
      rows: () => rethrowing(engine.stream(statement, run), inUsersWords),
      write: async (path, format) => {
        try {
          return await writeResult({ engine, sql: statement, columns }, path, format, run)
        } catch (error) {
          throw inUsersWords(error)
        }
      },
      close,
    }
  } catch (error) {
    throw inUsersWords(error)
  }
}

/** @throws LakeError invalid where the SQL is no SELECT */
async function usesOf(
  engine: Engine,
  sql: string,
  { metadata }: Snapshot,
  run: RunOptions,
): Promise<Use[] | 'everything'> {
  const [row] = await engine.rows(
    `SELECT CAST(json_serialize_sql(CAST(${quoteText(sql)} AS VARCHAR)) AS VARCHAR) AS tree`,
  )
  const tree = JSON.parse(String(row?.tree)) as { error: boolean; error_type?: string; error_message?: string }
  if (!tree.error) return await findUses(engine, sql, metadata.schema, run)
  if (tree.error_type !== 'not implemented')
    throw new LakeError('invalid', `the SQL does not parse: ${tree.error_message ?? tree.error_type ?? ''}`, {
      fix: 'Correct the SQL; it is read as DuckDB reads it.',
    })
  // DuckDB pivots in two statements, of which the first reads the values: there is no one plan to learn from.
  if (hasWord(sql, /^pivot/i) && /^[\s(]*(pivot|select|from|with)\b/i.test(sql)) return 'everything'
  throw notOneSelect('this statement is another one')
}

/** Two columns of one name would be one in a row: a subquery gives the second another. */
async function describe(
  engine: Engine,
  sql: string,
): Promise<{ statement: string; columns: { name: string; type: string }[] }> {
  const wrapped = `SELECT * FROM (${sql}\n)`
  // These are tables where a SELECT may follow, but no statements of which the columns may be asked.
  let statement = /^(describe|desc|show|summarize)\b/i.test(sql) ? wrapped : sql
  let described = await engine.describe(statement)
  if (new Set(described.map(({ name }) => name)).size < described.length) {
    statement = wrapped
    described = await engine.describe(statement)
  }
  return { statement, columns: described.map(({ name, sqlType }) => ({ name, type: sqlType })) }
}

async function* rethrowing(rows: AsyncIterable<Row[]>, translate: (error: unknown) => unknown): AsyncGenerator<Row[]> {
  try {
    yield* rows
  } catch (error) {
    throw translate(error)
  }
}

/** What DuckDB says of the SQL; its own text has the candidates and the place. */
function usersError(error: unknown, snapshot: Snapshot, files: readonly AddFile[]): unknown {
  if (!(error instanceof EngineError) || ['INTERNAL', 'FATAL'].includes(error.kind)) return error
  // The statement follows a line of ours.
  const message = error.message.trim().replace(/^LINE (\d+):/gm, (_, line) => `LINE ${Math.max(1, Number(line) - 1)}:`)
  const damaged = files.find(({ key }) => message.includes(key))
  if (damaged !== undefined)
    return new LakeError('corrupt', `a data file cannot be read: ${message}`, {
      key: damaged.key,
      fix: 'Look at the table with `lakewright verify`, and load the partition again.',
      cause: error,
    })
  const names = snapshot.metadata.schema.map(({ name }) => name)
  const shown = names.length > 30 ? [...names.slice(0, 30), '…'] : names
  return new LakeError('invalid', `the SQL does not run: ${message}`, {
    fix: `Correct the SQL; the table is the view \`t\` with the columns ${shown.join(', ')}.`,
    cause: error,
  })
}
