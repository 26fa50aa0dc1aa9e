/** A table as the input of a load: its rows are those of its manifest. */
import { describe, expect, test } from 'vitest'
import { openTable } from '../../src/index.js'
import { places } from './places.js'

describe.each(places.filter(({ name }) => name !== 'memory'))('on $name', ({ make }) => {
  test('a load reads a table, or a version of it, by its manifest and not by its folder', async () => {
    await using place = await make()
    await using orders = await openTable(`${place.url}/orders`, { store: place.store, partitionBy: ['dt'] })
    await orders.append(
      [
        { dt: '2026-11-01', id: 1, price: '1.10' },
        { dt: '2026-11-02', id: 2, price: '2.20' },
      ],
      { types: { price: 'decimal(12,2)', dt: 'date' } },
    )
    await orders.replace([{ dt: '2026-11-02', id: 3, price: '3.30' }])
    await using copy = await openTable(`${place.url}/copy`, { store: place.store, partitionBy: ['id'] })
    expect(await copy.append(`${place.url}/orders`)).toMatchObject({ rows: { read: 2, written: 2 } })
    expect((await copy.snapshot()).columns).toEqual((await orders.snapshot()).columns)
    expect(await copy.query('select dt, id, price from t order by id').toArray()).toEqual([
      { dt: '2026-11-01', id: 1n, price: '1.10' },
      { dt: '2026-11-02', id: 3n, price: '3.30' },
    ])
    expect(await copy.overwrite(`${place.url}/orders@0`)).toMatchObject({ rows: { read: 2, written: 1, unchanged: 1 } })
    expect(await copy.query('select id from t order by id').toArray()).toEqual([{ id: 1n }, { id: 2n }])
  })
})
