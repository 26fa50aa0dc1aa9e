import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Snapshot } from '../../src/manifest/actions.js'
import { mostFilesByName, publishedSql, publishedVersion, viewSql } from '../../src/publish/duckdb-sql.js'
import { publish } from '../../src/publish/publish.js'
import { openLocal } from '../../src/store/local.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from '../read/table.js'
import { type Duck, openDuck } from '../schema/duck.js'

let workshop: Workshop
/** A user's DuckDB, whose session is not in UTC. */
let duck: Duck
beforeAll(async () => {
  workshop = await openWorkshop()
  duck = await openDuck('Asia/Kolkata')
})
afterAll(async () => {
  duck.close()
  await workshop.close()
})

const schema = columns({ id: 'bigint', region: 'varchar', dt: 'date' })
const part = (n: number, region: string | null = 'x', dt: string | null = '2026-11-20') => ({
  key: `dt=${dt}/${n}.parquet`,
  partitionValues: { region, dt },
  sql: `SELECT ${n}::BIGINT AS id`,
})
const published = (store: Store) => readFileSync(store.localPath('_published/duckdb.sql') ?? '', 'utf8')
const partitionBy = ['region', 'dt']

describe('the view', () => {
  test('is read by plain DuckDB, whatever the values, paths and names are', async () => {
    const folder = join(workshop.newFolder(), `my "lake's" [1] é`)
    mkdirSync(folder)
    const store = openLocal(folder)
    const values = ['plain', 'a/b', `q'uote`, '50%', 'x=y', '日本', 'a\tb', 'co:lon', '[z]{y}', null]
    const snapshot = await workshop.write(
      store,
      schema,
      values.map((region, n) => part(n, region, n % 2 === 0 ? '2026-11-20' : null)),
      { partitionBy },
    )
    await publish(store, snapshot)
    await duck.rows(published(store))
    const rows = await duck.rows(`SELECT * FROM "my ""lake's"" [1] é" ORDER BY id`)
    expect(rows).toEqual(values.map((region, n) => ({ id: String(n), region, dt: n % 2 === 0 ? '2026-11-20' : null })))
  })

  test('is of one version, also when the table goes on', async () => {
    const store = openLocal(workshop.newFolder())
    const first = await workshop.write(store, schema, [part(1)], { partitionBy })
    const sql = viewSql(store, first, 'main."first one"')
    await workshop.write(
      store,
      columns({ id: 'bigint', region: 'varchar', dt: 'date', more: 'double' }),
      [{ ...part(2), sql: 'SELECT 2::BIGINT AS id, 0.5::DOUBLE AS more' }],
      { partitionBy, newSchema: true },
    )
    await duck.rows(sql)
    expect(await duck.rows('SELECT id FROM "first one"')).toEqual([{ id: '1' }])
  })

  test('has nulls where older files lack a column, and no rows where there are no files', async () => {
    const store = openLocal(workshop.newFolder())
    await workshop.write(store, schema, [part(1)], { partitionBy })
    const wider = columns({ id: 'bigint', region: 'varchar', dt: 'date', at: 'timestamp' })
    const sql = `SELECT 2::BIGINT AS id, TIMESTAMPTZ '2026-11-20 10:00:00+00' AS "at"`
    const second = await workshop.write(store, wider, [{ ...part(2), sql }], { partitionBy, newSchema: true })
    await duck.rows(viewSql(store, second, 'w'))
    expect(await duck.rows('SELECT id, epoch_ms("at") AS ms FROM w ORDER BY id')).toEqual([
      { id: '1', ms: null },
      { id: '2', ms: String(Date.UTC(2026, 10, 20, 10)) },
    ])
    const empty = await workshop.write(store, wider, [], { partitionBy, remove: [part(1).key, part(2).key] })
    await duck.rows(viewSql(store, empty, 'w'))
    expect(await duck.rows('SELECT * FROM w')).toEqual([])
    expect((await duck.rows('DESCRIBE w')).map((row) => row.column_name)).toEqual(['id', 'region', 'dt', 'at'])
  })

  test('names files on S3 by their address', async () => {
    const memory = openMemory('memory://bucket/orders')
    const snapshot = await workshop.write(memory, schema, [part(1)], { partitionBy })
    const s3 = Object.assign(Object.create(memory), { kind: 's3', url: 's3://bucket/lake/orders' }) as Store
    const sql = viewSql(s3, snapshot)
    expect(sql).toContain(`'s3://bucket/lake/orders/dt=2026-11-20/1.parquet'`)
    expect(sql).toContain('CREATE OR REPLACE VIEW "orders"')
    expect(sql).toContain('httpfs')
  })

  test('of very many files asks the delta extension', async () => {
    const store = openLocal(workshop.newFolder())
    const snapshot = await workshop.write(store, schema, [part(1)], { partitionBy })
    const [file] = snapshot.files.values()
    const files = new Map(Array.from({ length: mostFilesByName + 1 }, (_, i) => [`${i}`, { ...file, key: `${i}` }]))
    const sql = publishedSql(store, { ...snapshot, files } as Snapshot)
    expect(sql).toContain('delta_scan(')
    expect(sql.length).toBeLessThan(1000)
    expect(publishedVersion(sql)).toEqual({ table: snapshot.metadata.id, version: 0 })
  })
})

describe('publishing', () => {
  const version = (store: Store) => publishedVersion(published(store))?.version

  test('an older version never takes the place of a newer one', async () => {
    const store = openLocal(workshop.newFolder())
    const first = await workshop.write(store, schema, [part(1)], { partitionBy })
    const second = await workshop.write(store, schema, [part(2)], { partitionBy })
    expect(await publish(store, first)).toBe(1)
    expect(version(store)).toBe(1)
    expect(await publish(store, second)).toBe(1)
    expect(await publish(store, first)).toBe(1)
  })

  test('a commit that comes between is published by whoever looks last', async () => {
    const store = openLocal(workshop.newFolder())
    const first = await workshop.write(store, schema, [part(1)], { partitionBy })
    let late = true
    const between = new Proxy(store, {
      get(target, name) {
        if (name !== 'putDerived') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
        return async (...call: Parameters<Store['putDerived']>) => {
          const put = await target.putDerived(...call)
          if (late) {
            late = false
            await workshop.write(store, schema, [part(2)], { partitionBy })
          }
          return put
        }
      },
    })
    expect(await publish(between, first)).toBe(1)
    expect(version(store)).toBe(1)
  })

  test('a view of another table that lay here before is replaced', async () => {
    const store = openLocal(workshop.newFolder())
    const snapshot = await workshop.write(store, schema, [part(1)], { partitionBy })
    const other = { ...snapshot, version: 99, metadata: { ...snapshot.metadata, id: 'another' } }
    await store.putDerived('_published/duckdb.sql', Buffer.from(publishedSql(store, other)))
    await publish(store, snapshot)
    expect(version(store)).toBe(0)
  })

  test('writers that never agree end in an error, not in a loop', async () => {
    const store = openMemory('memory://stale')
    const snapshot = await workshop.write(store, schema, [part(1)], { partitionBy })
    store.putDerived = async () => 'stale'
    await expect(publish(store, snapshot)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
