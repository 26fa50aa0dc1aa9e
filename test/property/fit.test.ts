/** Values that change their type keep their value, or the proof says that they would not. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toSql } from '../../src/schema/duckdb.js'
import { commonType, fitCastSql, fitProofSql, holds } from '../../src/schema/fit.js'
import { parseType } from '../../src/schema/names.js'
import { type Duck, openDuck } from '../schema/duck.js'
import { seeded } from './seed.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const numbers = [
  'tinyint',
  'smallint',
  'integer',
  'bigint',
  'float',
  'double',
  'decimal(5,2)',
  'decimal(38,10)',
  'decimal(20,0)',
]
const texts = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '-1',
    '7.6',
    '0.25',
    '127',
    '128',
    '-128',
    '-129',
    '32768',
    '16777217',
    '2147483648',
    '9007199254740993',
  ),
  fc.constantFrom(
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '1e300',
    'nan',
    'inf',
    '-inf',
    '0.1',
    '999.99',
    '1e-300',
  ),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer({ min: -99999, max: 99999 }).map((n) => String(n / 100)),
)

test('a wider number holds every value, and a proof lets exactly those through that come back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...numbers),
      fc.constantFrom(...numbers),
      fc.array(texts, { minLength: 20, maxLength: 40 }),
      async (a, b, values) => {
        const [from, to] = [parseType(a), parseType(b)]
        const x = `TRY_CAST(x AS ${toSql(from)})`
        const proof = fitProofSql(from, to, 'v')
        const answers = await duck.rows(
          `SELECT CAST(v AS VARCHAR) AS v, ${proof} AS fits, CASE WHEN ${proof} THEN CAST(${fitCastSql(from, to, 'v')} AS ${toSql(from)}) = v END AS same,
         coalesce(TRY_CAST(TRY_CAST(v AS ${toSql(to)}) AS ${toSql(from)}) = v, false) AS back
         FROM (SELECT ${x} AS v FROM (SELECT unnest([${values.map((value) => `'${value}'`).join(', ')}]) AS x)) WHERE v IS NOT NULL`,
        )
        for (const row of answers) {
          expect([a, b, row.v, row.fits]).toEqual([a, b, row.v, row.back])
          if (row.fits === true) expect([a, b, row.v, row.same]).toEqual([a, b, row.v, true])
          if (holds(to, from)) expect([a, b, row.v, row.fits]).toEqual([a, b, row.v, true])
        }
      },
    ),
    seeded({ numRuns: 150 }),
  )
})

test('the common type of two numbers holds both', () => {
  for (const a of numbers.map(parseType))
    for (const b of numbers.map(parseType)) {
      const common = commonType(a, b)
      if (common !== undefined) expect([holds(common, a), holds(common, b)]).toEqual([true, true])
    }
})

test('a date is midnight in UTC and back, in any session zone; other instants are no date', async () => {
  const [date, timestamp, varchar] = [parseType('date'), parseType('timestamp'), parseType('varchar')]
  const literals = ["DATE '2026-11-20'", "DATE '1969-12-31'", 'NULL']
  expect(await duck.over(literals, `epoch_us(${fitCastSql(date, timestamp, 'x')})`)).toEqual([
    '1795132800000000',
    '-86400000000',
    null,
  ])
  const instants = [
    "TIMESTAMPTZ '2026-11-20 00:00:00+00'",
    "TIMESTAMPTZ '1969-12-31 00:00:00+00'",
    "TIMESTAMPTZ '2026-11-20 00:00:00-05'",
  ]
  expect(await duck.over(instants, `${fitProofSql(timestamp, date, 'x')}`)).toEqual([true, true, false])
  expect(await duck.over(instants, `CAST(${fitCastSql(timestamp, date, 'x')} AS VARCHAR)`)).toEqual([
    '2026-11-20',
    '1969-12-31',
    '2026-11-20',
  ])
  expect(await duck.over(instants.slice(2), fitCastSql(timestamp, varchar, 'x'))).toEqual([
    '2026-11-20T05:00:00.000000Z',
  ])
})

test('a null fits every type', async () => {
  for (const from of [...numbers, 'varchar', 'date'].map(parseType))
    for (const to of numbers.map(parseType)) {
      const proof = fitProofSql(from, to, 'x')
      if (proof === undefined) continue
      const [fits] = await duck.over([`CAST(NULL AS ${toSql(from)})`], `coalesce(${proof}, x IS NULL)`)
      expect(from.kind === 'varchar' || fits).toBe(true)
    }
})
