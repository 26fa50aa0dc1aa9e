/** `sync`: the table becomes equal to a full snapshot, by the least that has to be written. */
import { describe, expect, test } from 'vitest'
import {
  type LakeError,
  type LoadSettings,
  openTable,
  type Receipt,
  type Table,
  type TableSettings,
} from '../../src/index.js'
import { onePlaceOfEachKind } from './places.js'

interface Order {
  day: string | null
  id: number
  city: string | null
  amount: number
}
const first: Order[] = [
  { day: 'mon', id: 1, city: 'Lyon', amount: 1.5 },
  { day: 'mon', id: 2, city: null, amount: 2 },
  { day: 'tue', id: 3, city: 'Bari', amount: 3 },
  { day: 'wed', id: 4, city: 'Oslo', amount: 4.25 },
  { day: null, id: 5, city: 'Graz', amount: 5 },
]
const byDay: TableSettings = { partitionBy: ['day'], key: ['id'] }

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('a first sync makes the table; the same snapshot again, in any order, changes nothing', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    const created = await table.sync(first)
    expect(created).toMatchObject({
      ...{ status: 'committed', created: true, version: 0, mode: 'sync' },
      rows: { read: 5, written: 5, inserted: 5, updated: 0, deleted: 0, unchanged: 0, ignored: 0 },
      files: { added: 4, removed: 0 },
    })
    const again = await table.sync(first.toReversed())
    expect(again).toMatchObject({
      ...{ status: 'unchanged', version: 0 },
      rows: { read: 5, written: 0, inserted: 0, updated: 0, deleted: 0, unchanged: 5 },
      partitions: { replaced: [], removed: [], unchanged: 4 },
      files: { added: 0, removed: 0 },
    })
    expect(await rowsOf(table)).toEqual(first)
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('only files with a row that changes are rewritten, and a row whose partition changed moves', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    const before = await keysOf(table)
    const next = [
      { day: 'mon', id: 1, city: 'Lyon', amount: 1.5 },
      // Moves from monday to thursday.
      { day: 'thu', id: 2, city: null, amount: 2 },
      { day: 'wed', id: 4, city: 'Oslo', amount: 4.25 },
      { day: null, id: 5, city: null, amount: 5 },
      { day: 'wed', id: 6, city: 'Bonn', amount: 6 },
    ]
    const receipt = await table.sync(next)
    expect(receipt).toMatchObject({
      status: 'committed',
      rows: { read: 5, inserted: 1, updated: 2, deleted: 1, unchanged: 2, ignored: 0 },
      partitions: {
        replaced: ['day=__HIVE_DEFAULT_PARTITION__', 'day=mon', 'day=thu', 'day=wed'],
        removed: ['day=tue'],
        unchanged: 0,
      },
    })
    const after = await keysOf(table)
    // Into wednesday a row only came: its file stays, beside a new one.
    expect(after.filter((key) => before.includes(key)).map(folder)).toEqual(['day=wed'])
    expect(await rowsOf(table)).toEqual(next)
    expect(await rowsOf(table, 0)).toEqual(first)
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('partitions whose content is the same are told by their fingerprints, and are not touched', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    const before = await keysOf(table)
    const receipt = await table.sync(first.map((row) => (row.id === 3 ? { ...row, amount: 33 } : row)))
    expect(receipt).toMatchObject({
      rows: { read: 5, written: 1, inserted: 0, updated: 1, deleted: 0, unchanged: 4 },
      partitions: { replaced: ['day=tue'], removed: [], unchanged: 3 },
      files: { added: 1, removed: 1 },
    })
    expect((await keysOf(table)).filter((key) => before.includes(key))).toHaveLength(3)
  })

  test('a table without partitions is one', async () => {
    await using place = await make()
    await using table = await open(place, { key: ['id'] })
    await table.sync(first)
    expect(await table.sync(first.toReversed())).toMatchObject({ status: 'unchanged' })
    expect(await table.sync(first.slice(1))).toMatchObject({
      rows: { read: 4, written: 4, inserted: 0, updated: 0, deleted: 1, unchanged: 4 },
    })
    expect(await rowsOf(table)).toEqual(first.slice(1))
  })

  test('a scope bounds what is compared; rows outside it stay, and are refused in the input', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    const scope = "day in ('mon', 'tue')"
    const inside = [{ day: 'mon', id: 1, city: 'Lyon', amount: 10 }, first[2] as Order]
    expect(await table.sync(inside, { scope })).toMatchObject({
      rows: { read: 2, inserted: 0, updated: 1, deleted: 1, unchanged: 1 },
    })
    expect(await rowsOf(table)).toEqual([...inside, ...first.slice(3)])
    const outside = await failure(table.sync(first, { scope }))
    expect(outside).toMatchObject({ code: 'invalid' })
    expect(outside.message).toContain('rows lie outside the scope')
    expect(outside.message).toContain('day=wed (1 rows)')
    // Wednesday's key comes in as one of monday's: it would be there twice.
    const moved = await failure(table.sync([...inside, { ...(first[3] as Order), day: 'mon' }], { scope }))
    expect(moved).toMatchObject({ code: 'invalid' })
    expect(moved.message).toContain('keys of the input are in the table outside the scope')
    expect(moved.message).toContain('{"id":4}')
    expect(await table.history()).toHaveLength(2)
  })

  test('a scope that the key implies asks nothing of the rest of the table', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['day'], key: ['day', 'id'] })
    const rows = first.filter(({ day }) => day !== null)
    await table.sync(rows)
    const inside = [{ ...(rows[0] as Order), id: 4 }]
    const receipt = await table.sync(inside, { scope: { day: 'mon' }, maxDeleteRatio: 1 })
    expect(receipt).toMatchObject({ rows: { read: 1, inserted: 1, updated: 0, deleted: 2 } })
    expect(await rowsOf(table)).toEqual([...rows.slice(2), ...inside].sort(byId))
  })

  test('null keys and repeated keys are refused with examples, or resolved', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    const without = await failure(table.sync([...first, { day: 'mon', id: null, city: 'x', amount: 0 }]))
    expect(without).toMatchObject({ code: 'invalid' })
    expect(without.message).toContain('have no key')
    const twice = [...first, { ...(first[0] as Order), amount: 9 }]
    const repeated = await failure(table.sync(twice))
    expect(repeated.message).toContain('keys occur more than once in the input')
    expect(repeated.message).toContain('{"id":1} 2 times')
    expect(repeated.fix).toContain('--on-duplicate last --order-by')
    expect((await failure(table.sync(twice, { onDuplicate: 'last' }))).code).toBe('invalid')
    expect((await failure(table.sync(twice, { onDuplicate: 'last', orderBy: ['amoun'] }))).fix).toContain('amount')
    const tied = await failure(table.sync(twice, { onDuplicate: 'last', orderBy: ['city'] }))
    expect(tied.message).toContain('same order differ')
    expect(await table.sync(twice, { onDuplicate: 'last', orderBy: ['AMOUNT'] })).toMatchObject({
      rows: { read: 6, inserted: 0, updated: 1, deleted: 0, unchanged: 4, ignored: 1 },
    })
    expect((await rowsOf(table))[0]).toMatchObject({ id: 1, amount: 9 })
  })

  test.each([
    ['both of which the input has', [first[0], first[0]], first],
    ['that differ', [first[0], { ...first[0], amount: 7 }], first],
    ['that are gone from the input', [first[0], first[0]], first.slice(1)],
    ['in a partition that is the same and in one that is not', [{ ...first[0], day: 'thu' }], first],
  ])('keys that the table has twice are refused: rows %s', async (_, more, snapshot) => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    await table.append(more as Order[])
    const error = await failure(table.sync(snapshot as Order[], { maxDeleteRatio: 1 }))
    expect(error).toMatchObject({ code: 'invalid' })
    expect(error.message).toContain('keys occur more than once in the table')
    expect(error.message).toContain('{"id":1}')
    expect(error.fix).toContain('delete')
  })

  test('columns that the snapshot lacks become null, new ones and wider types need evolve', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    expect(await table.sync(first.map(({ city: _, ...row }) => row))).toMatchObject({
      rows: { read: 5, inserted: 0, updated: 4, deleted: 0, unchanged: 1 },
    })
    expect((await rowsOf(table)).every(({ city }) => city === null)).toBe(true)
    const wider = first.map((row) => ({ ...row, note: row.id === 1 ? 'new' : null }))
    expect((await failure(table.sync(wider))).code).toBe('invalid')
    expect(await table.sync(wider, { schema: 'evolve' })).toMatchObject({ rows: { updated: 4, unchanged: 1 } })
    expect(await table.sync(wider)).toMatchObject({ status: 'unchanged' })
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('widening a column rewrites what holds it, and updates only what differs', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['p'], key: ['id'] })
    const rows = ['a', 'b'].map((p, id) => ({ p, id, n: id }))
    await table.sync(rows, { types: { n: 'integer' } })
    const receipt = await table.sync([rows[0] as object, { p: 'b', id: 1, n: 2 ** 40 }], { schema: 'evolve' })
    expect(receipt.rows).toMatchObject({ updated: 1, unchanged: 1, rewritten: 1 })
    expect(await table.query('select n from t order by id').toArray()).toEqual([{ n: 0n }, { n: 2n ** 40n }])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('rows say when they were made and changed: an unchanged row keeps all that it says', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first, { addLoadColumns: true, loadId: 'one' })
    await table.sync(
      first
        .map((row) => (row.id < 3 ? { ...row, amount: row.amount + row.id - 1 } : row))
        .concat({ ...first[0], id: 6 } as Order),
      { loadId: 'two' },
    )
    const rows = await table
      .query(
        `select id::integer as id, _load_id as load, _created_at = (select min(_created_at) from t) as made_first,
           _updated_at = _loaded_at as same from t order by id`,
      )
      .toArray()
    expect(rows).toEqual([
      { id: 1, load: 'one', made_first: true, same: true },
      { id: 2, load: 'two', made_first: true, same: true },
      { id: 3, load: 'one', made_first: true, same: true },
      { id: 4, load: 'one', made_first: true, same: true },
      { id: 5, load: 'one', made_first: true, same: true },
      { id: 6, load: 'two', made_first: false, same: true },
    ])
  })

  test('values are equal by type: the sign of zero and the bits of NaN are no change, with and without `exact`', async () => {
    await using place = await make()
    await using table = await open(place, { key: ['id'] })
    const types = { x: 'double', tags: 'varchar[]' }
    const rows = [
      { id: 1, x: 0, tags: ['a', null] },
      { id: 2, x: Number.NaN, tags: [] },
      { id: 3, x: null, tags: null },
    ]
    await table.sync(rows, { types })
    const same = rows.map((row) => ({ ...row, x: row.x === 0 ? -0 : row.x }))
    // A further row keeps the fingerprint from settling it.
    const more = { id: 4, x: 1, tags: ['a'] }
    expect(await table.sync([...same, more], { types })).toMatchObject({
      rows: { inserted: 1, updated: 0, unchanged: 3 },
    })
    const changed = [{ id: 1, x: null, tags: ['a'] }, { id: 2, x: 5, tags: [null] }, { id: 3, x: null, tags: [] }, more]
    const exact: LoadSettings = { types, exact: true }
    expect(await table.sync([...same, { ...more, id: 5 }], { ...exact, dryRun: true })).toMatchObject({
      rows: { inserted: 1, updated: 0, deleted: 1, unchanged: 3 },
    })
    expect(await table.sync(changed, { ...exact, dryRun: true })).toMatchObject({ rows: { updated: 3, unchanged: 1 } })
    expect(await table.sync(changed, { types })).toMatchObject({ rows: { updated: 3, unchanged: 1 } })
  })

  test('the same load id with the same snapshot is loaded once', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.sync(first)
    const next = first.map((row) => ({ ...row, amount: row.amount + 1 }))
    expect(await table.sync(next, { loadId: 'night' })).toMatchObject({ status: 'committed', version: 1 })
    expect(await table.sync(next.toReversed(), { loadId: 'night' })).toMatchObject({ status: 'duplicate', version: 1 })
    expect((await failure(table.sync(first, { loadId: 'night' }))).code).toBe('invalid')
  })

  test('an append meanwhile is looked at again: the snapshot rules', async () => {
    await using place = await make()
    await using other = await open(place, byDay)
    await other.sync(first)
    await using table = await open(place, {})
    let appended = 0
    async function* rows() {
      yield* first.slice(1)
      appended += 1
      await other.append([{ day: 'fri', id: 9, city: 'Nice', amount: 9 }])
    }
    expect(await table.sync(rows())).toMatchObject({
      ...{ status: 'committed', version: 2 },
      rows: { read: 4, inserted: 0, updated: 0, deleted: 2, unchanged: 4 },
    })
    expect(appended).toBe(1)
    expect(await rowsOf(table)).toEqual(first.slice(1))
  })
})

function open(place: { url: string; store: object }, settings: TableSettings): Promise<Table> {
  return openTable(`${place.url}/orders`, { ...settings, store: place.store })
}

async function rowsOf(table: Table, version?: number): Promise<Order[]> {
  const at = version === undefined ? {} : { version }
  const result = table.query('select day, id::integer as id, city, amount from t order by id, day', at)
  return (await result.toArray()) as unknown as Order[]
}

async function keysOf(table: Table): Promise<string[]> {
  return (await table.files()).map(({ key }) => key)
}

function folder(key: string): string {
  return key.slice(0, key.lastIndexOf('/'))
}

function byId(a: Order, b: Order): number {
  return a.id - b.id || (String(a.day) < String(b.day) ? -1 : 1)
}

async function failure(load: Promise<Receipt>): Promise<LakeError> {
  return await load.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`)
    },
    (error: LakeError) => error,
  )
}
