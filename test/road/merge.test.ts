/**
 * `merge` on every kind of store: rows by key are updated, inserted and deleted, the counts add up, and files without such
 * a row stay as they are.
 */
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import { quotePath } from '../../src/engine/sql.js'
import { type LoadSettings, openTable, parquet, type Table, type TableSettings } from '../../src/index.js'
import { openParquet } from '../../src/stage/parquet/splice.js'
import { feedOf } from './feed.js'
import { localPlace, onePlaceOfEachKind, type Place } from './places.js'

const first = [
  { id: 1, dt: '2026-11-01', amount: 1.5, city: 'Rome' },
  { id: 2, dt: '2026-11-01', amount: 2.5, city: null },
  { id: 3, dt: '2026-11-02', amount: 3.5, city: 'Turin' },
  { id: 4, dt: '2026-11-03', amount: null, city: 'Bari' },
]
const [one, two, three, four] = first
const byDay: TableSettings = { partitionBy: ['dt'], key: ['id'] }

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('known keys are updated, new ones inserted, and files without a changed row keep their keys', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    expect(await table.merge(first)).toMatchObject({
      ...{ status: 'committed', created: true, version: 0, mode: 'merge' },
      rows: { read: 4, written: 4, inserted: 4, updated: 0, deleted: 0, unchanged: 0, ignored: 0 },
    })
    const before = await keysOf(table)
    const receipt = await table.merge([
      { id: 1, dt: '2026-11-01', amount: 10.5, city: 'Rome' },
      { id: 3, dt: '2026-11-02', amount: 3.5, city: 'Turin' },
      { id: 5, dt: '2026-11-04', amount: 5.5, city: 'Pisa' },
    ])
    expect(receipt).toMatchObject({
      status: 'committed',
      version: 1,
      rows: { read: 3, written: 3, inserted: 1, updated: 1, deleted: 0, unchanged: 1, ignored: 0 },
      partitions: { replaced: ['dt=2026-11-01', 'dt=2026-11-04'], removed: [], unchanged: 2 },
      files: { added: 2, removed: 1 },
    })
    const after = await keysOf(table)
    expect(before.filter((key) => after.includes(key))).toEqual(before.filter((key) => !key.includes('dt=2026-11-01')))
    expect(await rowsOf(table)).toEqual([
      { ...one, amount: 10.5 },
      ...[two, three, four],
      { id: 5, dt: '2026-11-04', amount: 5.5, city: 'Pisa' },
    ])
    expect(await rowsOf(table, 0)).toEqual(first)
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('rows that are there already write nothing and make no version', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.merge(first)
    expect(await table.merge(first.toReversed())).toMatchObject({
      status: 'unchanged',
      version: 0,
      rows: { read: 4, written: 0, inserted: 0, updated: 0, deleted: 0, unchanged: 4, ignored: 0 },
      files: { added: 0, removed: 0 },
    })
  })

  test('deleteWhen takes known rows away and ignores unknown ones, and its column is not stored', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    const deleteWhen = 'incoming.is_deleted'
    const made = await table.merge(
      [...first.map((row) => ({ ...row, is_deleted: false })), { ...one, id: 9, is_deleted: true }],
      { deleteWhen },
    )
    expect(made.rows).toMatchObject({ read: 5, inserted: 4, ignored: 1 })
    expect((await table.snapshot()).columns.map(({ name }) => name)).toEqual(['id', 'dt', 'amount', 'city'])
    const receipt = await table.merge(
      [
        { ...one, is_deleted: true },
        { ...two, amount: 22.5, is_deleted: null },
        { ...three, is_deleted: true },
        { ...one, id: 10, is_deleted: true },
        { ...one, id: 11, is_deleted: false },
      ],
      { deleteWhen },
    )
    expect(receipt).toMatchObject({
      rows: { read: 5, written: 2, inserted: 1, updated: 1, deleted: 2, unchanged: 0, ignored: 1 },
      partitions: { replaced: ['dt=2026-11-01'], removed: ['dt=2026-11-02'], unchanged: 1 },
    })
    expect(await rowsOf(table)).toEqual([{ ...two, amount: 22.5 }, four, { ...one, id: 11 }])
  })

  test('whenMatched leaves rows alone of which it is not true', async () => {
    await using place = await make()
    await using table = await open(place, { key: ['id'] })
    await table.merge([
      { id: 1, at: 5, v: 'a' },
      { id: 2, at: 5, v: 'b' },
      { id: 3, at: null, v: 'c' },
      { id: 4, at: 5, v: 'd' },
    ])
    const later = [
      { id: 1, at: 4, v: 'older' },
      { id: 2, at: 6, v: 'newer' },
      { id: 3, at: 6, v: 'against null' },
      { id: 4, at: null, v: 'null' },
      { id: 5, at: 1, v: 'new' },
    ]
    const receipt = await table.merge(later, { whenMatched: 'incoming.at > current.at' })
    expect(receipt.rows).toMatchObject({ read: 5, inserted: 1, updated: 1, deleted: 0, unchanged: 0, ignored: 3 })
    expect((await rowsOf(table)).map(({ v }) => v)).toEqual(['a', 'newer', 'c', 'd', 'new'])
  })

  test('updateColumns and columns that the input lacks leave the others as they are', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.merge(first)
    const some = await table.merge(
      [
        { id: 1, dt: '2026-11-09', amount: 9, city: 'Nuoro' },
        { id: 6, dt: '2026-11-01', amount: 6.5, city: 'Lecce' },
      ],
      { updateColumns: ['City'] },
    )
    expect(some.rows).toMatchObject({ inserted: 1, updated: 1 })
    const fewer = await table.merge([
      { id: 3, dt: '2026-11-02', city: 'Asti' },
      { id: 7, dt: '2026-11-02', city: 'Como' },
    ])
    expect(fewer.rows).toMatchObject({ inserted: 1, updated: 1 })
    expect(await rowsOf(table)).toEqual([
      { ...one, city: 'Nuoro' },
      two,
      { ...three, city: 'Asti' },
      four,
      { id: 6, dt: '2026-11-01', amount: 6.5, city: 'Lecce' },
      { id: 7, dt: '2026-11-02', amount: null, city: 'Como' },
    ])
  })

  test('whenNotMatchedBySource deletes what the input lacks, in the scope where there is one', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.merge(first)
    const scoped = { whenNotMatchedBySource: 'delete', scope: { dt: '2026-11-01' } } as const
    expect(await table.merge([{ ...two, city: 'Enna' }], scoped)).toMatchObject({
      rows: { read: 1, written: 1, inserted: 0, updated: 1, deleted: 1, unchanged: 0, ignored: 0 },
      partitions: { replaced: ['dt=2026-11-01'], removed: [], unchanged: 2 },
    })
    expect(await table.merge([three], { whenNotMatchedBySource: 'delete' })).toMatchObject({
      rows: { read: 1, written: 0, inserted: 0, updated: 0, deleted: 2, unchanged: 1, ignored: 0 },
      partitions: { replaced: [], removed: ['dt=2026-11-01', 'dt=2026-11-03'], unchanged: 1 },
    })
    expect(await rowsOf(table)).toEqual([three])
    expect(
      await table.merge([], { types: { id: 'bigint', dt: 'varchar' }, whenNotMatchedBySource: 'keep' }),
    ).toMatchObject({ status: 'unchanged' })
  })

  test('a row whose partition value changed moves', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.merge(first)
    expect(
      await table.merge([
        { ...one, dt: '2026-11-03' },
        { ...three, dt: '2026-11-09' },
      ]),
    ).toMatchObject({
      rows: { inserted: 0, updated: 2, deleted: 0 },
      partitions: {
        replaced: ['dt=2026-11-01', 'dt=2026-11-03', 'dt=2026-11-09'],
        removed: ['dt=2026-11-02'],
        unchanged: 0,
      },
    })
    expect(await rowsOf(table)).toEqual([{ ...one, dt: '2026-11-03' }, two, { ...three, dt: '2026-11-09' }, four])
  })

  test('a merge that loses the race is planned again, and gives what one after the other would', async () => {
    await using place = await make()
    await using other = await open(place, byDay)
    await other.merge(first)
    await using table = await open(place)
    async function* rows() {
      yield { ...one, city: 'mine' }
      // A key of mine is changed, another one of mine comes into being.
      await other.merge([
        { ...one, amount: 100.5, city: 'theirs' },
        { id: 8, dt: '2026-11-05', amount: 8.5, city: 'theirs' },
      ])
      yield { id: 8, dt: '2026-11-06', amount: 8.5, city: 'mine' }
    }
    const receipt = await table.merge(rows(), { updateColumns: ['city', 'dt'] })
    expect(receipt).toMatchObject({ version: 2, rows: { read: 2, inserted: 0, updated: 2, unchanged: 0 } })
    expect(await rowsOf(table)).toEqual([
      { ...one, amount: 100.5, city: 'mine' },
      ...[two, three, four],
      { id: 8, dt: '2026-11-06', amount: 8.5, city: 'mine' },
    ])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })
})

describe('a load that is refused', () => {
  test.each([
    ['a null key', [{ id: null, v: 1 }], {}, 'rows of the input have no key'],
    [
      'a key that comes twice',
      [
        { id: 1, v: 1 },
        { id: 1, v: 2 },
      ],
      {},
      'keys occur more than once in the input',
    ],
    ['a key of the table that is there twice', [{ id: 7, v: 1 }], {}, 'keys occur more than once in the table'],
    ['duplicates without an order', [{ id: 1, v: 1 }], { onDuplicate: 'last' }, 'nothing says which of several rows'],
    ['a column that the table does not have', [{ id: 1, w: 1 }], {}, 'column'],
    ['an unknown column to update', [{ id: 1, v: 1 }], { updateColumns: ['w'] }, 'does not supply'],
    ['the key as a column to update', [{ id: 1, v: 1 }], { updateColumns: ['id'] }, 'a column of the key'],
    ['a condition with an unknown column', [{ id: 1, v: 1 }], { deleteWhen: 'incoming.gone' }, 'no column `gone`'],
    ['a condition with two meanings', [{ id: 1, v: 1 }], { whenMatched: 'v > 1' }, 'both rows have a column `v`'],
    [
      'a condition on different kinds',
      [{ id: 1, v: 1, t: 'x' }],
      { whenMatched: 'incoming.t > current.v' },
      'cannot be compared',
    ],
    ['a scope without partitions', [{ id: 1, v: 1 }], { scope: 'v = 1' }, 'no partition column'],
  ] satisfies [string, object[], LoadSettings, string][])('%s', async (_, rows, settings, message) => {
    await using place = await localPlace()
    await using table = await open(place, { key: ['id'] })
    await table.append([
      { id: 1, v: 0 },
      { id: 7, v: 7 },
      { id: 7, v: 8 },
    ])
    await expect(table.merge(rows, { types: { id: 'bigint' }, ...settings })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(message),
    })
    expect((await table.snapshot()).version).toBe(0)
  })

  test('rows outside the scope, and keys that lie outside of it', async () => {
    await using place = await localPlace()
    await using table = await open(place, byDay)
    await table.merge(first)
    const scope = { dt: '2026-11-01' }
    await expect(table.merge([three], { scope })).rejects.toThrow('rows lie outside the scope')
    const moved = table.merge([{ ...three, dt: '2026-11-01' }], { scope })
    await expect(moved).rejects.toThrow('keys of the input are in the table outside the scope')
    expect((await table.merge([{ ...one, city: 'Enna' }], { scope })).rows).toMatchObject({ updated: 1 })
  })

  test('a table with a column that hides the numbers of its rows', async () => {
    await using place = await localPlace()
    await using table = await open(place, { key: ['id'] })
    await table.append([{ id: 1, file_row_number: 1 }])
    await expect(table.merge([{ id: 1, file_row_number: 2 }])).rejects.toMatchObject({ code: 'unsupported' })
  })

  test('a key that is there twice is of no matter to a load that does not touch it', async () => {
    await using place = await localPlace()
    await using table = await open(place, { key: ['id'] })
    await table.append([
      { id: 7, v: 7 },
      { id: 7, v: 8 },
      { id: 1, v: 0 },
    ])
    expect((await table.merge([{ id: 1, v: 1 }])).rows).toMatchObject({ updated: 1 })
    expect((await rowsOf(table)).map(({ v }) => Number(v)).sort()).toEqual([1, 7, 8])
  })
})

test('of several rows with one key the last by their order counts, and the others are ignored', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['id'] })
  const rows = [
    { id: 1, at: 1, v: 'a', gone: false },
    { id: 1, at: 3, v: 'c', gone: false },
    { id: 1, at: 2, v: 'b', gone: false },
    { id: 2, at: null, v: 'x', gone: false },
    { id: 2, at: 1, v: 'y', gone: false },
    { id: 2, at: 1, v: 'y', gone: false },
  ]
  const settings: LoadSettings = { onDuplicate: 'last', orderBy: ['at'], deleteWhen: 'gone' }
  expect((await table.merge(rows, settings)).rows).toMatchObject({ read: 6, inserted: 2, ignored: 4 })
  expect((await rowsOf(table)).map(({ v }) => v)).toEqual(['c', 'y'])
  // Nothing but the column that is not stored differs.
  const tied = [
    { id: 1, at: 9, v: 'z', gone: false },
    { id: 1, at: 9, v: 'z', gone: true },
  ]
  await expect(table.merge(tied, settings)).rejects.toThrow('same key and the same order differ')
})

test('an updated row keeps the time of its creation, an unchanged one all that is known of it', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['id'] })
  await table.merge(
    [
      { id: 1, v: 1 },
      { id: 2, v: 2 },
    ],
    { addLoadColumns: true, loadId: 'first' },
  )
  await table.merge(
    [
      { id: 1, v: 10 },
      { id: 2, v: 2 },
      { id: 3, v: 3 },
    ],
    { loadId: 'second' },
  )
  const rows = await table.query('select * exclude (v) from t order by id').toArray()
  const [old, same, made] = rows
  expect(rows.map((row) => row._load_id)).toEqual(['second', 'first', 'second'])
  expect(old?._created_at).toEqual(same?._created_at)
  expect(old?._updated_at).toEqual(made?._updated_at)
  expect(old?._loaded_at).toEqual(made?._created_at)
  expect(same?._updated_at).toEqual(same?._created_at)
  expect(old?._created_at).not.toEqual(old?._updated_at)
  // The same content under the same id is known again; the columns of ours are no part of it.
  const again = await table.merge(
    [
      { id: 3, v: 3 },
      { id: 1, v: 10 },
      { id: 2, v: 2 },
    ],
    { loadId: 'second' },
  )
  expect(again).toMatchObject({ status: 'duplicate', version: 1 })
})

test('equal values are equal in every type, and nulls are values', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['k', 'n'] })
  const types = { d: 'decimal(10,2)', f: 'double', t: 'timestamp', b: 'blob' }
  const rows = [
    { k: 'a', n: 0, d: '1.10', f: Number.NaN, t: '2026-11-20T10:00:00Z', l: [1, null], s: { x: 1, y: null }, b: null },
    { k: 'a', n: 1, d: null, f: -0, t: null, l: [], s: null, b: new Uint8Array([0, 1]) },
    { k: 'ä', n: 0, d: '0.00', f: null, t: '1970-01-01T00:00:00Z', l: null, s: { x: null, y: 'ü' }, b: null },
  ]
  await table.merge(rows, { types })
  const same = [{ ...rows[0], t: '2026-11-20T12:00:00+02:00' }, { ...rows[1], f: 0 }, rows[2]]
  expect(await table.merge(same, { types })).toMatchObject({ status: 'unchanged', rows: { unchanged: 3 } })
  const other = [
    { ...rows[0], l: [1] },
    { ...rows[1], l: null },
    { ...rows[2], s: null },
  ]
  expect((await table.merge(other, { types })).rows).toMatchObject({ updated: 3, unchanged: 0 })
  expect(await table.query('select k, n, l, s from t order by k, n').toArray()).toEqual([
    { k: 'a', n: 0n, l: [1n], s: { x: 1n, y: null } },
    { k: 'a', n: 1n, l: null, s: null },
    { k: 'ä', n: 0n, l: null, s: null },
  ])
})

test('columns may be added and widened by a merge, and the counts say what it did', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['id'], partitionBy: ['p'] })
  const types = { v: 'integer' }
  await table.merge(
    [
      { id: 1, p: 'a', v: 1 },
      { id: 2, p: 'b', v: 2 },
      { id: 3, p: 'b', v: 3 },
    ],
    { types },
  )
  const wide = [
    { id: 2, p: 'b', v: 2 ** 40, more: 'x' },
    { id: 4, p: 'a', v: 4, more: null },
  ]
  const receipt = await table.merge(wide, { schema: 'evolve' })
  expect(receipt.rows).toMatchObject({ read: 2, inserted: 1, updated: 1, unchanged: 0, rewritten: 1 })
  expect(await table.query('select * from t order by id').toArray()).toEqual([
    { id: 1n, p: 'a', v: 1n, more: null },
    { id: 2n, p: 'b', v: 2n ** 40n, more: 'x' },
    { id: 3n, p: 'b', v: 3n, more: null },
    { id: 4n, p: 'a', v: 4n, more: null },
  ])
  expect((await table.verify({ deep: true })).problems).toEqual([])
  expect(await feedOf(place, 1)).toEqual([
    { id: 2n, p: 'b', v: 2n, more: null, _change_type: 'update_preimage' },
    { id: 2n, p: 'b', v: 2n ** 40n, more: 'x', _change_type: 'update_postimage' },
    { id: 4n, p: 'a', v: 4n, more: null, _change_type: 'insert' },
  ])
})

test('the feed of a load that only adds rows, but rewrites a file for the type of a column, has these rows', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['id'] })
  await table.merge([{ id: 1, v: 1 }], { types: { v: 'integer' } })
  const receipt = await table.merge([{ id: 2, v: 2 ** 40 }], { schema: 'evolve' })
  expect(receipt.rows).toMatchObject({ inserted: 1, updated: 0, rewritten: 1 })
  expect(await feedOf(place, 1)).toEqual([{ id: 2n, v: 2n ** 40n, _change_type: 'insert' }])
})

test('files that cannot hold a key, by partition or statistics, are not looked at', async () => {
  await using place = await localPlace()
  await using table = await open(place, { key: ['dt', 'id'], partitionBy: ['dt'] })
  await table.append([{ dt: 'b', id: 1, v: 1 }])
  await table.append([{ dt: 'a', id: 100, v: 1 }])
  const unneeded = await keysOf(table)
  await table.append([{ dt: 'a', id: 1, v: 1 }])
  await table.append([
    { dt: 'a', id: 200, v: 1 },
    { dt: 'a', id: 300, v: 1 },
  ])
  for (const key of unneeded) await rm(join(place.url, 't', key))
  // 100 lies between the keys, and is in another partition too.
  const rows = [
    { dt: 'a', id: 1, v: 2 },
    { dt: 'a', id: 300, v: 2 },
    { dt: 'c', id: 100, v: 2 },
  ]
  expect((await table.merge(rows)).rows).toMatchObject({ inserted: 1, updated: 2 })
})

test('the change feed has the rows that changed, and none where a load only adds files', async () => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await table.merge(first)
  expect(await feedOf(place, 0)).toEqual([])
  await table.merge(
    [
      { ...one, amount: 11, gone: false },
      { ...two, gone: true },
      { ...three, gone: false },
      { ...one, id: 9, gone: false },
    ],
    { deleteWhen: 'gone' },
  )
  expect(await feedOf(place, 1)).toEqual([
    { ...one, id: 1n, _change_type: 'update_preimage' },
    { ...one, id: 1n, amount: 11, _change_type: 'update_postimage' },
    { ...two, id: 2n, _change_type: 'delete' },
    { ...one, id: 9n, _change_type: 'insert' },
  ])
  await table.merge([{ ...one, id: 12 }])
  expect(await feedOf(place, 2)).toEqual([])
})

describe('a large file of which little changes', () => {
  const rows = 800_000
  const half = `SELECT range AS id, 'p' || range % 2 AS p, range * 0.5 AS amount, 'city ' || range % 100 AS city,
    'a text about ' || range AS note, [range, NULL] AS list, DATE '2026-01-01' + (range % 300)::INTEGER AS day`

  async function largeTable(place: Place, settings: LoadSettings = {}): Promise<Table> {
    const file = join(place.url, 'rows.parquet')
    await withEngine((engine) =>
      engine.run(`COPY (${half} FROM range(${rows})) TO ${quotePath(file)} (FORMAT parquet)`),
    )
    const table = await open(place, { partitionBy: ['p'], key: ['id'] })
    await table.merge(parquet(file), settings)
    return table
  }

  test('keeps the bytes of the columns in which nothing changes', async () => {
    await using place = await localPlace()
    await using table = await largeTable(place)
    const [before = ''] = (await keysOf(table)).filter((key) => key.startsWith('p=p0'))
    const ids = [0, 2, 20_000, 799_998]
    const rowOf = (id: number) => ({
      id,
      p: 'p0',
      city: `city ${id % 100}`,
      note: `a text about ${id}`,
      list: [id, null],
    })
    const changed = ids.map((id) => ({ ...rowOf(id), amount: -id, day: `2026-${id === 0 ? '01-01' : '09-09'}` }))
    const fresh = { ...rowOf(900_000), amount: 1.5, day: '2020-01-01' }
    const receipt = await table.merge([...changed, fresh])
    expect(receipt).toMatchObject({
      rows: { inserted: 1, updated: 3, unchanged: 1 },
      files: { added: 1, removed: 1 },
      partitions: { replaced: ['p=p0'], unchanged: 1 },
    })
    expect(receipt.rows.written).toBe(rows / 2 + 1)
    const [after = ''] = (await keysOf(table)).filter((key) => key.startsWith('p=p0'))
    expect((await sameBytes(place, before, after)).columns).toEqual(['city', 'id', 'list', 'note'])
    expect((await table.verify({ deep: true })).problems).toEqual([])
    const found = await table
      .query(`select count(*) as n, count(*) filter (amount = id * 0.5 and note = 'a text about ' || id and list[1] = id) as same,
        list(amount order by id) filter (amount < 0 or id = 900000) as amounts, min(day) as first, max(day) as last from t`)
      .toArray()
    expect(found).toEqual([
      {
        n: 800_001n,
        same: 799_997n,
        amounts: ['-2.0', '-20000.0', '-799998.0', '1.5'],
        first: '2020-01-01',
        last: '2026-10-27',
      },
    ])
  })

  test('also where rows go, rows move, and what the input lacks is kept', async () => {
    await using place = await localPlace()
    await using table = await largeTable(place, { addLoadColumns: true })
    const [before = ''] = (await keysOf(table)).filter((key) => key.startsWith('p=p1'))
    const receipt = await table.merge(
      [
        ...[1, 3, 5].map((id) => ({ id, p: 'p1', city: 'gone', gone: true })),
        ...[7, 9].map((id) => ({ id, p: 'p0', city: 'moved', gone: false })),
        ...[11, 799_999].map((id) => ({ id, p: 'p1', city: 'changed', gone: false })),
        { id: 900_001, p: 'p1', city: 'new', gone: false },
      ],
      { deleteWhen: 'gone' },
    )
    expect(receipt.rows).toMatchObject({ inserted: 1, updated: 4, deleted: 3 })
    const [after = ''] = (await keysOf(table)).filter((key) => key.startsWith('p=p1'))
    expect((await sameBytes(place, before, after)).groups).toBeGreaterThan(0)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    const found = await table
      .query(`select city, list(id order by id) as ids, list(p order by id) as p, count(*) filter (note = 'a text about ' || id) as notes,
        count(distinct _load_id) as loads, bool_and(_created_at < _updated_at) as updated
        from t where city in ('gone', 'moved', 'changed', 'new') group by all order by city`)
      .toArray()
    expect(found).toEqual([
      { city: 'changed', ids: [11n, 799_999n], p: ['p1', 'p1'], notes: 2n, loads: 1n, updated: true },
      { city: 'moved', ids: [7n, 9n], p: ['p0', 'p0'], notes: 2n, loads: 1n, updated: true },
      { city: 'new', ids: [900_001n], p: ['p1'], notes: 0n, loads: 1n, updated: false },
    ])
    expect((await table.query('select count(*) as n from t').toArray())[0]).toEqual({ n: BigInt(rows - 3 + 1) })
  })
})

test('a commit in partitions that the keys do not name is no reason to plan again', async () => {
  await using place = await localPlace()
  const keyed = { key: ['dt', 'id'], partitionBy: ['dt'] }
  await using other = await open(place, keyed)
  await other.merge([
    { dt: 'a', id: 1, v: 1 },
    { dt: 'b', id: 1, v: 1 },
  ])
  await using table = await open(place)
  async function* rows(dt: string) {
    yield { dt: 'a', id: 1, v: 2 }
    await other.append([{ dt, id: 2, v: 2 }])
  }
  expect(await table.merge(rows('b'))).toMatchObject({ version: 2, rows: { updated: 1 } })
  expect(await table.merge(rows('a'))).toMatchObject({ status: 'unchanged', version: 2 })
})

async function open(place: Place, settings: TableSettings = {}): Promise<Table> {
  return await openTable(`${place.url}/t`, { store: place.store, ...settings })
}

async function keysOf(table: Table): Promise<string[]> {
  return (await table.files()).map(({ key }) => key).sort()
}

async function rowsOf(table: Table, version?: number): Promise<Record<string, unknown>[]> {
  const at = version === undefined ? {} : { version }
  const rows = await table.query('select * from t order by id', at).toArray()
  return rows.map((row) => ({ ...row, id: Number(row.id) }))
}

/** Which columns have their bytes of all row groups in the second file, too, and of how many row groups all columns do. */
async function sameBytes(place: Place, before: string, after: string): Promise<{ columns: string[]; groups: number }> {
  const [old, now] = [before, after].map((key) => join(place.url, 't', key))
  const { columns, rowGroups } = await openParquet(old ?? '')
  const [was, is] = [await readFile(old ?? ''), await readFile(now ?? '')]
  const others = rowGroups.map(({ chunks }) =>
    chunks
      .filter(({ offset, length }) => !is.includes(was.subarray(offset, offset + length)))
      .map(({ column }) => column),
  )
  return {
    columns: [...columns.keys()].filter((name) => !others.flat().includes(name)).sort(),
    groups: others.filter((names) => names.length === 0).length,
  }
}

async function withEngine(work: (engine: Engine) => Promise<unknown>): Promise<void> {
  const engine = await openDuckDB({ spillFolder: tmpdir() })
  try {
    await work(engine)
  } finally {
    await engine.close()
  }
}
