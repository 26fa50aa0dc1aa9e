import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toSql } from '../../src/schema/duckdb.js'
import { parseType } from '../../src/schema/names.js'
import { quoteIdentifier } from '../../src/schema/quote.js'
import type { Schema } from '../../src/schema/types.js'
import { rowHashColumns, rowHashName, rowHashSql } from '../../src/stage/row-hash.js'
import { type Duck, openDuck } from '../schema/duck.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const columns = (text: Record<string, string>): Schema =>
  Object.entries(text).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))

/** The halves of rows whose values are SQL, in order. */
async function hashes(schema: Schema, rows: string[][]): Promise<{ h1: string; h2: string }[]> {
  const selects = rows.map((row, n) => {
    const values = schema.map(({ name, type }, i) => `CAST(${row[i]} AS ${toSql(type)}) AS ${quoteIdentifier(name)}`)
    return `SELECT ${[`${n} AS n`, ...values].join(', ')}`
  })
  const { h1, h2 } = rowHashSql(schema, 'r')
  return (await duck.rows(
    `SELECT ${h1} AS h1, ${h2} AS h2 FROM (${selects.join(' UNION ALL ')}) r ORDER BY n`,
  )) as never
}

/** How many rows of the expression's values each half, and both together, tell apart. */
async function distinct(type: string, values: string): Promise<{ rows: number; h1: number; h2: number; both: number }> {
  const [row] = await duck.rows(
    `SELECT count(*)::INT AS rows, count(DISTINCT __lw_h1)::INT AS h1, count(DISTINCT __lw_h2)::INT AS h2,
       count(DISTINCT (__lw_h1, __lw_h2))::INT AS both
     FROM (SELECT ${rowHashColumns(columns({ v: type }))} FROM (${values}))`,
  )
  return row as never
}

describe('rows that differ have other hashes, in both halves', () => {
  const types = {
    boolean: ['true', 'false'],
    tinyint: ['0', '-1', '127', '-128'],
    integer: ['0', '1', '-1', '2147483647', '-2147483648'],
    bigint: ['0', '1', '-1', '9223372036854775807', '-9223372036854775808'],
    float: ['0', '1.5', '-1.5', `'nan'`, `'inf'`, `'-inf'`],
    double: ['0', '1.5', '-1.5', `'nan'`, `'inf'`, `'-inf'`, '5e-324'],
    'decimal(4,2)': ['0', '0.01', '-0.01', '99.99'],
    'decimal(18,2)': ['0', '0.01', '-0.01', '9999999999999999.99', '-9999999999999999.99'],
    // DuckDB combines the halves of 128 bits by xor: -1 has two equal ones, as 0 has.
    'decimal(38,2)': ['0', '-0.01', '-0.02', '0.01', '184467440737095516.16', '184467440737095516.17'],
    varchar: [`''`, `' '`, `'0'`, `'NULL'`, `'x'`, `'xx'`, `'é'`, `'e\u0301'`, `chr(0)`, `chr(0) || chr(0)`],
    blob: [`''::BLOB`, `'\\x00'::BLOB`, `'\\x00\\x00'::BLOB`, `'x'::BLOB`, `'\\xFF'::BLOB`],
    date: [`'1970-01-01'`, `'1969-12-31'`, `'0001-01-01'`, `'9999-12-31'`],
    timestamp: [`'1970-01-01 00:00:00Z'`, `'1970-01-01 00:00:00.000001Z'`, `'0001-01-01 00:00:00Z'`],
    'bigint[]': ['[]', '[NULL]', '[NULL, NULL]', '[0]', '[0, 0]', '[1, 2]', '[2, 1]'],
    'varchar[]': ['[]', `['']`, `[NULL]`, `['null']`, `['a', 'b']`, `['a,b']`, `['a", "b']`],
    'bigint[][]': ['[]', '[[]]', '[NULL]', '[[NULL]]', '[[], []]', '[[1], [2]]', '[[1, 2]]', '[[1, 2], []]'],
    'struct(a bigint, b varchar)': [
      `{a: NULL, b: NULL}`,
      `{a: 0, b: NULL}`,
      `{a: NULL, b: ''}`,
      `{a: 0, b: ''}`,
      `{a: 1, b: '1'}`,
    ],
    'map(varchar, bigint)': ['MAP {}', `MAP {'': NULL}`, `MAP {'a': 0}`, `MAP {'a': NULL}`, `MAP {'a': 0, 'b': 0}`],
    'decimal(38,2)[]': ['[123456789012345678901234567890.12]', '[123456789012345678901234567890.13]'],
  }

  test.each(Object.entries(types))('%s, and null', async (type, values) => {
    const found = await hashes(
      columns({ v: type }),
      [...values, 'NULL'].map((value) => [value]),
    )
    expect(new Set(found.map(({ h1 }) => h1)).size).toBe(values.length + 1)
    expect(new Set(found.map(({ h2 }) => h2)).size).toBe(values.length + 1)
  })

  test('a value is not the same in another column, nor two values when they are swapped', async () => {
    const values = [`NULL`, `''`, `'0'`, `'1'`, `'a'`, `'ab'`, `'b'`]
    const rows = values.flatMap((a) => values.flatMap((b) => values.map((c) => [a, b, c])))
    const found = await hashes(columns({ a: 'varchar', b: 'varchar', c: 'varchar' }), rows)
    expect(new Set(found.map(({ h1 }) => h1)).size).toBe(rows.length)
    expect(new Set(found.map(({ h2 }) => h2)).size).toBe(rows.length)
  })

  test('nor between numbers and lists', async () => {
    const numbers = ['NULL', '0', '1', '2', '-1']
    const rows = numbers.flatMap((a) => numbers.flatMap((b) => numbers.map((c) => [a, b, c])))
    const numeric = await hashes(columns({ a: 'bigint', b: 'bigint', c: 'integer' }), rows)
    expect(new Set(numeric.map(({ h1 }) => h1)).size).toBe(rows.length)
    expect(new Set(numeric.map(({ h2 }) => h2)).size).toBe(rows.length)
    const nested = await hashes(columns({ a: 'bigint[]', b: 'bigint[]' }), [
      ['[1, 2]', '[3]'],
      ['[1]', '[2, 3]'],
      ['[1, 2, 3]', '[]'],
      ['[]', '[1, 2, 3]'],
      ['[1, 2, 3]', 'NULL'],
      ['[1, 2, 3]', '[NULL]'],
    ])
    expect(new Set(nested.map(({ h1 }) => h1)).size).toBe(6)
    expect(new Set(nested.map(({ h2 }) => h2)).size).toBe(6)
  })

  test('more columns are not fewer columns', async () => {
    const [one] = await hashes(columns({ a: 'bigint' }), [['0']])
    const [two] = await hashes(columns({ a: 'bigint', b: 'bigint' }), [['0', '0']])
    expect(two?.h2).not.toBe(one?.h2)
  })
})

describe('what one half confuses the other half tells apart', () => {
  test('the number whose hash is that of null', async () => {
    const [row] = await duck.rows(`SELECT hash(NULL)::VARCHAR AS h`)
    const twin = BigInt.asIntN(64, unhash(BigInt(String(row?.h))))
    const [same] = await duck.rows(`SELECT hash('${twin}'::BIGINT) = hash(NULL) AS same`)
    expect(same).toEqual({ same: true })
    const [a, b] = await hashes(columns({ v: 'bigint' }), [[`'${twin}'`], ['NULL']])
    expect(a?.h1).toBe(b?.h1)
    expect(a?.h2).not.toBe(b?.h2)
  })

  // The first half has 256 values for some of these: a text's 8th and 16th byte meet in the upper bits of one word.
  test.each([0, 1, 2, 3, 4, 5, 6, 7])('two bytes of a text, eight apart, after %i others', async (before) => {
    const text = `'${'customer'.slice(0, before)}' || chr(33 + a::INTEGER) || 'ordered' || chr(33 + b::INTEGER) || ' and so on'`
    const found = await distinct('varchar', `SELECT ${text} AS v FROM range(90) t(a), range(90) u(b)`)
    expect(found).toMatchObject({ rows: 8100, both: 8100 })
    expect(found.h1 < 8100 && found.h2 < 8100).toBe(false)
  })

  test('the same in binary values, lists and wide decimals', async () => {
    const bytes = `'\\x00\\x00\\x00\\x00\\x00\\x00\\x00'::BLOB`
    const blob = `${bytes} || a || ${bytes} || b`
    const ofBytes = `SELECT encode(chr(n::INTEGER)) AS c FROM range(1, 128) t(n)`
    expect(await distinct('blob', `WITH b AS (${ofBytes}) SELECT ${blob} AS v FROM b x(a), b y(b)`)).toMatchObject({
      rows: 127 * 127,
      both: 127 * 127,
    })
    const list = `[a * 72057594037927936, b * 72057594037927936, a, b]::BIGINT[]`
    expect(
      await distinct('bigint[]', `SELECT ${list} AS v FROM range(-100, 100) x(a), range(-100, 100) y(b)`),
    ).toMatchObject({ rows: 40_000, both: 40_000 })
    const wide = `(a * 72057594037927936::HUGEINT * 256 + b)::DECIMAL(38,0)`
    expect(
      await distinct('decimal(38,0)', `SELECT ${wide} AS v FROM range(-150, 150) x(a), range(-150, 150) y(b)`),
    ).toMatchObject({ rows: 90_000, both: 90_000 })
  })

  test('a million texts', async () => {
    const text = `'item ' || (n * 7919) || ' of lot ' || (n % 977) || ', shelf ' || (n % 31)`
    expect(await distinct('varchar', `SELECT ${text} AS v FROM range(1000000) t(n)`)).toMatchObject({ both: 1_000_000 })
  })
})

test('values that are equal have equal hashes, at any depth', async () => {
  const pairs: [string, string, string][] = [
    ['double', `'-0.0'`, '0'],
    ['float', `'-0.0'`, '0'],
    ['double', `-('nan'::DOUBLE)`, `'nan'`],
    ['timestamp', `'2026-11-20 12:00:00+02'`, `'2026-11-20 10:00:00Z'`],
    ['decimal(5,2)', '1.1', `'1.10'`],
    ['double[]', `['-0.0'::DOUBLE, -('nan'::DOUBLE)]`, `[0.0, 'nan'::DOUBLE]`],
    ['struct(a struct(b float[]))', `{a: {b: ['-0.0'::FLOAT]}}`, `{a: {b: [0]}}`],
    ['map(varchar, double)', `MAP {'a': '-0.0'::DOUBLE}`, `MAP {'a': 0}`],
    ['timestamp[]', `['2026-11-20 12:00:00+02'::TIMESTAMPTZ]`, `['2026-11-20 10:00:00Z'::TIMESTAMPTZ]`],
  ]
  for (const [type, a, b] of pairs) {
    const [left, right] = await hashes(columns({ v: type }), [[a], [b]])
    expect({ type, hash: left }).toEqual({ type, hash: right })
  }
})

test('neither the order of columns, nor the case of their names, nor the session’s zone counts', async () => {
  const row = { b: '1', A: `'x'`, t: `'2026-11-20 10:00:00Z'`, l: `['2026-11-20 10:00:00Z'::TIMESTAMPTZ]` }
  const types = { b: 'bigint', A: 'varchar', t: 'timestamp', l: 'timestamp[]' }
  const expected = await hashes(columns(types), [Object.values(row)])
  const reversed = Object.fromEntries(
    Object.entries(types)
      .reverse()
      .map(([name, type]) => [name.toUpperCase(), type]),
  )
  expect(await hashes(columns(reversed), [Object.values(row).reverse()])).toEqual(expected)
  const elsewhere = await openDuck('Asia/Kolkata')
  const here = duck
  duck = elsewhere
  try {
    expect(await hashes(columns(types), [Object.values(row)])).toEqual(expected)
  } finally {
    duck = here
    elsewhere.close()
  }
})

test('a row without columns has a hash', async () => {
  expect(await duck.rows(`SELECT ${rowHashColumns([])} FROM range(1)`)).toEqual([{ __lw_h1: '0', __lw_h2: '0' }])
})

test('the name says the algorithm, the engine’s version, the columns with their types, and the key', () => {
  const schema = columns({ a: 'bigint', B: 'varchar' })
  const name = rowHashName('duckdb-1.5.6', schema, ['id'])
  expect(name).toMatch(/^duckdb-row-hash-1:1\.5\.6:[0-9a-f]{16}$/)
  expect(rowHashName('duckdb-1.5.6', columns({ b: 'varchar', A: 'bigint' }), ['ID'])).toBe(name)
  const others = [
    rowHashName('duckdb-1.6.0', schema, ['id']),
    rowHashName('duckdb-1.5.6', columns({ a: 'integer', b: 'varchar' }), ['id']),
    rowHashName('duckdb-1.5.6', columns({ a: 'bigint' }), ['id']),
    rowHashName('duckdb-1.5.6', columns({ a: 'bigint', c: 'varchar' }), ['id']),
    rowHashName('duckdb-1.5.6', schema, ['id', 'x']),
    rowHashName('duckdb-1.5.6', schema, []),
  ]
  expect(new Set([name, ...others]).size).toBe(others.length + 1)
})

/** Backwards through DuckDB's hash of 64-bit integers, which is a bijection. */
function unhash(hash: bigint): bigint {
  const mask = (1n << 64n) - 1n
  const factor = 0xd6e8feb86659fd93n
  let inverse = factor
  for (let i = 0; i < 6; i++) inverse = (inverse * (2n - factor * inverse)) & mask
  const unshift = (x: bigint): bigint => x ^ (x >> 32n)
  let x = unshift(hash)
  x = unshift((x * inverse) & mask)
  return unshift((x * inverse) & mask)
}
