import { describe, expect, test } from 'vitest'
import type { Condition } from './condition.js'
import { type MergeOptions, merge } from './merge.js'
import { load, rows, shown, shownChanges, table } from './tables.js'

const people = table({ key: ['id'] }, 'id name city', '1 Ann Bern', '2 Bob -', '3 Cem Graz')
const isDeleted: Condition = { op: 'true', left: { of: 'incoming', column: 'deleted' } }

describe('merge, key in the table', () => {
  test('values differ: updated', () => {
    const outcome = merge(people, rows('id name city', '1 Ann Wien'), {}, load)
    expect(outcome.counts).toMatchObject({ read: 1, updated: 1, inserted: 0, unchanged: 0 })
    expect(shownChanges(outcome)).toEqual(['1 Ann Bern > 1 Ann Wien'])
    expect(shown(outcome)).toEqual(['1 Ann Wien', '2 Bob -', '3 Cem Graz'])
  })
  test('null becomes a value, and a value null: updated', () => {
    const outcome = merge(people, rows('id name city', '1 Ann -', '2 Bob Rom'), {}, load)
    expect(shownChanges(outcome)).toEqual(['1 Ann Bern > 1 Ann -', '2 Bob - > 2 Bob Rom'])
  })
  test('all values equal: unchanged, and no change', () => {
    const outcome = merge(people, rows('id name city', '1 Ann Bern', '2 Bob -'), {}, load)
    expect(outcome).toMatchObject({ counts: { read: 2, unchanged: 2, updated: 0 }, changes: [] })
  })
  test('a column that the input does not have: keeps its value', () => {
    expect(shownChanges(merge(people, rows('id name', '1 Anne'), {}, load))).toEqual(['1 Ann Bern > 1 Anne Bern'])
  })
  test('a column that is not in updateColumns: keeps its value, and does not count as a difference', () => {
    const options = { updateColumns: ['city'] }
    const outcome = merge(people, rows('id name city', '1 Anne Wien', '2 Bobby -'), options, load)
    expect(shownChanges(outcome)).toEqual(['1 Ann Bern > 1 Ann Wien'])
    expect(outcome.counts).toMatchObject({ updated: 1, unchanged: 1 })
  })
  test('deleteWhen is true: deleted, whatever the values', () => {
    const outcome = merge(people, rows('id name deleted', '1 X true', '2 Bob false', '3 Cem -'), withDeletes, load)
    expect(outcome.counts).toMatchObject({ read: 3, deleted: 1, unchanged: 2 })
    expect(shownChanges(outcome)).toEqual(['- 1 Ann Bern'])
  })
  test('whenMatched is false or unknown: ignored', () => {
    const whenMatched: Condition = {
      op: 'compare',
      left: { of: 'incoming', column: 'city' },
      comparison: '>',
      right: { of: 'current', column: 'city' },
    }
    const outcome = merge(people, rows('id name city', '1 A Aarau', '2 B Rom', '3 C Zug'), { whenMatched }, load)
    expect(outcome.counts).toMatchObject({ read: 3, ignored: 2, updated: 1 })
    expect(shownChanges(outcome)).toEqual(['3 Cem Graz > 3 C Zug'])
  })
})

describe('merge, key not in the table', () => {
  test('inserted; columns that the input does not have are null', () => {
    const outcome = merge(people, rows('id name', '4 Dan'), {}, load)
    expect(outcome.counts).toMatchObject({ read: 1, inserted: 1 })
    expect(shownChanges(outcome)).toEqual(['+ 4 Dan -'])
  })
  test('deleteWhen is true: ignored', () => {
    const outcome = merge(people, rows('id name deleted', '4 Dan true', '5 Eva -'), withDeletes, load)
    expect(outcome.counts).toMatchObject({ read: 2, ignored: 1, inserted: 1, deleted: 0 })
    expect(shown(outcome, 'id')).toEqual(['1', '2', '3', '5'])
  })
  test('whenMatched does not ask: inserted', () => {
    const whenMatched: Condition = { op: 'null', left: { of: 'current', column: 'id' }, negated: false }
    expect(merge(people, rows('id', '4'), { whenMatched }, load).counts).toMatchObject({ inserted: 1 })
  })
})

describe('merge, row of the table whose key the input does not have', () => {
  test('is kept', () => {
    expect(shown(merge(people, rows('id name', '1 Ann'), {}, load), 'id')).toEqual(['1', '2', '3'])
  })
  test('is deleted with whenNotMatchedBySource: delete, beyond what was read', () => {
    const outcome = merge(people, rows('id name', '1 Ann'), { whenNotMatchedBySource: 'delete' }, load)
    expect(outcome.counts).toMatchObject({ read: 1, unchanged: 1, deleted: 2 })
    expect(shown(outcome, 'id')).toEqual(['1'])
  })
  test('is kept outside of the scope', () => {
    const scope: NonNullable<MergeOptions['scope']> = ({ city }) => city === 'Bern'
    const options: MergeOptions = { whenNotMatchedBySource: 'delete', scope }
    const outcome = merge({ ...people, partitionBy: ['city'] }, rows('id name city', '4 Dan Bern'), options, load)
    expect(shown(outcome, 'id')).toEqual(['2', '3', '4'])
  })
})

describe('merge refuses', () => {
  test('a key that is null', () => {
    expect(() => merge(people, rows('id name', '- Nil'), {}, load)).toThrow('a key is null')
  })
  test('a key that is repeated in the input, even by equal rows', () => {
    expect(() => merge(people, rows('id name', '4 Dan', '4 Dan'), {}, load)).toThrow('repeated in the input')
  })
  test('a key that is repeated in the table, where the input has it', () => {
    const doubled = { ...people, rows: [...people.rows, ...people.rows.slice(0, 1)] }
    expect(() => merge(doubled, rows('id name', '1 Anne'), {}, load)).toThrow('repeated in the table')
    expect(merge(doubled, rows('id name', '2 Bobby'), {}, load).counts).toMatchObject({ updated: 1 })
  })
  test('a column that the table does not have, unless it may evolve', () => {
    const input = rows('id zip', '1 3000')
    expect(() => merge(people, input, {}, load)).toThrow('no column zip')
    expect(shown(merge(people, input, { schema: 'evolve' }, load))).toContain('1 Ann Bern 3000')
  })
})

describe('merge, several rows with one key', () => {
  const input = rows('id name n', '1 old 1', '1 new 3', '1 mid 2', '2 only 1')
  test('onDuplicate last keeps the one with the greatest order, the others are ignored', () => {
    const outcome = merge(people, input, { schema: 'evolve', onDuplicate: 'last', orderBy: ['n'] }, load)
    expect(outcome.counts).toMatchObject({ read: 4, updated: 2, ignored: 2 })
    expect(shown(outcome, 'id name')).toContain('1 new')
  })
  test('onDuplicate first keeps the one with the least; null is lowest', () => {
    const options: MergeOptions = { schema: 'evolve', onDuplicate: 'first', orderBy: ['n'] }
    expect(shown(merge(people, input, options, load), 'id name')).toContain('1 old')
    expect(shown(merge(people, rows('id name n', '1 a 1', '1 b -'), options, load), 'id name')).toContain('1 b')
  })
  test('equal rows of an equal order are one, different ones are refused', () => {
    const options: MergeOptions = { schema: 'evolve', onDuplicate: 'last', orderBy: ['n'] }
    expect(merge(people, rows('id name n', '1 a 1', '1 a 1'), options, load).counts).toMatchObject({ ignored: 1 })
    expect(() => merge(people, rows('id name n', '1 a 1', '1 b 1'), options, load)).toThrow('equal order')
  })
})

test('load columns: an insert is stamped, an update keeps _created_at, an unchanged row keeps all', () => {
  const stamps = '_loaded_at _load_id _created_at _updated_at'
  const start = {
    ...table({ key: ['id'] }, `id name ${stamps}`, '1 Ann t0 one t0 t0', '2 Bob t0 one t0 t0'),
    loadColumns: 'row' as const,
  }
  const outcome = merge(start, rows('id name', '1 Ann', '2 Bobby', '3 Cem'), {}, { at: 't1', id: 'two' })
  expect(outcome.counts).toMatchObject({ unchanged: 1, updated: 1, inserted: 1 })
  expect(shown(outcome)).toEqual(['1 Ann t0 one t0 t0', '2 Bobby t1 two t0 t1', '3 Cem t1 two t1 t1'])
})

const withDeletes: MergeOptions = { deleteWhen: isDeleted }
