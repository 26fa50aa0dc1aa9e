/**
 * A query's rows into a file, without passing through JavaScript objects.
 *
 *   csv      header, `,`; null is nothing, the empty text `""`; timestamps ISO with Z, binary base64
 *   ndjson   one object per line, values as `toJsonValue` has them
 *   json     an array of such objects
 *   parquet  zstd; types as a table would store them (HUGEINT → decimal(38,0), naive timestamps UTC, …)
 *   arrow    an Arrow IPC file with the same types
 */
import { rm, stat } from 'node:fs/promises'
import type { Engine, RunOptions } from '../engine/port.js'
import { quoteIdent, quotePath } from '../engine/sql.js'
import { castExpression } from '../schema/duckdb.js'
import { csvValueSql, jsonValueSql } from './value-sql.js'

export type ResultFormat = 'csv' | 'ndjson' | 'json' | 'parquet' | 'arrow'

export async function writeResult(
  result: Result,
  path: string,
  format: ResultFormat,
  options: RunOptions = {},
): Promise<{ rows: number; bytes: number }> {
  const rows = format === 'arrow' ? await writeArrow(result, path, options) : await copy(result, path, format, options)
  return { rows, bytes: (await stat(path)).size }
}

export interface Result {
  engine: Engine
  sql: string
  columns: readonly { name: string; type: string }[]
}

const copies = {
  csv: { value: csvValueSql, options: `FORMAT csv, HEADER true, DELIMITER ',', NULLSTR ''` },
  ndjson: { value: jsonValueSql, options: 'FORMAT json' },
  json: { value: jsonValueSql, options: 'FORMAT json, ARRAY true' },
  parquet: {
    value: (type: string, sql: string, name: string) => castExpression(type, sql, name),
    options: 'FORMAT parquet, COMPRESSION zstd',
  },
} as const

async function copy(
  { engine, sql, columns }: Result,
  path: string,
  format: Exclude<ResultFormat, 'arrow'>,
  options: RunOptions,
): Promise<number> {
  const { value, options: copyOptions } = copies[format]
  const values = columns.map(({ name, type }) => {
    const column = `q.${quoteIdent(name)}`
    return `${value(type, column, name)} AS ${quoteIdent(name)}`
  })
  const select = `SELECT ${values.join(', ')} FROM (${sql}\n) q`
  const [row] = await engine.rows(`COPY (${select}) TO ${quotePath(path)} (${copyOptions})`, options)
  return Number(row?.Count ?? 0)
}

/** By way of Parquet: decoding that into Arrow is native code, and the types are settled. */
async function writeArrow(result: Result, path: string, options: RunOptions): Promise<number> {
  const parquetPath = `${path}.parquet.tmp`
  try {
    const rows = await copy(result, parquetPath, 'parquet', options)
    const { parquetToArrow } = await import('./arrow-file.js')
    await parquetToArrow(parquetPath, path)
    return rows
  } finally {
    await rm(parquetPath, { force: true })
  }
}
