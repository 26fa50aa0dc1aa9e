/**
 * A full dump becomes the content of a table, with the differences found by key. Two dumps: 2% of the rows changed, spread
 * over all partitions; and rows changed in 1% of the partitions alone.
 *
 *   lakewright   sync(parquet(dump))
 *   diff         of the table and the dump: what finding the differences costs, without a load
 *   deltalake    write_deltalake(mode='overwrite'): its own merge with delete by source does not end on this machine
 */
import { join } from 'node:path'
import { diff, openTable, parquet } from '../src/index.js'
import { baseTable, copyTable } from './base-table.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, inNode, inPython } from './compare.js'
import { ordersFile } from './orders.js'

const dumps = {
  'with 2% of the rows changed': { partitionBy: ['region'], changed: 'id % 50 = 3' },
  'with rows changed in 1% of the partitions': {
    partitionBy: ['dt'],
    changed: `dt IN (DATE '2026-03-01', DATE '2026-06-15', DATE '2026-09-30')`,
  },
}

export const benchmark: Benchmark = {
  title: 'sync of a full dump',
  async run({ rows = 10_000_000, rounds, folder, inputs }) {
    const all = await ordersFile('parquet', rows, { folder: inputs })
    const tables = []
    for (const [what, { partitionBy, changed }] of Object.entries(dumps)) {
      const table = await baseTable(all, folder, { partitionBy, key: ['id'] })
      const dump = await ordersFile('parquet', rows, {
        folder: inputs,
        name: `dump-${partitionBy[0]}`,
        amount: `CASE WHEN ${changed} THEN amount + 1 ELSE amount END`,
      })
      const prepare = (run: string) => copyTable(table, join(run, 'table'))
      const ours = (memory?: string) => ({
        name: `lakewright sync${memory ? `, ${memory}` : ''}`,
        command: inNode('sync', 'sync', { dump, memory }),
        prepare,
      })
      const summaries = await compare(
        [
          {
            name: 'deltalake overwrite',
            isPeer: true,
            command: await inPython('deltalake_peer.py', 'overwrite', { source: dump, partition_by: partitionBy }),
            prepare,
          },
          { name: 'lakewright diff', command: inNode('sync', 'diff', { dump }), prepare },
          ours(),
          ours('1GB'),
          ours('500MB'),
        ],
        { rounds, folder },
      )
      tables.push({ title: `sync of ${rows} rows ${what}`, summaries })
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async diff({ folder, dump }) {
    const { seconds, result } = await timed(() =>
      diff(join(folder, 'table'), parquet(String(dump)), { tempFolder: folder }),
    )
    const { inserted, updated, deleted, algorithm } = result
    await result.close()
    return { seconds, inserted, updated, deleted, algorithm: algorithm.replace(/:.*/, '') }
  },

  async sync({ folder, dump, memory }) {
    const { seconds, result } = await timed(async () => {
      await using table = await openTable(join(folder, 'table'), memory ? { memory: String(memory) } : {})
      return table.sync(parquet(String(dump)))
    })
    const { status, rows, bytes, files } = result
    return {
      seconds,
      addedMB: Math.round(bytes.added / 1e5) / 10,
      files: files.added,
      status,
      updated: rows.updated ?? 0,
    }
  },
}
