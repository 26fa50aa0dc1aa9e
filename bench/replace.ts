/**
 * 3 of a table's 30 partitions are replaced: a tenth of its rows, from a Parquet file. Once by other rows, once by the very
 * same. Both writers work on the same table, which is ours.
 *
 *   lakewright   replace(parquet(file))
 *   deltalake    write_deltalake(mode='overwrite', predicate='region in (…)'), the file streamed
 */
import { join } from 'node:path'
import { openTable, parquet } from '../src/index.js'
import { baseTable, copyTable } from './base-table.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, inNode, inPython } from './compare.js'
import { ordersFile } from './orders.js'

const regions = ['03', '14', '25']

export const benchmark: Benchmark = {
  title: 'replace 3 of 30 partitions',
  async run({ rows = 10_000_000, rounds, folder, inputs }) {
    const all = await ordersFile('parquet', rows, { folder: inputs })
    const table = await baseTable(all, folder, { partitionBy: ['region'] })
    const where = `region IN (${regions.map((region) => `'${region}'`).join(', ')})`
    const same = await ordersFile('parquet', rows, { folder: inputs, name: 'same', where })
    const other = await ordersFile('parquet', rows, { folder: inputs, name: 'other', where, amount: 'amount + 1' })
    const tables = []
    for (const [what, source] of [
      ['other', other],
      ['identical', same],
    ]) {
      const prepare = (run: string) => copyTable(table, join(run, 'table'))
      const peer = await inPython('deltalake_peer.py', 'replace', { source, regions })
      const summaries = await compare(
        [
          { name: 'deltalake, predicate', isPeer: true, command: peer, prepare },
          { name: 'lakewright replace', command: inNode('replace', 'replace', { source }), prepare },
        ],
        { rounds, folder },
      )
      tables.push({ title: `replace 3 of 30 partitions of ${rows} rows by ${what} rows`, summaries })
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async replace({ folder, source }) {
    const { seconds, result } = await timed(async () => {
      await using table = await openTable(join(folder, 'table'))
      return table.replace(parquet(String(source)))
    })
    const { status, version, bytes } = result
    return { seconds, addedMB: Math.round(bytes.added / 1e5) / 10, status, version }
  },
}
