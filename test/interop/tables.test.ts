/**
 * Tables of ours, read by five foreign engines and compared row by row; written on by others, and read and written on by
 * us; tables of others, read and written by us.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import { openTable, parquet, type Table } from '../../src/index.js'
import { openParquet } from '../../src/stage/parquet/splice.js'
import { patchCosts } from '../../src/stage/patch/costs.js'
import { freshBucket } from '../servers/bucket.js'
import { allReaders } from './readers/all.js'
import type { Row } from './readers/index.js'

const { reader, expectAllToRead } = allReaders()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-tables-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const regions = [
  ...[
    'plain',
    'a/b',
    'é ü',
    '50%',
    'x=y',
    'sp ace',
    "q'uote",
    'co:lon',
    '日本',
    'a+b',
    'a&b#c',
    '[z]{y}',
    'a\tb',
    'a.b',
    '~',
    'ß"]',
  ],
  null,
]
const names = ['x', '', 'NULL', 'é\n"q" \\ 😀', null]
const ratios = [0.1, 1e21, Number.NaN, Infinity, -Infinity, 5e-324, 1e-7, 123456789.125]
const days = ['0001-01-01', '1582-10-10', '2026-11-20', '9999-12-31']

/** As the foreign readers are to see them. */
const rows: Row[] = regions.map((region, n) => ({
  id: 9007199254740993n + BigInt(n),
  tiny: n - 5,
  small: n - 32768,
  int: 2147483647 - n,
  price: ['1.10', '-0.01', '9999999999.99'][n % 3],
  big: '-1234567890123456789012345678.1234567890',
  ratio: ratios[n % ratios.length],
  single: 0.5,
  ok: n % 2 === 0,
  name: names[n % names.length],
  blob: new Uint8Array([0, 255, n]),
  day: days[n % days.length],
  at: new Date(Date.UTC(2026, 10, 20, 9, 30, 0, n)),
  tags: n % 5 === 0 ? [] : ['a', null, ''],
  attributes: new Map([['k', BigInt(n)]]),
  address: { zip: '007', geo: [1.5, null] },
  'odd name,;{}()=': `${n}`,
  region,
  dt: `2026-11-0${1 + (n % 3)}`,
}))

test('all types, nulls, nested values and awkward partition values are read alike by five readers', async () => {
  const root = join(folder, 'awkward')
  await using table = await openTable(root, { partitionBy: ['region', 'dt'] })
  const receipt = await table.append(parquet(await sourceFile()))
  expect(receipt.rows.written).toBe(rows.length)
  await expectAllToRead(root, rows)
  await expectOurselvesToRead(table, rows.length)
})

test('files put together from their own bytes are read alike by five readers', async () => {
  const root = join(folder, 'pieces')
  const measured = { ...patchCosts }
  Object.assign(patchCosts, { perGroup: 0, gain: 100, smallRows: 0, mostSmall: 0 })
  try {
    await using table = await openTable(root, { partitionBy: ['dt'], key: ['id'] })
    const source = await sourceFile()
    const copies = Array.from({ length: 300 }, (_, k) => 1000n * BigInt(k))
    const many = await written(
      'many',
      `SELECT s.* REPLACE (s.id + k AS id, CASE k WHEN 0 THEN name ELSE sha256((s.id + k)::VARCHAR) END AS name) FROM '${source}' s, (SELECT unnest([${copies.join(', ')}]) AS k)`,
    )
    await table.append(parquet(many))
    // In each partition a row changes in one column, one goes and one comes.
    const [first = 0n] = rows.map(({ id }) => id as bigint)
    const some = `FROM '${source}' WHERE id < ${first + 3n}`
    const changed = `SELECT * REPLACE ('changed' AS name) ${some} UNION ALL SELECT * REPLACE (id + 100 AS id) ${some}`
    await table.merge(parquet(await written('changed', changed)))
    await table.delete({ where: `id in (${first + 3n}, ${first + 4n}, ${first + 5n})` })
    const expected = copies.flatMap((k) =>
      rows.flatMap((row, n) => {
        const id = (row.id as bigint) + k
        if (k > 0n) return [{ ...row, id, name: createHash('sha256').update(`${id}`).digest('hex') }]
        if (n >= 6) return [row]
        return n >= 3
          ? []
          : [
              { ...row, name: 'changed' },
              { ...row, id: id + 100n },
            ]
      }),
    )
    const groups = await Promise.all(
      (await table.files()).map(async ({ key }) => (await openParquet(join(root, key))).rowGroups),
    )
    expect(groups.map(({ length }) => length)).toEqual([2, 2, 2])
    await expectAllToRead(root, expected)
    await expectOurselvesToRead(table, expected.length)
  } finally {
    Object.assign(patchCosts, measured)
  }
})

test('checkpoints, removed files and a column added later are read alike by five readers', async () => {
  const root = join(folder, 'history')
  await using table = await openTable(root, { partitionBy: ['dt'] })
  const day = (n: number) => ({ dt: `2026-11-${String(1 + n).padStart(2, '0')}`, id: n })
  for (let n = 0; n < 12; n++) await table.append([day(n)])
  await table.replace([{ ...day(3), id: 33 }])
  await table.append([{ ...day(20), note: 'new' }], { schema: 'evolve' })
  await table.replace([{ ...day(4), id: 44, note: 'late' }], { scope: { dt: [day(4).dt, day(5).dt] } })
  expect((await table.files()).length).toBe(12)
  const base = [0, 1, 2, 6, 7, 8, 9, 10, 11].map((n) => ({ ...day(n), note: null }))
  const expected = [
    ...base,
    { ...day(3), id: 33, note: null },
    { ...day(20), note: 'new' },
    { ...day(4), id: 44, note: 'late' },
  ].map((row) => ({ ...row, id: BigInt(row.id) }))
  await expectAllToRead(root, expected)
  const before = Array.from({ length: 12 }, (_, n) => ({ ...day(n), id: BigInt(n) }))
  await expectAllToRead(root, before, { version: 11 })
})

test('partitions of every type are read alike by five readers', async () => {
  const columns = {
    day: ['date', ['2026-11-20', '0001-01-01']],
    at: ['timestamp', ['2026-11-20T09:30:00Z', '1999-12-31T23:59:59Z']],
    flag: ['boolean', ['true', 'false']],
    n: ['bigint', ['-9223372036854775808', '9223372036854775807']],
    price: ['decimal(12,2)', ['1.10', '-0.01']],
  } as const
  for (const [name, [type, values]] of Object.entries(columns)) {
    const root = join(folder, `by-${name}`)
    await using table = await openTable(root, { partitionBy: ['p'] })
    await table.append(
      [...values, null].map((p, id) => ({ p, id })),
      { types: { p: type } },
    )
    const typed = (text: string) =>
      type === 'boolean'
        ? text === 'true'
        : type === 'bigint'
          ? BigInt(text)
          : type === 'timestamp'
            ? new Date(text)
            : text
    await expectAllToRead(root, [
      ...values.map((p, id) => ({ p: typed(p), id: BigInt(id) })),
      { p: null, id: BigInt(values.length) },
    ])
    await expectOurselvesToRead(table, values.length + 1)
  }
})

describe.each(['deltalake', 'spark'] as const)('%s', (name) => {
  test('appends to a table of ours, and we read and write on', async () => {
    const root = join(folder, `shared-${name}`)
    await using table = await openTable(root, { partitionBy: ['region'] })
    await table.append([
      { region: 'a/b', id: 1, name: 'ours' },
      { region: null, id: 2, name: null },
    ])
    await reader(name).append(root, { region: 'string', id: 'long', name: 'string' }, [
      { region: 'a/b', id: 3n, name: 'theirs' },
      { region: 'é ü', id: 4n, name: 'theirs' },
    ])
    expect(await idsOf(table)).toEqual([1n, 2n, 3n, 4n])
    expect(await table.replace([{ region: 'a/b', id: 5, name: 'ours' }])).toMatchObject({
      status: 'committed',
      files: { added: 1, removed: 2 },
    })
    // What they wrote carries no fingerprint of ours: it is worked out, and found equal.
    expect(await table.replace([{ region: 'é ü', id: 4, name: 'theirs' }])).toMatchObject({ status: 'unchanged' })
    await table.append([{ region: null, id: 6, name: 'ours' }])
    const expected = [
      { region: null, id: 2n, name: null },
      { region: 'é ü', id: 4n, name: 'theirs' },
      { region: 'a/b', id: 5n, name: 'ours' },
      { region: null, id: 6n, name: 'ours' },
    ]
    await expectAllToRead(root, expected)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    expect((await table.history()).length).toBe(4)
  })

  test('makes a table that we read and write', async () => {
    const root = join(folder, `made-${name}`)
    const theirs = [
      { id: 1n, price: '1.10', at: new Date('2026-11-20T09:30:00Z'), region: 'a/b' },
      { id: 2n, price: null, at: null, region: null },
    ]
    const schema = { id: 'long', price: 'decimal(12,2)', at: 'timestamp', region: 'string' }
    await reader(name).createTable(root, schema, theirs, { partitionBy: ['region'] })
    await using table = await openTable(root)
    expect(await table.snapshot()).toMatchObject({ rows: 2, partitionBy: ['region'] })
    expect(await idsOf(table)).toEqual([1n, 2n])
    await table.append([{ id: 3, price: '2.50', at: new Date('2026-11-21T00:00:00Z'), region: 'a/b' }])
    await expectAllToRead(root, [
      ...theirs,
      { id: 3n, price: '2.50', at: new Date('2026-11-21T00:00:00Z'), region: 'a/b' },
    ])
  })
})

test('a table that needs what we lack is refused by name', async () => {
  const root = join(folder, 'masked')
  const properties = { 'delta.enableDeletionVectors': 'true' }
  await reader('spark').createTable(root, { id: 'long' }, [{ id: 1n }, { id: 2n }], { properties })
  await using table = await openTable(root)
  // Merely allowed, masked rows ask nothing of us.
  await table.append([{ id: 3 }])
  await reader('spark').sql('delete from {t} where id = 2', root)
  for (const use of [() => table.append([{ id: 4 }]), async () => (await table.query('select * from t')).toArray()]) {
    const error = await use().then(
      () => undefined,
      (caught: unknown) => caught,
    )
    expect(error).toMatchObject({ code: 'unsupported' })
    expect(String(error)).toContain('deletionVectors')
  }
})

describe.each(inject('s3Servers').filter(({ name }) => name === 'minio'))('on $name', (s3) => {
  test('five readers read what we wrote, and Spark and Trino write on', async () => {
    await using place = await freshBucket(s3)
    const url = `${place.url}/warehouse/orders`
    const location = { url, s3 }
    await using table = await openTable(url, { partitionBy: ['region'], store: place.store })
    await table.append([
      { id: 1, name: 'ours', region: 'a/b' },
      { id: 2, name: null, region: null },
    ])
    const expected: Row[] = [
      { id: 1n, name: 'ours', region: 'a/b' },
      { id: 2n, name: null, region: null },
    ]
    await expectAllToRead(location, expected)
    for (const [n, name] of (['deltalake', 'spark', 'trino'] as const).entries()) {
      const more = { id: BigInt(3 + n), name, region: 'x' }
      await reader(name).append(location, { id: 'long', name: 'string', region: 'string' }, [more])
      expected.push(more)
    }
    await expectAllToRead(location, expected)
    expect(await idsOf(table)).toEqual([1n, 2n, 3n, 4n, 5n])
    await table.replace([{ id: 9, name: 'ours', region: 'x' }])
    await expectAllToRead(location, [...expected.slice(0, 2), { id: 9n, name: 'ours', region: 'x' }])
  })
})

test('plain DuckDB reads exactly this version from the published view', async () => {
  const root = join(folder, 'awkward')
  const { readFile } = await import('node:fs/promises')
  const engine = await openDuckDB({ spillFolder: join(folder, 'spill') })
  await engine.run(await readFile(join(root, '_published/duckdb.sql'), 'utf8'))
  const [count] = await engine.rows(
    'select count(*) as n, count(distinct region) as regions, sum(id) as ids from awkward',
  )
  const ids = rows.reduce((sum, { id }) => sum + (id as bigint), 0n)
  expect(count).toEqual({ n: BigInt(rows.length), regions: BigInt(regions.length - 1), ids })
  await engine.close()
})

async function written(name: string, select: string): Promise<string> {
  const path = join(folder, `${name}.parquet`)
  const engine = await openDuckDB({ spillFolder: join(folder, 'spill') })
  await engine.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
  await engine.close()
  return path
}

/** The same rows as a Parquet file, by SQL. */
async function sourceFile(): Promise<string> {
  const text = (value: string | null) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`)
  const list = (values: readonly (string | null)[]) => `[${values.map(text).join(', ')}]`
  const select = `SELECT 9007199254740993 + n AS id, (n - 5)::TINYINT AS tiny, (n - 32768)::SMALLINT AS small,
    (2147483647 - n)::INTEGER AS int, ${list(['1.10', '-0.01', '9999999999.99'])}[n % 3 + 1]::DECIMAL(12,2) AS price,
    '-1234567890123456789012345678.1234567890'::DECIMAL(38,10) AS big,
    ${list(ratios.map(String))}[n % ${ratios.length} + 1]::DOUBLE AS ratio, 0.5::FLOAT AS single, n % 2 = 0 AS ok,
    ${list(names)}[n % ${names.length} + 1] AS name, ('\\x00\\xFF'::BLOB || unhex(printf('%02X', n))) AS blob,
    ${list(days)}[n % 4 + 1]::DATE AS day, TIMESTAMPTZ '2026-11-20 09:30:00+00' + to_milliseconds(n) AS at,
    CASE WHEN n % 5 = 0 THEN []::VARCHAR[] ELSE ['a', NULL, ''] END AS tags, MAP {'k': n::BIGINT} AS attributes,
    {'zip': '007', 'geo': [1.5::DOUBLE, NULL]} AS address, n::VARCHAR AS "odd name,;{}()=",
    ${list(regions)}[n + 1] AS region, ('2026-11-0' || (1 + n % 3))::DATE AS dt
    FROM range(${regions.length}) r(n)`
  return await written('source', select)
}

async function expectOurselvesToRead(table: Table, count: number): Promise<void> {
  expect((await (await table.query('select * from t')).toArray()).length).toBe(count)
  expect((await table.verify({ deep: true })).problems).toEqual([])
}

async function idsOf(table: Table): Promise<unknown[]> {
  return (await (await table.query('select id from t order by id')).toArray()).map(({ id }) => id)
}

test('a partition value that Spark spells in its own way is the same partition', async () => {
  const root = join(folder, 'spelled')
  const at = new Date('2026-11-20T09:30:00Z')
  await reader('spark').createTable(root, { p: 'timestamp', id: 'long' }, [{ p: at, id: 1n }], { partitionBy: ['p'] })
  await using table = await openTable(root)
  expect(await table.replace([{ p: at, id: 1 }])).toMatchObject({ status: 'unchanged' })
  expect(await table.replace([{ p: at, id: 2 }])).toMatchObject({ files: { added: 1, removed: 1 } })
  await expectAllToRead(root, [{ p: at, id: 2n }])
})
