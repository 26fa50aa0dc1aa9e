/**
 * SQL over one version of a table, which is the view `t`.
 *
 * Nothing runs, and nothing heavy is loaded, before the first answer is asked for. The version is chosen then, once: asked
 * again, the query gives the rows of the same version again.
 */
import type { Reading } from './reading.js'
import { lazyResult, type QueryResult } from './result.js'
import type { QueryParams } from './sql-text.js'
import type { At } from './version.js'

/** @param sql one SELECT-like statement in DuckDB's SQL; what else it reads (`read_csv('…')`) is the caller's business */
export function query(reading: Reading, sql: string, options: QueryOptions = {}): QueryResult {
  let version: number | undefined
  return lazyResult(async () => {
    const { openSession } = await import('./session.js')
    const at = version === undefined ? {} : { version, asOf: undefined }
    const session = await openSession(reading, sql, { ...options, ...at })
    version = session.snapshot.version
    return session
  })
}

export interface QueryOptions extends At {
  /** Upper bound of the engine's memory, e.g. `1GB`. */
  memory?: string
  threads?: number
  signal?: AbortSignal
  /** For `?`, `$1` or `$name` in the SQL. */
  params?: QueryParams
}

export type { QueryResult }
