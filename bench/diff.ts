/**
 * Two snapshots of 10M rows and 8 columns, in Parquet, of which 1% of the rows changed (half of them in two columns), 0.5% went
 * and 0.5% came: how many of each, and how many changed in each column. Keys are integers, or texts of 36 characters.
 *
 *   lakewright   diff(old, new)
 *   duckdb       one full outer join of all columns, compared by IS DISTINCT FROM and counted
 *   polars       the same, streaming
 *   spark        the same, in a session that is up when the clock starts
 *
 * lakewright also makes sure that no key is null or there twice, and keeps both images of the changed rows; the others do not.
 */
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { diff, parquet } from '../src/index.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, inNode, inPython } from './compare.js'
import { ordersFile } from './orders.js'

const keys = { integer: 'integer keys', text: '36-character keys' } as const
type Key = keyof typeof keys

export const benchmark: Benchmark = {
  title: 'diff of two snapshots',
  async run({ rows = 10_000_000, rounds, folder, inputs }) {
    const tables = []
    for (const key of Object.keys(keys) as Key[]) {
      const sides = await snapshots(rows, key, inputs)
      for (const memory of [undefined, '1GB', '500MB']) {
        const input = { ...sides, ...(memory === undefined ? {} : { memory }) }
        const summaries = await compare(
          [
            { name: 'DuckDB, all columns', isPeer: true, command: inNode('diff', 'duckdb', input), mayFail: true },
            { name: 'lakewright diff', command: inNode('diff', 'lakewright', input) },
            { name: 'lakewright diff --exact', command: inNode('diff', 'lakewright', { ...input, exact: true }) },
            ...(memory === undefined
              ? [
                  {
                    name: 'Polars, streaming',
                    command: await inPython('polars_peer.py', 'diff', input),
                    mayFail: true,
                  },
                  { name: 'Spark', command: await inPython('spark_peer.py', 'diff', input), mayFail: true },
                ]
              : []),
          ],
          { rounds, folder },
        )
        const limit = memory === undefined ? '' : `, limit ${memory}`
        tables.push({ title: `diff of 2 × ${rows} rows, ${keys[key]}${limit}`, summaries })
      }
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async lakewright({ old, now, memory, exact, folder }) {
    const settings = {
      key: ['id'],
      tempFolder: folder,
      ...(memory ? { memory: String(memory) } : {}),
      exact: exact === true,
    }
    const { seconds, result } = await timed(() => diff(parquet(String(old)), parquet(String(now)), settings))
    await result.close()
    return { seconds, ...factsOf(result) }
  },

  async duckdb({ old, now, memory, folder }) {
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const limit: Record<string, string> = memory ? { memory_limit: String(memory) } : {}
    const instance = await DuckDBInstance.create(':memory:', {
      ...limit,
      preserve_insertion_order: 'false',
      temp_directory: join(folder, 'spill'),
    })
    const connection = await instance.connect()
    const { seconds, result } = await timed(() => connection.runAndReadAll(allColumnsSql(String(old), String(now))))
    const [row = {}] = result.getRowObjectsJson()
    const { inserted, deleted, updated, ...columns } = row as Record<string, number>
    const changed = Object.entries(columns).filter(([, count]) => Number(count) > 0)
    return { seconds, ...factsOf({ inserted, deleted, updated, changedColumns: Object.fromEntries(changed) }) }
  },
}

const compared = ['code', 'amount', 'dt', 'created_at', 'region', 'shop', 'email']

/** What one would write by hand. */
function allColumnsSql(old: string, now: string): string {
  const differ = compared.map((name) => `o.${name} IS DISTINCT FROM n.${name}`)
  const both = 'o.id IS NOT NULL AND n.id IS NOT NULL'
  const counts = [
    'count(*) FILTER (WHERE o.id IS NULL) AS inserted',
    'count(*) FILTER (WHERE n.id IS NULL) AS deleted',
    `count(*) FILTER (WHERE ${both} AND (${differ.join(' OR ')})) AS updated`,
    ...compared.map((name, i) => `count(*) FILTER (WHERE ${both} AND ${differ[i]}) AS ${name}`),
  ]
  return `SELECT ${counts.join(', ')} FROM '${old}' o FULL JOIN '${now}' n ON o.id = n.id`
}

interface Found {
  inserted?: number
  updated?: number
  deleted?: number
  changedColumns: Record<string, number>
}

function factsOf({ inserted, updated, deleted, changedColumns }: Found): Record<string, string> {
  const columns = Object.entries(changedColumns).map(([name, count]) => `${name} ${count}`)
  return { found: `+${inserted} ~${updated} -${deleted} (${columns.sort().join(', ')})` }
}

/** The old snapshot and the new one, made once. */
async function snapshots(rows: number, key: Key, inputs: string): Promise<{ old: string; now: string }> {
  const orders = await ordersFile('parquet', Math.round(rows * 1.005), { folder: inputs })
  const id = key === 'integer' ? 'id' : 'CAST(CAST(md5(CAST(id AS VARCHAR)) AS UUID) AS VARCHAR) AS id'
  const columns = (amount: string, email: string): string =>
    `${id}, code, ${amount} AS amount, dt, created_at, region, shop, ${email} AS email`
  const [before, after] = [columns('amount', 'email'), columns(changedAmount, changedEmail)]
  return {
    old: await made(
      `SELECT ${before} FROM '${orders}' WHERE id < ${rows}`,
      join(inputs, `diff-old-${key}-${rows}.parquet`),
    ),
    now: await made(
      `SELECT ${after} FROM '${orders}' WHERE id % 200 <> 11`,
      join(inputs, `diff-new-${key}-${rows}.parquet`),
    ),
  }
}

const changedAmount = 'CASE WHEN id % 100 = 7 THEN amount + 1 ELSE amount END'
const changedEmail = `CASE WHEN id % 200 = 7 THEN 'new.' || email ELSE email END`

async function made(select: string, path: string): Promise<string> {
  if (await stat(path).catch(() => undefined)) return path
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { preserve_insertion_order: 'true' })
  const connection = await instance.connect()
  await connection.run(`COPY (${select}) TO '${path}.part' (FORMAT parquet, COMPRESSION zstd)`)
  connection.closeSync()
  instance.closeSync()
  await rename(`${path}.part`, path)
  return path
}
