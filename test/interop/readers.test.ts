/** The foreign readers themselves: five engines give one text for one table, so later tests may compare them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBucket } from '../servers/s3.js'
import { allReaders } from './readers/all.js'
import { arrayOf, canonicalRows, mapOf, type Row, structOf } from './readers/index.js'

const regions = [
  ...['plain', 'a/b', 'é ü', '50%', 'x=y', 'sp ace', "q'uote", 'co:lon', '日本', 'a+b', 'a&b#c', '[z]{y}', 'a\tb'],
  null,
]

const schema = {
  id: 'long',
  tiny: 'byte',
  small: 'short',
  int: 'integer',
  price: 'decimal(12,2)',
  big: 'decimal(38,10)',
  ratio: 'double',
  single: 'float',
  ok: 'boolean',
  name: 'string',
  blob: 'binary',
  day: 'date',
  at: 'timestamp',
  tags: arrayOf('string'),
  attributes: mapOf('string', 'long'),
  address: structOf({ zip: 'string', geo: arrayOf('double') }),
  'odd name,;{}()=': 'string',
  region: 'string',
  dt: 'date',
}

const ratios = [0.1, 1e21, -0, Number.NaN, Infinity, -Infinity, 5e-324, 1e-7, 123456789.125, 1e16]
const names = ['x', '', 'NULL', 'é\n"q" \\ 😀']

const rows: Row[] = [
  ...regions.map((region, n) => ({
    id: 9007199254740993n + BigInt(n),
    tiny: n - 5,
    small: n - 32768,
    int: 2147483647 - n,
    price: ['1.10', '-0.01', '9999999999.99'][n % 3],
    big: '-1234567890123456789012345678.1234567890',
    ratio: ratios[n % ratios.length],
    single: 0.1,
    ok: n % 2 === 0,
    name: names[n % names.length],
    blob: new Uint8Array([0, 255, n]),
    day: ['0001-01-01', '1582-10-10', '2026-11-20', '9999-12-31'][n % 4],
    at: new Date(Date.UTC(2026, 10, 20, 9, 30, 0, n)),
    tags: n % 5 === 0 ? [] : ['a', null, ''],
    attributes: new Map([
      ['k', BigInt(n)],
      ['j', null],
    ]),
    address: { zip: '007', geo: [1.5, null] },
    'odd name,;{}()=': `${n}`,
    region,
    dt: `2026-11-0${1 + (n % 3)}`,
  })),
  Object.fromEntries(Object.keys(schema).map((name) => [name, null])),
]

const { reader, expectAllToRead } = allReaders()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-readers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('five readers give the same text for awkward types and partition values, now and at an older version', async () => {
  const table = join(folder, 'awkward')
  await reader('deltalake').createTable(table, schema, rows, { partitionBy: ['region', 'dt'] })
  await expectAllToRead(table, rows)
  const more = [{ ...rows[0], id: 1n }]
  await reader('spark').append(table, schema, more)
  await expectAllToRead(table, [...rows, ...more])
  await expectAllToRead(table, rows, { version: 0 })
}, 300_000)

// Without the global set-up nothing is provided; `servers.test.ts` fails then.
describe.each(inject('s3Servers') ?? [])('on $name', (s3) => {
  const small = { id: 'long', name: 'string', region: 'string' }

  test('five readers read what deltalake made and deltalake, Spark and Trino appended', async () => {
    const table = { url: `s3://${await createBucket(s3)}/warehouse/orders`, s3 }
    const all = [
      { id: 1n, name: 'x', region: 'a/b' },
      { id: 2n, name: null, region: null },
    ]
    await reader('deltalake').createTable(table, small, all, { partitionBy: ['region'] })
    for (const name of ['deltalake', 'spark', 'trino'] as const) {
      const more = { id: 3n, name, region: 'a/b' }
      await reader(name).append(table, small, [more])
      all.push(more)
    }
    await expectAllToRead(table, all)
    await expectAllToRead(table, all.slice(0, 3), { version: 1 })
  }, 300_000)
})

test('deltalake, Spark and Trino give the same change feed', async () => {
  const table = join(folder, 'feed')
  const people = { id: 'long', name: 'string' }
  const before = [
    { id: 1n, name: 'a' },
    { id: 2n, name: 'b' },
  ]
  await reader('deltalake').createTable(table, people, before, { properties: { 'delta.enableChangeDataFeed': 'true' } })
  await reader('spark').sql("update {t} set name = 'B' where id = 2", table)
  await reader('spark').sql('delete from {t} where id = 1', table)
  const expected = canonicalRows([
    { id: 2n, name: 'b', _change_type: 'update_preimage', _commit_version: 1n },
    { id: 2n, name: 'B', _change_type: 'update_postimage', _commit_version: 1n },
    { id: 1n, name: 'a', _change_type: 'delete', _commit_version: 2n },
  ])
  for (const name of ['deltalake', 'spark', 'trino'] as const) {
    const rows = await reader(name).changes(table, { since: 0 })
    expect({ name, rows }).toEqual({ name, rows: expected })
    expect(await reader(name).changes(table, { since: 0, until: 1 })).toHaveLength(2)
  }
}, 300_000)

test('five readers agree on microseconds, mixed case and map keys, as far as Trino knows them', async () => {
  const table = join(folder, 'nested')
  const nested = {
    Id: 'long',
    at: 'timestamp',
    naive: 'timestamp_ntz',
    Place: structOf({ Zip: 'string' }),
    byTime: mapOf('timestamp', 'double'),
    byInt: mapOf('integer', 'boolean'),
    byDouble: mapOf('double', 'long'),
    byDecimal: mapOf('decimal(5,2)', 'binary'),
  }
  const row = {
    Id: 1n,
    at: '2026-11-20T09:30:00.123999Z',
    naive: '2026-11-20T09:30:00.123999',
    Place: { Zip: '007' },
    byTime: new Map([['1926-11-20T09:30:00.123400Z', 1]]),
    byInt: new Map([
      [1, true],
      [-5, false],
    ]),
    byDouble: new Map([
      [1.5, 7n],
      [Number.NaN, null],
    ]),
    byDecimal: new Map([['1.10', new Uint8Array([1])]]),
  }
  await reader('deltalake').createTable(table, nested, [row])
  await expectAllToRead(table, [row])
}, 300_000)

test("five readers honour Spark's deletion vectors", async () => {
  const table = join(folder, 'masked')
  const properties = { 'delta.enableDeletionVectors': 'true' }
  await reader('spark').createTable(table, { id: 'long' }, [{ id: 1n }, { id: 2n }], { properties })
  await reader('spark').sql('delete from {t} where id = 2', table)
  const history = await reader('spark').sql('describe history {t}', table)
  expect(history.join()).toContain('["numDeletionVectorsAdded","1"]')
  await expectAllToRead(table, [{ id: 1n }])
}, 300_000)
