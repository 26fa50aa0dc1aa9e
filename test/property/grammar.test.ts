/** The grammar of text says the same in JavaScript and in DuckDB, and a proved text keeps its value. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  castSql,
  inferable,
  inferType,
  instantMicros,
  matches,
  nextWider,
  proofSql,
  provenCastSql,
  widen,
} from '../../src/schema/grammar.js'
import { parseType, sameType, typeName } from '../../src/schema/names.js'
import { type Duck, openDuck } from '../schema/duck.js'
import { seeded } from './seed.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const types = [
  ...['tinyint', 'smallint', 'integer', 'bigint', 'float', 'double', 'boolean', 'date', 'timestamp', 'varchar', 'blob'],
  ...['decimal(10,2)', 'decimal(1,0)', 'decimal(38,0)', 'decimal(38,38)', 'decimal(2,2)', 'decimal(20,19)'],
].map(parseType)

const digits = (max: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: max })
const two = fc.integer({ min: 0, max: 62 }).map((n) => String(n).padStart(2, '0'))
const number = fc
  .tuple(
    fc.constantFrom('', '', '-', '+', '--'),
    digits(21),
    fc.constantFrom('', '.', '..'),
    digits(20),
    fc.constantFrom('', '', '0', '000', 'e5', ' ', '\n'),
  )
  .map((parts) => parts.join(''))
const edge = fc.constantFrom(
  ...['127', '128', '-128', '-129', '32767', '32768', '2147483647', '2147483648', '-2147483648', '-2147483649'],
  ...[
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '-9223372036854775809',
    '0x1F',
    '007',
    '1_000',
  ],
  ...[
    '-0',
    '0',
    '-0.0',
    '0.0',
    '.5',
    '5.',
    '1.10',
    '3.999',
    '99999999.99',
    '100000000.00',
    '1e5',
    'nan',
    'inf',
    ' 1',
    '1 ',
    '１',
  ],
  ...[
    '123456789012345',
    '1234567890123456',
    '0.000000123456789012345',
    '0.1234567890123456',
    `0.${'0'.repeat(290)}1`,
    `0.${'0'.repeat(310)}1`,
  ],
  ...[
    'true',
    'false',
    'TRUE',
    'True',
    't',
    '1',
    '',
    'null',
    'YQ==',
    'YR==',
    'YWE=',
    'YWF=',
    'YWFh',
    'YWF',
    '=',
    'Z',
    '-',
  ],
  ...[
    '0001-01-01',
    '0000-12-31',
    '9999-12-31',
    '10000-01-01',
    '2026-02-29',
    '2024-02-29',
    '1900-02-29',
    '2000-02-29',
    '2026-04-31',
    '44-03-15',
    '0044-03-15 (BC)',
  ],
  ...[
    '0001-01-01T00:00+00:01',
    '0001-01-01T00:00-00:01',
    '9999-12-31 23:59:59.999999Z',
    '9999-12-31T23:59-00:01',
    '9999-12-31T23:59+14:00',
  ],
  ...[
    '2026-11-20T24:00',
    '2026-11-20 23:59:60',
    '2026-11-20T10:00:00.1234567',
    '2026-11-20T10:00z',
    '2026-11-20t10:00',
    '2026-11-20T10:00+15:00',
  ],
  ...[
    '2026-11-20T10:00+14:30',
    '2026-11-20T10:00 +02',
    '2026-11-20T10:00:00Europe/Berlin',
    '2026-11-20 10',
    '2026-11-20T',
    'infinity',
    'epoch',
    '2026-11-20T10:00:00Z\n',
  ],
)
const dateText = fc
  .tuple(
    fc.constantFrom('2026', '0001', '0000', '9999', '2024', '1900', '126'),
    fc.constantFrom('-', '-', '-', '/'),
    two,
    two,
  )
  .map(([year, dash, month, day]) => `${year}-${month}${dash}${day}`)
const goodDate = fc
  .date({ min: new Date('0001-01-03'), max: new Date('9999-12-28'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const timestampText = fc
  .tuple(
    fc.oneof(goodDate, goodDate, dateText),
    fc.constantFrom('T', ' ', ' ', '  '),
    two,
    two,
    fc.option(two, { nil: '' }),
    digits(7),
    zoneText(),
  )
  .map(([day, sep, h, m, s, f, z]) => `${day}${sep}${h}:${m}${s === '' ? '' : `:${s}`}${f === '' ? '' : `.${f}`}${z}`)
const goodTimestamp = fc
  .tuple(
    goodDate,
    fc.constantFrom('T', ' '),
    fc.integer({ min: 0, max: 86_399 }),
    fc.integer({ min: 0, max: 999_999 }),
    fc.integer({ min: 0, max: 8 }),
    zoneText(),
  )
  .map(([day, sep, second, micro, cut, z]) => {
    const clock = `${new Date(second * 1000).toISOString().slice(11, 19)}.${String(micro).padStart(6, '0')}`
    return `${day}${sep}${clock.slice(0, [5, 8, 10, 11, 12, 13, 14, 15, 15][cut])}${z}`
  })
function zoneText() {
  return fc.oneof(
    fc.constantFrom('', 'Z', '+00', '-00:00', '+0530', '+05:30', '-1345', '+14', '+14:00', '+1401', '+2', '+02:60'),
    fc.tuple(fc.constantFrom('+', '-'), two, fc.constantFrom('', ':'), two).map((parts) => parts.join('')),
  )
}
const text = fc.oneof(
  number,
  edge,
  dateText,
  goodDate,
  timestampText,
  goodTimestamp,
  fc.string({ unit: 'grapheme', maxLength: 8 }),
)
const batch = fc.array(text, { minLength: 30, maxLength: 60 })

for (const type of types)
  test(`${typeName(type)}: JavaScript and DuckDB agree on which text is a value`, async () => {
    await fc.assert(
      fc.asyncProperty(batch, async (texts) => {
        const bySql = await duck.each(texts, proofSql(type, 'x'))
        expect(texts.filter((t, i) => matches(type, t) !== bySql[i])).toEqual([])
      }),
      seeded({ numRuns: 40 }),
    )
  })

test('a proved text keeps its value in DuckDB, whatever the session zone', async () => {
  for (const type of types) {
    await fc.assert(
      fc.asyncProperty(batch, async (texts) => {
        const fitting = texts.filter((t) => matches(type, t))
        const micros = type.kind === 'timestamp'
        const value = castSql(type, 'x')
        const plain = micros ? `epoch_us(${value})` : type.kind === 'blob' ? `to_base64(${value})` : value
        const printed = await duck.each(fitting, `CAST(${plain} AS VARCHAR)`)
        expect(fitting.map((t, i) => [t, normal(type.kind, String(printed[i]))])).toEqual(
          fitting.map((t) => [t, micros ? String(instantMicros(t)) : normal(type.kind, t)]),
        )
      }),
      seeded({ numRuns: 25 }),
    )
  }
})

test('a null text is not proved, stays null and is no misfit', async () => {
  for (const type of types) {
    expect(await duck.each([null], `coalesce(${proofSql(type, 'x')}, false)`)).toEqual([false])
    expect(await duck.each([null], provenCastSql(type, 'x', 'a'))).toEqual([null])
    expect(await duck.each([null], castSql(type, 'x'))).toEqual([null])
  }
})

test('what two texts are inferred to be together holds both, except where 15 digits are too few', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const wide = widen(inferType(a), inferType(b))
      const long = (t: string) =>
        wide.kind === 'double' && inferType(t).kind === 'bigint' && t.replace('-', '').length > 15
      for (const t of [a, b]) expect(long(t) || matches(wide, t)).toBe(true)
      expect(sameType(wide, widen(inferType(b), inferType(a)))).toBe(true)
    }),
    seeded({ numRuns: 2000 }),
  )
})

test('widening step by step ends at varchar from every type that inference tries', () => {
  for (const start of inferable) {
    let type = start
    for (let next = nextWider(type); next !== undefined; next = nextWider(type)) type = next
    expect(type.kind).toBe('varchar')
  }
})

/** One spelling per value: shortest decimal text for numbers. */
function normal(kind: string, t: string): string {
  if (['float', 'double'].includes(kind)) return String(kind === 'float' ? Math.fround(Number(t)) : Number(t))
  if (kind === 'decimal') {
    const [whole = '', fraction = ''] = t.split('.')
    const digits = fraction.replace(/0+$/, '')
    const value = `${whole.replace(/^(-?)$/, '$10')}${digits === '' ? '' : `.${digits}`}`
    return value === '-0' ? '0' : value
  }
  return t
}
