import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quotePath } from '../../src/engine/sql.js'
import { toJsonValue } from '../../src/read/json.js'
import { query } from '../../src/read/query.js'
import { systemRuntime } from '../../src/runtime.js'
import { openLocal } from '../../src/store/local.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from './table.js'

let workshop: Workshop
let out: string

beforeAll(async () => {
  workshop = await openWorkshop()
  out = mkdtempSync(join(tmpdir(), 'query-'))
})
afterAll(async () => {
  await workshop.close()
  rmSync(out, { recursive: true })
})

const reading = (store: Store) => ({ store, runtime: systemRuntime, settings: { threads: 1 } })

const schema = columns({
  id: 'bigint',
  region: 'varchar',
  dt: 'date',
  at: 'timestamp',
  amount: 'decimal(10,2)',
  v: 'double',
})
const days = ['2026-11-18', '2026-11-19', '2026-11-20', '2026-11-21', null]

/** Five days with two files each, a thousand rows per file. */
async function orders(store: Store): Promise<void> {
  const parts = days.flatMap((dt, day) =>
    [0, 1].map((half) => ({
      key: `dt=${dt ?? '__HIVE_DEFAULT_PARTITION__'}/${day}-${half}.parquet`,
      partitionValues: { dt },
      sql: `SELECT ${(day * 2 + half) * 1000} + range AS id, 'region ' || (range % 3 + ${half} * 10) AS region,
        TIMESTAMPTZ '2026-11-18 00:00:00+00' + INTERVAL (${day * 24 + half * 12}) HOUR + INTERVAL (range) SECOND AS "at",
        (range * 1.5)::DECIMAL(10,2) AS amount, CASE WHEN range % 7 = 0 THEN NULL ELSE range / 4 END AS v FROM range(1000)`,
      rowGroupRows: 2048,
    })),
  )
  await workshop.write(store, schema, parts, { partitionBy: ['dt'] })
}

describe.each([
  ['a local store', () => openLocal(workshop.newFolder())],
  ['a store from which files are fetched', () => openMemory(`memory://orders-${Math.random()}`)],
])('on %s', (_, open) => {
  let store: Store
  beforeAll(async () => {
    store = open()
    await orders(store)
  })
  const rows = (sql: string, options = {}) => query(reading(store), sql, options).toArray()

  test('the table is the view t', async () => {
    expect(await rows('select dt, count(*) as n, max(id) as last from t group by all order by dt')).toEqual(
      days.map((dt, i) => ({ dt, n: 2000n, last: BigInt(i * 2000 + 1999) })),
    )
  })

  test.each([
    ['a partition', `select count(*)::int n from t where dt = '2026-11-20'`, 2000],
    ['partitions', `select count(*)::int n from t where dt in ('2026-11-18', '2026-11-21', '2026-11-22')`, 4000],
    ['the null partition', 'select count(*)::int n from t where dt is null', 2000],
    ['all but the null partition', 'select count(*)::int n from t where dt is not null', 8000],
    ['a range of ids', 'select count(*)::int n from t where id between 1990 and 4005', 2016],
    ['either', `select count(*)::int n from t where dt = '2026-11-18' or id = 7777`, 2001],
    ['a half day', `select count(*)::int n from t where "at" >= '2026-11-19 12:00:00' and "at" < '2026-11-20'`, 1000],
    ['two uses', `select count(*)::int n from t a join t b on a.id = b.id + 2000 where a.dt = '2026-11-19'`, 2000],
    ['a subquery', 'select count(*)::int n from t where id = (select max(id) from t)', 1],
    [
      'a CTE',
      `with x as (select * from t where region = 'region 11') select count(*)::int n from x where id < 2000`,
      333,
    ],
    [
      'a union',
      `select count(*)::int n from (select 1 from t where id = 5 union all select 1 from t where dt is null)`,
      2001,
    ],
    ['a filter that nothing is known about', `select count(*)::int n from t where sqrt(id) = 50`, 1],
    ['nothing', 'select count(*)::int n from t where id < 0', 0],
    ['a contradiction', 'select count(*)::int n from t where id = 1 and id = 2', 0],
    ['the top', 'select (select id from t order by id desc limit 1)::int n', 9999],
    ['no table', 'select 1 n', 1],
    ['a window', 'select n::int n from (select row_number() over (order by id desc) n, id from t) where id = 9990', 10],
    ['an anti join', 'select count(*)::int n from t a where not exists (select 1 from t b where b.id = a.id + 1)', 1],
    ['a lateral join', 'select sum(s)::int n from t a, lateral (select a.id + 1 as s) where a.id = 41', 42],
    ['no rows of an outer join', 'select count(b.id)::int n from t a left join t b on b.id = a.id and b.id = 3', 1],
  ])('%s: the answer is the one over all files', async (_name, sql, expected) => {
    expect(await rows(sql)).toEqual([{ n: expected }])
  })

  test('pivot reads everything', async () => {
    const [row] = await rows(
      'pivot (select region, id from t where id < 3) on region using count(*) group by id order by id',
    )
    expect(row).toMatchObject({ id: 0n, 'region 0': 1n })
  })

  test('describe, summarize, values and a leading FROM are queries too', async () => {
    expect((await rows('describe t')).map((row) => row.column_name)).toEqual(schema.map((field) => field.name))
    expect(await rows('summarize t')).toHaveLength(6)
    expect(await rows('values (1)')).toEqual([{ col0: 1 }])
    expect(await rows('from t select min(id) as first -- the first\n;')).toEqual([{ first: 0n }])
  })

  test('an older version is what it was', async () => {
    const path = 'dt=2026-11-22/new.parquet'
    const sql = `SELECT 1 AS id, 'x' AS region, NULL::TIMESTAMPTZ AS "at", 1::DECIMAL(10,2) AS amount, 1.0::DOUBLE AS v`
    const after = await workshop.write(store, schema, [{ key: path, sql, partitionValues: { dt: '2026-11-22' } }])
    const count = 'select count(*)::int as n from t'
    expect(await rows(count)).toEqual([{ n: 10_001 }])
    expect(await rows(count, { version: after.version - 1 })).toEqual([{ n: 10_000 }])
    expect(await rows(count, { asOf: new Date(after.timestamp - 1) })).toEqual([{ n: 10_000 }])
    expect(await rows(count, { asOf: new Date(after.timestamp).toISOString() })).toEqual([{ n: 10_001 }])
    await expect(rows(count, { version: 99 })).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('what is not a query', () => {
  let store: Store
  beforeAll(async () => {
    store = openLocal(workshop.newFolder())
    await orders(store)
  })

  test.each([
    ['drop view t', /one SELECT/],
    ['select 1; select 2', /more than one statement/],
    [' -- nothing', /no statement/],
    ['create table x as select * from t', /one SELECT/],
    [`copy t to '/tmp/x.csv'`, /one SELECT/],
    ['pragma version', /one SELECT/],
    ['selec 1', /does not parse: syntax error at or near "selec"/],
    ['select nope from t', /Referenced column "nope" not found/],
    ['select * from nope', /nope/],
    [`select region::int from t`, /Could not convert string/],
  ])('`%s` is refused in words that help', async (sql, message) => {
    const failure = await query(reading(store), sql)
      .toArray()
      .catch((error) => error)
    expect(failure).toMatchObject({ code: 'invalid', message: expect.stringMatching(message) })
    expect(failure.fix).toBeTruthy()
  })

  test('the place that DuckDB points to is counted in the user’s lines', async () => {
    const failure = await query(reading(store), 'select id,\n nope\nfrom t')
      .toArray()
      .catch((error) => error)
    expect(failure.message).toContain('LINE 2:  nope')
    expect(failure.message).not.toContain('EXPLAIN')
  })

  test('no table is said so', async () => {
    const nothing = openLocal(workshop.newFolder())
    await expect(query(reading(nothing), 'select 1').toArray()).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('time', () => {
  test('a query sees one moment, and files are chosen by it', async () => {
    const store = openLocal(workshop.newFolder())
    await orders(store)
    const clock = { now: () => Date.UTC(2026, 10, 20, 23, 59, 59, 999) }
    const count = async (where: string) =>
      (
        await query(
          { ...reading(store), runtime: { ...systemRuntime, ...clock } },
          `select count(*)::int as n from t where ${where}`,
        ).toArray()
      )[0]?.n
    expect(await count('dt = current_date')).toBe(2000)
    expect(await count('dt = today()')).toBe(2000)
    expect(await count(`"at" > now() - interval 1 day`)).toBe(6000)
    expect(await count('"at" > current_timestamp')).toBe(4000)
  })
})

describe('parameters', () => {
  const store = openMemory('memory://parameters')
  beforeAll(async () => {
    await orders(store)
  })
  const one = async (sql: string, params: Parameters<typeof query>[2]) =>
    (await query(reading(store), sql, params).toArray())[0]

  test('are values, by position and by name', async () => {
    const sql = 'select count(*)::int as n from t where dt = ? and region = ?'
    expect(await one(sql, { params: ['2026-11-20', 'region 0'] })).toEqual({ n: 334 })
    expect(await one('select $2 as b, $1 as a', { params: [1, `it's`] })).toEqual({ b: `it's`, a: 1n })
    expect(await one('select $x as x, $y as y', { params: { x: null, y: 2n ** 62n } })).toEqual({
      x: null,
      y: 2n ** 62n,
    })
  })

  test('are not looked for in texts, names and comments', async () => {
    const sql = `select '?' as a, 1 as "$1", $$ ? $$ as c /* ? */, ? as d -- ?`
    expect(await one(sql, { params: ['x'] })).toEqual({ a: '?', $1: 1, c: ' ? ', d: 'x' })
  })

  test('too few or too many are refused', async () => {
    await expect(one('select ?, ?', { params: [1] })).rejects.toMatchObject({ code: 'invalid' })
    await expect(one('select ?', { params: [1, 2] })).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('results', () => {
  const store = openMemory('memory://results')
  beforeAll(async () => {
    await workshop.write(store, columns({ id: 'integer' }), [
      { key: 'a.parquet', sql: 'SELECT range::INTEGER AS id FROM range(10000)' },
    ])
  })
  const values = `select * from (values
    (1, 9007199254740991, 9007199254740992::bigint, -170141183460469231731687303715884105727::hugeint, 1.10::decimal(38,2), 0.5::double, 'ü"'',', '\\x01\\x02'::blob, date '2026-11-20',
      timestamptz '2026-11-20 10:00:00.120+00', timestamp '2026-11-20 10:00:00.123456', [1::bigint, null], {'a': 9007199254740993::bigint, 'b': ['\\xFF'::blob]}, map {'k': 1.5::decimal(4,2)}, true, '2e26e3a3-7b3c-4b5e-9d3c-111111111111'::uuid),
    (null, null, null, null, null, 'nan', '', null, null, null, null, null, null, null, null, null),
    (-1, -1, 9223372036854775807, 1, -0.01, '-infinity', ' ', '', '0001-01-01', '9999-12-31 23:59:59.999999+00', '1969-12-31 23:59:59.999', [], {'a': null, 'b': null}, map {}, false, null)
  ) v(i, safe, big, huge, dec, f, s, bl, d, ts, naive, l, st, m, b, u)`

  test('json is what toJsonValue says, written by the engine or not', async () => {
    const result = query(reading(store), values)
    const expected = (await result.toArray()).map(toJsonValue)
    const path = join(out, 'values.json')
    expect(await result.write(path, 'json')).toEqual({ rows: 3, bytes: readFileSync(path).length })
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(expected)
    await result.write(join(out, 'values.ndjson'), 'ndjson')
    const lines = readFileSync(join(out, 'values.ndjson'), 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(expected)
    expect(expected[0]).toMatchObject({
      safe: 9007199254740991,
      big: '9007199254740992',
      dec: '1.10',
      bl: 'AQI=',
      ts: '2026-11-20T10:00:00.120Z',
      naive: '2026-11-20T10:00:00.123456Z',
      st: { a: '9007199254740993', b: ['/w=='] },
      m: [{ key: 'k', value: '1.50' }],
    })
    expect(expected[1]).toMatchObject({ f: 'NaN', s: '' })
  })

  test('csv tells null from the empty text', async () => {
    const path = join(out, 'values.csv')
    await query(reading(store), values).write(path, 'csv')
    const [header, , second, third] = readFileSync(path, 'utf8').split('\n')
    expect(header).toBe('i,safe,big,huge,dec,f,s,bl,d,ts,naive,l,st,m,b,u')
    expect(second).toBe(',,,,,nan,"",,,,,,,,,')
    expect(third).toContain(',0001-01-01,9999-12-31T23:59:59.999999Z,1969-12-31T23:59:59.999Z,[],')
  })

  test('parquet and arrow keep the types, and HUGEINT its digits', async () => {
    const sql = `select 1::bigint as a, 12345678901234567890::hugeint as huge, timestamp '2026-11-20 10:00:00' as naive, 1.5::decimal(10,2) as dec, [1] as l, 'x' as s, map {'k': 1} as m`
    const result = query(reading(store), sql)
    await result.write(join(out, 'types.parquet'), 'parquet')
    const described = await workshop.engine.describe(`SELECT * FROM ${quotePath(join(out, 'types.parquet'))}`)
    expect(described.map(({ sqlType }) => sqlType)).toEqual([
      'BIGINT',
      'DECIMAL(38,0)',
      'TIMESTAMP WITH TIME ZONE',
      'DECIMAL(10,2)',
      'INTEGER[]',
      'VARCHAR',
      'MAP(VARCHAR, INTEGER)',
    ])
    const path = join(out, 'types.arrow')
    expect((await result.write(path, 'arrow')).rows).toBe(1)
    const { tableFromIPC } = await import('apache-arrow')
    const table = tableFromIPC(readFileSync(path))
    expect(table.schema.fields.map((field) => String(field.type)).slice(0, 4)).toEqual([
      'Int64',
      expect.stringMatching(/Decimal\[38e/),
      expect.stringMatching(/Timestamp<MICROSECOND, UTC>/),
      expect.stringMatching(/Decimal\[10e/),
    ])
    expect(table.get(0)?.a).toBe(1n)
    expect(existsSync(`${path}.parquet.tmp`)).toBe(false)
  })

  test('arrow of many rows, and of none', async () => {
    const { tableFromIPC } = await import('apache-arrow')
    for (const n of [0, 300_000]) {
      const path = join(out, `${n}.arrow`)
      await query(reading(store), `select range as i, 'text ' || range as s from range(${n})`).write(path, 'arrow')
      const table = tableFromIPC(readFileSync(path))
      expect(table.numRows).toBe(n)
      expect(table.schema.fields.map((field) => field.name)).toEqual(['i', 's'])
      if (n > 0) expect(table.getChild('s')?.get(n - 1)).toBe(`text ${n - 1}`)
    }
  })

  test.each(['csv', 'ndjson', 'json', 'parquet', 'arrow'] as const)('ORDER BY is kept in %s', async (format) => {
    const path = join(out, `ordered.${format}`)
    await query(reading(store), 'select id from t order by id desc').write(path, format)
    if (format === 'arrow') {
      const { tableFromIPC } = await import('apache-arrow')
      expect(tableFromIPC(readFileSync(path)).getChild('id')?.get(0)).toBe(9999)
      return
    }
    const reader = { csv: 'read_csv', ndjson: 'read_json', json: 'read_json', parquet: 'read_parquet' }[format]
    const sql = `SELECT count(*) AS wrong FROM (SELECT id, row_number() OVER () AS n FROM ${reader}(${quotePath(path)})) WHERE id + n <> 10000`
    await workshop.engine.run('SET preserve_insertion_order = true')
    expect(await workshop.engine.rows(sql)).toEqual([{ wrong: 0n }])
  })

  test('two columns of one name are both there', async () => {
    const result = query(reading(store), 'select 1 as a, 2 as a -- twice')
    expect(await result.columns()).toEqual([
      { name: 'a', type: 'INTEGER' },
      { name: 'a_1', type: 'INTEGER' },
    ])
    expect(await result.toArray()).toEqual([{ a: 1, a_1: 2 }])
  })

  test('can be asked twice, and one at a time', async () => {
    const result = query(reading(store), 'select id from t where id < 3 order by id')
    const seen: unknown[] = []
    for await (const row of result) {
      seen.push(row.id)
      if (seen.length === 2) break
    }
    expect(seen).toEqual([0, 1])
    expect(await result.toArray()).toHaveLength(3)
    await result.close()
    await result.close()
  })

  test('end with the signal', async () => {
    const controller = new AbortController()
    const result = query(reading(store), 'select sum(a.id * b.id) from t a, t b, t c', { signal: controller.signal })
    const failure = result.toArray().catch((error) => error)
    setTimeout(() => controller.abort(new Error('enough')), 300)
    expect(await failure).toMatchObject({ message: 'enough' })
  })
})
