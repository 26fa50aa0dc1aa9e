import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { failure, useReading } from './reading.js'

const suite = useReading()

test('objects on a store are fetched, united, named by their URL in errors, and removed again', async () => {
  const store = await openStore('memory://inputs')
  const put = (key: string, text: string) => store.putIfAbsent(key, Buffer.from(text))
  await put('in/dt=2026-11-20/a.csv', 'id,v\n1,a\n')
  await put('in/dt=2026-11-21/b.csv', 'v,id\nb,2\n')
  await put('in/_tmp/c.csv', 'id,v\n3,c\n')
  const before = await readdir(suite.folder)
  const read = await suite.read('memory://inputs/in/')
  expect(read.rows.map(({ id, v, dt }) => `${id} ${v} ${dt}`).sort()).toEqual(['1 a 2026-11-20', '2 b 2026-11-21'])
  expect(await readdir(suite.folder)).toEqual(before)
  const error = await failure(suite.read('memory://inputs/in/dt=*/*.csv', { types: { v: 'bigint' } }))
  expect(error.details.file).toBe('memory://inputs/in/dt=2026-11-20/a.csv')
})
