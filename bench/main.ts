/** `npm run bench -- <name> [--rows N] [--rounds N]`; see README.md for what is measured against whom. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheRoot } from '../test/servers/cache.js'
import type { Benchmark } from './benchmark.js'
import { printSummaries } from './compare.js'

const names = ['arrow-batches', 'csv', 'replace', 'diff', 'merge', 'sync', 'metadata', 'startup']
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string' }, rounds: { type: 'string' }, clean: { type: 'boolean' } },
})
const wanted = positionals.includes('all') ? names : positionals
const unknown = wanted.find((name) => !names.includes(name))
if (unknown !== undefined || (wanted.length === 0 && !values.clean)) {
  console.error(`npm run bench -- ${names.join('|')}|all [--rows N] [--rounds N] [--clean]`)
  process.exit(2)
}
const inputs = join(cacheRoot(), 'bench')
await mkdir(inputs, { recursive: true })
for (const name of wanted) {
  const { benchmark } = (await import(`./${name}.js`)) as { benchmark: Benchmark }
  const folder = await mkdtemp(join(inputs, 'running-'))
  try {
    console.error(`${name}: ${benchmark.title}`)
    const rows = values.rows === undefined ? {} : { rows: Number(values.rows) }
    const tables = await benchmark.run({ ...rows, rounds: Number(values.rounds ?? 3), folder, inputs })
    for (const { title, summaries } of tables) printSummaries(title, summaries)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
if (values.clean) await rm(inputs, { recursive: true, force: true })
