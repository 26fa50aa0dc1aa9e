/** Files that are put together from their own bytes, whatever the mode: a row changes in its place, one moves, one goes, one comes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTable, type Receipt, type Table } from '../../src/index.js'
import { patchCosts } from '../../src/stage/patch/costs.js'
import { localPlace, memoryPlace } from './places.js'

const measured = { ...patchCosts }
beforeAll(() => {
  Object.assign(patchCosts, { perGroup: 0, gain: 100, smallRows: 0, mostSmall: 0 })
})
afterAll(() => {
  Object.assign(patchCosts, measured)
})

interface Row {
  id: number
  region: string
  name: string
}
const row = (id: number, region: string, name = 'old'): Row => ({ id, region, name })
const before = [1, 2, 3, 4, 5, 6].map((id) => row(id, id % 2 === 1 ? 'a' : 'b'))
const changed = [row(1, 'a', 'new'), row(2, 'a', 'moved'), row(7, 'b', 'came')]
const after = [...changed, ...[4, 5, 6].map((id) => row(id, id % 2 === 1 ? 'a' : 'b'))]
const event = (op: string, n: number, one: Row) => ({ op, n, ...one })
const events = { opColumn: 'op', orderColumn: 'n' }
const at = (day: number) => ({ effectiveAt: `2026-11-${day}T00:00:00Z` })

const modes: [string, (table: Table) => Promise<Receipt>, (table: Table) => Promise<Receipt>][] = [
  [
    'merge',
    (table) => table.merge(before),
    (table) => table.merge([...changed, row(3, 'a', 'gone')], { deleteWhen: "incoming.name = 'gone'" }),
  ],
  ['sync', (table) => table.sync(before), (table) => table.sync(after)],
  [
    'cdc',
    (table) =>
      table.cdc(
        before.map((one) => event('I', 1, one)),
        events,
      ),
    (table) => table.cdc([...changed.map((one) => event('U', 2, one)), event('D', 2, row(3, 'a'))], { opColumn: 'op' }),
  ],
  [
    'scd2',
    (table) => table.scd2(before, at(19)),
    async (table) => {
      // The versions of the same instant are made anew, some of them in the other partition.
      await table.scd2(
        after.map((one) => ({ ...one, region: one.id > 4 ? one.region : 'b', name: 'wrong' })),
        at(20),
      )
      return await table.scd2(after, at(20))
    },
  ],
]

// What lies on a store is compared by hashes, and what lies here by values.
const kinds = [localPlace, memoryPlace].flatMap((make) => modes.map((mode) => [...mode, make] as const))

test.each(kinds)('%s', async (mode, first, second, make) => {
  await using place = await make()
  await using table = await openTable(place.url, { store: place.store, partitionBy: ['region'], key: ['id'] })
  await first(table)
  await second(table)
  const now = mode === 'scd2' ? ' where _is_current' : ''
  const rows = await table.query(`select id::integer as id, region, name from t${now} order by id`).toArray()
  expect(rows).toEqual(after.toSorted((a, b) => a.id - b.id))
  expect((await table.verify({ deep: true })).problems).toEqual([])
})

test.each([localPlace, memoryPlace])(
  'a table whose column is called like the engine’s row numbers is refused, and stays',
  async (make) => {
    await using place = await make()
    await using table = await openTable(place.url, { store: place.store, key: ['id'] })
    await table.sync([1, 2, 3].map((id) => ({ id, file_row_number: id })))
    const changed = [1, 2, 4].map((id) => ({ id, file_row_number: 7 * id }))
    await expect(table.sync(changed, { maxDeleteRatio: 1 })).rejects.toMatchObject({ code: 'unsupported' })
    expect((await table.snapshot()).version).toBe(0)
  },
)
