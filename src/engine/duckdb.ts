/**
 * The engine, done by DuckDB: one database in memory per load, with a folder to spill to. Statements run one after the
 * other on one connection; `stream` has a connection of its own, so that others may run while its rows are taken.
 *
 * Results do not depend on the machine: the session's zone is UTC, nothing is installed or loaded at run time. The order
 * of rows is not kept, which saves memory: who needs it sorts, asks `feed` for a row number, or runs
 * `SET preserve_insertion_order = true` around a statement.
 */
import { createRequire } from 'node:module'
import { availableParallelism, totalmem } from 'node:os'
import type { DuckDBConnection, DuckDBInstance, DuckDBType } from '@duckdb/node-api'
import type { RecordBatch } from 'apache-arrow'
import { LakeError } from '../errors.js'
import { assertColumnNames } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import { type Column, copiedFile, copySql } from './duckdb/copied.js'
import { EngineError, wrapEngineError } from './duckdb/errors.js'
import { Feed } from './duckdb/feed.js'
import { bytesOfSize, engineBytes, limitText } from './duckdb/memory.js'
import type { DuckApi } from './duckdb/types.js'
import { rowReader } from './duckdb/values.js'
import type { Bindings } from './duckdb/vectors.js'
import { disabledOptimizersSql } from './optimizers.js'
import type {
  BatchStream,
  CopiedFile,
  CopyOptions,
  Engine,
  EngineSettings,
  FedRelation,
  FeedOptions,
  Row,
  RowsOptions,
  RunOptions,
} from './port.js'

export { EngineError }

export async function openDuckDB(settings: EngineSettings): Promise<Engine> {
  const api = await import('@duckdb/node-api')
  const memory = settings.memory ?? defaultMemory()
  const threads = settings.threads ?? availableParallelism()
  try {
    const instance = await api.DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: memory,
      temp_directory: settings.spillFolder,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      preserve_insertion_order: 'false',
    })
    const connection = await instance.connect()
    for (const statement of sessionSettings) await connection.run(statement)
    const limits = await leaveMemory(connection)
    return new DuckDBEngine(api, loadBindings(), instance, connection, { ...settings, memory, threads, limits })
  } catch (error) {
    throw wrongSetting(error, { memory, threads })
  }
}

const sessionSettings = [
  `SET GLOBAL TimeZone = 'UTC'`,
  // Progress is worked out only for a bar; this one is never printed.
  'SET enable_progress_bar = true',
  'SET enable_progress_bar_print = false',
  'SET progress_bar_time = 0',
  disabledOptimizersSql(),
]

/** Texts of the memory limit. */
interface Limits {
  /** All that was given. */
  whole: string
  /** Without what lies beside the engine. */
  most: string
}

async function leaveMemory(connection: DuckDBConnection): Promise<Limits> {
  // By now DuckDB has understood what was given.
  const [row] = (await connection.runAndReadAll(`SELECT current_setting('memory_limit')`)).getRows()
  const bytes = bytesOfSize(String(row?.[0]))
  const limits = { whole: limitText(bytes), most: limitText(engineBytes(bytes)) }
  await connection.run(`SET memory_limit = '${limits.most}'`)
  return limits
}

/** Half of the machine's memory, at most 4 GB. */
function defaultMemory(): string {
  return `${Math.floor(Math.min(totalmem() / 2, 4 * 2 ** 30) / 2 ** 20)}MiB`
}

/** The very bindings that node-api uses: two copies would be two databases in one process. */
function loadBindings(): Bindings {
  const require = createRequire(import.meta.url)
  const ofApi = createRequire(require.resolve('@duckdb/node-api'))
  return ofApi('@duckdb/node-bindings') as Bindings
}

function wrongSetting(error: unknown, given: { memory: string; threads: number }): unknown {
  if (!(error instanceof Error) || !/set config|memory|threads/i.test(error.message)) return error
  return new LakeError('invalid', 'the engine does not start with these settings', {
    ...given,
    fix: 'Write `--memory` as `2GB` or `500MiB`, and `--threads` as a whole number from 1.',
    cause: error,
  })
}

class DuckDBEngine implements Engine {
  readonly id: string
  private tail: Promise<unknown> = Promise.resolve()
  private readonly feeds = new Set<Feed>()
  private feedCount = 0
  private closed = false

  constructor(
    private readonly api: DuckApi,
    private readonly bindings: Bindings,
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
    private readonly settings: EngineSettings & { memory: string; threads: number; limits: Limits },
  ) {
    this.id = `duckdb-${api.version().replace(/^v/, '')}`
  }

  async run(sql: string, options: RunOptions = {}): Promise<void> {
    await this.inTurn(options, async () => {
      await this.connection.run(sql)
    })
  }

  async rows(sql: string, options: RowsOptions = {}): Promise<Row[]> {
    if (options.apart) return await this.rowsApart(sql, options)
    return await this.inTurn(options, async () => {
      const result = await this.connection.run(sql)
      const read = rowReader(result.columnNames(), result.columnTypes())
      return (await result.fetchAllChunks()).flatMap(read)
    })
  }

  async *stream(sql: string, options: RunOptions = {}): AsyncGenerator<Row[]> {
    this.assertOpen()
    const connection = await this.instance.connect()
    try {
      const result = await this.guarded(connection, options, () => connection.stream(sql))
      const read = rowReader(result.columnNames(), result.columnTypes())
      for (;;) {
        const chunk = await this.guarded(connection, options, () => result.fetchChunk(), 'goes on')
        if (chunk === null || chunk.rowCount === 0) break
        yield read(chunk)
      }
    } finally {
      this.leaveFeeds(connection)
      connection.closeSync()
    }
  }

  async describe(sql: string): Promise<{ name: string; sqlType: string }[]> {
    const rows = await this.rows(`DESCRIBE ${sql}`)
    return rows.map((row) => ({ name: String(row.column_name), sqlType: String(row.column_type) }))
  }

  async feed(name: string, schema: Schema, batches: BatchStream, options: FeedOptions = {}): Promise<FedRelation> {
    const names = schema.map((field) => field.name)
    if (names.length === 0) throw new LakeError('invalid', 'the batches have no columns', { relation: name })
    assertColumnNames(options.rowNumber === undefined ? names : [...names, options.rowNumber])
    options.signal?.throwIfAborted()
    const isSync = isIterable(batches)
    const host = {
      api: this.api,
      bindings: this.bindings,
      connection: this.connection,
      threads: this.settings.threads,
      run: (sql: string, runOptions?: RunOptions) => this.run(sql, runOptions),
    }
    const feed = new Feed(name, !isSync, schema, host, this.feedCount++, options)
    this.feeds.add(feed)
    if (isSync) await feed.open(batches)
    else await feed.fill(batches)
    return feed
  }

  async copy(sql: string, options: CopyOptions): Promise<CopiedFile[]> {
    // Types are needed for the ids of what is nested; to learn them costs as much as a small statement itself.
    const columns = options.inOrder && !hasNestedIds(options) ? undefined : await this.columnsOf(sql, options)
    const statement = copySql(sql, options, columns)
    if (options.apart) return (await this.rowsApart(statement, options)).map(copiedFile)
    // What is held for each partition cannot be spilled.
    const memory = options.partitionBy.length > 0 ? this.settings.limits.whole : undefined
    const limits = [
      ['partitioned_write_max_open_files', options.maxOpenFiles],
      ['partitioned_write_flush_threshold', options.gatheredRows],
    ] as const
    for (const [limit, value] of limits) if (value !== undefined) await this.run(`SET ${limit} = ${value}`)
    if (memory !== undefined) await this.run(`SET memory_limit = '${memory}'`)
    try {
      const files = (await this.rows(statement, options)).map(copiedFile)
      return files.sort((a, b) => (a.path < b.path ? -1 : 1))
    } finally {
      for (const [limit, value] of limits) if (value !== undefined && !this.closed) await this.run(`RESET ${limit}`)
      // More may be held than that; then the limit stays.
      if (memory !== undefined && !this.closed)
        await this.run(`SET memory_limit = '${this.settings.limits.most}'`).catch(() => {})
    }
  }

  progress(): { percent: number; rowsProcessed: number } {
    const { percentage, rows_processed } = this.connection.progress
    return { percent: percentage, rowsProcessed: Number(rows_processed) }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.connection.interrupt()
    await this.tail.catch(() => {})
    for (const feed of this.feeds) feed.close()
    this.connection.closeSync()
    this.instance.closeSync()
  }

  private async rowsApart(sql: string, options: RunOptions): Promise<Row[]> {
    this.assertOpen()
    const connection = await this.instance.connect()
    try {
      return await this.guarded(connection, options, async () => {
        const result = await connection.run(sql)
        const read = rowReader(result.columnNames(), result.columnTypes())
        return (await result.fetchAllChunks()).flatMap(read)
      })
    } finally {
      this.leaveFeeds(connection)
      connection.closeSync()
    }
  }

  private async columnsOf(sql: string, options: RunOptions): Promise<Column[]> {
    return await this.inTurn(options, async () => {
      const prepared = await this.connection.prepare(sql)
      const columns: { name: string; type: DuckDBType }[] = []
      for (let index = 0; index < prepared.columnCount; index++)
        columns.push({ name: prepared.columnName(index), type: prepared.columnType(index) })
      prepared.destroySync()
      return columns
    })
  }

  /** One statement at a time: DuckDB would let them wait too, but an interrupt must hit the right one. */
  private async inTurn<T>(options: RunOptions, work: () => Promise<T>): Promise<T> {
    this.assertOpen()
    const turn = this.tail.then(() => this.guarded(this.connection, options, work))
    this.tail = turn.catch(() => {})
    return await turn
  }

  /** Errors in the caller's words, and the statement ends with the signal. */
  private async guarded<T>(
    connection: DuckDBConnection,
    { signal }: RunOptions,
    work: () => Promise<T>,
    after: 'is done' | 'goes on' = 'is done',
  ): Promise<T> {
    this.assertOpen()
    signal?.throwIfAborted()
    let repeat: NodeJS.Timeout | undefined
    const interrupt = () => {
      connection.interrupt()
      // An interrupt that comes before the statement has begun is forgotten.
      repeat = setInterval(() => connection.interrupt(), 20)
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    let outcome: { value: T } | { error: unknown }
    try {
      outcome = { value: await work() }
    } catch (error) {
      outcome = { error }
    }
    clearInterval(repeat)
    signal?.removeEventListener('abort', interrupt)
    if (after === 'is done' && connection === this.connection) this.leaveFeeds(connection)
    const failure = this.takeFailure(connection)
    if (signal?.aborted) throw signal.reason
    if (failure !== undefined) throw failure.error
    if ('error' in outcome) throw wrapEngineError(outcome.error, this.settings)
    return outcome.value
  }

  private leaveFeeds(connection: DuckDBConnection): void {
    const id = connection.clientContext.connectionId
    for (const feed of this.feeds) feed.leave(id)
  }

  /** What a feed threw into a statement of this connection, told once. */
  private takeFailure(connection: DuckDBConnection): { error: unknown } | undefined {
    const id = connection.clientContext.connectionId
    for (const feed of this.feeds) {
      const { failure } = feed
      if (failure === undefined || failure.connectionId !== id) continue
      feed.failure = undefined
      return failure
    }
    return undefined
  }

  private assertOpen(): void {
    if (this.closed) throw new LakeError('invalid', 'the engine is closed', { fix: 'Open another one.' })
  }
}

function hasNestedIds({ fieldIds }: CopyOptions): boolean {
  return Object.keys(fieldIds).some((name) => name.includes('.'))
}

function isIterable(batches: BatchStream): batches is Iterable<RecordBatch> {
  return Symbol.iterator in batches
}
