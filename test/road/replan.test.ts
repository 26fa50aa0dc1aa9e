/**
 * The table changes while a load runs: what was staged for other columns is staged again, under keys of its own.
 */
import { describe, expect, test } from 'vitest'
import { openTable, type Table } from '../../src/index.js'
import { places } from './places.js'

describe.each(places)('on $name', ({ make }) => {
  test('an append whose table gains a column meanwhile is staged again, and the manifest tells the truth', async () => {
    await using place = await make()
    await using other = await openTable(`${place.url}/t`, { store: place.store })
    await other.append([{ id: 0, name: 'zero' }])
    await using table = await openTable(`${place.url}/t`, { store: place.store })
    async function* rows() {
      yield { id: 1, name: 'one' }
      await other.append([{ id: 9, name: 'nine', extra: 'a text that makes files longer' }], { schema: 'evolve' })
      yield { id: 2, name: 'two' }
    }
    expect(await table.append(rows())).toMatchObject({ status: 'committed', version: 2, rows: { read: 2, written: 2 } })
    expect((await table.verify({ deep: true })).problems).toEqual([])
    expect(await idsOf(table)).toEqual([0n, 1n, 2n, 9n])
  })

  test('a replace whose table gains a column meanwhile is told so, and with retry is put on top', async () => {
    await using place = await make()
    await using other = await openTable(`${place.url}/t`, { store: place.store, partitionBy: ['p'] })
    await other.append([{ p: 'a', id: 0 }])
    await using table = await openTable(`${place.url}/t`, { store: place.store })
    let column = 0
    async function* rows() {
      yield { p: 'b', id: 1 }
      column += 1
      await other.append([{ p: 'c', id: 9, [`extra${column}`]: 'x' }], { schema: 'evolve' })
    }
    await expect(table.replace(rows())).rejects.toMatchObject({ code: 'conflict' })
    expect(await idsOf(table)).toEqual([0n, 9n])
    expect(await table.replace(rows(), { onConflict: 'retry' })).toMatchObject({ status: 'committed' })
    expect(await idsOf(table)).toEqual([0n, 1n, 9n, 9n])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('a load id is known again after the column was widened', async () => {
    await using place = await make()
    await using table = await openTable(`${place.url}/t`, { store: place.store })
    const first = [{ id: 1, price: 1.5 }]
    await table.append(first, { loadId: 'first', types: { id: 'integer', price: 'float' } })
    const wide = [{ id: 2 ** 40, price: 2.25 }]
    const load = { loadId: 'wide', schema: 'evolve' as const }
    expect(await table.append(wide, load)).toMatchObject({ status: 'committed', rows: { rewritten: 1 } })
    expect(await table.append(wide, load)).toMatchObject({ status: 'duplicate', version: 1 })
    expect(await table.append(first, { loadId: 'first' })).toMatchObject({ status: 'duplicate', version: 0 })
  })
})

async function idsOf(table: Table): Promise<unknown[]> {
  return (await table.query('select id from t order by id').toArray()).map(({ id }) => id)
}
