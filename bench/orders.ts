/**
 * The rows of the file benchmarks: orders, made by DuckDB with plain arithmetic, so that every version makes the same.
 *
 *   id bigint · code text with leading zeros · amount double · dt date, 365 days · created_at timestamp ·
 *   region text, 30 codes · shop integer, 5,000 of them · email text
 *
 * Partition values are spread over the whole input, which is the hard case.
 */
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'

export async function ordersFile(format: 'csv' | 'parquet', rows: number, options: OrdersOptions): Promise<string> {
  const { folder, name = 'orders', where = 'true', amount = 'amount' } = options
  const path = join(folder, `${name}-${rows}.${format}`)
  if (await stat(path).catch(() => undefined)) return path
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { preserve_insertion_order: 'true' })
  const connection = await instance.connect()
  const how = format === 'csv' ? 'FORMAT csv, HEADER' : 'FORMAT parquet, COMPRESSION zstd'
  await connection.run(`SET TimeZone = 'UTC'`)
  const select = `SELECT * REPLACE (${amount} AS amount) FROM (${ordersSql(rows, format)}) WHERE ${where}`
  await connection.run(`COPY (${select}) TO '${path}.part' (${how})`)
  connection.closeSync()
  instance.closeSync()
  await rename(`${path}.part`, path)
  return path
}

export interface OrdersOptions {
  folder: string
  name?: string
  where?: string
  amount?: string
}

/** In Parquet the time is an instant, as the table will hold it; in text it has no zone, as dumps have it. */
function ordersSql(rows: number, format: 'csv' | 'parquet'): string {
  const time = `TIMESTAMP '2026-01-01 00:00:00' + to_seconds(k % 31536000)`
  return `SELECT
      i AS id,
      lpad(CAST(k % 10000000 AS VARCHAR), 9, '0') AS code,
      CAST(k % 10000000 AS DOUBLE) / 100 AS amount,
      DATE '2026-01-01' + CAST(k % 365 AS INTEGER) AS dt,
      ${format === 'csv' ? time : `(${time}) AT TIME ZONE 'UTC'`} AS created_at,
      lpad(CAST(k // 7 % 30 AS VARCHAR), 2, '0') AS region,
      CAST(k // 11 % 5000 AS INTEGER) AS shop,
      'customer.' || k % 1000003 || '@example.com' AS email
    FROM (SELECT i, i * 2654435761 % 4294967296 AS k FROM range(${rows}) t(i))`
}
