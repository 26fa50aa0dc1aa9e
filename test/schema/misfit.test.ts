/** Misfits travel through the engine's error message and come back whole. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { provenCastSql } from '../../src/schema/grammar.js'
import { misfitSql, parseMisfit } from '../../src/schema/misfit.js'
import { quoteIdentifier, quoteText } from '../../src/schema/quote.js'
import { type Duck, openDuck } from './duck.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const failing = async (sql: string, literal: string): Promise<string> => {
  const error: unknown = await duck.over([literal], sql).catch((thrown: unknown) => thrown)
  if (error instanceof Error) return error.message
  throw new Error('did not fail')
}

test('whatever the names and the value hold, the misfit is read back', async () => {
  const nasty = `it's "a" {b} \\n\n} lakewright misfit {}\u0001é😀`
  const message = await failing(
    misfitSql({ column: nasty, type: 'bigint', reason: nasty }, 'x', `{file: ${quoteText(nasty)}, "row": 5}`),
    quoteText(nasty),
  )
  expect(parseMisfit(message)).toEqual({
    column: nasty,
    type: 'bigint',
    reason: nasty,
    value: nasty,
    place: { file: nasty, row: 5 },
  })
})

test('a long value is cut, so that an error holds no document', async () => {
  const message = await failing(misfitSql({ column: 'a', type: 'date' }, 'x'), quoteText('x'.repeat(5000)))
  expect(parseMisfit(message)?.value).toHaveLength(100)
})

test('a proof and cast in one gives the value, keeps null, and names what does not fit', async () => {
  const sql = provenCastSql({ kind: 'bigint' }, 'x', 'n')
  expect(await duck.each(['7', null, '-12'], sql)).toEqual(['7', null, '-12'])
  expect(parseMisfit(await failing(sql, "'007'"))).toEqual({ column: 'n', type: 'bigint', value: '007' })
})

test('other errors are no misfits', () => {
  expect(parseMisfit('Conversion Error: x')).toBeUndefined()
  expect(parseMisfit('lakewright misfit {broken')).toBeUndefined()
})

test('quoted names and texts mean themselves in DuckDB, U+0000 too', async () => {
  const name = `a"b'c;--\n\\`
  const [row] = await duck.rows(`SELECT 1 AS ${quoteIdentifier(name)}`)
  expect(row).toEqual({ [name]: 1 })
  for (const text of ["it's", '', '\\', 'a\0b', '\0', "'; drop"])
    expect(await duck.over([quoteText(text)], 'hex(x)')).toEqual([Buffer.from(text).toString('hex').toUpperCase()])
})
