/** Every kind of input, through the public API: the same rows from each are the same content. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { type Table as ArrowTable, RecordBatchStreamWriter, tableToIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import { arrow, csv, files, json, type LoadInput, ndjson, openTable, parquet, type Table } from '../../src/index.js'
import { rowsToBatches } from '../../src/source/rows.js'
import { lakewright } from '../cli/build.js'
import { freshBucket } from '../servers/bucket.js'
import { s3Client } from '../servers/s3.js'

const folder = mkdtempSync(join(tmpdir(), 'lakewright-sources-'))
const at = (name: string) => join(folder, name)
const rows = Array.from({ length: 25_000 }, (_, n) => ({
  dt: `2026-11-${String(1 + (n % 5)).padStart(2, '0')}`,
  id: n,
  code: String(n % 1000).padStart(5, '0'),
  price: n / 4,
  ok: n % 2 === 0,
  note: n % 7 === 0 ? null : `note ${n}, "quoted" é`,
}))
const order = ['id', 'dt', 'note', 'ok', 'price', 'code'] as const

let table: Table
let arrowTable: ArrowTable
beforeAll(async () => {
  const text = csvText()
  writeFileSync(at('all.csv'), text)
  writeFileSync(at('all.csv.gz'), gzipSync(text))
  writeFileSync(at('utf16.csv'), Buffer.from(`\uFEFF${text}`, 'utf16le'))
  writeFileSync(at('all.ndjson'), rows.map((row) => JSON.stringify(row)).join('\n'))
  writeFileSync(at('all.json'), JSON.stringify(rows))
  for (const part of [0, 1])
    writeFileSync(
      at(`part-${part}.ndjson.gz`),
      gzipSync(
        rows
          .filter(({ id }) => id % 2 === part)
          .map((row) => JSON.stringify(row))
          .join('\n'),
      ),
    )
  const { batches } = await rowsToBatches(rows)
  const all = []
  for await (const batch of batches) all.push(batch)
  const { Table: ArrowTableClass } = await import('apache-arrow')
  arrowTable = new ArrowTableClass(all)
  writeFileSync(at('all.arrow'), tableToIPC(arrowTable, 'file'))
  writeFileSync(at('stream.arrow'), await RecordBatchStreamWriter.writeAll(arrowTable).toUint8Array())
  const engine = await openDuckDB({ spillFolder: at('spill') })
  await engine.run(
    `COPY (SELECT * FROM read_json('${at('all.ndjson')}', columns = {dt: 'VARCHAR', id: 'UBIGINT', code: 'VARCHAR', price: 'DOUBLE', ok: 'BOOLEAN', note: 'VARCHAR'})) TO '${at('all.parquet')}' (FORMAT parquet)`,
  )
  await engine.close()
  table = await openTable(at('table'), { partitionBy: ['dt'] })
  await table.replace(rows)
}, 120_000)
afterAll(async () => {
  await table.close()
  rmSync(folder, { recursive: true, force: true })
})

async function* later<T>(items: Iterable<T>) {
  for (const item of items) yield item
}

describe('the same rows are the same content, whatever they come in', () => {
  const inputs: [string, () => LoadInput | LoadInput[], object?][] = [
    ['an array of objects', () => rows],
    ['a synchronous iterable', () => new Set(rows)],
    ['an asynchronous iterable', () => later(rows)],
    ['an Arrow table', () => arrowTable],
    ['Arrow record batches', () => arrowTable.batches],
    ['an asynchronous stream of Arrow batches', () => later(arrowTable.batches)],
    ['CSV', () => csv(at('all.csv'))],
    ['CSV, gzip', () => at('all.csv.gz')],
    ['CSV in UTF-16', () => csv(at('utf16.csv'), { encoding: 'utf-16le' })],
    ['CSV from a stream of bytes', () => csv(Readable.from(textChunks(), { objectMode: false }))],
    ['NDJSON', () => ndjson(at('all.ndjson'))],
    ['two NDJSON files by a glob', () => files(at('part-*.ndjson.gz'))],
    ['two NDJSON files by name', () => [at('part-0.ndjson.gz'), at('part-1.ndjson.gz')]],
    ['a JSON array', () => json(at('all.json'))],
    ['Parquet', () => parquet(at('all.parquet'))],
    ['an Arrow IPC file', () => arrow(at('all.arrow'))],
    ['an Arrow IPC stream', () => arrow(at('stream.arrow'))],
  ]
  test.each(inputs)('%s', async (_, input) => {
    const receipt = await table.replace(input())
    expect(receipt).toMatchObject({
      status: 'unchanged',
      rows: { read: rows.length, unchanged: rows.length, written: 0 },
    })
  })

  test('standard input of the command line', async () => {
    const text = rows.map((row) => JSON.stringify(row)).join('\n')
    const run = await lakewright(['replace', at('table'), '--from', '-', '--format', 'ndjson', '--json'], {
      input: text,
    })
    expect(JSON.parse(run.stdout)).toMatchObject({ status: 'unchanged', rows: { read: rows.length } })
  })

  const minio = inject('s3Servers').find(({ name }) => name === 'minio')
  test.runIf(minio)('objects on S3, by a glob', async () => {
    if (!minio) return
    await using place = await freshBucket(minio)
    const client = s3Client(minio)
    const { readFileSync } = await import('node:fs')
    for (const part of [0, 1]) {
      const name = `part-${part}.ndjson.gz`
      await client.send(
        new PutObjectCommand({ Bucket: new URL(place.url).host, Key: `in/${name}`, Body: readFileSync(at(name)) }),
      )
    }
    client.destroy()
    await using same = await openTable(at('table'), { store: place.store })
    expect(await same.replace(`${place.url}/in/part-*.ndjson.gz`)).toMatchObject({
      status: 'unchanged',
      rows: { read: rows.length },
    })
  })
})

test('text keeps its codes: leading zeros stay on the first load and on every other', async () => {
  await using codes = await openTable(at('codes'))
  writeFileSync(at('codes.csv'), 'code,n\n007,1\n042,2\n')
  writeFileSync(at('later.csv'), 'code,n\n7,3\n')
  const first = await codes.append(csv(at('codes.csv')))
  expect(first.columns).toEqual([
    { name: 'code', type: 'varchar' },
    { name: 'n', type: 'bigint' },
  ])
  await codes.append(csv(at('later.csv')))
  expect(await codes.query('select code from t order by n').toArray()).toEqual([
    { code: '007' },
    { code: '042' },
    { code: '7' },
  ])
})

test('five thousand small partitions exhaust neither memory nor open files, and each has one file', {
  timeout: 300_000,
}, async () => {
  await using many = await openTable(at('many'), { partitionBy: ['p'], memory: '512MB' })
  function* noise() {
    for (let n = 0; n < 200_000; n++) yield { p: (n * 7919) % 5000, n, text: `text ${n % 100}` }
  }
  const receipt = await many.append(noise())
  expect(receipt.partitions.replaced).toHaveLength(5000)
  expect(receipt.files.added).toBeLessThanOrEqual(5050)
  const [sums] = await many.query('select count(*) as n, sum(n) as s, count(distinct p) as p from t').toArray()
  expect(sums).toEqual({ n: 200_000n, s: BigInt((200_000 * 199_999) / 2), p: 5000n })
})

test('files aim at the size that was asked for, and are sorted on request', async () => {
  await using sized = await openTable(at('sized'), { partitionBy: ['dt'] })
  const big = Array.from({ length: 200_000 }, (_, n) => ({ dt: 'x', id: (n * 48271) % 200_003, noise: Math.sin(n) }))
  const receipt = await sized.append(big, { targetFileBytes: 400_000, sortBy: ['id'] })
  expect(receipt.files.added).toBeGreaterThan(2)
  const { files: listed } = { files: await sized.files() }
  for (const { bytes } of listed) expect(bytes).toBeLessThan(1_200_000)
  expect((await sized.snapshot()).rows).toBe(200_000)
})

function csvText(): string {
  const cell = (value: unknown) =>
    value === null ? '' : typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value)
  return `${[order.join(','), ...rows.map((row) => order.map((name) => cell(row[name])).join(','))].join('\n')}\n`
}

function textChunks(): Buffer[] {
  const bytes = Buffer.from(csvText())
  return [bytes.subarray(0, 1000), bytes.subarray(1000)]
}
