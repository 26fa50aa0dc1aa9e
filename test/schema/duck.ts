/** A DuckDB for tests of the SQL that this room makes, with a session zone far from UTC, so that leaning on it shows. */
import { DuckDBInstance } from '@duckdb/node-api'

export interface Duck {
  /** One row per value of the list: the value of the expression `sql`, which sees it as `x`. */
  each(values: readonly (string | null)[], sql: string): Promise<unknown[]>
  /** The same over values of another type: `literals` are SQL. */
  over(literals: readonly string[], sql: string): Promise<unknown[]>
  rows(sql: string): Promise<Record<string, unknown>[]>
  close(): void
}

export async function openDuck(zone = 'America/New_York'): Promise<Duck> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await connection.run(`SET TimeZone = '${zone}'`)
  const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
    (await connection.runAndReadAll(sql)).getRowObjectsJson()
  const over = async (literals: readonly string[], sql: string): Promise<unknown[]> => {
    const values = literals.map((literal, i) => `(${i}, ${literal})`).join(', ')
    return (await rows(`SELECT ${sql} AS r FROM (VALUES ${values}) v(i, x) ORDER BY i`)).map((row) => row.r)
  }
  return {
    over,
    each: async (values, sql) => {
      const result = await connection.runAndReadAll(
        `SELECT ${sql} AS r FROM (SELECT unnest(range(len(l))) AS i, unnest(l) AS x FROM (SELECT CAST($1 AS VARCHAR)::JSON::VARCHAR[] AS l)) ORDER BY i`,
        [JSON.stringify(values)],
      )
      return result.getRowObjectsJson().map((row) => row.r)
    },
    rows,
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
