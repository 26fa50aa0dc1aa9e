import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ddl } from '../../src/publish/ddl.js'
import { nameParts } from '../../src/publish/places.js'
import { systemRuntime } from '../../src/runtime.js'
import { openLocal } from '../../src/store/local.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from '../read/table.js'
import { openDuck } from '../schema/duck.js'

let workshop: Workshop
let local: Store
let s3: Store
beforeAll(async () => {
  workshop = await openWorkshop()
  const schema = columns({ id: 'bigint', 'a/b': 'varchar' })
  const parts = [{ key: 'x.parquet', sql: 'SELECT 1::BIGINT AS id', partitionValues: { 'a/b': 'x' } }]
  const folder = join(workshop.newFolder(), `it's \`a\` "table"`)
  mkdirSync(folder)
  local = openLocal(folder)
  await workshop.write(local, schema, parts, { partitionBy: ['a/b'] })
  const memory = openMemory('memory://bucket/ddl')
  await workshop.write(memory, schema, parts, { partitionBy: ['a/b'] })
  s3 = Object.assign(Object.create(memory), { kind: 's3', url: 's3://bucket/lake/my.orders' }) as Store
})
afterAll(() => workshop.close())

const reading = (store: Store) => ({ store, runtime: systemRuntime, settings: {} })

test('athena', async () => {
  expect(await ddl(reading(s3), 'athena', { name: 'sales.orders' })).toBe(
    `CREATE EXTERNAL TABLE \`sales\`.\`orders\`
LOCATION 's3://bucket/lake/my.orders/'
TBLPROPERTIES ('table_type' = 'DELTA');
-- Readers that only know directories: s3://bucket/lake/my.orders/a%2Fb=*/*.parquet
-- (they see superseded files too, until those are vacuumed; never glob ** from the table's root)
`,
  )
  await expect(ddl(reading(local), 'athena')).rejects.toMatchObject({ code: 'invalid' })
  await expect(ddl(reading(s3), 'athena', { version: 0 })).rejects.toMatchObject({ code: 'unsupported' })
})

test('trino', async () => {
  const sql = await ddl(reading(s3), 'trino', { version: 0 })
  expect(sql).toContain(`CALL "delta".system.register_table(
  schema_name => 'default',
  table_name => 'my.orders',
  table_location => 's3://bucket/lake/my.orders'
);
SELECT * FROM "delta"."default"."my.orders" FOR VERSION AS OF 0;`)
  const named = await ddl(reading(local), 'trino', { name: `lake.s."it's"` })
  expect(named).toContain(`CALL "lake".system.register_table(\n  schema_name => 's',\n  table_name => 'it''s',`)
  expect(named).toMatch(/table_location => 'file:\/\/\/.*\/it''s `a` "table"'/)
})

test('spark', async () => {
  expect(await ddl(reading(s3), 'spark')).toContain(
    "CREATE TABLE IF NOT EXISTS `my.orders`\nUSING DELTA\nLOCATION 's3a://bucket/lake/my.orders';",
  )
  const sql = await ddl(reading(local), 'spark')
  expect(sql).toContain('CREATE TABLE IF NOT EXISTS `it\'s ``a`` "table"`')
  expect(sql).toMatch(/LOCATION 'file:\/\/\/.*\/it\\'s `a` "table"';/)
})

test('duckdb runs it', async () => {
  const duck = await openDuck()
  await duck.rows(await ddl(reading(local), 'duckdb', { name: 'o' }))
  expect(await duck.rows('SELECT * FROM o')).toEqual([{ id: '1', 'a/b': 'x' }])
  duck.close()
})

test.each(['', 'a..b', 'a.b.c.d', '.a', 'a.', '"a', 'a"b'])('`%s` is no name', (name) => {
  expect(() => nameParts(name)).toThrow(/no name of a table/)
})
