/**
 * The whole process of a small command against an empty program of the same Node. What is measured is the package as it is
 * built: `npm run build` first.
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { openTable } from '../src/index.js'
import type { Benchmark } from './benchmark.js'
import { compare } from './compare.js'

const command = join(process.cwd(), 'dist', 'cli', 'main.js')

export const benchmark: Benchmark = {
  title: 'start-up of the command line',
  async run({ rounds, folder }) {
    await access(command).catch(() => {
      throw new Error('`npm run build` first')
    })
    const table = join(folder, 'table')
    await using orders = await openTable(table, { partitionBy: ['dt'] })
    await orders.append([{ id: 1, dt: '2026-11-20' }])
    const node = (name: string, ...args: string[]) => ({ name, command: () => [process.execPath, ...args] })
    const summaries = await compare(
      [
        { ...node('node -e 0', '-e', '0'), isPeer: true },
        node('lakewright --help', command, '--help'),
        node('lakewright show', command, 'show', table),
        node('lakewright query', command, 'query', table, 'select count(*) from t'),
      ],
      { rounds: rounds * 5, folder },
    )
    return [{ title: 'start-up, whole process', summaries }]
  },
}
