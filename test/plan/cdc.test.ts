/** What becomes of events, rule by rule, on a real engine: see `cdc-table.ts`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bench, type Event, EventTable, openBench, type TableShape } from './cdc-table.js'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench[Symbol.asyncDispose]())

const columns = { id: 'bigint', at: 'bigint', name: 'varchar', city: 'varchar' }
const people: TableShape = { columns, key: ['id'], order: 'at' }
const table = (shape: Partial<TableShape> = {}) => new EventTable(bench, { ...people, ...shape })

/** `u 1 10 Ann Bern`, `d 1 11`, `t 12`; `-` is null, `?` a column that the event does not have. */
function event(text: string): Event {
  const [op = '', ...rest] = text.split(' ')
  if (op === 't') return { op, order: Number(rest[0]), values: [] }
  const [id, order, name = '?', city = '?'] = rest
  const absent = [name === '?' ? 'name' : '', city === '?' ? 'city' : ''].filter(Boolean)
  const value = (cell: string) => (cell === '-' || cell === '?' ? null : cell)
  return {
    op,
    order: Number(order),
    values: [id === '-' ? null : Number(id), Number(order), value(name), value(city)],
    absent,
  }
}
const events = (...lines: string[]) => lines.map(event)

/** `1 10 Ann Bern` */
async function shown(of: EventTable): Promise<string[]> {
  return (await of.rows()).map((row) =>
    Object.values(row)
      .map((value) => value ?? '-')
      .join(' '),
  )
}
async function buried(of: EventTable): Promise<string[]> {
  return (await of.tombstones()).map(({ id, _order }) => `${id ?? '-'} ${_order}`)
}
const day = 86_400_000

describe('one event of a key', () => {
  test('u inserts a row that is not there, and updates one that is', async () => {
    const t = table()
    const first = await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    expect(first.rows).toEqual({ read: 2, written: 2, inserted: 2, updated: 0, deleted: 0, ignored: 0 })
    const second = await t.cdc(events('u 1 11 Anne Wien', 'u 3 1 Cid Oslo'))
    expect(second.rows).toMatchObject({ read: 2, inserted: 1, updated: 1, ignored: 0 })
    expect(await shown(t)).toEqual(['1 11 Anne Wien', '2 10 Bob Rom', '3 1 Cid Oslo'])
  })

  test('a row that differs in its order alone is updated: the order is kept', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    expect((await t.cdc(events('u 1 11 Ann Bern'))).rows).toMatchObject({ updated: 1, ignored: 0 })
    expect(await shown(t)).toEqual(['1 11 Ann Bern'])
  })

  test('an older event, and one of the same order, change nothing', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    const late = await t.cdc(events('u 1 9 Old Old', 'u 1 10 Same Same', 'd 1 10', 'd 1 8'))
    expect(late).toMatchObject({ rows: { read: 4, ignored: 4, written: 0 }, supersede: [], add: [] })
    expect(late.tombstones).toBeUndefined()
    expect(late.properties).toBeUndefined()
    expect(await shown(t)).toEqual(['1 10 Ann Bern'])
  })

  test('d removes the row and keeps its order, against which late events are judged', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    expect((await t.cdc(events('d 1 12'))).rows).toMatchObject({ read: 1, deleted: 1, ignored: 0 })
    expect(await buried(t)).toEqual(['1 12'])
    expect((await t.cdc(events('u 1 11 Late Late', 'u 1 12 Late Late'))).rows).toMatchObject({
      ignored: 2,
      inserted: 0,
    })
    expect(await shown(t)).toEqual(['2 10 Bob Rom'])
  })

  test('a later u brings a deleted row back, and its tombstone goes; without any the property goes too', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'd 7 3', 'd 8 3'))
    expect((await t.cdc(events('d 1 12'))).rows).toMatchObject({ deleted: 1 })
    expect(await buried(t)).toEqual(['1 12', '7 3', '8 3'])
    expect((await t.cdc(events('u 1 13 Back Bonn', 'u 8 4 New Nizza'))).rows).toMatchObject({ inserted: 2 })
    expect(await buried(t)).toEqual(['7 3'])
    const last = await t.cdc(events('u 7 5 Seven Sion'))
    expect(last.properties).toEqual({ 'lakewright.tombstones': '' })
    expect(t.configuration).toEqual({})
  })

  test('d of a key that is not there is ignored, but no older event makes the row afterwards', async () => {
    const t = table()
    expect((await t.cdc(events('d 7 5'))).rows).toMatchObject({ read: 1, ignored: 1, deleted: 0 })
    expect((await t.cdc(events('u 7 4 Late -'))).rows).toMatchObject({ ignored: 1 })
    expect((await t.cdc(events('d 7 9', 'd 7 6'))).rows).toMatchObject({ ignored: 2 })
    expect((await t.cdc(events('u 7 8 Late -'))).rows).toMatchObject({ ignored: 1 })
    expect(await buried(t)).toEqual(['7 9'])
    expect((await t.cdc(events('u 7 10 New -'))).rows).toMatchObject({ inserted: 1 })
  })
})

describe('several events of a key', () => {
  test('the highest order wins, whatever their place in the input', async () => {
    const t = table()
    const { rows } = await t.cdc(events('u 1 13 c C', 'u 1 11 a A', 'u 1 12 b B'))
    expect(rows).toMatchObject({ read: 3, inserted: 1, ignored: 2 })
    expect(await shown(t)).toEqual(['1 13 c C'])
  })

  test('of equal orders the later in the input wins', async () => {
    const t = table()
    await t.cdc(events('u 1 11 a A', 'u 1 11 b B', 'u 2 11 a A', 'd 2 11', 'd 3 5', 'u 3 5 c C'))
    expect(await shown(t)).toEqual(['1 11 b B', '3 5 c C'])
    expect(await buried(t)).toEqual(['2 11'])
  })

  test('made and deleted in one load: nothing is written but the tombstone', async () => {
    const t = table()
    const { rows } = await t.cdc(events('u 3 1 New -', 'd 3 2'))
    expect(rows).toMatchObject({ read: 2, ignored: 2, written: 0 })
    expect(await buried(t)).toEqual(['3 2'])
  })

  test('delivered again as a whole, a batch makes no new version', async () => {
    const t = table()
    const batch = events('u 1 10 Ann Bern', 'u 2 10 Bob Rom', 'd 2 11', 'd 9 1', 't 5', 'u 4 6 Dan ?')
    await t.cdc(batch)
    const { version } = t
    const again = await t.cdc(batch)
    expect(again).toMatchObject({ rows: { read: 6, ignored: 6 }, supersede: [], add: [], changeData: [] })
    expect(t.version).toBe(version)
  })
})

describe('columns that an event does not have', () => {
  test('keep the value of the row; explicit null does not', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    await t.cdc(events('u 1 11 Anne ?', 'u 2 11 ? -'))
    expect(await shown(t)).toEqual(['1 11 Anne Bern', '2 11 Bob -'])
  })

  test('keep the value of the event before them, in the order of the events', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    await t.cdc(events('u 1 13 ? Wien', 'u 1 11 Anne Graz', 'u 1 12 - ?'))
    expect(await shown(t)).toEqual(['1 13 - Wien'])
  })

  test('are null where there was no row, or where a delete came between', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    await t.cdc(events('u 3 1 New ?', 'd 1 11', 'u 1 12 Back ?', 'u 2 11 ? Paris', 'd 2 12', 'u 2 13 Bobby ?'))
    expect(await shown(t)).toEqual(['1 12 Back -', '2 13 Bobby -', '3 1 New -'])
  })

  test('a stale partial update is not folded into the next one', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    await t.cdc(events('u 1 9 Stale ?', 'd 1 8', 'u 1 11 ? Wien'))
    expect(await shown(t)).toEqual(['1 11 Ann Wien'])
  })

  test('columns that the whole input lacks keep their values', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    await t.cdc(
      [
        { op: 'u', order: 11, values: [1, 11, null, 'Wien'] },
        { op: 'u', order: 1, values: [2, 1, null, 'Rom'] },
      ],
      { supplied: ['id', 'at', 'city'] },
    )
    expect(await shown(t)).toEqual(['1 11 Ann Wien', '2 1 - Rom'])
  })

  test('names of absent columns are compared without regard to case', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern'))
    await t.cdc([{ op: 'u', order: 11, values: [1, 11, null, 'Wien'], absent: ['NAME'] }])
    expect(await shown(t)).toEqual(['1 11 Ann Wien'])
  })
})

describe('truncate', () => {
  test('takes the rows up to its order, beyond what was read; later ones stay', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 20 Bob Rom', 'u 5 15 Eve Ulm', 'd 3 10', 'd 4 20'))
    const { rows, supersede } = await t.cdc(events('t 15'))
    expect(rows).toMatchObject({ read: 1, deleted: 2, ignored: 1, inserted: 0 })
    expect(supersede).toHaveLength(1)
    expect(await shown(t)).toEqual(['2 20 Bob Rom'])
    // The tombstones below it are told by it.
    expect(await buried(t)).toEqual(['4 20', '- 15'])
  })

  test('an insert from before it that comes late is ignored, one from after it is not', async () => {
    const t = table()
    await t.cdc(events('t 15'))
    expect((await t.cdc(events('u 1 15 Late -', 'u 2 16 New -'))).rows).toMatchObject({ ignored: 1, inserted: 1 })
    expect(await shown(t)).toEqual(['2 16 New -'])
    expect((await t.cdc(events('t 14', 't 15'))).rows).toMatchObject({ read: 2, ignored: 2, deleted: 0 })
    expect(await buried(t)).toEqual(['- 15'])
  })

  test('events before and after it in one load; a key that comes again is an update in the change feed', async () => {
    const t = table()
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    const { rows } = await t.cdc(events('u 1 11 Lost Lost', 't 12', 'u 1 13 Anne ?', 'u 5 12 Tie -'))
    expect(rows).toMatchObject({ read: 4, inserted: 2, deleted: 2, ignored: 2, updated: 0 })
    expect(await shown(t)).toEqual(['1 13 Anne -', '5 12 Tie -'])
    const feed = t.feed.filter(({ _commit_version }) => _commit_version === 1)
    expect(feed.map(({ id, at, _change_type }) => `${_change_type} ${id} ${at}`).sort()).toEqual([
      'delete 2 10',
      'insert 5 12',
      'update_postimage 1 13',
      'update_preimage 1 10',
    ])
  })

  test('takes rows without an order, which other modes brought', async () => {
    const t = table()
    await t.cdc([{ op: 'u', order: 3, values: [1, 3, 'Ann', null] }])
    await t.cdc(events('t 2'))
    expect(await shown(t)).toEqual(['1 3 Ann -'])
    t.configuration = {}
    await t.withoutOrder()
    expect((await t.cdc(events('t 2'))).rows).toMatchObject({ deleted: 1 })
    expect(await shown(t)).toEqual([])
  })
})

describe('deletes that mark', () => {
  const marking = { columns: { ...columns, removed: 'boolean' }, softDelete: 'removed' }

  test('keep the row with its values, marked, and a later u unmarks it', async () => {
    const t = table(marking)
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    expect((await t.cdc(events('d 1 11'))).rows).toMatchObject({ deleted: 1, updated: 0 })
    expect(await shown(t)).toEqual(['1 11 Ann Bern true', '2 10 Bob Rom false'])
    expect(await buried(t)).toEqual([])
    expect((await t.cdc(events('u 1 10 Late Late', 'u 1 11 Late Late'))).rows).toMatchObject({ ignored: 2 })
    expect((await t.cdc(events('d 1 12'))).rows).toMatchObject({ deleted: 1 })
    expect((await t.cdc(events('u 1 13 Back ?'))).rows).toMatchObject({ updated: 1 })
    expect(await shown(t)).toEqual(['1 13 Back - false', '2 10 Bob Rom false'])
  })

  test('a row made and deleted in one load is there, marked, as if in two', async () => {
    const one = table(marking)
    expect((await one.cdc(events('u 1 10 Ann Bern', 'd 1 11'))).rows).toMatchObject({ inserted: 1, ignored: 1 })
    const two = table(marking)
    await two.cdc(events('u 1 10 Ann Bern'))
    await two.cdc(events('d 1 11'))
    expect(await shown(one)).toEqual(['1 11 Ann Bern true'])
    expect(await shown(two)).toEqual(await shown(one))
  })

  test('updates before the delete are in the marked row', async () => {
    const t = table(marking)
    await t.cdc(events('u 1 10 Ann Bern'))
    expect((await t.cdc(events('u 1 11 ? Wien', 'd 1 12'))).rows).toMatchObject({ deleted: 1, ignored: 1 })
    expect(await shown(t)).toEqual(['1 12 Ann Wien true'])
  })

  test('of a key that is not there, the order goes to the tombstones', async () => {
    const t = table(marking)
    await t.cdc(events('d 1 11'))
    expect((await t.cdc(events('u 1 10 Late -'))).rows).toMatchObject({ ignored: 1 })
    expect((await t.cdc(events('u 1 12 New -'))).rows).toMatchObject({ inserted: 1 })
    expect(await shown(t)).toEqual(['1 12 New - false'])
    expect(await buried(t)).toEqual([])
  })

  test('a truncate removes rows all the same', async () => {
    const t = table(marking)
    await t.cdc(events('u 1 10 Ann Bern', 'd 1 11', 'u 2 13 Bob -'))
    expect((await t.cdc(events('t 12'))).rows).toMatchObject({ deleted: 1 })
    expect(await shown(t)).toEqual(['2 13 Bob - false'])
  })
})

describe('deletes that carry the order of the row that they delete', () => {
  const old = { deletesOfOldOrder: true }

  test('delete it; delivered again, or before their row, they change nothing', async () => {
    const t = table(old)
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'))
    expect((await t.cdc(events('d 1 10', 'd 2 9'))).rows).toMatchObject({ deleted: 1, ignored: 1 })
    expect((await t.cdc(events('d 1 10', 'u 1 10 Ann Bern', 'u 2 10 Again -'))).rows).toMatchObject({ ignored: 3 })
    expect(await shown(t)).toEqual(['2 10 Bob Rom'])
    // In one load it is the same, whatever stands first.
    await t.cdc(events('d 3 5', 'u 3 5 Cid -'))
    expect(await shown(t)).toEqual(['2 10 Bob Rom'])
    expect(await buried(t)).toEqual(['1 10', '3 5'])
    expect((await t.cdc(events('u 1 11 Back -'))).rows).toMatchObject({ inserted: 1 })
  })

  test('mark it once', async () => {
    const t = table({ ...old, columns: { ...columns, removed: 'boolean' }, softDelete: 'removed' })
    await t.cdc(events('u 1 10 Ann Bern'))
    expect((await t.cdc(events('d 1 10'))).rows).toMatchObject({ deleted: 1 })
    expect((await t.cdc(events('d 1 10', 'u 1 10 Ann Bern'))).rows).toMatchObject({ ignored: 2 })
    expect(await shown(t)).toEqual(['1 10 Ann Bern true'])
  })
})

describe('tombstones', () => {
  test('count for 30 days, and go when the file is written again', async () => {
    const t = table()
    await t.cdc(events('d 1 10'), { startedMs: 0 })
    await t.cdc(events('d 2 10'), { startedMs: 20 * day })
    expect((await t.cdc(events('u 1 5 Late -'), { startedMs: 30 * day })).rows).toMatchObject({ ignored: 1 })
    expect((await t.cdc(events('u 3 5 New -'), { startedMs: 31 * day })).tombstones).toBeUndefined()
    expect(await buried(t)).toEqual(['1 10', '2 10'])
    await t.cdc(events('d 4 10'), { startedMs: 31 * day })
    expect(await buried(t)).toEqual(['2 10', '4 10'])
    expect((await t.cdc(events('u 1 5 Late -'), { startedMs: 31 * day })).rows).toMatchObject({ inserted: 1 })
  })

  test('for as long as the call says', async () => {
    const t = table()
    await t.cdc(events('d 1 10', 't 3'), { startedMs: 0 })
    const call = { startedMs: 2 * day, retention: '36h' }
    expect((await t.cdc(events('u 1 5 Late -', 'u 2 3 Late -'), call)).rows).toMatchObject({ inserted: 1, ignored: 1 })
    expect(await buried(t)).toEqual(['- 3'])
    expect(await shown(t)).toEqual(['1 5 Late -'])
  })

  test('carry the time of the load that deleted, and the columns of the file', async () => {
    const t = table()
    await t.cdc(events('d 1 10'), { startedMs: day })
    expect(await t.tombstones()).toEqual([{ id: 1n, _order: 10n, _deleted_at: '1970-01-02T00:00:00Z' }])
    expect(JSON.parse(t.configuration['lakewright.tombstones'] ?? '')).toEqual({
      key: expect.stringMatching(/^_tombstones\/.*\.parquet$/),
      sizeBytes: expect.any(Number),
      rows: 1,
      columns: [
        { name: 'id', type: 'bigint' },
        { name: '_order', type: 'bigint' },
        { name: '_deleted_at', type: 'timestamp' },
      ],
    })
  })
})

describe('keys, orders and partitions', () => {
  test('orders are compared by their type', async () => {
    const cases: [string, Event['order'][]][] = [
      ['bigint', [9n, 10n, 9223372036854775807n]],
      ['decimal(38,0)', ['9', '10', '99999999999999999999999999999999999999']],
      ['decimal(10,3)', ['9.500', '10.125', '10.250']],
      ['timestamp', ['2026-11-20 09:00:00+00', '2026-11-20 10:00:00.000001+00', '2026-11-20 10:00:00.000002+00']],
      ['date', ['2026-09-30', '2026-10-01', '2027-01-01']],
    ]
    for (const [type, [low, middle, high]] of cases as [string, [string, string, string]][]) {
      const t = table({ columns: { id: 'bigint', at: type, name: 'varchar' } })
      const u = (order: string, name: string): Event => ({ op: 'u', order, values: [1, order, name] })
      await t.cdc([u(middle, 'middle'), u(low, 'low')])
      expect((await t.cdc([u(low, 'late'), u(middle, 'again')])).rows, type).toMatchObject({ ignored: 2 })
      await t.cdc([{ op: 'd', order: high, values: [1] }])
      expect((await t.cdc([u(middle, 'late'), u(high, 'same')])).rows, type).toMatchObject({ ignored: 2 })
      expect(await t.rows(), type).toEqual([])
    }
  })

  test('a key of several columns, with text and doubles', async () => {
    const t = table({ columns: { region: 'varchar', x: 'double', at: 'bigint', v: 'varchar' }, key: ['region', 'x'] })
    const u = (region: string, x: number, at: number, v: string): Event => ({
      op: 'u',
      order: at,
      values: [region, x, at, v],
    })
    await t.cdc([u('é', 0, 1, 'a'), u("q'uote", Number.NaN, 1, 'b'), u('é', 1, 1, 'c')])
    await t.cdc([u('é', -0, 2, 'aa'), u("q'uote", Number.NaN, 2, 'bb'), { op: 'd', order: 2, values: ['é', 1] }])
    expect((await t.rows()).map(({ v }) => v).sort()).toEqual(['aa', 'bb'])
    expect(await t.tombstones()).toMatchObject([{ region: 'é', x: 1, _order: 2n }])
  })

  test('an update moves a row to another partition; a delete without the partition column finds it', async () => {
    const t = table({ partitionBy: ['city'] })
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Bern', 'u 3 10 Cid Rom'))
    const moved = await t.cdc(events('u 1 11 Ann Rom', 'd 3 11'))
    expect(moved.rows).toMatchObject({ updated: 1, deleted: 1 })
    expect(moved.partitions).toEqual({ replaced: ['city=Bern', 'city=Rom'], removed: [], unchanged: 0 })
    expect(await shown(t)).toEqual(['1 11 Ann Rom', '2 10 Bob Bern'])
    expect(
      t.feed
        .slice(-3)
        .map(({ id, city, _change_type }) => `${_change_type} ${id} ${city}`)
        .sort(),
    ).toEqual(['delete 3 Rom', 'update_postimage 1 Rom', 'update_preimage 1 Bern'])
  })

  test('what is read is everything, or the partitions of the keys where the key names them; with a truncate everything', async () => {
    expect((await table({ partitionBy: ['city'] }).cdc(events('u 1 1 a A'))).reads).toEqual({ kind: 'everything' })
    const keyed = table({ partitionBy: ['city'], key: ['id', 'city'] })
    expect((await keyed.cdc(events('u 1 1 a A', 'd 2 1 - B'))).reads).toEqual({
      kind: 'partitions',
      ids: new Set(['["A"]', '["B"]']),
    })
    expect((await keyed.cdc(events('u 1 2 a A', 't 1'))).reads).toEqual({ kind: 'everything' })
  })

  test('null keys, null orders and keys that the table has twice are refused; of a truncate the key does not count', async () => {
    const t = table()
    await expect(t.cdc(events('u - 1 a A', 'd - 2', 'u 1 1 a A'))).rejects.toMatchObject({
      code: 'invalid',
      details: { rows: 2 },
    })
    await expect(t.cdc([{ op: 'u', order: null, values: [1] }])).rejects.toThrow(
      /events have no order: column=`at`, events=`1`, input=`1`, row=`1`/,
    )
    await t.cdc(events('u 1 1 a A', 'u 2 1 b B', 't 0'))
    await t.double()
    await expect(t.cdc(events('u 1 5 a A'))).rejects.toThrow(
      /keys occur more than once in the table.*id\\?":1} 2 times/,
    )
    expect((await t.cdc(events('u 3 5 c C'))).rows).toMatchObject({ inserted: 1 })
    expect((await t.cdc(events('t 4', 'u 1 5 a A'))).rows).toMatchObject({ deleted: 4, inserted: 1 })
    expect(await shown(t)).toEqual(['1 5 a A', '3 5 c C'])
    expect(
      t.feed
        .slice(-5)
        .map(({ _change_type }) => _change_type)
        .sort(),
    ).toEqual(['delete', 'delete', 'delete', 'update_postimage', 'update_preimage'])
  })
})

test('load columns: an insert has all four of its load, an update keeps when the row was made', async () => {
  const own = { _loaded_at: 'timestamp', _load_id: 'varchar', _created_at: 'timestamp', _updated_at: 'timestamp' }
  for (const changeFeed of [true, false]) {
    const t = table({ columns: { ...columns, ...own }, loadColumns: Object.keys(own), changeFeed })
    await t.cdc(events('u 1 10 Ann Bern', 'u 2 10 Bob Rom'), { startedMs: 0 })
    await t.cdc(events('u 1 11 Anne ?', 'd 2 11', 'u 2 12 Bob Rom', 'u 3 1 Cid -'), { startedMs: day })
    const [zero, one] = ['1970-01-01T00:00:00Z', '1970-01-02T00:00:00Z']
    const second = { _loaded_at: one, _load_id: 'load-1', _updated_at: one }
    expect(await t.rows()).toMatchObject([
      { id: 1n, city: 'Bern', ...second, _created_at: zero },
      { id: 2n, ...second, _created_at: zero },
      { id: 3n, ...second, _created_at: one },
    ])
  }
})

test('files without one of the keys are neither read nor written', async () => {
  const t = table()
  await t.cdc(events('u 1 1 a A', 'u 2 1 b B'))
  await t.cdc(events('u 101 1 a A', 'u 102 1 b B'))
  const [low, high] = [...t.files.keys()]
  const { supersede } = await t.cdc(events('u 101 2 aa A', 'd 102 2', 'u 103 1 c C'))
  expect(supersede.map(({ key }) => key)).toEqual([high])
  expect(t.files.has(low ?? '')).toBe(true)
})
