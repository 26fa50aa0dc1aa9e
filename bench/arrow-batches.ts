/**
 * Arrow batches into 30 Hive partitions, against DuckDB's floor: `COPY` of a table that it already holds.
 *
 *   node dist-bench/bench/arrow-batches.js [route] [rows]
 *
 *   floor   DuckDB's own table            arrow   batches held in memory, through `feed`
 *   rows    JavaScript objects            async   the same batches from an asynchronous source
 *
 * Without a route it runs each in a fresh process, three times in turn, and prints medians, ratios and peak memory.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type DataType,
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { openDuckDB } from '../src/engine/duckdb.js'
import type { BatchStream, Engine } from '../src/engine/port.js'
import { fromArrowSchema } from '../src/schema/arrow.js'
import { rowsToBatches } from '../src/source/rows.js'

const partitions = 30
const batchRows = 65_536
const routes = ['floor', 'arrow', 'async', 'rows'] as const

const [route, rowsText = '5000000'] = process.argv.slice(2)
if (route === undefined || route === 'all') await compare(rowsText)
else console.log(JSON.stringify(await measure(route, Number(rowsText))))

interface Run {
  seconds: number
  /** Of both threads and ours: what a busy machine does not change. */
  cpuSeconds: number
  peakMB: number
  rows: number
}

async function compare(rows: string): Promise<void> {
  const results = new Map<string, Run[]>()
  for (let round = 0; round < 3; round++)
    for (const name of routes) {
      const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name, rows], {
        encoding: 'utf8',
      })
      if (stdout === '') throw new Error(stderr)
      results.set(name, [...(results.get(name) ?? []), JSON.parse(stdout)])
    }
  const floor = median(results.get('floor')?.map(({ seconds }) => seconds) ?? [])
  for (const [name, runs] of results) {
    const seconds = median(runs.map((run) => run.seconds))
    const cpu = median(runs.map((run) => run.cpuSeconds))
    const peak = median(runs.map((run) => run.peakMB))
    console.log(
      `${name.padEnd(6)} ${seconds.toFixed(2)} s  ${(seconds / floor).toFixed(2)} × floor  ${cpu.toFixed(2)} s of CPU  ${peak} MB`,
    )
  }
}

async function measure(name: string, rows: number): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-bench-'))
  const engine = await openDuckDB({ spillFolder: join(folder, 'spill') })
  try {
    const batches = makeBatches(rows)
    const relation = await prepare(engine, name, batches)
    const start = performance.now()
    const cpu = process.cpuUsage()
    const source = await relation()
    const files = await engine.copy(`SELECT * EXCLUDE (dt), 'v' || dt AS dt FROM ${source}`, {
      folder: join(folder, 'out'),
      partitionBy: ['dt'],
      fieldIds: {},
      name: 'bench',
    })
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const written = files.reduce((sum, file) => sum + file.rows, 0)
    if (written !== rows) throw new Error(`${written} of ${rows} rows`)
    return {
      seconds,
      cpuSeconds: (user + system) / 1e6,
      peakMB: Math.round(process.resourceUsage().maxRSS / 1024),
      rows: written,
    }
  } finally {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is not measured: the data is there, in whatever form the route takes it. */
async function prepare(engine: Engine, name: string, batches: RecordBatch[]): Promise<() => Promise<string>> {
  const first = batches[0]
  if (first === undefined) throw new Error('no rows')
  const schema = fromArrowSchema(first.schema)
  const feed = async (source: BatchStream) => (await engine.feed('source', schema, source)).name
  if (name === 'arrow') return () => feed(batches)
  if (name === 'async') return () => feed(slowly(batches))
  if (name === 'rows') {
    const objects = batches.flatMap(objectsOf)
    return async () => {
      const made = await rowsToBatches(objects)
      return (await engine.feed('source', made.schema, made.batches)).name
    }
  }
  await engine.feed('held', schema, batches)
  await engine.run('CREATE TABLE source AS SELECT * FROM held')
  batches.length = 0
  return async () => 'source'
}

/** As an application has them: literals, all of one shape. */
function objectsOf(batch: RecordBatch): object[] {
  return batch.toArray().map(({ id, customer, amount, quantity, status, email, note, dt }) => {
    return { id: Number(id), customer, amount, quantity, status, email, note, dt }
  })
}

async function* slowly(batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches
}

/** Eight columns as orders have them; dates cluster, as they do in an extract. */
function makeBatches(rows: number): RecordBatch[] {
  const batches: RecordBatch[] = []
  for (let from = 0; from < rows; from += batchRows) {
    const count = Math.min(batchRows, rows - from)
    const numbers = Array.from({ length: count }, (_, i) => from + i)
    const table = tableFromArrays({
      id: BigInt64Array.from(numbers, BigInt),
      customer: Int32Array.from(numbers, (n) => (n * 2_654_435_761) % 1_000_003),
      amount: Float64Array.from(numbers, (n) => ((n * 7919) % 100_000) / 100),
      quantity: Int32Array.from(numbers, (n) => n % 17),
    })
    const texts = {
      status: numbers.map((n) => ['new', 'paid', 'shipped', 'returned'][n % 4] ?? ''),
      email: numbers.map((n) => `customer.${(n * 31) % 1_000_003}@example.com`),
      note: numbers.map((n) => (n % 5 === 0 ? null : `order number ${n}`)),
      dt: numbers.map((n) => `2026-11-${String(1 + (n % partitions)).padStart(2, '0')}`),
    }
    const columns = [
      ...table.schema.fields.map((field, index) => ({ name: field.name, vector: table.getChildAt(index) })),
      ...Object.entries(texts).map(([name, values]) => ({ name, vector: vectorFromArray(values, new Utf8()) })),
    ]
    const fields: Field[] = []
    const children = columns.flatMap(({ name, vector }) => {
      const data = vector?.data[0]
      if (data === undefined) return []
      fields.push(new Field(name, data.type, true))
      return [data]
    })
    const type = new Struct<Record<string, DataType>>(fields)
    batches.push(new RecordBatch(new Schema(fields), makeData({ type, length: count, nullCount: 0, children })))
  }
  return batches
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
