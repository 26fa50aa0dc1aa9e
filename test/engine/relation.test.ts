import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesRelation, type RelationFile } from '../../src/engine/relation.js'
import { quotePath } from '../../src/engine/sql.js'
import type { PartitionValues } from '../../src/manifest/actions.js'
import { toSql } from '../../src/schema/duckdb.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { type Duck, openDuck } from '../schema/duck.js'

let duck: Duck
let root: string

beforeAll(async () => {
  duck = await openDuck()
  root = mkdtempSync(join(tmpdir(), 'relation-'))
})
afterAll(() => {
  duck.close()
  rmSync(root, { recursive: true })
})

const columns = (text: Record<string, string>): Schema =>
  Object.entries(text).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))

async function write(key: string, select: string, partitionValues: PartitionValues = {}): Promise<RelationFile> {
  const path = join(root, key)
  mkdirSync(dirname(path), { recursive: true })
  const plain = join(root, 'written.tmp')
  await duck.rows(`COPY (${select}) TO ${quotePath(plain)} (FORMAT parquet)`)
  copyFileSync(plain, path)
  return { path, key, partitionValues }
}

const full = (file: RelationFile, rows: number, names: string[], digest = 'abc'): RelationFile => ({
  ...file,
  stats: JSON.stringify({ numRecords: rows, nullCount: Object.fromEntries(names.map((name) => [name, 0])) }),
  tags: { 'lakewright.fp': `a:b:${digest}:1.1.1` },
})

const awkward = [
  'plain',
  'a[b]c',
  'a*c',
  'a?c',
  'b]',
  '[z]{y}',
  'é ü',
  "q'uote",
  'a%20b',
  '**',
  '[!a]',
  'tab\there',
  '\\',
]

describe('paths', () => {
  test('a path means itself, whatever characters it has, and its key comes back', async () => {
    const files: RelationFile[] = []
    for (const name of awkward) files.push(await write(`odd/${name}/f ${name}.parquet`, `SELECT 1 AS id`, { p: name }))
    const sql = filesRelation({
      files,
      schema: columns({ p: 'varchar', id: 'bigint' }),
      partitionBy: ['p'],
      provenance: true,
    })
    const rows = await duck.rows(sql)
    expect(rows.map((row) => [row.p, row.__lw_file]).sort()).toEqual(
      awkward.map((name) => [name, `odd/${name}/f ${name}.parquet`]).sort(),
    )
  })

  test.each([
    ['where the file is in its place', (key: string) => key],
    ['where the file is somewhere else', () => 'keys/elsewhere.parquet'],
  ])('rows are numbered from 0 in their file, %s', async (_, keyOf) => {
    const file = await write('rows/a.parquet', 'SELECT range AS id FROM range(5)')
    const other = await write('rows/b.parquet', 'SELECT 7 AS id')
    const files = [{ ...file, key: keyOf(file.key) }, other]
    const rows = await duck.rows(
      filesRelation({ files, schema: columns({ id: 'bigint' }), partitionBy: [], provenance: true }),
    )
    expect(rows.filter((row) => row.__lw_file === keyOf(file.key)).map((row) => Number(row.__lw_row))).toEqual([
      0, 1, 2, 3, 4,
    ])
    expect(rows.find((row) => row.id === '7')).toEqual({ id: '7', __lw_file: 'rows/b.parquet', __lw_row: '0' })
  })
})

describe('partition values', () => {
  const schema = columns({ id: 'bigint', dt: 'date', region: 'varchar', n: 'integer' })
  const partitionBy = ['dt', 'region', 'n']
  const value = { dt: '2026-11-20', region: 'US/East', n: '7' }
  const none = { dt: null, region: null, n: null }
  const nullFolder = '__HIVE_DEFAULT_PARTITION__'

  test('folders that say what the manifest says are read by DuckDB itself, so files are pruned', async () => {
    const files = [
      await write('h/dt=2026-11-20/region=US%2FEast/n=7/a.parquet', 'SELECT 1 AS id', value),
      await write(`h/dt=${nullFolder}/region=${nullFolder}/n=${nullFolder}/b.parquet`, 'SELECT 2 AS id', none),
    ]
    const sql = filesRelation({ files, schema, partitionBy })
    expect(sql).toContain('hive_partitioning = true')
    expect(await duck.rows(`${sql} ORDER BY id`)).toEqual([
      { id: '1', ...value, n: 7 },
      { id: '2', ...none },
    ])
    const plan = await duck.rows(`EXPLAIN SELECT id FROM (${sql}) WHERE region = 'US/East'`)
    expect(plan[0]?.explain_value).toContain('Scanning Files: 1/2')
  })

  test.each([
    ['a folder says another value', 'w/dt=2026-11-21/region=US%2FEast/n=7/a.parquet'],
    ['a folder is missing', 'w/dt=2026-11-20/n=7/a.parquet'],
    ['a folder above has the form of a partition', 'id=99/dt=2026-11-20/region=US%2FEast/n=7/a.parquet'],
    ['a name differs in case', 'w/DT=2026-11-20/region=US%2FEast/n=7/a.parquet'],
  ])('the manifest rules where %s', async (_, key) => {
    const files = [
      await write(key, 'SELECT 1 AS id', value),
      await write('w/other.parquet', 'SELECT 2 AS id', { dt: '2026-11-22', region: 'NULL', n: '-1' }),
    ]
    const rows = await duck.rows(`${filesRelation({ files, schema, partitionBy })} ORDER BY id`)
    expect(rows).toEqual([
      { id: '1', ...value, n: 7 },
      { id: '2', dt: '2026-11-22', region: 'NULL', n: -1 },
    ])
  })

  test('one partition is a constant, in the column’s place and type', async () => {
    const files = [await write('one/a.parquet', 'SELECT 1 AS id', value)]
    const sql = filesRelation({ files, schema: schema.toReversed(), partitionBy })
    expect(await duck.rows(sql)).toEqual([{ n: 7, region: 'US/East', dt: '2026-11-20', id: '1' }])
    expect((await duck.rows(`DESCRIBE ${sql}`)).map((row) => row.column_name)).toEqual(['n', 'region', 'dt', 'id'])
  })

  test('a timestamp without a zone is UTC in any session, a blob is its bytes', async () => {
    const typed = columns({ at: 'timestamp', bytes: 'blob', id: 'bigint' })
    const files = [
      await write('t/a.parquet', 'SELECT 1 AS id', { at: '2026-11-20 10:00:00', bytes: '\u0001ÿ' }),
      await write('t/b.parquet', 'SELECT 2 AS id', { at: '2026-11-20T10:00:00.000Z', bytes: '' }),
    ]
    for (const chosen of [files, files.slice(0, 1)]) {
      const sql = filesRelation({ files: chosen, schema: typed, partitionBy: ['at', 'bytes'] })
      const rows = await duck.rows(`SELECT epoch_ms("at") AS ms, hex(bytes) AS hex FROM (${sql}) ORDER BY id`)
      expect(rows[0]).toEqual({ ms: String(Date.UTC(2026, 10, 20, 10)), hex: '01FF' })
      if (chosen.length === 2) expect(rows[1]).toEqual({ ms: String(Date.UTC(2026, 10, 20, 10)), hex: null })
    }
  })

  test('a column that the file has itself does not beat the manifest', async () => {
    const files = [
      await write('both/a.parquet', `SELECT 1 AS id, 'file' AS region`, { region: 'manifest' }),
      await write('both/region=x/b.parquet', `SELECT 2 AS id, 'file' AS region`, { region: 'x' }),
    ]
    const request = { schema: columns({ id: 'bigint', region: 'varchar' }), partitionBy: ['region'] }
    for (const chosen of [files, files.slice(0, 1)]) {
      const rows = await duck.rows(`${filesRelation({ ...request, files: chosen })} ORDER BY id`)
      expect(rows.map((row) => row.region)).toEqual(['manifest', 'x'].slice(0, chosen.length))
    }
  })
})

describe('columns', () => {
  const schema = columns({
    added: 'decimal(10,2)',
    id: 'bigint',
    at: 'timestamp',
    s: 'struct(a integer, b varchar)',
    l: 'struct(a integer, b varchar)[]',
    never: 'map(varchar, integer)',
  })
  const older = `SELECT {'a': 1} AS s, [{'a': 1}] AS l, 1::INTEGER AS ID, TIMESTAMP '2026-11-20 10:00:00' AS at`
  const newer = `SELECT 2::BIGINT AS id, {'a': 2, 'b': 'x'} AS s, [{'a': 2, 'b': 'x'}] AS l,
    TIMESTAMPTZ '2026-11-20 10:00:00+00' AS at, 1.5::DECIMAL(10,2) AS added, 'dropped' AS gone`

  test('what older files lack is a typed null, nested fields and the whole column alike', async () => {
    const files = [await write('c/new.parquet', newer), await write('c/old.parquet', older)]
    for (const chosen of [files, files.toReversed(), files.slice(1), files.slice(0, 1)]) {
      const sql = filesRelation({ files: chosen, schema, partitionBy: [] })
      const described = await duck.rows(`DESCRIBE ${sql}`)
      expect(described.map((row) => [row.column_name, row.column_type])).toEqual(
        schema.map((field) => [field.name, toSql(field.type).replaceAll(/"(\w+)"/g, '$1')]),
      )
      const rows = await duck.rows(`SELECT id, added, s, l, never FROM (${sql}) WHERE id = 1`)
      const expected = { id: '1', added: null, s: { a: 1, b: null }, l: [{ a: 1, b: null }], never: null }
      expect(rows).toEqual(chosen.some((file) => file.key.endsWith('old.parquet')) ? [expected] : [])
    }
  })

  test('a naive timestamp of another writer is UTC in any session', async () => {
    const files = [await write('ts/old.parquet', older)]
    const rows = await duck.rows(
      `SELECT epoch_ms("at") AS ms FROM (${filesRelation({ files, schema, partitionBy: [] })})`,
    )
    expect(rows).toEqual([{ ms: String(Date.UTC(2026, 10, 20, 10)) }])
  })

  test('footers are not united where statistics of ours name every column', async () => {
    const flat = columns({ id: 'bigint', v: 'double' })
    const file = await write('p/a.parquet', 'SELECT 1::BIGINT AS id, 1.5::DOUBLE AS v')
    const sql = filesRelation({ files: [full(file, 1, ['id', 'v'])], schema: flat, partitionBy: [] })
    expect(sql).not.toContain('union_by_name')
    expect(await duck.rows(sql)).toEqual([{ id: '1', v: 1.5 }])
    const partly = filesRelation({ files: [full(file, 1, ['id'])], schema: flat, partitionBy: [] })
    expect(partly).toContain('union_by_name')
  })

  test('a file that stood through a widening does not narrow the others', async () => {
    const flat = columns({ v: 'double' })
    const files = [
      full(await write('widen/a.parquet', 'SELECT NULL::INTEGER AS v'), 1, ['v'], 'old'),
      full(await write('widen/b.parquet', 'SELECT 1.5::DOUBLE AS v'), 1, ['v'], 'new'),
    ]
    const rows = await duck.rows(`${filesRelation({ files, schema: flat, partitionBy: [] })} ORDER BY v`)
    expect(rows).toEqual([{ v: 1.5 }, { v: null }])
  })

  test('another writer’s null count of all rows is no proof that the column is there', async () => {
    const flat = columns({ id: 'bigint', v: 'double' })
    const has = await write('foreign/a.parquet', 'SELECT 1::BIGINT AS id, 1.5::DOUBLE AS v')
    const lacks = await write('foreign/b.parquet', 'SELECT 2::BIGINT AS id')
    const files = [
      { ...has, stats: '{"numRecords":1,"nullCount":{"id":0,"v":0}}' },
      { ...lacks, stats: '{"numRecords":1,"nullCount":{"id":0,"v":1}}' },
    ]
    const rows = await duck.rows(`${filesRelation({ files, schema: flat, partitionBy: [] })} ORDER BY id`)
    expect(rows).toEqual([
      { id: '1', v: 1.5 },
      { id: '2', v: null },
    ])
  })

  test('a table without files has its columns and no rows', async () => {
    const sql = filesRelation({ files: [], schema, partitionBy: ['id'], provenance: true })
    expect(await duck.rows(sql)).toEqual([])
    expect((await duck.rows(`DESCRIBE ${sql}`)).map((row) => row.column_name)).toEqual([
      ...schema.map((field) => field.name),
      '__lw_file',
      '__lw_row',
    ])
  })

  test('a table of partition columns only has as many rows as its files', async () => {
    const only = columns({ p: 'varchar' })
    const files = [
      await write('only/a.parquet', 'SELECT 1 AS hidden FROM range(3)', { p: 'x' }),
      await write('only/b.parquet', 'SELECT 1 AS hidden', { p: null }),
    ]
    const sql = filesRelation({ files, schema: only, partitionBy: ['p'] })
    expect(await duck.rows(`SELECT p, count(*)::INTEGER AS n FROM (${sql}) GROUP BY p ORDER BY p NULLS LAST`)).toEqual([
      { p: 'x', n: 3 },
      { p: null, n: 1 },
    ])
  })
})

test('masked rows are refused, not shown', () => {
  const file = { path: '/x', key: 'x', partitionValues: {}, deletionVector: { storageType: 'u' } }
  expect(() => filesRelation({ files: [file], schema: columns({ id: 'bigint' }), partitionBy: [] })).toThrow(
    /deletion vector/,
  )
})
