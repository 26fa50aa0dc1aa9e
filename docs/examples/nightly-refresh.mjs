/**
 * The main job on real data: seven nights of Italy's vaccination figures. Every night the whole dump arrives again; a
 * new day is added and two or three months of late corrections come with it. `replace` writes the days that changed and
 * leaves the others alone.
 *
 *     npm start
 */
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { csv, openTable } from 'lakewright'

const nights = fileURLToPath(new URL('../../fixtures/italy-vaccinations/', import.meta.url))
const folder = process.argv[2] ?? join(await mkdtemp(join(tmpdir(), 'lakewright-')), 'vaccinations')
const day = 'data_somministrazione'

const table = await openTable(folder, { partitionBy: [day] })
console.log(`Table: ${table.url}\n`)
console.log(line('night', 'status', 'version', 'replaced', 'unchanged', 'rows', 'written', 'MB', 'ms'))

for (const dump of (await readdir(nights)).filter((name) => name.endsWith('.csv.gz')).sort()) {
  const receipt = await table.replace(csv(join(nights, dump)), { loadId: `night:${dump.slice(0, 10)}` })
  const { status, version, partitions, rows, bytes, durationMs } = receipt
  console.log(
    line(
      dump.slice(0, 10),
      status,
      version,
      partitions.replaced.length,
      partitions.unchanged,
      rows.read,
      rows.written,
      (bytes.added / 1e6).toFixed(2),
      Math.round(durationMs),
    ),
  )
}

console.log('\nDoses by supplier, straight from the table:')
const result = await table.query(`
  select fornitore as supplier, sum(prima_dose + seconda_dose) as doses, count(distinct ${day}) as days
  from t group by all order by doses desc`)
console.table(await result.toArray())

console.log('History, newest first:')
console.table(
  (await table.history()).map(({ version, time, mode, loadId, rows }) => ({ version, time, mode, loadId, written: rows?.written })),
)

await table.close()

const here = relative(process.cwd(), folder).startsWith('..') ? folder : relative(process.cwd(), folder)
console.log(`Try next:
  npx lakewright show ${here} --partitions
  npx lakewright query ${here}@0 "select count(*) from t"          # the first night, still readable
  npx lakewright verify ${here} --deep
  npx lakewright ddl ${here} --for duckdb                           # plain DuckDB reads the same version`)

function line(...cells) {
  const widths = [10, 10, 7, 8, 9, 6, 7, 5, 5]
  return cells.map((cell, i) => (i < 2 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  ')
}
