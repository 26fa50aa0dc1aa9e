import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seeded } from '../property/seed.js'
import { historyProblems } from './history.js'
import { type HistoryOptions, scd2 } from './scd2.js'
import { rowTexts, type Table } from './table.js'
import { load, rows, shown, table } from './tables.js'

const [t1, t2, t3, t4] = ['01', '02', '03', '04'].map((day) => `2026-11-${day}T00:00:00Z`) as [
  string,
  string,
  string,
  string,
]
const empty = table({ key: ['id'] }, 'id name')
/** What both sides of a case look like: id name from to current, times as their days. */
function history(...lines: string[]): Table {
  const full = lines.map((line) => line.replaceAll(/t(\d)/g, '2026-11-0$1T00:00:00Z'))
  const all = full.map((line) => `${line} ${line.endsWith(' -')}`)
  return table({ key: ['id'] }, 'id name _effective_from _effective_to _is_current', ...all)
}
function told(start: Table, at: string, options: HistoryOptions, ...lines: string[]) {
  const outcome = scd2(start, rows('id name', ...lines), { effectiveAt: at, maxDeleteRatio: 1, ...options }, load)
  expect(historyProblems(outcome.table)).toEqual([])
  const text = shown(outcome, 'id name _effective_from _effective_to').map((line) =>
    line.replaceAll(/2026-11-0(\d)T00:00:00Z/g, 't$1'),
  )
  return { text, counts: outcome.counts }
}

describe('scd2, a snapshot newer than all', () => {
  const start = history('1 Ann t1 -', '2 Bob t1 -', '3 Cem t1 t2')
  test('new key: a version from T, without an end', () => {
    const { text, counts } = told(start, t3, { snapshot: 'partial' }, '4 Dan')
    expect(text).toContain('4 Dan t3 -')
    expect(counts).toMatchObject({ read: 1, inserted: 1, updated: 0, unchanged: 0 })
  })
  test('equal: nothing', () => {
    expect(told(start, t3, { snapshot: 'partial' }, '1 Ann').counts).toMatchObject({
      inserted: 0,
      updated: 0,
      unchanged: 1,
    })
  })
  test('differs: the current version ends at T, where the new one begins', () => {
    const { text, counts } = told(start, t3, { snapshot: 'partial' }, '1 Anne')
    expect(text).toEqual(['1 Ann t1 t3', '1 Anne t3 -', '2 Bob t1 -', '3 Cem t1 t2'])
    expect(counts).toMatchObject({ inserted: 1, updated: 1 })
  })
  test('missing, full: the current version ends at T', () => {
    const { text, counts } = told(start, t3, {}, '1 Ann')
    expect(text).toEqual(['1 Ann t1 -', '2 Bob t1 t3', '3 Cem t1 t2'])
    expect(counts).toMatchObject({ inserted: 0, updated: 1, unchanged: 1 })
  })
  test('missing, partial: nothing', () => {
    expect(told(start, t3, { snapshot: 'partial' }, '1 Ann').text).toContain('2 Bob t1 -')
  })
  test('a key that comes back: a new version, and the gap stays', () => {
    const { text, counts } = told(start, t4, { snapshot: 'partial' }, '3 Cem')
    expect(text).toEqual(['1 Ann t1 -', '2 Bob t1 -', '3 Cem t1 t2', '3 Cem t4 -'])
    expect(counts).toMatchObject({ inserted: 1, updated: 0 })
  })
  test('the same snapshot twice changes nothing', () => {
    const once = scd2(start, rows('id name', '1 Anne', '2 Bob'), { effectiveAt: t3 }, load)
    const twice = scd2(once.table, rows('id name', '1 Anne', '2 Bob'), { effectiveAt: t4 }, load)
    expect(twice).toMatchObject({ counts: { unchanged: 2, inserted: 0, updated: 0, corrected: 0 }, changes: [] })
  })
  test('another column than the tracked differs: the current version is corrected where it stands', () => {
    const { text, counts } = told(start, t3, { snapshot: 'partial', track: [] }, '1 Anne')
    expect(text).toContain('1 Anne t1 -')
    expect(counts).toMatchObject({ corrected: 1, inserted: 0, updated: 0, unchanged: 0 })
  })
})

describe('scd2, a snapshot of the instant at which the current version began', () => {
  const start = history('1 Ann t1 t2', '1 Anne t2 -')
  test('differs: the version is corrected where it stands', () => {
    const { text, counts } = told(start, t2, {}, '1 Anna')
    expect(text).toEqual(['1 Ann t1 t2', '1 Anna t2 -'])
    expect(counts).toMatchObject({ corrected: 1, inserted: 0, updated: 0 })
  })
  test('missing, full: the version goes, as it never held', () => {
    const { text, counts } = told(start, t2, {})
    expect(text).toEqual(['1 Ann t1 t2'])
    expect(counts).toMatchObject({ corrected: 1, updated: 0 })
  })
})

describe('scd2, a late snapshot', () => {
  const insert: HistoryOptions = { late: 'insert' }
  const partial: HistoryOptions = { late: 'insert', snapshot: 'partial' }
  test('is refused, unless it may be inserted', () => {
    expect(() => told(history('1 Ann t3 -'), t2, {}, '1 Ann')).toThrow('late')
  })
  test('the version at T is equal: nothing', () => {
    expect(told(history('1 Ann t1 t3', '1 Anne t3 -'), t2, insert, '1 Ann').counts).toMatchObject({
      unchanged: 1,
      inserted: 0,
    })
  })
  test('the version at T differs: it ends there, and the new one fills the rest of it', () => {
    const { text, counts } = told(history('1 Ann t1 t3', '1 Anne t3 -'), t2, insert, '1 X')
    expect(text).toEqual(['1 Ann t1 t2', '1 Anne t3 -', '1 X t2 t3'])
    expect(counts).toMatchObject({ inserted: 1, updated: 1 })
  })
  test('the version at T differs and the next one is equal: the next one begins at T', () => {
    const { text, counts } = told(history('1 Ann t1 t3', '1 Anne t3 -'), t2, insert, '1 Anne')
    expect(text).toEqual(['1 Ann t1 t2', '1 Anne t2 -'])
    expect(counts).toMatchObject({ inserted: 0, updated: 1, corrected: 1 })
  })
  test('full: what a later full snapshot confirmed holds again from there', () => {
    const start = history('1 Ann t1 -', '2 Bob t1 t3', '2 Bobby t3 -')
    expect(told(start, t2, insert, '1 X', '2 Bob').text).toEqual([
      '1 Ann t1 t2',
      '1 Ann t3 -',
      '1 X t2 t3',
      '2 Bob t1 t3',
      '2 Bobby t3 -',
    ])
    expect(told(start, t2, insert, '2 Bob').text).toEqual(['1 Ann t1 t2', '1 Ann t3 -', '2 Bob t1 t3', '2 Bobby t3 -'])
  })
  test('partial: nobody confirmed it, so the late row holds on', () => {
    const start = history('1 Ann t1 -', '2 Bob t1 t3', '2 Bobby t3 -')
    expect(told(start, t2, partial, '1 X').text).toEqual(['1 Ann t1 t2', '1 X t2 -', '2 Bob t1 t3', '2 Bobby t3 -'])
  })
  test('no version at T, none after: it ends where a later full snapshot did not have it, else never', () => {
    const start = history('1 Ann t1 t3', '1 Anne t3 -')
    expect(told(start, t2, insert, '1 Ann', '2 Bob').text).toContain('2 Bob t2 t3')
    expect(told(start, t2, partial, '2 Bob').text).toContain('2 Bob t2 -')
  })
  test('no version at T, one after: up to it, or it begins at T where it is equal', () => {
    const start = history('1 Ann t3 -')
    expect(told(start, t2, insert, '1 X').text).toEqual(['1 Ann t3 -', '1 X t2 t3'])
    expect(told(start, t2, insert, '1 Ann').text).toEqual(['1 Ann t2 -'])
  })
})

describe('scd2, rows that say when they took effect', () => {
  const start = history('1 Ann t1 t3', '1 Anne t3 -', '2 Bob t1 t2')
  function timed(options: HistoryOptions, ...lines: string[]) {
    const input = rows('id name time', ...lines.map((line) => line.replace(/t(\d)/, '2026-11-0$1T00:00:00Z')))
    const at = { effectiveAt: { column: 'time' }, maxDeleteRatio: 1, schema: 'evolve' as const }
    const began = { ...load, at: '2026-11-09T00:00:00Z' }
    const outcome = scd2(start, input, { ...at, snapshot: 'partial', ...options }, began)
    expect(historyProblems(outcome.table)).toEqual([])
    const text = shown(outcome, 'id name _effective_from _effective_to')
    return { text: text.map((line) => line.replaceAll(/2026-11-0(\d)T00:00:00Z/g, 't$1')), counts: outcome.counts }
  }
  const insert: HistoryOptions = { late: 'insert' }
  test('newer than its key’s history: as a snapshot of that instant', () => {
    const { text, counts } = timed({}, '1 X t4', '3 Cem t2')
    expect(text).toEqual(['1 Ann t1 t3', '1 Anne t3 t4', '1 X t4 -', '2 Bob t1 t2', '3 Cem t2 -'])
    expect(counts).toMatchObject({ read: 2, inserted: 2, updated: 1 })
  })
  test('several of one key: in order of time, equal ones are one version', () => {
    const { text, counts } = timed({}, '3 b t3', '3 a t1', '3 a t2', '3 a t4')
    expect(text.slice(3)).toEqual(['3 a t1 t3', '3 a t4 -', '3 b t3 t4'])
    expect(counts).toMatchObject({ read: 4, inserted: 3, unchanged: 1, updated: 0 })
  })
  test('late: refused, but for the current version and for the version at T', () => {
    expect(() => timed({}, '1 X t2')).toThrow('late')
    expect(timed({}, '1 Anne t2').counts).toMatchObject({ unchanged: 1 })
    expect(timed({}, '1 Ann t2', '1 Anne t3').counts).toMatchObject({ unchanged: 2 })
  })
  test('late, inserted: up to the next instant of the key; an equal version that follows begins at T', () => {
    expect(timed(insert, '1 X t2').text.slice(0, 3)).toEqual(['1 Ann t1 t2', '1 Anne t3 -', '1 X t2 t3'])
    const { text, counts } = timed(insert, '1 Anne t2')
    expect(text.slice(0, 2)).toEqual(['1 Ann t1 t2', '1 Anne t2 -'])
    expect(counts).toMatchObject({ inserted: 0, corrected: 1, updated: 1 })
  })
  test('where a version begins it is corrected, where one ended a new one begins', () => {
    expect(timed(insert, '1 X t3').text.slice(0, 2)).toEqual(['1 Ann t1 t3', '1 X t3 -'])
    expect(timed(insert, '2 Bob t2').text.slice(2)).toEqual(['2 Bob t1 t2', '2 Bob t2 -'])
  })
  test('full: a missing key is closed when the load began, and one that was closed comes back then', () => {
    const { text } = timed({ snapshot: 'full' }, '2 Bob t1')
    expect(text).toEqual(['1 Ann t1 t3', '1 Anne t3 t9', '2 Bob t1 t2', '2 Bob t9 -'])
  })
})

test('full snapshots in any order make the history that they make in order, where every instant left a trace', () => {
  const days = [t1, t2, t3, t4, '2026-11-05T00:00:00Z']
  const snapshot = fc.array(fc.constantFrom('-', 'a', 'b'), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(
      fc.array(snapshot, { minLength: 5, maxLength: 5 }),
      fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
      (given, order) => {
        const inSequence = (sequence: number[]) =>
          sequence.reduce((before, index) => {
            // Key 0 differs from snapshot to snapshot.
            const lines = [
              `0 v${index}`,
              ...(given[index] ?? []).flatMap((name, id) => (name === '-' ? [] : [`${id + 1} ${name}`])),
            ]
            const options: HistoryOptions = { effectiveAt: days[index] as string, late: 'insert', maxDeleteRatio: 1 }
            return scd2(before, rows('id name', ...lines), options, load).table
          }, empty)
        const [inOrder, inAnyOrder] = [inSequence([0, 1, 2, 3, 4]), inSequence(order)]
        expect(historyProblems(inAnyOrder)).toEqual([])
        expect(rowTexts(inAnyOrder.rows)).toEqual(rowTexts(inOrder.rows))
      },
    ),
    seeded({ numRuns: 500 }),
  )
})
