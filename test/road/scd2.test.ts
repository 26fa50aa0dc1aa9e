/**
 * Snapshots as history: the truth table of `scd2`, worked by hand. A version is written as `id name from to`, instants as
 * days of November 2026, `-` for null and for "current".
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import { type LakeError, type LoadSettings, openTable, type Receipt, type Table } from '../../src/index.js'
import { localPlace, memoryPlace, onePlaceOfEachKind, type Place } from './places.js'

const day = (n: number) => `2026-11-${String(n).padStart(2, '0')}T00:00:00Z`

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('new, changed, equal and missing keys of a full snapshot', async () => {
    await using place = await make()
    await using table = await open(place)
    expect((await load(table, 1, '1 Ann', '2 Bob', '3 Cem')).rows).toMatchObject({ read: 3, written: 3, inserted: 3 })
    const receipt = await load(table, 3, '1 Anne', '2 Bob', '4 Dan')
    expect(receipt.rows).toMatchObject({ read: 3, inserted: 2, updated: 2, unchanged: 1, corrected: 0, ignored: 0 })
    expect(await history(table)).toEqual(['1 Ann 1 3', '1 Anne 3 -', '2 Bob 1 -', '3 Cem 1 3', '4 Dan 3 -'])
  })

  test('the same snapshot twice changes nothing, at its own time and later', async () => {
    await using place = await make()
    await using table = await open(place)
    await load(table, 1, '1 Ann', '2 -')
    for (const n of [1, 2])
      expect(await load(table, n, '2 -', '1 Ann')).toMatchObject({
        status: 'unchanged',
        version: 0,
        rows: { read: 2, written: 0, inserted: 0, updated: 0, unchanged: 2 },
      })
  })

  test('counts of a late snapshot: versions cut, added, extended back and opened again', async () => {
    await using place = await make()
    await using table = await open(place)
    await load(table, 1, '1 a', '2 a', '3 a', '4 a')
    await load(table, 3, '1 a', '2 b', '3 b', '4 a')
    const receipt = await load(table, 2, { late: 'insert' }, '1 x', '2 b', '3 x', '4 a')
    expect(receipt.rows).toMatchObject({ read: 4, inserted: 3, updated: 3, corrected: 1, unchanged: 1 })
    expect(await history(table)).toEqual([
      '1 a 1 2',
      '1 a 3 -',
      '1 x 2 3',
      '2 a 1 2',
      '2 b 2 -',
      '3 a 1 2',
      '3 b 3 -',
      '3 x 2 3',
      '4 a 1 -',
    ])
  })

  test('partitioned by _is_current, closed versions move away and are not written again', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['_is_current'] })
    await load(table, 1, '1 a', '2 a')
    expect((await load(table, 2, '1 b', '2 a')).partitions.replaced).toEqual(['_is_current=false', '_is_current=true'])
    const closed = (await table.files()).filter(({ key }) => key.startsWith('_is_current=false'))
    expect(await load(table, 3, '1 c', '2 a')).toMatchObject({ files: { added: 2, removed: 1 } })
    const files = (await table.files()).map(({ key }) => key)
    for (const { key } of closed) expect(files).toContain(key)
    expect(await history(table)).toEqual(['1 a 1 2', '1 b 2 3', '1 c 3 -', '2 a 1 -'])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('a load that lost the race is planned again: late now, so refused, or put in order', async () => {
    await using place = await make()
    await using other = await open(place)
    await using table = await open(place)
    await load(other, 1, '1 a', '2 a')
    let n = 3
    async function* rows() {
      yield { id: 1, name: `v${n}` }
      await load(other, n, '1 c', `2 b${n}`)
      yield { id: 2, name: 'a' }
    }
    expect((await failure(table.scd2(rows(), { effectiveAt: day(2) }))).message).toContain('newest')
    n = 5
    const receipt = await table.scd2(rows(), { effectiveAt: day(4), late: 'insert' })
    expect(receipt.rows).toMatchObject({ read: 2, inserted: 3, updated: 2, unchanged: 0 })
    expect(await history(table)).toEqual([
      '1 a 1 3',
      '1 c 3 4',
      '1 c 5 -',
      '1 v5 4 5',
      '2 a 1 3',
      '2 a 4 5',
      '2 b3 3 4',
      '2 b5 5 -',
    ])
  })
})

describe('row by row', () => {
  test('a key that a partial snapshot lacks stays current; one that comes back opens a new version', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 Ann', '2 Bob')
    await load(table, 2, '2 Bob')
    const receipt = await load(table, 4, { snapshot: 'partial' }, '1 Ann')
    expect(receipt.rows).toMatchObject({ inserted: 1, updated: 0 })
    expect(await history(table)).toEqual(['1 Ann 1 2', '1 Ann 4 -', '2 Bob 1 -'])
  })

  test('columns that are not tracked are corrected where they stand', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await table.scd2([{ id: 1, name: 'Ann', note: 'x' }], { effectiveAt: day(1) })
    const note = [{ id: 1, name: 'Ann', note: 'y' }]
    const receipt = await table.scd2(note, { effectiveAt: day(2), track: ['NAME'] })
    expect(receipt.rows).toMatchObject({ inserted: 0, updated: 0, unchanged: 0, corrected: 1 })
    expect(await history(table, 'name, note')).toEqual(['1 Ann y 1 -'])
    // Not by a late snapshot, which tells nothing of today.
    await table.scd2([{ id: 2, name: 'Bob', note: 'z' }], { effectiveAt: day(4), snapshot: 'partial' })
    const late = await table.scd2([{ id: 1, name: 'Ann', note: 'x' }], {
      effectiveAt: day(3),
      late: 'insert',
      snapshot: 'partial',
      track: ['name'],
    })
    expect(late).toMatchObject({ status: 'unchanged', rows: { unchanged: 1, corrected: 0 } })
  })

  test('a snapshot of the same instant corrects it: no version of no length', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 Ann', '2 Bob', '3 Cem')
    const receipt = await load(table, 1, '1 Anna', '2 Bob')
    expect(receipt.rows).toMatchObject({ inserted: 0, updated: 0, unchanged: 1, corrected: 2 })
    expect(await history(table)).toEqual(['1 Anna 1 -', '2 Bob 1 -'])
  })

  test('a late snapshot is refused with the newest instant', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 3, '1 Ann')
    const error = await failure(load(table, 2, '1 Ann'))
    expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('--late insert') })
    expect(error.message).toContain('newest=`2026-11-03T00:00:00.000000Z`')
    expect(await history(table)).toEqual(['1 Ann 3 -'])
  })

  // before, then the late snapshot of day 2, then after
  test.each<[string, Days, Snapshot, string[]]>([
    ['equal there: nothing', { 1: ['1 a'], 3: ['1 b'] }, full('1 a'), ['1 a 1 3', '1 b 3 -']],
    ['it differs: it ends there', { 1: ['1 a'], 3: ['1 b'] }, full('1 x'), ['1 a 1 2', '1 b 3 -', '1 x 2 3']],
    ['it differs, the next is equal: it begins there', { 1: ['1 a'], 3: ['1 b'] }, full('1 b'), ['1 a 1 2', '1 b 2 -']],
    ['none there, one later', { 3: ['1 b'] }, full('1 x'), ['1 b 3 -', '1 x 2 3']],
    ['none there, an equal one later', { 3: ['1 b'] }, full('1 b'), ['1 b 2 -']],
    ['none there or later, full', { 1: ['9 a'], 3: ['9 b'] }, full('9 a', '1 x'), ['1 x 2 3', '9 a 1 3', '9 b 3 -']],
    ['none there or later, partial', { 3: ['9 b'] }, partial('1 x'), ['1 x 2 -', '9 b 3 -']],
    [
      'missing, and a later snapshot has it',
      { 1: ['1 a'], 3: ['1 a', '9 b'] },
      full(),
      ['1 a 1 2', '1 a 3 -', '9 b 3 -'],
    ],
    ['missing, and gone later anyway', { 1: ['1 a'], 3: ['9 b'] }, full(), ['1 a 1 2', '9 b 3 -']],
    ['missing, partial', { 1: ['1 a'], 3: ['9 b'] }, partial(), ['1 a 1 3', '9 b 3 -']],
    [
      'it differs, and a later full snapshot has it as before',
      { 1: ['1 a'], 3: ['1 a', '9 b'] },
      full('1 x'),
      ['1 a 1 2', '1 a 3 -', '1 x 2 3', '9 b 3 -'],
    ],
    [
      'it differs, partial: to its end',
      { 1: ['1 a'], 3: ['1 a', '9 b'] },
      partial('1 x'),
      ['1 a 1 2', '1 x 2 -', '9 b 3 -'],
    ],
    ['it begins there and differs', { 2: ['1 a'], 3: ['1 b'] }, full('1 x'), ['1 b 3 -', '1 x 2 3']],
    [
      'it begins there, differs, and a later full snapshot has it as before',
      { 2: ['1 a'], 3: ['1 a', '9 b'] },
      full('1 x'),
      ['1 a 3 -', '1 x 2 3', '9 b 3 -'],
    ],
    ['it begins there and is missing', { 2: ['1 a'], 3: ['9 b'] }, full(), ['9 b 3 -']],
    [
      'it begins there, is missing, and a later full snapshot has it',
      { 2: ['1 a'], 3: ['1 a', '9 b'] },
      full(),
      ['1 a 3 -', '9 b 3 -'],
    ],
    [
      'one ended there',
      { 1: ['1 a'], 2: ['9 b'], 3: ['9 c'] },
      partial('1 a'),
      ['1 a 1 2', '1 a 2 -', '9 b 2 3', '9 c 3 -'],
    ],
  ])('put in order, the version at the instant of a late snapshot: %s', async (_, before, late, after) => {
    await using place = await memoryPlace()
    await using table = await open(place)
    for (const [n, rows] of Object.entries(before)) await load(table, Number(n), ...rows)
    await load(table, 2, { late: 'insert', snapshot: late.kind }, ...late.rows)
    expect(await history(table)).toEqual(after)
  })

  test('a change of partition ends the version in the one and begins the next in the other', async () => {
    await using place = await memoryPlace()
    await using table = await open(place, { partitionBy: ['name'] })
    await load(table, 1, '1 a', '2 a')
    expect((await load(table, 2, '1 b', '2 a')).partitions).toEqual({
      replaced: ['name=a', 'name=b'],
      removed: [],
      unchanged: 0,
    })
    expect(await history(table)).toEqual(['1 a 1 2', '1 b 2 -', '2 a 1 -'])
  })

  test('equal is typed and null-safe, by hash and by value', async () => {
    await using place = await memoryPlace()
    for (const exact of [false, true]) {
      await using table = await open(place, {}, `t-${exact}`)
      const types = { x: 'double', list: 'integer[]', name: 'varchar' }
      const at = (n: number) => ({ effectiveAt: day(n), types, exact })
      await table.scd2(
        [
          { id: 1, name: null, x: 0, list: [1, null] },
          { id: 2, name: '', x: Number.NaN, list: [] },
        ],
        at(1),
      )
      const same = [
        { id: 1, name: null, x: -0, list: [1, null] },
        { id: 2, name: '', x: Number.NaN, list: [] },
      ]
      expect((await table.scd2(same, at(2))).status).toBe('unchanged')
      const other = [
        { id: 1, name: '', x: 0, list: [1] },
        { id: 2, name: '', x: Number.NaN, list: [null] },
      ]
      expect((await table.scd2(other, at(3))).rows).toMatchObject({ inserted: 2, updated: 2 })
    }
  })

  test('load columns: a new version is made by this load, an ended one changed by it, others keep theirs', async () => {
    await using place = await memoryPlace()
    let hour = 1
    const at = (n: number) => Date.parse(day(20)) + n * 3_600_000
    await using table = await open(place, { components: { runtime: { now: () => at(hour) } } })
    const settings = { addLoadColumns: true, track: ['name'] }
    await load(table, 1, { ...settings, loadId: 'first' }, '1 a', '2 a', '3 a')
    hour = 2
    expect((await load(table, 1, { loadId: 'again' }, '1 a', '2 a', '3 a')).rows.unchanged).toBe(3)
    hour = 3
    await load(table, 2, { ...settings, loadId: 'second' }, '1 b', '2 a')
    const sql = `select id || ' ' || name || ' ' || _load_id || ' ' || hour(_loaded_at) || ' ' || hour(_created_at) || ' ' ||
      hour(_updated_at) as line from t order by id, _effective_from`
    expect((await table.query(sql).toArray()).map(({ line }) => line)).toEqual([
      '1 a second 3 1 3',
      '1 b second 3 3 3',
      '2 a first 1 1 1',
      '3 a second 3 1 3',
    ])
  })

  test('evolve adds a column, which older versions do not have; a column that the input lacks is null', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 a', '2 a')
    const rows = [
      { id: 1, name: 'a', city: 'Rome' },
      { id: 2, name: 'a', city: null },
    ]
    expect((await table.scd2(rows, { effectiveAt: day(2), schema: 'evolve' })).rows).toMatchObject({
      inserted: 1,
      updated: 1,
      unchanged: 1,
    })
    expect(await history(table, 'name, city')).toEqual(['1 a - 1 2', '1 a Rome 2 -', '2 a - 1 -'])
    await load(table, 3, '1 a', '2 a')
    expect(await history(table, 'name, city')).toEqual(['1 a - 1 2', '1 a - 3 -', '1 a Rome 2 3', '2 a - 1 -'])
  })

  test('a load without rows closes all, where the guard lets it', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 a', '2 a', '3 a')
    expect((await failure(table.scd2([], { effectiveAt: day(2) }))).code).toBe('guard')
    expect((await load(table, 2, { maxDeleteRatio: 1 })).rows).toMatchObject({ read: 0, inserted: 0, updated: 3 })
    expect(await history(table)).toEqual(['1 a 1 2', '2 a 1 2', '3 a 1 2'])
    expect((await table.scd2([], { effectiveAt: day(3), snapshot: 'partial' })).status).toBe('unchanged')
  })

  test('null keys and repeated keys are refused, or resolved', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 a')
    expect((await failure(load(table, 2, '- a', '1 b'))).message).toContain('no key')
    const repeated = await failure(load(table, 2, '1 a', '1 b', '2 c'))
    expect(repeated).toMatchObject({ code: 'invalid', fix: expect.stringContaining('--on-duplicate last') })
    expect(repeated.message).toContain('{"id":1} 2 times')
    expect((await failure(load(table, 2, { onDuplicate: 'last' }, '1 a', '1 b'))).fix).toContain('--order-by')
    const receipt = await load(table, 2, { onDuplicate: 'last', orderBy: ['name'] }, '1 a', '1 c', '1 b')
    expect(receipt.rows).toMatchObject({ read: 3, inserted: 1, updated: 1, ignored: 2, unchanged: 0 })
    expect(await history(table)).toEqual(['1 a 1 2', '1 c 2 -'])
  })

  test('a history that was broken from outside is refused with the key', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 a', '2 a')
    const twice = { id: 1, name: 'z', _effective_from: new Date(day(2)), _effective_to: null, _is_current: true }
    await table.append([twice])
    const error = await failure(load(table, 3, '1 c', '2 a'))
    expect(error.code).toBe('corrupt')
    expect(error.message).toContain('a version is current that others follow')
    expect(error.message).toContain('{"id":1}')
    // Other keys go on.
    expect((await load(table, 3, { snapshot: 'partial' }, '2 b')).rows).toMatchObject({ inserted: 1, updated: 1 })
  })

  test('a dry run tells the counts and leaves the table alone', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, '1 a', '2 a')
    expect(await load(table, 2, { dryRun: true }, '1 b', '2 a')).toMatchObject({
      status: 'planned',
      rows: { inserted: 1, updated: 1, unchanged: 1 },
    })
    expect(await history(table)).toEqual(['1 a 1 -', '2 a 1 -'])
  })

  test('rows with a load id are known again', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await load(table, 1, { loadId: 'x' }, '1 a')
    await load(table, 2, '1 b')
    expect(await load(table, 3, { loadId: 'x' }, '1 a')).toMatchObject({ status: 'duplicate', version: 0 })
  })
})

describe('times of the rows’ own', () => {
  const own: LoadSettings = { effectiveAt: 'column:changed', snapshot: 'partial' }

  test('each row takes effect at its own time, several of a key in order, whatever the order of the input', async () => {
    await using place = await memoryPlace()
    for (const type of ['date', 'timestamp']) {
      await using table = await open(place, {}, type)
      const types = { changed: type }
      const rows = [changed(1, 'c', 5), changed(1, 'a', 1), changed(2, 'a', 2), changed(1, 'a', 3)]
      expect((await table.scd2(rows, { ...own, types })).rows).toMatchObject({ read: 4, inserted: 3, unchanged: 1 })
      expect(await history(table)).toEqual(['1 a 1 5', '1 c 5 -', '2 a 2 -'])
      const more = [changed(1, 'd', 7), changed(1, 'e', 9), changed(2, 'a', 9)]
      expect((await table.scd2(more, { ...own, types })).rows).toMatchObject({ inserted: 2, updated: 1, unchanged: 1 })
      expect(await history(table)).toEqual(['1 a 1 5', '1 c 5 7', '1 d 7 9', '1 e 9 -', '2 a 2 -'])
    }
  })

  test('the time alone is no change, and delivered again the rows change nothing', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    const rows = [changed(1, 'a', 1), changed(1, 'b', 4), changed(2, 'a', 2)]
    await table.scd2(rows, { ...own, types: { changed: 'date' } })
    expect(await table.scd2(rows, own)).toMatchObject({ status: 'unchanged', rows: { read: 3, unchanged: 3 } })
    expect(await table.scd2([changed(1, 'b', 8)], own)).toMatchObject({ status: 'unchanged' })
    expect(await history(table, 'name, day(changed)')).toEqual(['1 a 1 1 4', '1 b 4 4 -', '2 a 2 2 -'])
  })

  test('an earlier row of a key is refused, or put in order; other keys do not count', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await table.scd2([changed(1, 'a', 1), changed(1, 'b', 5), changed(2, 'z', 9)], {
      ...own,
      types: { changed: 'date' },
    })
    const error = await failure(table.scd2([changed(1, 'x', 3), changed(2, 'z', 9)], own))
    expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('--late insert') })
    expect(error.message).toContain('{"id":1}')
    expect(error.message).toContain('newest=`2026-11-05T00:00:00.000000Z`')
    // Day 7 is before day 9, the newest in the table, but not of its key.
    await table.scd2([changed(1, 'c', 7)], own)
    await table.scd2([changed(1, 'x', 3), changed(1, 'c', 6)], { ...own, late: 'insert' })
    expect(await history(table)).toEqual(['1 a 1 3', '1 b 5 6', '1 c 6 -', '1 x 3 5', '2 z 9 -'])
  })

  test('a version begins earlier where an earlier row has the same values, also if it is delivered again itself', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    await table.scd2([changed(1, 'a', 5)], { ...own, types: { changed: 'date' } })
    const rows = [changed(1, 'a', 5), changed(1, 'a', 2)]
    const receipt = await table.scd2(rows, { ...own, late: 'insert' })
    expect(receipt.rows).toMatchObject({ inserted: 0, updated: 0, corrected: 1, unchanged: 1 })
    expect(await history(table)).toEqual(['1 a 2 -'])
  })

  test('of a full snapshot, a missing key is closed when the load began, and comes back when a later one did', async () => {
    await using place = await memoryPlace()
    let now = 10
    await using table = await open(place, { components: { runtime: { now: () => Date.parse(day(now)) } } })
    const full: LoadSettings = { effectiveAt: 'column:changed', types: { changed: 'date' }, maxDeleteRatio: 1 }
    await table.scd2([changed(1, 'a', 1), changed(2, 'a', 2), changed(3, 'f', 20)], full)
    now = 11
    expect((await table.scd2([changed(1, 'a', 1)], full)).rows).toMatchObject({
      updated: 1,
      corrected: 1,
      unchanged: 1,
    })
    // The third would have taken effect on day 20: it never did.
    expect(await history(table)).toEqual(['1 a 1 -', '2 a 2 11'])
    now = 12
    const back = [changed(1, 'a', 1), changed(2, 'a', 2)]
    expect((await table.scd2(back, full)).rows).toMatchObject({ inserted: 1, unchanged: 1 })
    expect(await history(table)).toEqual(['1 a 1 -', '2 a 12 -', '2 a 2 11'])
    now = 13
    expect((await table.scd2(back, full)).status).toBe('unchanged')
  })

  test('what is no time, or says two things of one, is refused', async () => {
    await using place = await memoryPlace()
    await using table = await open(place)
    const types = { changed: 'date', name: 'varchar' }
    const twice = await failure(table.scd2([changed(1, 'a', 1), changed(1, 'b', 1)], { ...own, types }))
    expect(twice.message).toContain('"changed":"2026-11-01"')
    const none = [{ id: 1, name: 'a', changed: null }]
    expect((await failure(table.scd2(none, { ...own, types }))).message).toContain('when they took effect')
    const text = await failure(table.scd2([changed(1, 'a', 1)], { ...own, types: { changed: 'varchar' } }))
    expect(text).toMatchObject({ code: 'invalid', fix: expect.stringContaining('--types "changed=timestamp"') })
    for (const effectiveAt of ['column:', 'column:chnged', 'yesterday', '2026-02-30', '2026-11-20T25:00', '1700000000'])
      expect((await failure(table.scd2([changed(1, 'a', 1)], { effectiveAt, types }))).code, effectiveAt).toBe(
        'invalid',
      )
    expect((await failure(table.scd2([changed(1, 'a', 1)], { effectiveAt: 'column:id', types }))).message).toContain(
      'key',
    )
  })
})

test('the change feed tells what happened to the rows, whatever it means for the history', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await load(table, 1, '1 a', '2 a', '3 a')
  await load(table, 3, '1 b', '2 a')
  expect(await feed(place, 1)).toEqual([
    'insert 1 b 3 -',
    'update_postimage 1 a 1 3',
    'update_postimage 3 a 1 3',
    'update_preimage 1 a 1 -',
    'update_preimage 3 a 1 -',
  ])
  await load(table, 3, '1 c')
  expect(await feed(place, 2)).toEqual([
    'update_postimage 1 c 3 -',
    'update_postimage 2 a 1 3',
    'update_preimage 1 b 3 -',
    'update_preimage 2 a 1 -',
  ])
  await load(table, 3, { maxDeleteRatio: 1 })
  expect(await feed(place, 3)).toEqual(['delete 1 c 3 -'])
  // A row is known by its key and its beginning.
  await load(table, 5, '4 a')
  await load(table, 6, '4 b')
  await load(table, 4, { late: 'insert' }, '4 a')
  expect(await feed(place, 6)).toEqual(['delete 4 a 5 6', 'insert 4 a 4 6'])
})

test('settings that contradict the columns are refused', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const rows = [{ id: 1, name: 'a' }]
  const near = await failure(table.scd2(rows, { track: ['nme'] }))
  expect(near).toMatchObject({ code: 'invalid', fix: 'Did you mean `name`?' })
  expect((await failure(table.scd2([{ id: 1, _is_current: true }]))).message).toContain('_is_current')
  expect((await failure(table.scd2(rows, { key: ['_effective_from'] }))).code).toBe('invalid')
})

test('a history is no plain table, and a plain table no history', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await load(table, 1, '1 a')
  expect((await failure(table.merge([{ id: 1, name: 'b' }]))).message).toContain('scd2')
  await using plain = await open(place, {}, 'plain')
  await plain.append([{ id: 1, name: 'a' }])
  expect((await failure(plain.scd2([{ id: 1, name: 'a' }]))).message).toContain('without a history')
})

type Days = Record<number, string[]>
interface Snapshot {
  kind: 'full' | 'partial'
  rows: string[]
}
function full(...rows: string[]): Snapshot {
  return { kind: 'full', rows }
}
function partial(...rows: string[]): Snapshot {
  return { kind: 'partial', rows }
}

function open(place: Place, settings: Parameters<typeof openTable>[1] = {}, name = 't'): Promise<Table> {
  return openTable(`${place.url}/${name}`, { store: place.store, key: ['id'], ...settings })
}

/** Rows as `id name`; guards stand aside, the tables are small. */
function load(table: Table, n: number, ...args: (string | LoadSettings)[]): Promise<Receipt> {
  const [settings = {}] = args.filter((arg) => typeof arg !== 'string')
  const rows = args.filter((arg) => typeof arg === 'string').map((line) => line.split(' '))
  const value = (text = '-') => (text === '-' ? null : text)
  return table.scd2(
    rows.map(([id, name]) => ({ id: id === '-' ? null : Number(id), name: value(name) })),
    { effectiveAt: day(n), types: { id: 'bigint', name: 'varchar' }, maxDeleteRatio: 1, ...settings },
  )
}

function changed(id: number, name: string, n: number): { id: number; name: string; changed: string } {
  return { id, name, changed: day(n).slice(0, 10) }
}

/** `id name from to`, sorted; `_is_current` must agree. */
async function history(table: Table, columns = 'name'): Promise<string[]> {
  const span = "day(_effective_from) as f, coalesce(day(_effective_to)::varchar, '-') as e, _is_current as c"
  const rows = await table.query(`select id, ${columns}, ${span} from t`).toArray()
  return rows
    .map(({ c, ...row }) => {
      expect(c).toBe(row.e === '-')
      return Object.values(row)
        .map((value) => (value === null ? '-' : String(value)))
        .join(' ')
    })
    .sort()
}

/** What the commit's change data files hold, read without this program. */
async function feed(place: Place, version: number): Promise<string[]> {
  const root = join(place.url, 't')
  const log = await readFile(join(root, '_delta_log', `${String(version).padStart(20, '0')}.json`), 'utf8')
  const files = log
    .trim()
    .split('\n')
    .map((line): { cdc?: { path: string } } => JSON.parse(line))
    .flatMap(({ cdc }) => (cdc ? [`'${join(root, cdc.path)}'`] : []))
  const engine = await openDuckDB({ spillFolder: join(place.url, 'spill') })
  try {
    const line = `_change_type || ' ' || id || ' ' || name || ' ' || day(_effective_from) || ' ' || coalesce(day(_effective_to)::varchar, '-')`
    const rows = await engine.rows(`SELECT ${line} AS line FROM read_parquet([${files.join(', ')}]) ORDER BY line`)
    return rows.map((row) => String(row.line))
  } finally {
    await engine.close()
  }
}

async function failure(promise: Promise<unknown>): Promise<LakeError> {
  try {
    await promise
  } catch (error) {
    return error as LakeError
  }
  throw new Error('expected it to be refused')
}
