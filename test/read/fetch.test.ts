import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { filesRelation } from '../../src/engine/relation.js'
import type { Snapshot } from '../../src/manifest/actions.js'
import { FileCache } from '../../src/read/fetch.js'
import { columnRanges, mergeRanges, readFooter } from '../../src/read/footer.js'
import { query } from '../../src/read/query.js'
import { systemRuntime } from '../../src/runtime.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/port.js'
import { createBucket } from '../servers/s3.js'
import { columns, openWorkshop, type Workshop } from './table.js'

let workshop: Workshop
let folder: string
beforeAll(async () => {
  workshop = await openWorkshop()
  folder = mkdtempSync(join(tmpdir(), 'fetch-'))
})
afterAll(async () => {
  await workshop.close()
  rmSync(folder, { recursive: true })
})

const schema = columns({ id: 'bigint', code: 'varchar', noise: 'varchar', v: 'double' })
/** 2 × 200,000 rows; the noise is most of the bytes, the codes have bloom filters. */
async function makeTable(store: Store): Promise<Snapshot> {
  const sql = (from: number) =>
    `SELECT range AS id, 'code ' || (range % 1000) AS code, md5(range::VARCHAR) || md5((range + 1)::VARCHAR) AS noise, range / 3 AS v
     FROM range(${from}, ${from + 200_000})`
  return workshop.write(store, schema, [
    { key: 'p=1/a.parquet', sql: sql(0), rowGroupRows: 50_000 },
    { key: 'p=2/b [1].parquet', sql: sql(200_000), rowGroupRows: 50_000 },
  ])
}

const bytesOf = (snapshot: Snapshot) => [...snapshot.files.values()].reduce((sum, file) => sum + file.sizeBytes, 0)

const stores: [string, () => Promise<Store>][] = [['memory', () => openStore(`memory://fetch-${Math.random()}`)]]
for (const server of inject('s3Servers') ?? []) {
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  stores.push([
    server.name,
    async () => {
      const bucket = await createBucket(server)
      return openStore(`s3://${bucket}/lake/orders`, {
        endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
      })
    },
  ])
}

describe.each(stores)('from %s', (_, open) => {
  let store: Store
  let snapshot: Snapshot
  beforeAll(async () => {
    store = await open()
    snapshot = await makeTable(store)
  })
  afterAll(() => store.close())
  const rows = (sql: string) => query({ store, runtime: systemRuntime, settings: { threads: 1 } }, sql).toArray()

  test('only the columns that a query needs are fetched', async () => {
    const before = store.usage.bytesRead
    expect(await rows('select sum(id)::bigint as s from t')).toEqual([{ s: (400_000n * 399_999n) / 2n }])
    expect(store.usage.bytesRead - before).toBeLessThan(bytesOf(snapshot) / 4)
  })

  test('only the files that may hold a row are looked at', async () => {
    const before = store.usage.bytesRead
    expect(await rows(`select v, code from t where id = 300000`)).toEqual([{ v: 100_000, code: 'code 0' }])
    expect(store.usage.bytesRead - before).toBeLessThan(bytesOf(snapshot) / 4)
    const nothing = store.usage.requests
    const once = await rows('select 1 from t where id = -5')
    expect(once).toEqual([])
    // The log is read; of the data nothing.
    expect(store.usage.requests - nothing).toBeLessThan(8)
  })

  test('a filter by a bloom filter finds what is there', async () => {
    expect(await rows(`select count(*)::int as n from t where code = 'code 999'`)).toEqual([{ n: 400 }])
  })

  test('columns that come later are added to what is here', async () => {
    const cache = new FileCache(store, join(folder, `${Math.random()}`))
    const files = [...snapshot.files.values()]
    const run = async (wanted: string[] | undefined, select: string) => {
      const before = store.usage.bytesRead
      const local = await cache.local(files, wanted === undefined ? {} : { columns: wanted })
      const relation = filesRelation({ files: local, schema, partitionBy: [] })
      const [row] = await workshop.engine.rows(`SELECT ${select} AS n FROM (${relation})`)
      return { n: row?.n, bytes: store.usage.bytesRead - before, paths: local.map(({ path }) => path) }
    }
    const first = await run(['ID'], 'max(id)')
    expect(first.n).toBe(399_999n)
    for (const path of first.paths)
      expect(snapshot.files.get(path.slice(path.indexOf('p=')))?.sizeBytes ?? statSync(path).size).toBe(
        statSync(path).size,
      )
    expect((await run(['id'], 'min(id)')).bytes).toBe(0)
    expect((await run(['id', 'v'], 'max(v) + min(id)')).n).toBeCloseTo(133_333)
    expect((await run(undefined, 'count(DISTINCT noise)')).n).toBe(400_000n)
    expect((await run(['code'], 'count(DISTINCT code)')).bytes).toBe(0)
    await cache.close()
  })

  test('queries at the same time share one cache', async () => {
    const cache = new FileCache(store, join(folder, `${Math.random()}`))
    const reading = { store, runtime: systemRuntime, settings: { threads: 1 }, cache }
    const sums = await Promise.all(
      ['id', 'v', 'length(code)', 'id + v', 'length(noise)'].map((value) =>
        query(reading, `select sum(${value})::double as s from t`).toArray(),
      ),
    )
    expect(sums.flat().map((row) => Math.round(Number(row.s) / 1e6))).toEqual([80_000, 26_667, 3, 106_666, 26])
    await cache.close()
  })

  test('a file that changed, shrank or is gone is damage, by name', async () => {
    const file = [...snapshot.files.values()][0]
    if (file === undefined) throw new Error('no file')
    const cache = new FileCache(store, join(folder, `${Math.random()}`))
    await expect(cache.local([{ ...file, sizeBytes: file.sizeBytes - 1 }], { columns: ['id'] })).rejects.toMatchObject({
      code: 'corrupt',
      details: { key: file.key },
    })
    await expect(cache.local([{ ...file, key: 'gone.parquet' }])).rejects.toMatchObject({ code: 'corrupt' })
    expect((await cache.local([file], { columns: ['id'] }))[0]?.key).toBe(file.key)
    await cache.close()
  })
})

test('ranges that are near become one', () => {
  const ranges = [
    { offset: 0, length: 10 },
    { offset: 15, length: 5 },
    { offset: 16, length: 1 },
    { offset: 100, length: 1 },
  ]
  expect(mergeRanges(ranges, 5)).toEqual([
    { offset: 0, length: 20 },
    { offset: 100, length: 1 },
  ])
})

test('the ranges of a column hold its pages and its bloom filter', async () => {
  const store = await openStore('memory://ranges')
  const snapshot = await makeTable(store)
  const [file] = snapshot.files.values()
  const footer = file && (await readFooter(store, file))
  if (footer === undefined) throw new Error('no footer')
  const chunks = footer.metadata.row_groups.flatMap((group) => group.columns).map((chunk) => chunk.meta_data)
  const codes = chunks.filter((chunk) => chunk?.path_in_schema[0] === 'code')
  expect(codes.some((chunk) => chunk?.bloom_filter_offset !== undefined)).toBe(true)
  const ranges = columnRanges(footer, (name) => name === 'code')
  for (const chunk of codes) {
    const at = Number(chunk?.bloom_filter_offset)
    const range = ranges.find(({ offset, length }) => offset <= at && at < offset + length)
    // A filter is a header of a few bytes, and blocks of 32.
    expect(range?.length).toBeGreaterThanOrEqual(32)
  }
})
