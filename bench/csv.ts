/**
 * One CSV file, about 90 bytes a row, 8 columns → 30, 365 and 5,000 partitions under a memory limit of 1 GiB.
 *
 *   lakewright   append(csv(file)): types proposed from a sample and proved value by value, read back, committed
 *   DuckDB       plain `COPY` of what its sniffer makes of the file: no proof (codes lose their leading zeros), no commit,
 *                and as many files as it likes
 */
import { join } from 'node:path'
import { csv, openTable } from '../src/index.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, dataFiles, inNode } from './compare.js'
import { ordersFile } from './orders.js'

const memory = '1GiB'
const partitionings = [
  [30, 'region'],
  [365, 'dt'],
  [5000, 'shop'],
] as const

export const benchmark: Benchmark = {
  title: 'CSV → partitions',
  async run({ rows = 10_000_000, rounds, folder, inputs }) {
    const source = await ordersFile('csv', rows, { folder: inputs })
    const tables = []
    for (const [partitions, partitionBy] of partitionings) {
      const input = { source, partitionBy }
      // Of so many, DuckDB's `COPY` keeps more in memory than it may.
      const mayFail = partitions > 1000
      const summaries = await compare(
        [
          { name: 'DuckDB COPY, sniffed types', isPeer: true, command: inNode('csv', 'duckdb', input), mayFail },
          { name: 'lakewright append', command: inNode('csv', 'append', input), mayFail },
        ],
        { rounds, folder },
      )
      tables.push({ title: `CSV, ${rows} rows → ${partitions} partitions, ${memory}`, summaries })
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async append({ folder, source, partitionBy }) {
    const target = join(folder, 'table')
    const { seconds } = await timed(async () => {
      await using table = await openTable(target, { partitionBy: [String(partitionBy)], memory })
      await table.append(csv(String(source)))
    })
    return { seconds, ...(await dataFiles(target)) }
  },
  async duckdb({ folder, source, partitionBy }) {
    const target = join(folder, 'out')
    const { seconds } = await timed(async () => {
      const { DuckDBInstance } = await import('@duckdb/node-api')
      const instance = await DuckDBInstance.create(':memory:', {
        memory_limit: memory,
        temp_directory: join(folder, 'spill'),
        preserve_insertion_order: 'false',
      })
      const connection = await instance.connect()
      const how = `FORMAT parquet, COMPRESSION zstd, PARTITION_BY (${partitionBy})`
      await connection.run(`COPY (SELECT * FROM read_csv('${source}')) TO '${target}' (${how})`)
      connection.closeSync()
      instance.closeSync()
    })
    return { seconds, ...(await dataFiles(target)) }
  },
}
