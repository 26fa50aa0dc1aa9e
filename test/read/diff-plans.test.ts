/** Large sides take other ways to the same result: ranges of the key, and joins that do not fit into memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import { type DiffSettings, diff, isLakeError, openTable, parquet } from '../../src/index.js'
import { copyJoin } from '../../src/stage/compare/joined.js'
import { chooseBounds, type RowGroup } from '../../src/stage/compare/ranges.js'

let root: string
let made: Record<string, string>
const rows = 500_000

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diff-plans-'))
  const old = `SELECT i AS id, 'key ' || i AS name, DATE '1900-01-01' + CAST(i // 10 AS INTEGER) AS day, i % 7 AS n,
    'some text of ' || (i * 7919 % 100003) AS t FROM range(${rows}) r(i)`
  const now = `SELECT id, name, day, CASE WHEN id % 1000 = 5 THEN -1 ELSE n END AS n, t FROM (${old}) WHERE id % 1000 <> 6
    UNION ALL SELECT ${rows} + i, 'key new ' || i, DATE '1900-01-01', 0, NULL FROM range(100) r(i)`
  made = {
    old: await parquetOf('old', `${old} ORDER BY id`),
    now: await parquetOf('new', `SELECT * FROM (${now}) ORDER BY id`),
    shuffled: await parquetOf('shuffled', `SELECT * FROM (${now}) ORDER BY hash(id)`),
    withNull: await parquetOf('with-null', `SELECT * REPLACE (nullif(id, 400000) AS id) FROM (${now}) ORDER BY id`),
    repeated: await parquetOf(
      'repeated',
      `SELECT * FROM (${now} UNION ALL SELECT * FROM (${old}) WHERE id = 300000) ORDER BY id`,
    ),
  }
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function parquetOf(name: string, sql: string): Promise<string> {
  const path = join(root, `${name}.parquet`)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`SET preserve_insertion_order = true`)
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 20480)`)
  connection.closeSync()
  instance.closeSync()
  return path
}

const found = {
  inserted: 100,
  updated: 500,
  deleted: 500,
  unchanged: rows - 1000,
  changedColumns: { n: 500 },
  schema: { added: [], removed: [] },
  proved: true,
}
const between = (now: string, settings: DiffSettings = {}) =>
  diff(parquet(made.old as string), parquet(made[now] as string), {
    key: ['id'],
    prove: true,
    memory: '100MB',
    ...settings,
  })

const failure = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isLakeError(error) ? error.message : String(error)
}

describe('ranges of the key', () => {
  test('are compared by value, one after the other, where both sides lie in its order', async () => {
    await using changes = await between('now')
    expect(JSON.parse(JSON.stringify(changes))).toEqual({ ...found, algorithm: 'exact' })
    const rows = await changes.toArray()
    expect(rows).toHaveLength(1600)
    expect(rows[0]).toMatchObject({ id: 5n, n: 5n, _change_type: 'update_preimage', _changed_columns: ['n'] })
  })

  test('are those of the first column of a composite key, here a date', async () => {
    await using changes = await between('now', { key: ['day', 'name'], ignore: ['id'] })
    expect(JSON.parse(JSON.stringify(changes))).toEqual({ ...found, algorithm: 'exact' })
  })

  test('are not taken where a side lies in another order, and would be read over and over', async () => {
    await using changes = await between('shuffled')
    expect(JSON.parse(JSON.stringify(changes))).toEqual({
      ...found,
      algorithm: expect.stringMatching(/^duckdb-row-hash/),
    })
  })

  test('lose no key that is null, and find one that is repeated', async () => {
    expect(await failure(between('withNull'))).toContain('rows of the new side have no key')
    expect(await failure(between('repeated'))).toContain('keys occur more than once in the new side')
    expect(await failure(between('repeated'))).toContain('{"id":300000} 2 times')
  })

  test('are found in the files of a table', async () => {
    await using table = await openTable(join(root, 'table'), { key: ['id'] })
    await table.append(parquet(made.now as string), { sortBy: ['id'] })
    await using changes = await diff(parquet(made.old as string), join(root, 'table'), { memory: '100MB', prove: true })
    expect(changes).toMatchObject({ ...found, algorithm: 'exact' })
  })
})

describe('bounds of ranges', () => {
  const groups = (n: number, rows: number, width = rows, from = 0): RowGroup[] =>
    Array.from({ length: n }, (_, i) => {
      const min = BigInt(from + i * rows)
      return { min, max: min + BigInt(width) - 1n, rows }
    })

  test('begin with a row group', () => {
    expect(chooseBounds(groups(10, 100), groups(10, 100), 300)).toEqual([300n, 600n, 900n])
    expect(chooseBounds(groups(10, 100), groups(11, 95, 100, 7), 500)).toEqual([482n, 957n])
  })

  test('are none where all fits at once, or where row groups lie across many ranges', () => {
    expect(chooseBounds(groups(10, 100), groups(10, 100), 1000)).toEqual([])
    expect(chooseBounds(groups(10, 100, 1000), groups(10, 100, 1000), 300)).toBeUndefined()
    expect(chooseBounds(groups(10, 100), groups(10, 100, 900), 300)).toBeUndefined()
    expect(chooseBounds([], groups(10, 100), 1000)).toEqual([])
  })

  test('are none where one side has most of its rows between two of them', () => {
    const crowd = Array.from({ length: 30 }, () => ({ min: 150n, max: 160n, rows: 100 }))
    expect(chooseBounds(groups(40, 100), crowd, 300)).toBeUndefined()
  })
})

describe('a join of hashes', () => {
  test.each([['id'], ['name']])('that does not fit into memory spills: key %s', async (key) => {
    const tempFolder = mkdtempSync(join(root, 'temp-'))
    await using changes = await between('shuffled', { key: [key], memory: '120MB', threads: 2, tempFolder })
    expect(changes).toMatchObject({ ...found, algorithm: expect.stringMatching(/^duckdb-row-hash/) })
    expect(await changes.toArray()).toHaveLength(1600)
  })

  test('holds the smaller side, whichever it is', async () => {
    const few = await parquetOf('few', `SELECT * FROM '${made.old}' WHERE id < 1000 OR id = 400000`)
    for (const key of ['id', 'name']) {
      const settings: DiffSettings = { key: [key], prove: true }
      await using less = await diff(parquet(made.old as string), parquet(few), settings)
      expect(less).toMatchObject({ inserted: 0, updated: 0, deleted: rows - 1001, unchanged: 1001 })
      await using more = await diff(parquet(few), parquet(made.old as string), settings)
      expect(more).toMatchObject({ inserted: rows - 1001, updated: 0, deleted: 0, unchanged: 1001 })
    }
  })

  test('says how many rows it gave before they were filtered, spilled or not', async () => {
    for (const memory of ['1GB', '120MB']) {
      const engine = await openDuckDB({ memory, threads: 2, spillFolder: join(root, 'spill') })
      const [old, now] = [`read_parquet('${made.old}')`, `read_parquet('${made.shuffled}')`]
      const joined = `SELECT o.id AS a, n.id AS b FROM ${now} n FULL JOIN ${old} o ON n.id = o.id WHERE o.n IS DISTINCT FROM n.n`
      expect(await copyJoin(engine, joined, join(root, `joined-${memory}.parquet`), {})).toBe(rows + 100)
      await engine.close()
    }
  })
})
