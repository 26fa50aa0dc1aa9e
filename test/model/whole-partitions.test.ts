import { describe, expect, test } from 'vitest'
import { append } from './append.js'
import { overwrite } from './overwrite.js'
import { replace } from './replace.js'
import { load, rows, shown, shownChanges, table } from './tables.js'

const people = table({ key: [], partitionBy: ['city'] }, 'name city', 'Ann Bern', 'Bob Bern', 'Cem Graz', 'Dan -')

test('append: all rows beside those that are there, equal ones too', () => {
  const outcome = append(people, rows('name city', 'Ann Bern'), {}, load)
  expect(outcome.counts).toEqual({ read: 1, written: 1 })
  expect(shown(outcome)).toEqual(['Ann Bern', 'Ann Bern', 'Bob Bern', 'Cem Graz', 'Dan -'])
})

describe('replace', () => {
  test('a partition that occurs in the input becomes the input, null is one too; the others stay', () => {
    const outcome = replace(people, rows('name city', 'Ann Bern', 'Eva -', 'Fay Rom'), {}, load)
    expect(outcome.counts).toEqual({ read: 3, written: 3, unchanged: 0 })
    expect(shown(outcome)).toEqual(['Ann Bern', 'Cem Graz', 'Eva -', 'Fay Rom'])
    expect(shownChanges(outcome)).toEqual(['+ Eva -', '+ Fay Rom', '- Bob Bern', '- Dan -'])
  })
  test('a partition with the same rows is left alone', () => {
    const outcome = replace(people, rows('name city', 'Bob Bern', 'Ann Bern', 'Cem -'), {}, load)
    expect(outcome.counts).toEqual({ read: 3, written: 1, unchanged: 2 })
  })
  test('with a scope the partitions of the scope that do not occur in the input go', () => {
    const scope = ({ city }: Record<string, unknown>) => city === 'Graz' || city === null
    expect(shown(replace(people, rows('name city', 'Eva -'), { scope }, load))).toEqual([
      'Ann Bern',
      'Bob Bern',
      'Eva -',
    ])
    expect(() => replace(people, rows('name city', 'Eva Rom'), { scope }, load)).toThrow('outside the scope')
  })
})

describe('overwrite', () => {
  test('the table becomes the input', () => {
    const outcome = overwrite(people, rows('name city', 'Cem Graz', 'Dan Graz'), {}, load)
    expect(shown(outcome)).toEqual(['Cem Graz', 'Dan Graz'])
    expect(shownChanges(outcome)).toEqual(['+ Dan Graz', '- Ann Bern', '- Bob Bern', '- Dan -'])
  })
  test('no rows are held back, unless they are meant', () => {
    expect(() => overwrite(people, rows('name city'), {}, load)).toThrow('without rows')
    expect(shown(overwrite(people, rows('name city'), { allowEmpty: true }, load))).toEqual([])
  })
})
