import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { filesRelation } from '../../src/engine/relation.js'
import { verify } from '../../src/maintain/verify.js'
import { checkObjects } from '../../src/maintain/verify-objects.js'
import type { Snapshot } from '../../src/manifest/actions.js'
import { writeCheckpoint } from '../../src/manifest/checkpoint.js'
import { systemRuntime } from '../../src/runtime.js'
import { fingerprintName, fingerprintOfRow, fingerprintSql, fingerprintTag } from '../../src/stage/fingerprint.js'
import { openLocal } from '../../src/store/local.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from '../read/table.js'

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop()
})
afterAll(() => workshop.close())

const schema = columns({
  id: 'bigint',
  region: 'varchar',
  v: 'double',
  at: 'timestamp',
  amount: 'decimal(10,2)',
  tags: 'varchar[]',
  ok: 'boolean',
  raw: 'blob',
})
const rowsSql = (from: number) =>
  `SELECT range AS id, CASE WHEN range % 5 = 0 THEN NULL WHEN range % 5 = 1 THEN 'nan' ELSE range / 7 END::DOUBLE AS v,
    TIMESTAMPTZ '2026-11-20 10:00:00.123456+00' + INTERVAL (range) SECOND AS "at", (range / 8)::DECIMAL(10,2) AS amount,
    ['x', NULL] AS tags, range % 2 = 0 AS ok, 'ab'::BLOB AS raw FROM range(${from}, ${from + 1000})`
const data = schema.filter(({ name }) => name !== 'region')

/** As the load path tags its files. */
async function tagOf(sql: string): Promise<Record<string, string>> {
  const [row = {}] = await workshop.engine.rows(`SELECT ${fingerprintSql(data)} FROM (${sql})`)
  return { 'lakewright.fp': fingerprintTag(fingerprintOfRow(fingerprintName(workshop.engine.id, data), row)) }
}

async function makeTable(store: Store): Promise<Snapshot> {
  const parts = await Promise.all(
    ['a', 'b', null].map(async (region, i) => ({
      key: `region=${region}/${i}.parquet`,
      partitionValues: { region },
      sql: rowsSql(i * 1000),
      tags: await tagOf(rowsSql(i * 1000)),
    })),
  )
  await workshop.write(store, schema, parts.slice(0, 2), { partitionBy: ['region'] })
  return await workshop.write(store, schema, parts.slice(2), { partitionBy: ['region'] })
}

const run = (store: Store, options = {}) => verify({ store, runtime: systemRuntime, settings: { threads: 1 } }, options)

describe.each([
  ['a local store', () => openLocal(workshop.newFolder())],
  ['a store without paths', () => openMemory(`memory://verify-${Math.random()}`)],
])('on %s', (_, open) => {
  test('a sound table is ok, on the surface and in depth', async () => {
    const store = open()
    const snapshot = await makeTable(store)
    await writeCheckpoint(store, snapshot)
    const sound = { ok: true, version: 1, files: 3, rows: 3000, problems: [] }
    expect(await run(store)).toEqual(sound)
    const shares: number[] = []
    const onProgress = ({ share = 0 }) => shares.push(share)
    expect(await run(store, { deep: true, onProgress })).toEqual(sound)
    expect(shares).toEqual(shares.toSorted((a, b) => a - b))
    expect(shares.at(-1)).toBeCloseTo(1)
    expect(await run(store, { version: 0 })).toMatchObject({ ok: true, version: 0, files: 2, rows: 2000 })
  })
})

describe('damage', () => {
  let store: Store
  const path = (key: string) => store.localPath(key) ?? ''
  beforeEach(async () => {
    store = openLocal(workshop.newFolder())
    await makeTable(store)
  })

  test('a file is gone', async () => {
    rmSync(path('region=b/1.parquet'))
    expect(await run(store)).toMatchObject({
      ok: false,
      files: 3,
      rows: 2000,
      problems: [{ code: 'missing', key: 'region=b/1.parquet' }],
    })
  })

  test('a file was cut', async () => {
    truncateSync(path('region=a/0.parquet'), 100)
    expect((await run(store)).problems).toMatchObject([{ code: 'size', key: 'region=a/0.parquet' }])
  })

  test('a footer is no footer', async () => {
    const file = path('region=a/0.parquet')
    const bytes = readFileSync(file)
    writeFileSync(file, Buffer.concat([bytes.subarray(0, -4), Buffer.from('PARX')]))
    expect((await run(store)).problems).toMatchObject([{ code: 'content', key: 'region=a/0.parquet' }])
    writeFileSync(file, Buffer.concat([bytes.subarray(0, -40), Buffer.alloc(32, 0xff), bytes.subarray(-8)]))
    expect((await run(store)).problems).toMatchObject([{ code: 'content', key: 'region=a/0.parquet' }])
  })

  test('bytes in the middle are others: only depth sees it', async () => {
    const file = path('region=a/0.parquet')
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 200, 900)
    writeFileSync(file, bytes)
    expect((await run(store)).ok).toBe(true)
    expect((await run(store, { deep: true })).problems).toMatchObject([{ code: 'content', key: 'region=a/0.parquet' }])
  })

  test('the rows are others than were written: only depth sees it', async () => {
    const part = { key: 'region=c/3.parquet', partitionValues: { region: 'c' }, sql: rowsSql(0) }
    const swapped = `SELECT id, v, "at", amount, tags, ok, (CASE id WHEN 1 THEN 'x' WHEN 2 THEN 'y' ELSE 'ab' END)::BLOB AS raw FROM (${rowsSql(0)})`
    await workshop.write(store, schema, [{ ...part, tags: await tagOf(swapped) }], { partitionBy: ['region'] })
    expect((await run(store)).ok).toBe(true)
    expect((await run(store, { deep: true })).problems).toMatchObject([
      { code: 'content', key: part.key, message: expect.stringContaining('fingerprint') },
    ])
  })

  test('a commit is missing', async () => {
    rmSync(path('_delta_log/00000000000000000000.json'))
    const report = await run(store)
    expect(report).toMatchObject({ ok: false, problems: [{ code: 'log' }] })
  })

  test('a commit between is missing, behind a checkpoint', async () => {
    const snapshot = await workshop.write(store, schema, [], { partitionBy: ['region'] })
    await writeCheckpoint(store, snapshot)
    rmSync(path('_delta_log/00000000000000000001.json'))
    const report = await run(store)
    expect(report).toMatchObject({ ok: false, version: 2, files: 3, rows: 3000 })
    expect(report.problems).toEqual([
      { code: 'log', key: '_delta_log/00000000000000000001.json', message: 'version 1 is missing from the log' },
    ])
  })

  test('a line of the log cannot be read', async () => {
    writeFileSync(path('_delta_log/00000000000000000001.json'), '{"add":{"path"')
    expect(await run(store)).toMatchObject({
      ok: false,
      problems: [{ code: 'log', key: '_delta_log/00000000000000000001.json' }],
    })
  })

  test('a checkpoint says something else than the commits: only depth sees it', async () => {
    const snapshot = await workshop.write(store, schema, [], { partitionBy: ['region'] })
    const files = new Map([...snapshot.files].slice(1))
    await writeCheckpoint(store, { ...snapshot, files })
    expect(await run(store)).toMatchObject({ ok: true, files: 2 })
    expect((await run(store, { deep: true })).problems).toMatchObject([
      { code: 'log', key: [...snapshot.files.keys()][0] },
    ])
  })
})

describe('statistics by which readers would skip rows', () => {
  test.each([
    ['{"numRecords":999,"minValues":{},"maxValues":{},"nullCount":{}}', 'rows', false],
    ['{"numRecords":1000,"minValues":{"id":1},"maxValues":{},"nullCount":{}}', 'statistics', true],
    ['{"numRecords":1000,"minValues":{},"maxValues":{"amount":124.86},"nullCount":{}}', 'statistics', true],
    [
      '{"numRecords":1000,"minValues":{},"maxValues":{"at":"2026-11-20T10:16:39.122Z"},"nullCount":{}}',
      'statistics',
      true,
    ],
    ['{"numRecords":1000,"minValues":{},"maxValues":{},"nullCount":{"v":0}}', 'statistics', true],
  ])('%s', async (stats, code, deep) => {
    const store = openLocal(workshop.newFolder())
    const parts = [{ key: 'a.parquet', sql: rowsSql(0), partitionValues: { region: 'x' }, stats }]
    await workshop.write(store, schema, parts, { partitionBy: ['region'] })
    if (deep) expect((await run(store)).ok).toBe(true)
    expect((await run(store, { deep })).problems).toMatchObject([{ code, key: 'a.parquet' }])
  })

  test('loose bounds are no damage', async () => {
    const store = openLocal(workshop.newFolder())
    const stats = '{"numRecords":1000,"minValues":{"id":-5,"v":-1},"maxValues":{"id":99999},"nullCount":{}}'
    const parts = [{ key: 'a.parquet', sql: rowsSql(0), partitionValues: { region: 'x' }, stats }]
    await workshop.write(store, schema, parts, { partitionBy: ['region'] })
    expect((await run(store, { deep: true })).ok).toBe(true)
  })
})

test('a fingerprint of older columns is no damage', async () => {
  const store = openLocal(workshop.newFolder())
  await makeTable(store)
  const wider = [...schema, ...columns({ more: 'varchar' })]
  await workshop.write(store, wider, [], { partitionBy: ['region'], newSchema: true })
  expect(await run(store, { deep: true })).toMatchObject({ ok: true, rows: 3000 })
})

test('no table and no such version are the caller’s mistakes, not damage', async () => {
  const store = openLocal(workshop.newFolder())
  await expect(run(store)).rejects.toMatchObject({ code: 'invalid' })
  await makeTable(store)
  await expect(run(store, { version: 7 })).rejects.toMatchObject({ code: 'invalid' })
})

test('many files are looked up by listing, past the folders that are not data', async () => {
  const store = openMemory('memory://many')
  const keys = [
    'Z/first',
    '_a/x',
    '_delta_log-x/y',
    '_zz/y',
    'a/b',
    ...Array.from({ length: 200 }, (_, i) => `dt=${i}/é.parquet`),
  ]
  for (const key of keys) await store.putIfAbsent(key, Buffer.from('12345'))
  for (let i = 0; i < 50; i++) await store.putIfAbsent(`_delta_log/${i}`, Buffer.from('x'))
  const file = { partitionValues: {}, sizeBytes: 5, modificationTime: 0, dataChange: true }
  const files = new Map([...keys, 'nowhere/x', '_delta_log0', 'zz'].map((key) => [key, { ...file, key }]))
  const { problems, sound } = await checkObjects(store, { files })
  expect(sound.map(({ key }) => key)).toEqual(keys)
  expect(problems.map(({ code, key }) => [code, key])).toEqual([
    ['missing', 'nowhere/x'],
    ['missing', '_delta_log0'],
    ['missing', 'zz'],
  ])
})

test('the relation of a whole table is what verify reads', async () => {
  const store = openLocal(workshop.newFolder())
  const snapshot = await makeTable(store)
  const files = [...snapshot.files.values()].map((file) => ({ ...file, path: store.localPath(file.key) ?? '' }))
  const sql = filesRelation({ files, schema, partitionBy: ['region'] })
  expect(await workshop.engine.rows(`SELECT count(*) AS n, count(region) AS named FROM (${sql})`)).toEqual([
    { n: 3000n, named: 2000n },
  ])
})
