/** One variant of a benchmark in a process of its own; prints its facts as one line of JSON. */
import type { Work } from './benchmark.js'
import { profileStatements } from './profile.js'

const [benchmark = '', variant = '', input = '{}'] = process.argv.slice(2)
const { work } = (await import(`./${benchmark}.js`)) as { work: Record<string, Work> }
const run = work[variant]
if (run === undefined) throw new Error(`${benchmark} has no variant ${variant}`)
const settings = JSON.parse(input)
const report = process.env.LAKEWRIGHT_BENCH_PROFILE ? await profileStatements() : undefined
try {
  console.log(JSON.stringify(await run(settings)))
} finally {
  report?.()
}
