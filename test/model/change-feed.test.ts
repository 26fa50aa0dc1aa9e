import { describe, expect, test } from 'vitest'
import { appliedTo, netChanges } from './change-feed.js'
import { merge } from './merge.js'
import { type RowChange, rowTexts, type Table } from './table.js'
import { changesShown, load, rows, table } from './tables.js'

const empty = table({ key: ['id'] }, 'id name')
const row = (text: string) => rows('id name', text).rows[0] as RowChange extends { row: infer R } ? R : never
const insert = (text: string): RowChange => ({ kind: 'insert', row: row(text) })
const remove = (text: string): RowChange => ({ kind: 'delete', row: row(text) })
const update = (from: string, to: string): RowChange => ({ kind: 'update', before: row(from), after: row(to) })
const net = (of: Table, ...changes: RowChange[]) => changesShown(netChanges(of, changes), ['id', 'name'])

describe('net changes by key', () => {
  test.each<[string, RowChange[], string[]]>([
    ['insert, update: insert', [insert('1 a'), update('1 a', '1 b')], ['+ 1 b']],
    ['insert, delete: nothing', [insert('1 a'), remove('1 a')], []],
    ['update, update: one update', [update('1 a', '1 b'), update('1 b', '1 c')], ['1 a > 1 c']],
    ['update and back: nothing', [update('1 a', '1 b'), update('1 b', '1 a')], []],
    ['update, delete: delete of the first image', [update('1 a', '1 b'), remove('1 b')], ['- 1 a']],
    ['delete, insert: update', [remove('1 a'), insert('1 b')], ['1 a > 1 b']],
    ['delete, insert of the same: nothing', [remove('1 a'), insert('1 a')], []],
    ['delete, insert, delete: delete', [remove('1 a'), insert('1 b'), remove('1 b')], ['- 1 a']],
    ['keys do not meet', [insert('1 a'), remove('2 a')], ['+ 1 a', '- 2 a']],
  ])('%s', (_, changes, expected) => {
    expect(net(empty, ...changes)).toEqual(expected)
  })
})

test('without a key equal rows that came and went cancel, one for one', () => {
  const keyless = { ...empty, key: [] }
  expect(net(keyless, insert('1 a'), insert('1 a'), remove('1 a'), remove('2 b'))).toEqual(['+ 1 a', '- 2 b'])
})

test('the changes of versions, applied one after the other, are the rows after; net ones too', () => {
  const first = merge(empty, rows('id name', '1 a', '2 b'), {}, load)
  const second = merge(first.table, rows('id name', '2 c', '3 d'), { whenNotMatchedBySource: 'delete' }, load)
  const third = merge(second.table, rows('id name', '1 z', '3 e'), {}, load)
  const changes = [...second.changes, ...third.changes]
  const expected = rowTexts(third.table.rows)
  expect(rowTexts(appliedTo(first.table.rows, changes))).toEqual(expected)
  expect(rowTexts(appliedTo(first.table.rows, netChanges(third.table, changes)))).toEqual(expected)
  expect(() => appliedTo(second.table.rows, changes)).toThrow('not there')
})
