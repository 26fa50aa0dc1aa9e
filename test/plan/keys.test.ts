import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compareSql } from '../../src/plan/compare.js'
import {
  assertKeyTypes,
  dedupeSql,
  nullKeysSql,
  refuseNullKeys,
  refuseRepeatedKeys,
  refuseTiedRows,
  refuseWrongKeys,
  repeatedKeysSql,
  tiedRowsSql,
  wrongKeysSql,
} from '../../src/plan/keys.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { rowHashColumns } from '../../src/stage/row-hash.js'
import { type Duck, openDuck } from '../schema/duck.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const columns = (text: Record<string, string>): Schema =>
  Object.entries(text).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))

const values = (rows: string, names = 'id, region'): string => `(SELECT * FROM (VALUES ${rows}) v(${names}))`
const key = ['id', 'region']
const of = 'the input'

describe('keys', () => {
  const fine = values(`(1, 'EU'), (1, 'US'), (2, 'EU')`)

  test('that are there once each pass', async () => {
    const [nulls, repeated, both] = [nullKeysSql, repeatedKeysSql, wrongKeysSql].map((sql) => duck.rows(sql(fine, key)))
    refuseNullKeys((await nulls) ?? [], { of, key })
    refuseRepeatedKeys((await repeated) ?? [], { of, key })
    expect(await both).toEqual([])
    refuseWrongKeys([], { of, key })
  })

  test('that are null in any column are refused, with examples', async () => {
    const rows = values(`(1, 'EU'), (NULL, 'US'), (2, NULL), (NULL, NULL), (3, NULL)`)
    const expected =
      'rows of the input have no key: key=`id, region`, rows=`4`, ' +
      'examples=`{"id":2,"region":null}, {"id":3,"region":null}, {"id":null,"region":"US"}`'
    const [separate, together] = [await duck.rows(nullKeysSql(rows, key)), await duck.rows(wrongKeysSql(rows, key))]
    expect(() => refuseNullKeys(separate, { of, key })).toThrow(expected)
    expect(() => refuseWrongKeys(together, { of, key })).toThrow(expected)
  })

  test('that occur more than once are refused, with examples and the way out', async () => {
    const rows = values(`(1, 'EU'), (1, 'EU'), (2, 'EU'), (7, 'a"b'), (7, 'a"b'), (7, 'a"b')`)
    const expected =
      'keys occur more than once in the input: key=`id, region`, keys=`2`, rows=`5`, ' +
      'examples=`{"id":1,"region":"EU"} 2 times, {"id":7,"region":"a\\"b"} 3 times`'
    const [separate, together] = [await duck.rows(repeatedKeysSql(rows, key)), await duck.rows(wrongKeysSql(rows, key))]
    expect(() => refuseRepeatedKeys(separate, { of, key })).toThrow(expected)
    expect(() => refuseWrongKeys(together, { of, key })).toThrow(expected)
    expect(() => refuseRepeatedKeys(separate, { of, key })).toThrow(
      expect.objectContaining({ code: 'invalid', fix: expect.stringContaining('--on-duplicate last --order-by') }),
    )
  })

  test('are equal as values are: -0.0 is 0.0, NaN is NaN, é is not e and an accent', async () => {
    const rows = values(`('-0.0'::DOUBLE, 1), (0, 1), ('nan', 1), (-('nan'::DOUBLE), 1), (1, 1)`, 'x, y')
    expect(await duck.rows(repeatedKeysSql(rows, ['x']))).toMatchObject([{ __lw_keys: '2', __lw_rows: '4' }])
    const texts = values(`('é', 1), ('e\u0301', 1), ('E', 1), ('e', 1)`, 'x, y')
    expect(await duck.rows(repeatedKeysSql(texts, ['x']))).toMatchObject([{ __lw_keys: '0' }])
  })

  test('of lists, structs and maps are refused, and columns that are not there', () => {
    const schema = columns({ id: 'bigint', tags: 'varchar[]', s: 'struct(a bigint)', m: 'map(varchar, bigint)' })
    expect(() => assertKeyTypes(schema, ['ID'])).not.toThrow()
    for (const name of ['tags', 's', 'm'])
      expect(() => assertKeyTypes(schema, ['id', name])).toThrow(`column=\`${name}\``)
    expect(() => assertKeyTypes(schema, ['nr'])).toThrow('there is no such column')
  })
})

describe('of several rows with one key', () => {
  const schema = columns({ id: 'integer', ts: 'integer', v: 'varchar' })
  const rows = values(
    `(1, 1, 'a'), (1, 3, 'c'), (1, 2, 'b'), (2, NULL, 'n'), (2, 0, 'z'), (3, 5, 'x'), (3, 5, 'x')`,
    'id, ts, v',
  )
  const kept = async (keep: 'last' | 'first') =>
    (await duck.rows(`SELECT * FROM (${dedupeSql(rows, ['id'], { keep, orderBy: ['ts'] }, schema)}) ORDER BY id`)).map(
      ({ v }) => v,
    )

  test('the last, or the first, is kept, null being the least', async () => {
    expect(await kept('last')).toEqual(['c', 'z', 'x'])
    expect(await kept('first')).toEqual(['a', 'n', 'x'])
  })

  test('equal rows are one', async () => {
    const ties = tiedRowsSql(rows, ['id'], { keep: 'last', orderBy: ['TS'] }, schema)
    expect(await duck.rows(ties)).toMatchObject([{ __lw_keys: '0' }])
  })

  test('different ones that hold the same place are refused', async () => {
    const order = { keep: 'last', orderBy: ['ts'] } as const
    const tied = values(`(1, 1, 'a'), (1, 1, 'b'), (1, 2, 'c'), (2, 9, 'd'), (2, 9, 'e'), (2, 9, 'e')`, 'id, ts, v')
    const last = await duck.rows(tiedRowsSql(tied, ['id'], order, schema))
    expect(() => refuseTiedRows(last, { of, key: ['id'], orderBy: ['ts'] })).toThrow(
      'rows of the input with the same key and the same order differ: key=`id`, orderBy=`ts`, keys=`1`, examples=`{"id":2} 3 times`',
    )
    expect(await duck.rows(tiedRowsSql(tied, ['id'], { ...order, keep: 'first' }, schema))).toMatchObject([
      { __lw_keys: '2' },
    ])
  })
})

describe('comparing two relations', () => {
  const schema = columns({ a: 'double', b: 'varchar' })
  const relation = (rows: string, more = ''): string =>
    `(SELECT id, region, ${rowHashColumns(schema)}, a, b${more} FROM ${values(rows, 'id, region, a, b')})`
  const before = relation(
    `(1, 'EU', '-0.0'::DOUBLE, 'x'), (1, 'US', 'nan', NULL), (2, 'EU', 1, ''), (3, 'EU', NULL, 'y'), (4, 'EU', 4, 'z')`,
    `, 'f' AS __lw_file, id * 10 AS __lw_row`,
  )
  const after = relation(
    `(1, 'EU', 0::DOUBLE, 'x'), (1, 'US', 'nan', NULL), (2, 'EU', 1, NULL), (3, 'EU', 0, 'y'), (5, 'EU', 4, 'z')`,
  )

  test.each([
    ['by their hashes', {}],
    ['by their values', { exact: schema }],
  ])('%s finds what was inserted, updated and deleted, and where it was', async (_, how) => {
    const sql = compareSql({ old: before, new: after, key, places: true, ...how })
    expect(await duck.rows(`SELECT * FROM (${sql}) ORDER BY id`)).toEqual([
      { id: 2, region: 'EU', __lw_change: 'u', __lw_file: 'f', __lw_row: 20 },
      { id: 3, region: 'EU', __lw_change: 'u', __lw_file: 'f', __lw_row: 30 },
      { id: 4, region: 'EU', __lw_change: 'd', __lw_file: 'f', __lw_row: 40 },
      { id: 5, region: 'EU', __lw_change: 'i', __lw_file: null, __lw_row: null },
    ])
  })

  test('without anything to compare finds keys alone', async () => {
    const sql = compareSql({ old: before, new: after, key, exact: [] })
    expect(await duck.rows(`SELECT id, __lw_change FROM (${sql}) ORDER BY id`)).toEqual([
      { id: 4, __lw_change: 'd' },
      { id: 5, __lw_change: 'i' },
    ])
  })
})
