/**
 * Rows are merged by key into a table of 30 partitions, spread over all of its files: 1,000 of them, and a tenth of the
 * table. Half of them are known. Both writers work on the same table, which is ours, without a change feed.
 *
 *   lakewright   merge(parquet(file))
 *   deltalake    merge(predicate='t.id = s.id').when_matched_update_all().when_not_matched_insert_all()
 *   DuckLake     MERGE INTO … USING …, its own table, to know the distance: it masks old rows and writes only new ones
 */
import { join } from 'node:path'
import { openTable, parquet } from '../src/index.js'
import { baseTable, copyTable } from './base-table.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, inNode, inPython } from './compare.js'
import { ordersFile } from './orders.js'

export const benchmark: Benchmark = {
  title: 'merge 1,000 rows, and a tenth, into 30 partitions',
  async run({ rows = 10_000_000, rounds, folder, inputs }) {
    const all = await ordersFile('parquet', rows, { folder: inputs })
    const table = await baseTable(all, folder, { partitionBy: ['region'], key: ['id'] })
    const tables = []
    for (const count of [1000, rows / 10]) {
      const source = await changedRows(rows, count, inputs)
      const prepare = (run: string) => copyTable(table, join(run, 'table'))
      const ours = (name: string, settings: object) => ({
        name,
        command: inNode('merge', 'merge', { source, ...settings }),
        prepare,
      })
      const summaries = await compare(
        [
          {
            name: 'deltalake merge',
            isPeer: true,
            mayFail: true,
            command: await inPython('deltalake_peer.py', 'merge', { source, key: 'id' }),
            prepare,
          },
          {
            name: 'DuckLake merge',
            mayFail: true,
            command: await inPython('ducklake_peer.py', 'merge', { all, source, key: 'id' }, 'bench'),
          },
          ours('lakewright merge', {}),
          ours('lakewright merge, 500 MB', { memory: '500MB' }),
        ],
        { rounds, folder },
      )
      tables.push({ title: `merge ${count} rows into ${rows}, 30 partitions`, summaries })
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async merge({ folder, source, memory }) {
    const { seconds, result } = await timed(async () => {
      await using table = await openTable(join(folder, 'table'), memory ? { memory: String(memory) } : {})
      return table.merge(parquet(String(source)))
    })
    const { status, rows, bytes } = result
    const { inserted = 0, updated = 0, unchanged = 0 } = rows
    return { seconds, addedMB: Math.round(bytes.added / 1e5) / 10, status, inserted, updated, unchanged }
  },
}

/** Every other one is a row of the table with another amount, the rest are new. */
async function changedRows(rows: number, count: number, folder: string): Promise<string> {
  const every = Math.floor((2 * rows) / count)
  return await ordersFile('parquet', 2 * rows, {
    folder,
    name: `changed-${count}-of-${rows}`,
    where: `id % ${every} = 3`,
    amount: 'amount + 1',
  })
}
