/**
 * Rows that are worked out when they are asked for, and not before: what `query` and `changes` answer with. What was
 * opened for them is let go as soon as nobody takes rows any more.
 */
import type { Row } from '../engine/port.js'
import type { ResultFormat } from './write.js'

/** @param open called when an answer is asked for, and again where one is asked for after all was let go */
export function lazyResult(open: () => Promise<OpenResult>): QueryResult {
  return new LazyResult(open)
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

/** An engine that stands ready to give the rows. */
export interface OpenResult {
  readonly columns: { name: string; type: string }[]
  rows(): AsyncIterable<Row[]>
  write(path: string, format: ResultFormat): Promise<{ rows: number; bytes: number }>
  close(): Promise<void>
}

class LazyResult implements QueryResult {
  private session: Promise<OpenResult> | undefined
  /** Reads and writes that are on their way. */
  private users = 0

  constructor(private readonly openSession: () => Promise<OpenResult>) {}

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

  private open(): Promise<OpenResult> {
    this.session ??= this.openSession()
    const opening = this.session
    // Who asked is told, and who asks next tries again.
    opening.catch(() => {
      if (this.session === opening) this.session = undefined
    })
    return opening
  }
}
