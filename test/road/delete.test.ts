/** `delete --where` on every kind of store: rows of which the condition is true go, and nothing else is touched. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTable, type Table, type TableSettings } from '../../src/index.js'
import { systemRuntime } from '../../src/runtime.js'
import { openStore } from '../../src/store/open.js'
import { feedOf } from './feed.js'
import { localPlace, onePlaceOfEachKind, type Place } from './places.js'

const rows = [
  { id: 1, dt: '2026-11-01', customer: 7, city: 'Rome', ok: true },
  { id: 2, dt: '2026-11-01', customer: 8, city: null, ok: null },
  { id: 3, dt: '2026-11-02', customer: 7, city: 'Turin', ok: false },
  { id: 4, dt: '2026-11-03', customer: null, city: "L'Aquila", ok: true },
]
const byDay: TableSettings = { partitionBy: ['dt'] }

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('rows that match go, files without one keep their keys, and null is not true', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(rows)
    const before = await keysOf(table)
    expect(await table.delete({ where: "customer = 7 and dt < '2026-11-02'" })).toMatchObject({
      ...{ status: 'committed', version: 1, mode: 'delete' },
      rows: { read: 0, written: 1, deleted: 1 },
      partitions: { replaced: ['dt=2026-11-01'], removed: [], unchanged: 2 },
      files: { added: 1, removed: 1 },
    })
    const after = await keysOf(table)
    expect(before.filter((key) => after.includes(key))).toEqual(before.filter((key) => !key.includes('dt=2026-11-01')))
    expect(await idsOf(table)).toEqual([2, 3, 4])
    expect((await table.delete({ where: 'customer <> 7' })).rows).toEqual({ read: 0, written: 0, deleted: 1 })
    expect(await idsOf(table)).toEqual([3, 4])
    expect((await table.verify({ deep: true })).problems).toEqual([])
    expect(await idsOf(table, 0)).toEqual([1, 2, 3, 4])
  })

  test('a condition that matches nothing changes nothing', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(rows)
    for (const where of ["city = 'Oslo'", 'customer > 100', "dt > '2027-01-01'", 'false', 'not (ok or not ok)'])
      expect(await table.delete({ where })).toMatchObject({
        ...{ status: 'unchanged', version: 0, rows: { read: 0, written: 0, deleted: 0 } },
        partitions: { replaced: [], removed: [], unchanged: 3 },
      })
  })

  test('a delete that loses the race is planned again', async () => {
    await using place = await make()
    await using other = await open(place, byDay)
    await other.append(rows)
    const late = { id: 5, dt: '2026-11-01', customer: 7, city: 'Bari', ok: true }
    const elsewhere = { ...late, id: 6, dt: '2026-11-02' }
    const where = "customer = 7 and dt = '2026-11-01'"
    await using table = await openBetween(place, [
      // Not in what the delete looks at, then in the midst of it.
      () => other.append([elsewhere]),
      () => other.append([late]),
    ])
    expect(await table.delete({ where })).toMatchObject({ version: 2, rows: { deleted: 1 } })
    expect(await idsOf(table)).toEqual([2, 3, 4, 6])
    await other.append([late, { ...late, id: 7, customer: 8 }])
    expect(await table.delete({ where })).toMatchObject({ version: 5, rows: { deleted: 2 } })
    expect(await idsOf(table)).toEqual([2, 3, 4, 6, 7])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })
})

test('a file whose rows all match is removed without being read', async () => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await table.append(rows)
  await table.append([{ id: 9, dt: '2026-11-01', customer: 1, city: 'Bari', ok: true }])
  for (const key of await keysOf(table)) await rm(join(place.url, 't', key))
  expect(await table.delete({ where: "dt in ('2026-11-02', '2026-11-03')" })).toMatchObject({
    rows: { read: 0, written: 0, deleted: 2 },
    partitions: { replaced: [], removed: ['dt=2026-11-02', 'dt=2026-11-03'], unchanged: 1 },
  })
  // By statistics: one file has the customer alone, the other not at all.
  expect(await table.delete({ where: 'customer between 0 and 5 and id is not null' })).toMatchObject({
    rows: { read: 0, written: 0, deleted: 1 },
    files: { added: 0, removed: 1 },
  })
  expect(await table.delete({ where: 'true' })).toMatchObject({ rows: { deleted: 2 }, files: { removed: 1 } })
  expect((await table.snapshot()).files).toBe(0)
})

test.each([
  ["city = 'L''Aquila'", [4]],
  ["city <> 'Rome'", [3, 4]],
  ['city is null', [2]],
  ['ok', [1, 4]],
  ['not ok', [3]],
  ['ok is null or customer is null', [2, 4]],
  ['customer in (7, 9) and not (id between 2 and 3)', [1]],
  ['id < customer', [1, 2, 3]],
  ['customer > id and "city" >= \'S\'', [3]],
  ['dt = 2026-11-01 and id > 1', [2]],
])('delete where %s', async (where, gone) => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await table.append(rows)
  expect((await table.delete({ where })).rows.deleted).toBe(gone.length)
  expect(await idsOf(table)).toEqual([1, 2, 3, 4].filter((id) => !gone.includes(id)))
})

test.each([
  ['shop = 1', 'column `shop` does not exist'],
  ["customer = 'seven'", 'is no bigint'],
  ['city = 7', 'is no varchar'],
  ['city > id', 'cannot be compared'],
  ['incoming.id = 1', '`incoming.` names nothing'],
  ['city', 'a condition on `city` should follow'],
  ['id = 1; drop table t', '`;` cannot be read'],
])('a condition that cannot be is refused: %s', async (where, message) => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await table.append(rows)
  await expect(table.delete({ where })).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(message),
  })
  expect((await table.snapshot()).version).toBe(0)
})

test('a table that does not exist is not made by deleting from it', async () => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await expect(table.delete({ where: 'true' })).rejects.toThrow('there is no table here')
  await expect(table.snapshot()).rejects.toMatchObject({ code: 'invalid' })
})

test('single rows of a table without partitions go, and the feed says which', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await table.append(rows, { changeFeed: 'on' })
  await table.append([{ id: 5, dt: 'x', customer: 7, city: null, ok: null }])
  expect((await table.delete({ where: 'customer = 7 and (ok is null or ok)' })).rows).toMatchObject({
    deleted: 2,
    written: 3,
  })
  const gone = [rows[0], { id: 5, dt: 'x', customer: 7, city: null, ok: null }]
  expect(await feedOf(place, 2)).toEqual(
    gone.map((row) => ({ ...row, id: BigInt(row?.id ?? 0), customer: 7n, _change_type: 'delete' })),
  )
  expect(await idsOf(table)).toEqual([2, 3, 4])
})

test('a delete of nothing, and one of everything, from an empty table', async () => {
  await using place = await localPlace()
  await using table = await open(place, byDay)
  await table.append(rows)
  await table.delete({ where: 'true' })
  expect(await table.delete({ where: 'true' })).toMatchObject({ status: 'unchanged', rows: { deleted: 0 } })
})

async function open(place: Place, settings: TableSettings = {}): Promise<Table> {
  return await openTable(`${place.url}/t`, { store: place.store, ...settings })
}

/** A handle before whose uploads, one after the other, something else happens. */
async function openBetween(place: Place, happenings: (() => Promise<unknown>)[]): Promise<Table> {
  const store = await openStore(`${place.url}/t`, place.store, systemRuntime)
  const between = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      if (name !== 'reserve') return member.bind(target)
      return async (...given: unknown[]) => {
        await happenings.shift()?.()
        return Reflect.apply(member, target, given)
      }
    },
  })
  return await openTable(`${place.url}/t`, { components: { store: between } })
}

async function keysOf(table: Table): Promise<string[]> {
  return (await table.files()).map(({ key }) => key).sort()
}

async function idsOf(table: Table, version?: number): Promise<number[]> {
  const at = version === undefined ? {} : { version }
  return (await table.query('select id from t order by id', at).toArray()).map(({ id }) => Number(id))
}
