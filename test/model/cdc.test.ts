import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seeded } from '../property/seed.js'
import { cdc, type EventOptions } from './cdc.js'
import { type Row, rowTexts, type Table } from './table.js'
import { load, rows, shown, shownChanges, table } from './tables.js'

const header = 'op id at name city'
const start = table({ key: ['id'] }, 'id at name city', '1 10 Ann Bern', '2 10 Bob -')
function told(before: Table, lines: string[], more: Partial<EventOptions> = {}) {
  const { columns, rows: given } = rows(header, ...lines)
  const options = { opColumn: 'op', orderColumn: 'at', ...more }
  return cdc(before, { columns, rows: given.map(withoutAbsent) }, options, load)
}
/** A value `?` is absent from the event. */
function withoutAbsent(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '?'))
}

describe('cdc, one event of a key', () => {
  test('upsert, row there, newer: updated', () => {
    const outcome = told(start, ['U 1 11 Anne Wien'])
    expect(outcome.counts).toEqual({ read: 1, inserted: 0, updated: 1, deleted: 0, ignored: 0 })
    expect(shownChanges(outcome)).toEqual(['1 10 Ann Bern > 1 11 Anne Wien'])
  })
  test('upsert, row there, only the order is newer: updated, as the order is kept', () => {
    expect(shownChanges(told(start, ['U 1 11 Ann Bern']))).toEqual(['1 10 Ann Bern > 1 11 Ann Bern'])
  })
  test('upsert, row there, older or of the same order: ignored', () => {
    expect(told(start, ['U 1 9 X X', 'U 2 10 X X'])).toMatchObject({ counts: { read: 2, ignored: 2 }, changes: [] })
  })
  test('upsert, no row: inserted, whatever the word says', () => {
    const words = ['I', 'insert', 'c', 'CREATE', 'r', 'read', 'u', 'Update', 'upsert', 'update_postimage']
    const outcome = told(
      start,
      words.map((word, index) => `${word} ${index + 3} 1 New -`),
    )
    expect(outcome.counts).toMatchObject({ read: 10, inserted: 10 })
  })
  test('delete, row there, newer: deleted', () => {
    const outcome = told(start, ['D 1 11 - -'])
    expect(outcome.counts).toMatchObject({ read: 1, deleted: 1 })
    expect(shownChanges(outcome)).toEqual(['- 1 10 Ann Bern'])
  })
  test('delete, row there, older: ignored', () => {
    expect(told(start, ['D 1 9 - -']).counts).toMatchObject({ ignored: 1, deleted: 0 })
  })
  test('delete, no row: ignored, and an older upsert does not make it afterwards', () => {
    const gone = told(start, ['D 7 5 - -'])
    expect(gone.counts).toMatchObject({ ignored: 1 })
    expect(told(gone.table, ['U 7 4 Late -', 'U 7 5 Late -']).counts).toMatchObject({ ignored: 2, inserted: 0 })
    expect(told(gone.table, ['U 7 6 New -']).counts).toMatchObject({ inserted: 1 })
  })
  test('the image before an update, and the delete half of a Snowflake update: ignored', () => {
    expect(told(start, ['update_preimage 1 11 X X']).counts).toMatchObject({ ignored: 1 })
    const { columns, rows: given } = rows(
      'METADATA$ACTION METADATA$ISUPDATE id at name',
      'DELETE - 1 11 -',
      'INSERT - 2 11 Bobby',
    )
    const isUpdate = given.map((row) => ({ ...row, METADATA$ISUPDATE: true }))
    const outcome = cdc(start, { columns, rows: isUpdate }, { opColumn: 'METADATA$ACTION', orderColumn: 'at' }, load)
    expect(outcome.counts).toMatchObject({ ignored: 1, updated: 1 })
  })
})

describe('cdc, several events of a key in a batch', () => {
  test('the highest order wins, whatever their order in the input; the others are ignored', () => {
    const outcome = told(start, ['U 1 13 c C', 'U 1 11 a A', 'U 1 12 b B'])
    expect(outcome.counts).toMatchObject({ read: 3, updated: 1, ignored: 2 })
    expect(shown(outcome)).toContain('1 13 c C')
  })
  test('of equal orders the later one in the input wins', () => {
    expect(shown(told(start, ['U 1 11 a A', 'U 1 11 b B']))).toContain('1 11 b B')
  })
  test('inserted and deleted: ignored, with its order kept', () => {
    const outcome = told(start, ['I 3 1 New -', 'D 3 2 - -'])
    expect(outcome).toMatchObject({ counts: { read: 2, ignored: 2 }, changes: [] })
    expect(told(outcome.table, ['U 3 2 Late -']).counts).toMatchObject({ ignored: 1 })
  })
})

describe('cdc, columns that an event does not have', () => {
  test('keep the value of the row, null does not', () => {
    expect(shown(told(start, ['U 1 11 Anne ?', 'U 2 11 - Rom']))).toEqual(['1 11 Anne Bern', '2 11 - Rom'])
  })
  test('keep the value of the event before in the batch', () => {
    expect(shown(told(start, ['U 1 12 ? Wien', 'U 1 11 Anne ?']))).toContain('1 12 Anne Wien')
  })
  test('are null where there is no row, or the key was deleted before', () => {
    expect(shown(told(start, ['U 3 1 New ?', 'D 1 11 - -', 'U 1 12 Back ?']))).toEqual([
      '1 12 Back -',
      '2 10 Bob -',
      '3 1 New -',
    ])
  })
})

describe('cdc, deletes that mark', () => {
  const soft = { softDelete: 'removed' }
  test('the row stays and is marked; the next upsert unmarks it', () => {
    const marked = told(start, ['D 1 11 - -'], soft)
    expect(marked.counts).toMatchObject({ deleted: 1 })
    expect(shown(marked)).toEqual(['1 11 Ann Bern true', '2 10 Bob - -'])
    expect(shown(told(marked.table, ['U 1 12 Anne Wien'], soft))).toContain('1 12 Anne Wien false')
  })
  test('an older upsert does not unmark it', () => {
    const marked = told(start, ['D 1 11 - -'], soft)
    expect(told(marked.table, ['U 1 11 Anne Wien'], soft).counts).toMatchObject({ ignored: 1 })
  })
})

describe('cdc, truncate', () => {
  test('rows whose order is not above its own go, beyond what was read; later events come', () => {
    const outcome = told(start, ['U 1 15 Anne Wien', 'T - 12 - -'])
    expect(outcome.counts).toEqual({ read: 2, inserted: 1, updated: 0, deleted: 2, ignored: 1 })
    expect(shown(outcome)).toEqual(['1 15 Anne Wien'])
  })
  test('rows of a higher order stay, and an older event does not come back', () => {
    const outcome = told(start, ['T - 5 - -'])
    expect(outcome.counts).toMatchObject({ deleted: 0, ignored: 1 })
    expect(told(outcome.table, ['I 9 5 Late -', 'I 8 6 New -']).counts).toMatchObject({ ignored: 1, inserted: 1 })
  })
})

describe('cdc refuses', () => {
  test('an operation that is none, an order or a key that is null', () => {
    expect(() => told(start, ['X 1 11 - -'])).toThrow('no operation: X')
    expect(() => told(start, ['- 1 11 - -'])).toThrow('no operation: null')
    expect(() => told(start, ['U 1 - Anne -'])).toThrow('an order is null')
    expect(() => told(start, ['U - 11 Anne -'])).toThrow('a key is null')
  })
})

test('the order of a deleted key is forgotten after its retention', () => {
  const gone = told(start, ['D 1 11 - -'], { tombstoneRetentionMs: 1000 })
  expect(gone.table.events?.tombstones.size).toBe(1)
  const { columns, rows: none } = rows(header)
  const later = cdc(
    gone.table,
    { columns, rows: none },
    { opColumn: 'op', orderColumn: 'at', tombstoneRetentionMs: 1000 },
    { ...load, at: '2026-11-20T10:00:02Z' },
  )
  expect(later.table.events?.tombstones.size).toBe(0)
})

/** At most one event per key and order, as a log has it. */
const log = fc
  .uniqueArray(
    fc.record({
      word: fc.constantFrom('U', 'U', 'U', 'D', 'T'),
      id: fc.integer({ min: 1, max: 3 }),
      at: fc.integer({ min: 1, max: 12 }),
      name: fc.constantFrom('a', 'b', '-'),
      city: fc.constantFrom('x', 'y', '-'),
    }),
    { selector: ({ word, id, at }) => (word === 'T' ? `${at}` : `${id} ${at}`), maxLength: 12 },
  )
  .map((events) =>
    events.map(({ word, id, at, name, city }) => `${word} ${word === 'T' ? '-' : id} ${at} ${name} ${city}`),
  )
const empty = table({ key: ['id'] }, 'id at name city')

test.each([['gone'], ['marked']])(
  'whole events give the same rows in any order, batched in any way, delivered twice; deleted rows are %s',
  (kind) => {
    const options = kind === 'marked' ? { softDelete: 'removed' } : {}
    fc.assert(
      fc.property(
        log.chain((events) =>
          fc.record({
            events: fc.constant(kind === 'marked' ? events.filter((line) => !/^[DT]/.test(line)) : events),
            delivered: fc.array(fc.constantFrom(...events, 'U 1 1 a x'), { maxLength: 8 }),
            order: fc.shuffledSubarray(events, { minLength: events.length }),
            cuts: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 3 }),
          }),
        ),
        ({ events, order, delivered, cuts }) => {
          const again = [...order, ...delivered.filter((line) => events.includes(line))].filter((line) =>
            events.includes(line),
          )
          const at = [0, ...cuts.toSorted((a, b) => a - b), again.length]
          const batched = at
            .slice(1)
            .reduce((before, end, index) => told(before, again.slice(at[index], end), options).table, empty)
          expect(rowTexts(batched.rows)).toEqual(rowTexts(told(empty, events, options).table.rows))
        },
      ),
      seeded({ numRuns: 500 }),
    )
  },
)
