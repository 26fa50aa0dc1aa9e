/**
 * SQL over one version of a table, which is the view `t`, in an engine of its own.
 *
 *   SQL ─► what it reads of t (uses) ─► files that may hold it (prune) ─► those, or their columns, on this machine
 *       (fetch) ─► t over them ─► rows, or a file
 *
 * Nothing runs before the first answer is asked for. The version is chosen then, once; asked again, the query gives the
 * rows of the same version again.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineError, openDuckDB } from '../engine/duckdb.js'
import type { Engine, Row } from '../engine/port.js'
import { filesRelation } from '../engine/relation.js'
import { quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import type { AddFile, Snapshot } from '../manifest/actions.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import type { Store } from '../store/port.js'
import { FileCache } from './fetch.js'
import { pruneFiles } from './prune.js'
import { snapshotAt } from './snapshot.js'
import { bindParams, hasWord, notOneSelect, oneStatement, type QueryParams } from './sql-text.js'
import { defineShape, findUses, freezeTime, type Use } from './uses.js'
import type { At } from './version.js'
import { type ResultFormat, writeResult } from './write.js'

/** @param sql one SELECT-like statement in DuckDB's SQL; what else it reads (`read_csv('…')`) is the caller's business */
export function query(context: QueryContext, sql: string, options: QueryOptions = {}): QueryResult {
  return new Query(context, sql, options)
}

export interface QueryContext {
  store: Store
  runtime?: Partial<Runtime>
  memory?: string
  threads?: number
  tempFolder?: string
  signal?: AbortSignal
  /** Shared by the queries of one table; without it each query fetches for itself. */
  cache?: FileCache
}

export interface QueryOptions extends At {
  /** Upper bound of the engine's memory, e.g. `1GB`. */
  memory?: string
  threads?: number
  signal?: AbortSignal
  /** For `?`, `$1` or `$name` in the SQL. */
  params?: QueryParams
}

export interface QueryResult extends AsyncIterable<Row> {
  /** Names and DuckDB's types. A name that occurs twice gets a number: `a`, `a_1`. */
  columns(): Promise<{ name: string; type: string }[]>
  /** BIGINT as bigint, DECIMAL as text, timestamps as ISO text with `Z`; see `Engine.rows`. */
  toArray(): Promise<Row[]>
  /** For large results; engine and files are let go at the end, or when the loop is left. */
  batches(): AsyncIterable<Row[]>
  /** To a file on this machine, through the engine; replaces a file that is there. */
  write(path: string, format: ResultFormat): Promise<{ rows: number; bytes: number }>
  /** Let go what `columns` may have opened. Repeatable. */
  close(): Promise<void>
}

class Query implements QueryResult {
  private session: Promise<Session> | undefined
  private version: number | undefined
  private users = 0

  constructor(
    private readonly context: QueryContext,
    private readonly sql: string,
    private readonly options: QueryOptions,
  ) {}

  async columns(): Promise<{ name: string; type: string }[]> {
    const { columns } = await this.open()
    return columns
  }

  async toArray(): Promise<Row[]> {
    const rows: Row[] = []
    for await (const batch of this.batches()) for (const row of batch) rows.push(row)
    return rows
  }

  async *batches(): AsyncGenerator<Row[]> {
    this.users++
    try {
      const session = await this.open()
      yield* inUsersWords(session.engine.stream(session.sql, this.call()), session)
    } finally {
      await this.leave()
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for await (const batch of this.batches()) yield* batch
  }

  async write(path: string, format: ResultFormat): Promise<{ rows: number; bytes: number }> {
    this.users++
    try {
      const session = await this.open()
      try {
        return await writeResult(session, path, format, this.call())
      } catch (error) {
        throw usersError(error, session)
      }
    } finally {
      await this.leave()
    }
  }

  async close(): Promise<void> {
    const { session } = this
    this.session = undefined
    const opened = await session?.catch(() => undefined)
    await opened?.close()
  }

  private async leave(): Promise<void> {
    this.users--
    if (this.users === 0) await this.close()
  }

  private open(): Promise<Session> {
    const opening = this.session ?? this.openSession()
    this.session = opening
    // A failure is told to whoever asked, and the next one tries again.
    opening.catch(() => {
      if (this.session === opening) this.session = undefined
    })
    return opening
  }

  private async openSession(): Promise<Session> {
    const { store, runtime } = this.context
    const statement = oneStatement(bindParams(this.sql, this.options.params))
    const at = this.version === undefined ? this.options : { version: this.version }
    const snapshot = await snapshotAt(store, at, { ...this.call(), runtime: { ...systemRuntime, ...runtime } })
    this.version = snapshot.version
    const folder = await mkdtemp(join(this.context.tempFolder ?? tmpdir(), 'lakewright-query-'))
    const undo: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })]
    try {
      const engine = await openDuckDB({ ...this.engineUse(), spillFolder: join(folder, 'spill') })
      undo.unshift(() => engine.close())
      const cache = this.context.cache ?? new FileCache(store, join(folder, 'files'))
      return await this.plan(engine, cache, snapshot, statement, undo)
    } catch (error) {
      for (const step of undo) await step()
      throw error
    }
  }

  private async plan(
    engine: Engine,
    cache: FileCache,
    snapshot: Snapshot,
    statement: string,
    undo: (() => Promise<void>)[],
  ): Promise<Session> {
    const { schema, partitionBy } = snapshot.metadata
    const close = async () => {
      for (const step of undo.splice(0)) await step()
    }
    const session: Session = { engine, sql: statement, columns: [], snapshot, files: [], close }
    try {
      await freezeTime(engine, (this.context.runtime?.now ?? systemRuntime.now)())
      await defineShape(engine, schema)
      const uses = await this.usesOf(engine, statement, snapshot)
      session.files = uses === 'everything' ? [...snapshot.files.values()] : pruneFiles(snapshot, uses)
      const columns = uses === 'everything' ? {} : { columns: [...new Set(uses.flatMap((use) => use.columns))] }
      const files = await cache.local(session.files, { ...this.call(), ...columns })
      await engine.run(`CREATE OR REPLACE VIEW t AS ${filesRelation({ files, schema, partitionBy })}`)
      await describe(session)
      return session
    } catch (error) {
      throw usersError(error, session)
    }
  }

  /** @throws LakeError invalid where the SQL is no SELECT, or does not bind */
  private async usesOf(engine: Engine, sql: string, { metadata }: Snapshot): Promise<Use[] | 'everything'> {
    const [row] = await engine.rows(`SELECT CAST(json_serialize_sql(CAST(${quoteText(sql)} AS VARCHAR)) AS VARCHAR) AS tree`)
    const tree = JSON.parse(String(row?.['tree'])) as { error: boolean; error_type?: string; error_message?: string }
    if (!tree.error) return await findUses(engine, sql, metadata.schema, this.call())
    // DuckDB pivots in two statements, of which the first reads the values: there is no one plan to learn from.
    if (tree.error_type === 'not implemented' && hasWord(sql, /^(un)?pivot/i) && /^[\s(]*(pivot|select|from|with)\b/i.test(sql))
      return 'everything'
    if (tree.error_type === 'not implemented') throw notOneSelect('this statement is another one')
    throw new LakeError('invalid', `the SQL does not parse: ${tree.error_message ?? tree.error_type ?? ''}`, {
      fix: 'Correct the SQL; it is read as DuckDB reads it.',
    })
  }

  private engineUse(): { memory?: string; threads?: number } {
    const memory = this.options.memory ?? this.context.memory
    const threads = this.options.threads ?? this.context.threads
    return { ...(memory === undefined ? {} : { memory }), ...(threads === undefined ? {} : { threads }) }
  }

  private call(): { signal?: AbortSignal } {
    const signal = this.options.signal ?? this.context.signal
    return signal === undefined ? {} : { signal }
  }
}

/** One engine with the view `t` in it. */
export interface Session {
  engine: Engine
  sql: string
  columns: { name: string; type: string }[]
  snapshot: Snapshot
  /** Those that `t` reads. */
  files: AddFile[]
  close(): Promise<void>
}

/** Two columns of one name would be one in a row: a subquery gives the second another. */
async function describe(session: Session): Promise<void> {
  let described = await session.engine.describe(session.sql)
  if (new Set(described.map(({ name }) => name)).size < described.length) {
    session.sql = `SELECT * FROM (${session.sql}\n)`
    described = await session.engine.describe(session.sql)
  }
  session.columns = described.map(({ name, sqlType }) => ({ name, type: sqlType }))
}

async function* inUsersWords(rows: AsyncIterable<Row[]>, session: Session): AsyncGenerator<Row[]> {
  try {
    yield* rows
  } catch (error) {
    throw usersError(error, session)
  }
}

/** What DuckDB says of the SQL; its own text has the candidates and the place. */
function usersError(error: unknown, { snapshot, files }: Pick<Session, 'snapshot' | 'files'>): unknown {
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
