import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wrapEngineError } from '../../src/engine/duckdb/errors.js'
import { EngineError, openDuckDB } from '../../src/engine/duckdb.js'
import type { CopyOptions, Engine } from '../../src/engine/port.js'
import { spillFolder } from './spill.js'

let engine: Engine
let folder: string
let count = 0
beforeAll(async () => {
  folder = await spillFolder()
  engine = await openDuckDB({ memory: '1GB', threads: 2, spillFolder: join(folder, 'spill') })
})
afterAll(() => engine.close())

const value = async (sql: string) => (await engine.rows(`SELECT ${sql} AS x`))[0]?.x
const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

test('the first row of a group is the first, also where the column that orders them has a null', async () => {
  const path = join(folder, 'grouped.parquet')
  const rows = `(VALUES (1, 'a', NULL), (1, 'b', DATE '2026-11-20'), (1, 'c', DATE '2026-11-21'), (1, 'd', DATE '2026-11-20'))`
  await engine.run(`COPY (SELECT * FROM ${rows} v(id, v, day)) TO '${path}'`)
  const found = await engine.rows(
    `SELECT id, v, day FROM read_parquet('${path}') QUALIFY row_number() OVER (PARTITION BY id ORDER BY day DESC NULLS LAST) = 1`,
  )
  expect(found).toEqual([{ id: 1, v: 'c', day: '2026-11-21' }])
})

describe('rows come out as the port says', () => {
  const cases: [string, unknown][] = [
    ['1::TINYINT', 1],
    ['4294967295::UINTEGER', 4294967295],
    ['9223372036854775807', 9223372036854775807n],
    ['170141183460469231731687303715884105727::HUGEINT', 2n ** 127n - 1n],
    ['1.50::DECIMAL(10,2)', '1.50'],
    ['-0.05::DECIMAL(38,2)', '-0.05'],
    ["DATE '2026-11-20'", '2026-11-20'],
    ["DATE '0001-01-01'", '0001-01-01'],
    ["DATE 'infinity'", 'infinity'],
    ["TIMESTAMPTZ '2026-11-20 10:00:00+02'", '2026-11-20T08:00:00Z'],
    ["TIMESTAMPTZ '2026-11-20 10:00:00.5Z'", '2026-11-20T10:00:00.500Z'],
    ["TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'", '1969-12-31T23:59:59.999999Z'],
    ["TIMESTAMP '2026-11-20 10:00:00'", '2026-11-20T10:00:00Z'],
    ["TIMESTAMP_NS '2026-11-20 10:00:00.000000001'", '2026-11-20T10:00:00.000000001Z'],
    ["TIMESTAMP_S '2026-11-20 10:00:00'", '2026-11-20T10:00:00Z'],
    ["'\\x00\\xff'::BLOB", Uint8Array.of(0, 255)],
    ['[1::BIGINT, NULL]', [1n, null]],
    [
      "{'a': 1.5::DECIMAL(3,1), '__proto__': [DATE '2026-01-01']}",
      JSON.parse('{"a":"1.5","__proto__":["2026-01-01"]}'),
    ],
    ["MAP {'k': 1::BIGINT}", [{ key: 'k', value: 1n }]],
    ['[1, 2]::INTEGER[2]', [1, 2]],
    ['NULL', null],
    ["'nan'::DOUBLE", Number.NaN],
    ['0.1::FLOAT', Math.fround(0.1)],
    ["TIME '10:00:00.5'", '10:00:00.5'],
    ["'a'::ENUM('a', 'b')", 'a'],
    ["uuid '123e4567-e89b-12d3-a456-426614174000'", '123e4567-e89b-12d3-a456-426614174000'],
  ]
  for (const [sql, expected] of cases)
    test(sql, async () => {
      expect(await value(sql)).toEqual(expected)
    })

  test('stream gives the same rows in pages, and others may run meanwhile', async () => {
    await engine.run('CREATE TABLE numbers AS SELECT i::BIGINT AS i FROM range(100000) r(i)')
    let sum = 0n
    let pages = 0
    for await (const page of engine.stream('SELECT i FROM numbers')) {
      for (const row of page) sum += row.i as bigint
      if (pages++ === 3) expect(await engine.rows('SELECT count(*) AS n FROM numbers')).toEqual([{ n: 100000n }])
    }
    expect([sum, pages > 10]).toEqual([4999950000n, true])
  })

  test('a stream may be left, and is ended by its signal', async () => {
    for await (const page of engine.stream('SELECT * FROM range(10000000)')) {
      expect(page.length).toBeGreaterThan(0)
      break
    }
    const stop = new AbortController()
    const reading = async () => {
      for await (const _ of engine.stream('SELECT * FROM range(1000000000)', { signal: stop.signal }))
        stop.abort(new Error('enough'))
    }
    expect(await caught(reading())).toEqual(new Error('enough'))
  })

  test('describe names the types without running the query', async () => {
    expect(
      await engine.describe(`SELECT error('no')::INTEGER AS a, 1.5::DECIMAL(4,1) AS "b c", [{'x': 1}] AS l`),
    ).toEqual([
      { name: 'a', sqlType: 'INTEGER' },
      { name: 'b c', sqlType: 'DECIMAL(4,1)' },
      { name: 'l', sqlType: 'STRUCT(x INTEGER)[]' },
    ])
    expect(await engine.describe('FROM numbers')).toEqual([{ name: 'i', sqlType: 'BIGINT' }])
    expect(await engine.describe('WITH a AS (SELECT 1 AS x) SELECT * FROM a')).toHaveLength(1)
  })
})

describe('the session', () => {
  test('is in UTC, on streams too, and loads nothing', async () => {
    expect(await value("current_setting('TimeZone')")).toBe('UTC')
    for await (const [row] of engine.stream("SELECT current_setting('TimeZone') AS z")) expect(row?.z).toBe('UTC')
    expect(await value("current_setting('autoinstall_known_extensions')")).toBe(false)
    expect(await value("current_setting('allow_community_extensions')")).toBe(false)
    expect(engine.id).toMatch(/^duckdb-\d+\.\d+\.\d+/)
  })

  test('settings that make no sense are refused', async () => {
    for (const settings of [{ memory: 'plenty' }, { threads: 0 }])
      await expect(openDuckDB({ ...settings, spillFolder: folder })).rejects.toMatchObject({ code: 'invalid' })
  })

  test('progress of the running statement is told', async () => {
    await engine.run('CREATE TABLE many AS SELECT i FROM range(1000000) r(i)')
    const query = engine.rows('SELECT max(md5(md5(md5(i::VARCHAR)))) FROM many')
    let best = -1
    const timer = setInterval(() => {
      best = Math.max(best, engine.progress().percent)
    }, 10)
    await query
    clearInterval(timer)
    expect(best).toBeGreaterThan(0)
  })

  test('statements run one after the other, each with its own signal', async () => {
    const stop = new AbortController()
    const slow = 'SELECT count(*) FROM range(10000000000) r(i) WHERE hash(i) = 1'
    const first = caught(engine.rows(slow, { signal: stop.signal }))
    const second = engine.rows('SELECT 2 AS x')
    stop.abort(new Error('enough'))
    expect(await first).toEqual(new Error('enough'))
    expect(await second).toEqual([{ x: 2 }])
    expect(await caught(engine.rows('SELECT 1', { signal: AbortSignal.abort('before') }))).toBe('before')
  })

  test('a running statement is interrupted', async () => {
    const stop = new AbortController()
    const slow = engine.run('CREATE TABLE never AS SELECT count(*) FROM range(100000000000) r(i)', {
      signal: stop.signal,
    })
    setTimeout(() => stop.abort(new Error('enough')), 200)
    expect(await caught(slow)).toEqual(new Error('enough'))
  })

  test('after close everything is refused, and closing twice is fine', async () => {
    const other = await openDuckDB({ memory: '100MB', threads: 1, spillFolder: join(folder, 'other') })
    const running = caught(other.rows('SELECT count(*) FROM range(100000000000) r(i)'))
    await Promise.all([other.close(), other.close()])
    expect(await running).toBeInstanceOf(Error)
    await expect(other.run('SELECT 1')).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('errors', () => {
  test("DuckDB's own come with their text and kind", async () => {
    const error = await caught(engine.run(`SELECT error('lakewright misfit {"a":1}')`))
    expect(error).toBeInstanceOf(EngineError)
    expect(error).toMatchObject({
      kind: 'Invalid Input',
      message: expect.stringContaining('lakewright misfit {"a":1}'),
    })
    expect(await caught(engine.run(`SELECT 'x'::INTEGER`))).toMatchObject({ kind: 'Conversion' })
  })

  test('too little memory names --memory', async () => {
    const small = await openDuckDB({ memory: '20MB', threads: 1, spillFolder: join(folder, 'small') })
    await small.run("SET temp_directory = ''")
    const error = await caught(small.rows('SELECT list(i) AS l FROM range(20000000) r(i)'))
    await small.close()
    expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('--memory') })
  })

  test('a full disk is unavailable', () => {
    const settings = { memory: '1GB', spillFolder: '/spill' }
    for (const message of [
      'IO Error: Could not write file "/x": No space left on device',
      `Out of Memory Error: failed to offload data block of size 256.0 KiB (9.0 MiB/9.0 MiB used).\nThis limit was set by the 'max_temp_directory_size' setting.`,
    ])
      expect(wrapEngineError(new Error(message), settings)).toMatchObject({ code: 'unavailable' })
  })

  test('of the memory something is left beside the engine, but for partitioned writes, which cannot spill', async () => {
    const limit = `SELECT current_setting('memory_limit') AS x`
    expect(await engine.rows(limit)).toEqual([{ x: '715.1 MiB' }])
    const into = { folder, name: 'limits', fieldIds: {} }
    const [file] = await engine.copy(`${limit}, 'v' AS p`, { ...into, partitionBy: ['p'] })
    expect(await engine.rows(`SELECT x FROM read_parquet('${file?.path}', hive_partitioning = false)`)).toEqual([
      { x: '953.5 MiB' },
    ])
    expect(await engine.rows(limit)).toEqual([{ x: '715.1 MiB' }])
    const small = await openDuckDB({ memory: '200MB', threads: 1, spillFolder: join(folder, 'half') })
    expect(await small.rows(limit)).toEqual([{ x: '95.3 MiB' }])
    await small.close()
  })

  test('more than memory holds spills', async () => {
    const small = await openDuckDB({ memory: '150MB', threads: 2, spillFolder: join(folder, 'spills') })
    await small.run('CREATE TABLE t AS SELECT i, hash(i) AS h, hash(i + 1) AS k FROM range(12000000) r(i)')
    expect(await small.rows('SELECT count(*) AS n FROM t')).toEqual([{ n: 12000000n }])
    expect((await readdir(join(folder, 'spills'))).length).toBeGreaterThan(0)
    await small.close()
  })
})

describe('copy', () => {
  const source = `SELECT i::BIGINT AS id, 'v' || (i % 3) AS p, [i, NULL] AS l, {'a': i, 'b c': 'x'} AS s, MAP {'k': i} AS m,
    CASE WHEN i = 5 THEN 'nan'::DOUBLE ELSE i END AS f, NULL::VARCHAR AS n, 'q"' AS "we""ird" FROM range(10) r(i)`
  const options = (more: Partial<CopyOptions> = {}): CopyOptions => ({
    folder: join(folder, `out${count++}`),
    partitionBy: ['p'],
    fieldIds: {},
    name: 'part',
    ...more,
  })

  test('tells per file what it holds, by the names of its columns', async () => {
    const files = await engine.copy(source, options())
    expect(files.map((file) => [file.partitionKeys, file.rows])).toEqual([
      [{ p: 'v0' }, 4],
      [{ p: 'v1' }, 3],
      [{ p: 'v2' }, 3],
    ])
    expect(files[2]?.columns).toMatchObject({
      id: { min: '2', max: '8', nullCount: 0 },
      f: { min: '2.0', max: '8.0', nullCount: 0, hasNaN: true },
      n: { nullCount: 3 },
      'we"ird': { min: 'q"', max: 'q"' },
    })
    expect(Object.keys(files[0]?.columns ?? {}).sort()).toEqual(['f', 'id', 'n', 'we"ird'])
    expect(files.every((file) => file.path.endsWith('.staged') && file.sizeBytes > 100)).toBe(true)
  })

  test('the files are Parquet V1 with zstd, small row groups, no partition column, and the field ids that were asked for', async () => {
    const fieldIds = { id: 1, l: 2, 'l.element': 3, s: 4, 's.a': 5, 's.b c': 6, m: 7, 'm.key': 8, 'm.value': 9, p: 99 }
    const [file] = await engine.copy(source, options({ fieldIds }))
    const path = `'${file?.path}'`
    const ids = await engine.rows(`SELECT name, field_id FROM parquet_schema(${path}) WHERE field_id IS NOT NULL`)
    expect(Object.fromEntries(ids.map((row) => [row.name, Number(row.field_id)]))).toEqual({
      id: 1,
      l: 2,
      element: 3,
      s: 4,
      a: 5,
      'b c': 6,
      m: 7,
      key: 8,
      value: 9,
    })
    const [meta] = await engine.rows(`SELECT DISTINCT compression, encodings FROM parquet_metadata(${path}) LIMIT 1`)
    expect(meta?.compression).toBe('ZSTD')
    expect(
      (await engine.describe(`SELECT * FROM read_parquet(${path}, hive_partitioning = false)`)).map(({ name }) => name),
    ).not.toContain('p')
    const big = await engine.copy('SELECT i FROM range(300000) r(i)', options({ partitionBy: [] }))
    const groups = await engine.rows(
      `SELECT count(DISTINCT row_group_id) AS n FROM parquet_metadata(['${big.map((f) => f.path).join("','")}'])`,
    )
    expect(Number(groups[0]?.n)).toBeGreaterThan(1)
  })

  test('without partitions files end at the size that was asked for', async () => {
    const target = options({ partitionBy: [], targetFileBytes: 400_000, rowGroupRows: 20_480 })
    const files = await engine.copy('SELECT i, hash(i) AS h FROM range(500000) r(i)', target)
    expect(files.length).toBeGreaterThan(3)
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(500_000)
    expect(files[0]?.partitionKeys).toEqual({})
    const whole = await engine.copy('SELECT i FROM range(1000) r(i)', options({ partitionBy: [] }))
    expect(whole).toHaveLength(1)
  })

  test('two statements may write to one folder, and few open files lose no rows', async () => {
    const target = options({ maxOpenFiles: 2 })
    const sql = `SELECT i, 'v' || (i % 7) AS p FROM range(20000) r(i)`
    const files = [...(await engine.copy(sql, target)), ...(await engine.copy(sql, target))]
    expect(new Set(files.map((file) => file.path)).size).toBe(files.length)
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(40_000)
    expect(await engine.rows(`SELECT count(*) AS n FROM read_parquet('${target.folder}/**/*.staged')`)).toEqual([
      { n: 40000n },
    ])
  })

  test('no rows make no partitioned file', async () => {
    expect(await engine.copy(`${source} WHERE false`, options())).toEqual([])
  })

  test('names that would be patterns are refused', async () => {
    await expect(engine.copy(source, options({ name: '{i}/x' }))).rejects.toMatchObject({ code: 'invalid' })
  })
})
