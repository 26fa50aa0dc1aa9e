import { describe, expect, test } from 'vitest'
import { type DiffOptions, diff } from './diff.js'
import { changesShown, rows } from './tables.js'

const byId: DiffOptions = { key: ['id'] }
const old = rows('id name city', '1 Ann Bern', '2 Bob -', '3 Cem Graz', '4 Dan Rom')

describe('diff', () => {
  test('only new: insert; only old: delete; in both: update where a column differs, else unchanged', () => {
    const result = diff(old, rows('id name city', '1 Ann Bern', '2 Bob Wien', '3 Cemal -', '5 Eva -'), byId)
    expect(result).toMatchObject({ inserted: 1, deleted: 1, updated: 2, unchanged: 1 })
    expect(changesShown(result.changes, ['id', 'name', 'city'])).toEqual([
      '+ 5 Eva -',
      '- 4 Dan Rom',
      '2 Bob - > 2 Bob Wien',
      '3 Cem Graz > 3 Cemal -',
    ])
  })
  test('changedColumns counts the updated rows in which a column differs', () => {
    const result = diff(old, rows('id name city', '1 Anne Wien', '2 Bob Wien', '5 Eva Rom'), byId)
    expect(result.changedColumns).toEqual({ name: 1, city: 2 })
  })
  test('columns and ignore choose what is compared', () => {
    const fresh = rows('id name city', '1 Anne Bern', '2 Bob Wien', '3 Cem Graz', '4 Dan Rom')
    expect(diff(old, fresh, { ...byId, columns: ['city'] })).toMatchObject({ updated: 1, changedColumns: { city: 1 } })
    expect(diff(old, fresh, { ...byId, ignore: ['city'] })).toMatchObject({ updated: 1, changedColumns: { name: 1 } })
    expect(diff(old, fresh, { ...byId, ignore: ['city', 'name'] })).toMatchObject({ updated: 0, unchanged: 4 })
  })
  test('a column that one side lacks differs only where it is not null', () => {
    const result = diff(old, rows('id name zip', '1 Ann 3000', '2 Bob -', '3 Cem -'), byId)
    expect(result.schema).toEqual({ added: ['zip'], removed: ['city'] })
    expect(result).toMatchObject({ updated: 2, unchanged: 1, changedColumns: { zip: 1, city: 2 } })
  })
  test('a key of several columns; the same text in another split is another key', () => {
    const two = diff(rows('a b v', 'x yz 1'), rows('a b v', 'xy z 1'), { key: ['a', 'b'] })
    expect(two).toMatchObject({ inserted: 1, deleted: 1 })
  })
  test('NaN equals NaN, as a key too; 0 equals -0; null differs from all but null', () => {
    const result = diff(rows('x n', 'NaN 1', '0 2', '5 -'), rows('x n', 'NaN 1', '-0 2', '5 0'), { key: ['x'] })
    expect(result).toMatchObject({ inserted: 0, deleted: 0, updated: 1, unchanged: 2 })
  })
  test('keys that are null or repeated are refused, on either side', () => {
    for (const bad of [rows('id', '-'), rows('id', '1', '1')]) {
      expect(() => diff(bad, rows('id'), byId)).toThrow(/null|repeated/)
      expect(() => diff(rows('id'), bad, byId)).toThrow(/null|repeated/)
    }
  })
})
