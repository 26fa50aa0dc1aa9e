/** Keys of text are held by their hashes. Two keys with one hash do not occur in practice, so the hash is made worse here. */
import { expect, test, vi } from 'vitest'
import { diff } from '../../src/index.js'

const hash = vi.hoisted(() => ({ sql: '' }))
vi.mock(import('../../src/stage/row-hash.js'), async (original) => {
  const actual = await original()
  // Of keys alone; the rows' own hashes are made by `rowHashColumns`.
  return { ...actual, rowHashSql: () => ({ h1: hash.sql, h2: '0::UBIGINT' }) }
})

const old = [
  { name: 'a', n: 1 },
  { name: 'bb', n: 2 },
  { name: 'ccc', n: 3 },
]
const now = [
  { name: 'bb', n: 2 },
  { name: 'ccc', n: 4 },
  { name: 'z', n: 9 },
]
const found = { inserted: 1, updated: 1, deleted: 1, unchanged: 1, changedColumns: { n: 1 } }

test.each([
  ['that do not collide', `hash(name)`],
  ['that collide on one side', `hash(strlen(name) > 2)`],
  ['that collide between the sides, where the rows differ', `hash(strlen(name))`],
  ['that all collide', `hash(0)`],
])('keys %s', async (_, sql) => {
  hash.sql = sql
  await using changes = await diff(old, now, { key: ['name'] })
  expect(changes).toMatchObject(found)
  expect((await changes.toArray()).map(({ name, _change_type }) => `${_change_type} ${name}`)).toEqual([
    'delete a',
    'update_preimage ccc',
    'update_postimage ccc',
    'insert z',
  ])
})
