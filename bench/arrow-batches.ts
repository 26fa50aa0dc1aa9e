/**
 * Arrow batches in memory → 30 Hive partitions.
 *
 *   floor      DuckDB's `COPY … PARTITION_BY` (zstd) of a table that it already holds: nothing is faster
 *   append     ours: openTable().append(batches), commit included
 *   deltalake  write_deltalake of the same batches
 *   feed       our engine alone: the batches through `feed` into the same COPY
 *   async      the same from an asynchronous source
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  type DataType,
  Field,
  makeData,
  RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { openDuckDB } from '../src/engine/duckdb.js'
import type { BatchStream, Engine } from '../src/engine/port.js'
import { openTable } from '../src/index.js'
import { fromArrowSchema } from '../src/schema/arrow.js'
import { type Benchmark, timed, type Work, type WorkInput } from './benchmark.js'
import { compare, dataFiles, type Facts, inNode, inPython } from './compare.js'

const partitions = 30
const batchRows = 65_536

export const benchmark: Benchmark = {
  title: 'Arrow batches in memory → 30 partitions',
  async run({ rows = 5_000_000, rounds, folder, inputs }) {
    const source = await batchesFile(rows, inputs)
    const mine = (variant: string) => inNode('arrow-batches', variant, { source })
    const summaries = await compare(
      [
        { name: 'DuckDB COPY of its own table', isPeer: true, command: mine('floor') },
        { name: 'lakewright append', command: mine('append') },
        { name: 'deltalake', command: await inPython('deltalake_peer.py', 'arrow-batches', { source }) },
        { name: 'our feed + COPY alone', command: mine('feed') },
        { name: 'the same, asynchronous source', command: mine('async') },
      ],
      { rounds, folder },
    )
    return [{ title: `Arrow batches, ${rows} rows → ${partitions} partitions`, summaries }]
  },
}

export const work: Record<string, Work> = {
  async append(input) {
    const batches = await batchesOf(input)
    const folder = join(input.folder, 'table')
    const { seconds } = await timed(async () => {
      await using table = await openTable(folder, { partitionBy: ['dt'] })
      await table.append(batches)
    })
    return { seconds, ...(await dataFiles(folder)) }
  },
  floor: (input) =>
    copying(input, async (engine, batches) => {
      const schema = schemaOf(batches)
      await engine.feed('held', schema, batches)
      await engine.run('CREATE TABLE source AS SELECT * FROM held')
      batches.length = 0
      return async () => {}
    }),
  feed: (input) => copying(input, async (engine, batches) => () => feed(engine, schemaOf(batches), batches)),
  async: (input) => copying(input, async (engine, batches) => () => feed(engine, schemaOf(batches), slowly(batches))),
}

/** `prepare` is not measured: the data is there, in whatever form the route takes it. */
async function copying(
  input: WorkInput,
  prepare: (engine: Engine, batches: RecordBatch[]) => Promise<() => Promise<void>>,
): Promise<Facts> {
  const batches = await batchesOf(input)
  const engine = await openDuckDB({ spillFolder: join(input.folder, 'spill') })
  try {
    const begin = await prepare(engine, batches)
    const { seconds, result } = await timed(async () => {
      await begin()
      return engine.copy(`SELECT * EXCLUDE (dt), 'v' || dt AS dt FROM source`, {
        folder: join(input.folder, 'out'),
        partitionBy: ['dt'],
        fieldIds: {},
        name: 'bench',
      })
    })
    const bytes = result.reduce((sum, file) => sum + file.sizeBytes, 0)
    return { seconds, files: result.length, MB: Math.round(bytes / 1e6) }
  } finally {
    await engine.close()
  }
}

async function feed(engine: Engine, schema: ReturnType<typeof schemaOf>, batches: BatchStream): Promise<void> {
  await engine.feed('source', schema, batches)
}

async function* slowly(batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches
}

function schemaOf(batches: RecordBatch[]): ReturnType<typeof fromArrowSchema> {
  const [first] = batches
  if (first === undefined) throw new Error('no rows')
  return fromArrowSchema(first.schema)
}

async function batchesOf({ source }: WorkInput): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  const reader = await RecordBatchReader.from(createReadStream(String(source), { highWaterMark: 1 << 22 }))
  for await (const batch of reader) batches.push(batch)
  return batches
}

/** As an IPC stream, for readers in any language. */
async function batchesFile(rows: number, folder: string): Promise<string> {
  const path = join(folder, `batches-${rows}.arrows`)
  if (await stat(path).catch(() => undefined)) return path
  const writer = new RecordBatchStreamWriter()
  const written = pipeline(writer.toNodeStream(), createWriteStream(`${path}.part`))
  for (const batch of makeBatches(rows)) writer.write(batch)
  writer.finish()
  await written
  await rename(`${path}.part`, path)
  return path
}

/** Eight columns as orders have them; partition values are spread over the whole input. */
function* makeBatches(rows: number): Generator<RecordBatch> {
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
    yield new RecordBatch(new Schema(fields), makeData({ type, length: count, nullCount: 0, children }))
  }
}
