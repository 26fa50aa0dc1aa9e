/**
 * SQL over one version of a table, which is the view `t`.
 *
 * Nothing runs, and nothing heavy is loaded, before the first answer is asked for. The version is chosen then, once: asked
 * again, the query gives the rows of the same version again.
 */
import type { Row } from '../engine/port.js'
import type { Reading } from './reading.js'
import type { Session } from './session.js'
import type { QueryParams } from './sql-text.js'
import type { At } from './version.js'
import type { ResultFormat } from './write.js'

/** @param sql one SELECT-like statement in DuckDB's SQL; what else it reads (`read_csv('…')`) is the caller's business */
export function query(reading: Reading, sql: string, options: QueryOptions = {}): QueryResult {
  return new Query(reading, sql, options)
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
  /** Reads and writes that are on their way. */
  private users = 0

  constructor(
    private readonly reading: Reading,
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
      yield* session.rows()
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
      return await session.write(path, format)
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
    this.session ??= this.openSession()
    const opening = this.session
    // Who asked is told, and who asks next tries again.
    opening.catch(() => {
      if (this.session === opening) this.session = undefined
    })
    return opening
  }

  private async openSession(): Promise<Session> {
    const { openSession } = await import('./session.js')
    const at = this.version === undefined ? {} : { version: this.version, asOf: undefined }
    const session = await openSession(this.reading, this.sql, { ...this.options, ...at })
    this.version = session.snapshot.version
    return session
  }
}
