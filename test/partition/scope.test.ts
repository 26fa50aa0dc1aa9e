/** Reading scopes: what users may write, and what they are told when it cannot be read. */
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import {
  matchesPartition,
  parsePredicate,
  parseScope,
  possiblyOverlaps,
  predicateSql,
  predicateText,
  scopeConstants,
  scopeFromObject,
} from '../../src/partition/scope.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'

const schema: Schema = Object.entries({
  id: 'bigint',
  dt: 'date',
  region: 'varchar',
  hour: 'integer',
  at: 'timestamp',
  price: 'decimal(10,2)',
  ok: 'boolean',
  'Odd "1"': 'varchar',
  tags: 'varchar[]',
}).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))
const partitionBy = ['dt', 'region', 'hour', 'at', 'price', 'ok', 'Odd "1"']
const read = (text: string) => parseScope(text, schema, partitionBy)
const normal = (text: string) => predicateText(read(text))
const refusal = (run: () => unknown): LakeError => {
  try {
    run()
  } catch (error) {
    if (error instanceof LakeError) return error
    throw error
  }
  throw new Error('was not refused')
}

test('every way of writing a condition is understood', () => {
  const cases: [string, string][] = [
    ['dt=2026-11-20', "dt = '2026-11-20'"],
    ["DT == date '2026-11-20'", "dt = '2026-11-20'"],
    ['dt>=2026-11-01 and dt<2026-12-01', "dt >= '2026-11-01' and dt < '2026-12-01'"],
    ["'2026-11-20' <= dt", "dt >= '2026-11-20'"],
    ['dt BETWEEN 2026-11-01 AND 2026-11-03', "dt >= '2026-11-01' and dt <= '2026-11-03'"],
    ["dt not between '2026-11-01' and '2026-11-03' or hour=1", "dt > '2026-11-03' or dt < '2026-11-01' or hour = 1"],
    ["region in ('US','EU', 'US')", "region in ('EU', 'US')"],
    ["region not in ('EU')", "region <> 'EU'"],
    ["not region in ('EU','US')", "region not in ('EU', 'US')"],
    ['region is null', 'region is null'],
    ['not (region is not null)', 'region is null'],
    ["region = 'it''s'", "region = 'it''s'"],
    ['region = 2026-11-20', "region = '2026-11-20'"],
    ['"odd ""1""" != \'x\'', '"Odd ""1""" <> \'x\''],
    ['hour = +5', 'hour = 5'],
    ['hour < 5.0', 'hour < 5'],
    ["hour = '5'", 'hour = 5'],
    ['price = 1.5', 'price = 1.50'],
    ['price > -.5', 'price > -0.50'],
    ['at >= 2026-11-20', "at >= '2026-11-20T00:00:00.000000Z'"],
    ['at >= 2026-11-20T12:00+02:00', "at >= '2026-11-20T10:00:00.000000Z'"],
    ["at < timestamp '2026-11-20 10:00:00.5'", "at < '2026-11-20T10:00:00.500000Z'"],
    ['ok', 'ok = true'],
    ['not ok', 'ok <> true'],
    ['ok = false', 'ok = false'],
    ['true', 'true'],
    ['hour = 1 or hour = 2 and (ok or hour = 3)', 'hour = 1 or (hour = 2 and (hour = 3 or ok = true))'],
    ['  ((hour=1))\n', 'hour = 1'],
  ]
  for (const [text, expected] of cases) expect([text, normal(text)]).toEqual([text, expected])
})

test('a scope that cannot be read is refused with its place and what to write', () => {
  const cases: [text: string, at: number, message: string, fix: string][] = [
    ['', 1, 'empty', 'dt ='],
    ['  ', 1, 'empty', 'dt ='],
    ['id = 5', 1, '`id` is no partition column', 'dt, region'],
    ["regoin = 'EU'", 1, '`regoin` does not exist', '`region`'],
    ['region = EU', 10, '`EU` is no value', "'EU'"],
    ['region = "EU"', 10, '"EU" is a name', "'EU'"],
    ['region = 5', 10, '`5` is no varchar', "'text'"],
    ["hour = 'five'", 8, '`five` is no integer', 'integer exactly'],
    ['hour = 007', 8, '`007` is no integer', ''],
    ['hour = 5.5', 8, '`5.5` is no integer', ''],
    ['hour = 3000000000', 8, 'no integer', ''],
    ['price = 1.555', 9, 'no decimal(10,2)', ''],
    ['dt = 2026-02-30', 6, 'no date', '2026-11-20'],
    ['dt = 20261120', 6, 'no date', ''],
    ["dt = timestamp '2026-11-20 10:00:00'", 6, 'no date', ''],
    ['dt = null', 6, 'never true', 'is null'],
    ['region in (null)', 12, 'never true', 'is null'],
    ['region in ()', 12, 'a value is missing', ''],
    ["region in 'EU'", 11, '`(` is missing', ''],
    ['hour = 1 hour = 2', 10, '`hour` is not expected', 'and'],
    ['hour = 1 and', 13, 'a column is missing', ''],
    ['(hour = 1', 10, '`)` is missing', ''],
    ['hour = 1)', 9, '`)` is not expected', ''],
    ['hour', 5, 'it ends where a condition on `hour`', 'between'],
    ["region like 'E%'", 8, '`like` stands where', 'in (…)'],
    ['hour is 5', 9, '`null` is missing', ''],
    ['hour between 1 or 2', 16, '`and` is missing', ''],
    ["region = 'EU", 10, 'does not close', ''],
    ['hour = 1; drop table x', 9, '`;` cannot be read', ''],
    ['5 = 5', 5, 'stands where a column should', ''],
    ["'x'", 1, 'a value stands where', ''],
    ['hour = 2026-11', 8, 'cannot be read', "'2026-11'"],
    ["lower(region) = 'eu'", 1, 'does not exist', ''],
  ]
  for (const [text, at, message, fix] of cases) {
    const error = refusal(() => read(text))
    expect([text, error.code]).toEqual([text, 'invalid'])
    expect([text, error.message]).toEqual([text, expect.stringContaining(message)])
    expect([text, error.message]).toEqual([text, expect.stringContaining(`at character ${at},`)])
    expect([text, error.message.split('\n').at(-1)]).toEqual([text, `${' '.repeat(at + 1)}^`])
    expect([text, error.fix]).toEqual([text, expect.stringContaining(fix)])
  }
})

test('the caret stands under the place also in a long scope of several lines', () => {
  const text = `${"region = 'EU' or\n".repeat(20)}regoin = 'US' or ${'hour = 1 or '.repeat(20)} ok`
  const lines = refusal(() => read(text)).message.split('\n')
  expect(lines).toHaveLength(3)
  expect(lines[1]?.slice((lines[2] ?? '').indexOf('^'))).toMatch(/^regoin/)
})

test('deep nesting is refused, not a crash', () => {
  for (const text of [`${'('.repeat(50_000)}ok${')'.repeat(50_000)}`, `${'not '.repeat(50_000)}ok`])
    expect(refusal(() => read(text)).message).toContain('too deeply')
})

test('a table without partition columns says so', () => {
  expect(refusal(() => parseScope('dt = 2026-11-20', schema, [])).fix).toContain('overwrite')
})

test('comparisons with null are unknown, and a scope takes only what is true', () => {
  const none = { dt: null, region: null, hour: null, at: null, price: null, ok: null, 'Odd "1"': null }
  for (const text of [
    'hour = 1',
    'hour <> 1',
    'not hour = 1',
    "region in ('EU')",
    "region not in ('EU')",
    'hour between 1 and 2',
    'ok',
  ])
    expect([text, matchesPartition(read(text), none)]).toEqual([text, false])
  for (const text of ['hour is null', 'hour = 1 or hour is null', 'not (hour = 1 and false)', 'not hour is not null'])
    expect([text, matchesPartition(read(text), none)]).toEqual([text, true])
})

test('values compare by their type, not as text', () => {
  const row = (hour: string | null, price: string | null, region: string | null) => ({ dt: null, hour, price, region })
  expect(matchesPartition(read('hour > 9'), row('10', null, null))).toBe(true)
  expect(matchesPartition(read("region > '9'"), row(null, null, '10'))).toBe(false)
  expect(matchesPartition(read('price = 1.5'), row(null, '1.50', null))).toBe(true)
  expect(matchesPartition(read('price < 0'), row(null, '-0.01', null))).toBe(true)
  const at = (text: string) => ({ at: text })
  expect(matchesPartition(read('at = 2026-11-20T10:00Z'), at('2026-11-20T10:00:00.000000Z'))).toBe(true)
  // Another writer's empty text is null, by the protocol.
  expect(matchesPartition(read('region is null'), { region: '' })).toBe(true)
})

test('an object says the same as the text', () => {
  const from = (record: Parameters<typeof scopeFromObject>[0]) =>
    predicateText(scopeFromObject(record, schema, partitionBy))
  expect(from({ dt: '2026-11-20' })).toBe(normal('dt = 2026-11-20'))
  expect(from({ dt: new Date('2026-11-20'), region: ['EU', null] })).toBe(
    normal("dt = 2026-11-20 and (region is null or region = 'EU')"),
  )
  expect(from({ REGION: null, hour: [1, 2n, '3'] })).toBe(normal('region is null and hour in (1, 2, 3)'))
  expect(from({ region: [] })).toBe('false')
  expect(refusal(() => from({})).message).toContain('empty')
  expect(refusal(() => from({ id: 5 })).message).toContain('no partition column')
  expect(refusal(() => from({ regoin: 'x' })).message).toContain('does not exist')
  expect(refusal(() => from({ hour: 1.5 })).message).toContain('no integer')
  expect(refusal(() => from({ region: 5 })).message).toContain('no varchar')
})

test('a scope gives its constants, and only those', () => {
  expect(scopeConstants(read("dt = 2026-11-20 and (region = 'EU' and hour > 1)"))).toEqual({
    dt: '2026-11-20',
    region: 'EU',
  })
  expect(scopeConstants(read("region in ('EU')"))).toEqual({ region: 'EU' })
  expect(scopeConstants(read('hour = 1 or hour = 2'))).toEqual({})
  expect(scopeConstants(read('hour = 1 and hour = 2'))).toEqual({})
  expect(scopeConstants(read('region is null'))).toEqual({})
})

test('scopes that share no partition are known to, where it can be known', () => {
  const overlap = (p: string, q: string) => possiblyOverlaps(read(p), read(q))
  expect(overlap('dt = 2026-11-20', 'dt = 2026-11-21')).toBe(false)
  expect(overlap('dt >= 2026-11-01 and dt < 2026-12-01', 'dt >= 2026-12-01')).toBe(false)
  expect(overlap('dt <= 2026-12-01', 'dt >= 2026-12-01')).toBe(true)
  expect(overlap("region in ('EU', 'US')", "region not in ('EU', 'US')")).toBe(false)
  expect(overlap("dt = 2026-11-20 and region = 'EU'", "dt = 2026-11-20 and region = 'US'")).toBe(false)
  expect(overlap('region is null', "region <> 'x'")).toBe(false)
  expect(overlap('region is null', "region is null or region = 'x'")).toBe(true)
  expect(overlap('dt = 2026-11-20', "region = 'EU'")).toBe(true)
  expect(overlap('false', 'true')).toBe(false)
})

test('the SQL has quoted names and typed literals, never the user’s text', () => {
  expect(predicateSql(read("dt >= 2026-11-01 and region in ('EU', 'o''k') and not ok"))).toBe(
    `("dt" >= CAST('2026-11-01' AS DATE) AND ("region" IN ('EU', 'o''k')) AND (NOT ("ok" = CAST('true' AS BOOLEAN))))`
      .replace('("dt"', '(("dt"')
      .replace('DATE) AND', 'DATE)) AND'),
  )
})

test('the parser serves conditions on any columns', () => {
  const where = parsePredicate('id > 5 and tags is not null', { columns: schema, what: 'where' })
  expect(predicateText(where)).toBe('id > 5 and tags is not null')
  expect(refusal(() => parsePredicate("tags = 'x'", { columns: schema, what: 'where' })).fix).toContain('is null')
})
