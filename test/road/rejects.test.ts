/** Rows that do not fit are refused with their place, or diverted to `_rejected/` and counted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { csv, openTable, parquet } from '../../src/index.js'
import { places } from './places.js'

const folder = mkdtempSync(join(tmpdir(), 'lakewright-rejects-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each(places)('on $name', ({ name, make }) => {
  test('rows that do not fit are diverted with reason and place, and the counts add up', async () => {
    await using place = await make()
    const file = join(folder, 'mixed.csv')
    const lines = ['p,id,note', 'a,1,one', '"",2,two', 'b,x,three', 'NULL,4,four', 'b,5,five', 'c,6']
    writeFileSync(file, `${lines.join('\n')}\n`)
    await using table = await openTable(`${place.url}/t`, { store: place.store, partitionBy: ['p'] })
    await expect(table.append(csv(file), { types: { id: 'bigint' } })).rejects.toMatchObject({ code: 'invalid' })
    const receipt = await table.append(csv(file), { types: { id: 'bigint' }, onReject: 'divert' })
    expect(receipt).toMatchObject({ status: 'committed', rows: { read: 6, written: 2, rejected: 4 } })
    expect(await table.query('select p, id from t order by id').toArray()).toEqual([
      { p: 'a', id: 1n },
      { p: 'b', id: 5n },
    ])
    expect(receipt.rejectedFile).toMatch(/^_rejected\/.*\.parquet$/)
    if (name !== 'a local folder') return
    await using rejected = await openTable(`${place.url}/rejected`)
    await rejected.append(parquet(join(place.url, 't', receipt.rejectedFile ?? '')))
    const rows = await rejected.query('select _row_number as r, _reason as why, _file as f from t order by r').toArray()
    expect(rows.map(({ r }) => r)).toEqual([2n, 3n, 4n, 6n])
    expect(rows.map(({ why }) => String(why).slice(0, 12))).toEqual([
      'column p has',
      'column id is',
      'column p has',
      expect.any(String),
    ])
    expect(rows.every(({ f }) => String(f).endsWith('mixed.csv'))).toBe(true)
  })

  test('rows are kept aside even where none of the load fits', async () => {
    await using place = await make()
    const file = join(folder, 'none.csv')
    writeFileSync(file, 'p,id\na,x\nb,y\n')
    await using table = await openTable(`${place.url}/t`, { store: place.store, partitionBy: ['p'] })
    await table.append([{ p: 'a', id: 1 }])
    const receipt = await table.append(csv(file), { onReject: 'divert' })
    expect(receipt).toMatchObject({ status: 'committed', rows: { read: 2, written: 0, rejected: 2 } })
    expect(receipt.rejectedFile).toBeDefined()
    expect(await table.query('select id from t').toArray()).toEqual([{ id: 1n }])
  })
})
