import { describe, expect, test } from 'vitest'
import { sync } from './sync.js'
import { load, rows, shown, shownChanges, table } from './tables.js'

const people = table({ key: ['id'], partitionBy: ['city'] }, 'id name city', '1 Ann Bern', '2 Bob Bern', '3 Cem Graz')
const inBern = { scope: ({ city }: Record<string, unknown>) => city === 'Bern' }

describe('sync', () => {
  test('key in both: updated where a value differs, else unchanged; only in the snapshot: inserted; only in the table: deleted', () => {
    const outcome = sync(people, rows('id name city', '1 Anne Bern', '2 Bob Bern', '4 Dan Graz'), {}, load)
    expect(outcome.counts).toEqual({ read: 3, inserted: 1, updated: 1, deleted: 1, unchanged: 1, ignored: 0 })
    expect(shownChanges(outcome)).toEqual(['+ 4 Dan Graz', '- 3 Cem Graz', '1 Ann Bern > 1 Anne Bern'])
  })
  test('the same snapshot again: all unchanged', () => {
    expect(sync(people, { ...people }, {}, load)).toMatchObject({ counts: { unchanged: 3 }, changes: [] })
  })
  test('a row whose partition changed: updated, and moved', () => {
    const outcome = sync(people, rows('id name city', '1 Ann Graz', '2 Bob Bern', '3 Cem Graz'), {}, load)
    expect(outcome.counts).toMatchObject({ updated: 1, inserted: 0, deleted: 0 })
    expect(shown(outcome)).toContain('1 Ann Graz')
  })
  test('a column that the snapshot does not have becomes null', () => {
    const start = table({ key: ['id'] }, 'id name city', '1 Ann Bern', '2 Bob -')
    const outcome = sync(start, rows('id name', '1 Ann', '2 Bob'), {}, load)
    expect(outcome.counts).toMatchObject({ updated: 1, unchanged: 1 })
    expect(shown(outcome)).toEqual(['1 Ann -', '2 Bob -'])
  })
  test('NaN equals NaN, -0 equals 0, NFC differs from NFD', () => {
    const start = table({ key: ['id'] }, 'id x name', '1 NaN caf\u00e9', '2 0 -')
    const outcome = sync(start, rows('id x name', '1 NaN cafe\u0301', '2 -0 -'), {}, load)
    expect(outcome.counts).toMatchObject({ updated: 1, unchanged: 1 })
  })
})

describe('sync with a scope', () => {
  test('rows of the table outside stay, those inside that the snapshot lacks go', () => {
    const outcome = sync(people, rows('id name city', '1 Ann Bern'), inBern, load)
    expect(outcome.counts).toMatchObject({ unchanged: 1, deleted: 1 })
    expect(shown(outcome, 'id')).toEqual(['1', '3'])
  })
  test('a row of the snapshot outside is refused', () => {
    expect(() => sync(people, rows('id name city', '1 Ann Graz'), inBern, load)).toThrow('outside the scope')
  })
  test('a key whose row in the table lies outside is refused: it would be there twice', () => {
    expect(() => sync(people, rows('id name city', '3 Cem Bern'), inBern, load)).toThrow('outside the scope')
  })
})

describe('the guards of sync', () => {
  const two = rows('id name city', '1 Ann Bern', '2 Bob Bern')
  const one = rows('id name city', '1 Anne Bern')
  test('as many deletes as maxDeleteRatio pass, one more does not; 0.5 is the default', () => {
    expect(sync(people, two, {}, load).counts.deleted).toBe(1)
    expect(() => sync(people, one, {}, load)).toThrow('too many deletes')
    expect(sync(people, one, { maxDeleteRatio: 2 / 3 }, load).counts.deleted).toBe(2)
    expect(() => sync(people, two, { maxDeleteRatio: 0 }, load)).toThrow('too many deletes')
  })
  test('only rows of the scope count', () => {
    expect(() => sync(people, rows('id name city'), inBern, load)).toThrow('too many deletes')
  })
  test('updates have a guard only where it is asked for', () => {
    const changed = rows('id name city', '1 Anne Bern', '2 Bobby Bern', '3 Cem Graz')
    expect(sync(people, changed, {}, load).counts.updated).toBe(2)
    expect(() => sync(people, changed, { maxUpdateRatio: 0.5 }, load)).toThrow('too many updates')
  })
  test('fewer rows than minRows do not pass, whatever they say', () => {
    expect(() => sync(people, two, { minRows: 3 }, load)).toThrow('too few rows')
    expect(sync(people, two, { minRows: 2 }, load).counts.read).toBe(2)
  })
  test('an empty table has nothing to guard', () => {
    expect(sync({ ...people, rows: [] }, one, { maxDeleteRatio: 0, maxUpdateRatio: 0 }, load).counts.inserted).toBe(1)
  })
})
