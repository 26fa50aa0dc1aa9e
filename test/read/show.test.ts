import { afterAll, beforeAll, expect, test } from 'vitest'
import { showFiles, showPartitions, showTable } from '../../src/read/show.js'
import { systemRuntime } from '../../src/runtime.js'
import { openLocal } from '../../src/store/local.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from './table.js'

let workshop: Workshop
let store: Store
beforeAll(async () => {
  workshop = await openWorkshop()
  store = openLocal(workshop.newFolder())
  const schema = columns({ id: 'bigint', region: 'varchar', tags: 'varchar[]', amount: 'decimal(12,2)' })
  const sql = (rows: number) => `SELECT range AS id, ['x'] AS tags, 1.5::DECIMAL(12,2) AS amount FROM range(${rows})`
  await workshop.write(
    store,
    schema,
    [
      { key: 'region=US%2FEast/b.parquet', partitionValues: { region: 'US/East' }, sql: sql(3) },
      // Another writer recorded no statistics.
      { key: 'region=US%2FEast/a.parquet', partitionValues: { region: 'US/East' }, sql: sql(4), stats: undefined },
      { key: 'c.parquet', partitionValues: { region: null }, sql: sql(5) },
    ],
    { partitionBy: ['region'], key: ['id'], configuration: { 'lakewright.sortBy': '["id"]' } },
  )
})
afterAll(() => workshop.close())

const reading = () => ({ store, runtime: systemRuntime, settings: {} })

test('show says what a table is', async () => {
  const summary = await showTable(reading())
  expect(summary).toMatchObject({
    table: store.url,
    version: 0,
    columns: [
      { name: 'id', type: 'bigint' },
      { name: 'region', type: 'varchar' },
      { name: 'tags', type: 'varchar[]' },
      { name: 'amount', type: 'decimal(12,2)' },
    ],
    partitionBy: ['region'],
    key: ['id'],
    partitions: 2,
    files: 3,
    rows: 12,
    settings: { 'lakewright.sortBy': '["id"]' },
  })
  expect(summary.bytes).toBe((await showFiles(reading())).reduce((sum, file) => sum + file.bytes, 0))
})

test('partitions and files are in the order of their folders and keys', async () => {
  expect(await showPartitions(reading())).toMatchObject([
    { partition: 'region=US%2FEast', values: { region: 'US/East' }, files: 2, rows: 7 },
    { partition: 'region=__HIVE_DEFAULT_PARTITION__', values: { region: null }, files: 1, rows: 5 },
  ])
  expect(await showFiles(reading())).toMatchObject([
    { key: 'c.parquet', partition: 'region=__HIVE_DEFAULT_PARTITION__', rows: 5 },
    { key: 'region=US%2FEast/a.parquet', partition: 'region=US%2FEast', rows: 4 },
    { key: 'region=US%2FEast/b.parquet', partition: 'region=US%2FEast', rows: 3 },
  ])
})

test('no table is refused, not empty', async () => {
  const nothing = { ...reading(), store: openLocal(workshop.newFolder()) }
  await expect(showTable(nothing)).rejects.toMatchObject({ code: 'invalid' })
})
