/** The grammar's own examples: which text is taken for what, and what stays text. Agreement with SQL: `property/grammar`. */
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { castSql, inferType, matches, proofSql, widen } from '../../src/schema/grammar.js'
import { parseType, typeName } from '../../src/schema/names.js'

test('text is inferred without loss: codes, postcodes and phone numbers stay text', () => {
  const inferred: Record<string, string[]> = {
    bigint: ['0', '-1', '10', '9223372036854775807', '-9223372036854775808', '1234567890123456789'],
    double: ['1.10', '-0.5', '0.0', '123456789012.345', '0.000001', '10.0'],
    date: ['2026-11-20', '0001-01-01', '9999-12-31', '2024-02-29'],
    timestamp: [
      '2026-11-20T10:00',
      '2026-11-20 10:00:00',
      '2026-11-20T10:00:00.123456Z',
      '2026-11-20 10:00:00+02:00',
      '2026-11-20T10:00-0530',
    ],
    boolean: ['true', 'false'],
    varchar: [
      ...[
        '',
        ' ',
        '007',
        '+1',
        '-0',
        '01067',
        '1e5',
        'nan',
        'inf',
        '0x1F',
        '1_000',
        '1,5',
        '.5',
        '5.',
        ' 1',
        '1 ',
        '９',
      ],
      ...['12345678901234567890', '9223372036854775808', '1234567890123456.5', '0.1234567890123456', '+49 351 123'],
      ...[
        'TRUE',
        'True',
        't',
        'yes',
        '2026-02-30',
        '2023-02-29',
        '0000-01-01',
        '26-11-20',
        '2026-11-20T25:00',
        '2026-11-20T10:00:60',
      ],
      ...['2026-11-20T10:00:00.1234567', '2026-11-20T10', '2026-11-20 10:00 UTC', '20.11.2026', '2026/11/20'],
    ],
  }
  for (const [name, texts] of Object.entries(inferred))
    for (const text of texts) expect([text, typeName(inferType(text))]).toEqual([text, name])
})

test('a declared type takes what fits exactly and nothing else', () => {
  const cases: [type: string, fits: string[], misfits: string[]][] = [
    [
      'decimal(10,2)',
      ['1.10', '3.9', '3.99', '3.990', '12345678.99', '-0.01', '0.00'],
      ['3.999', '123456789.00', '1e2', '.5', '01.5', '-0', ''],
    ],
    ['decimal(2,2)', ['0.25', '0', '-0.99'], ['1', '1.00', '.25']],
    ['decimal(38,0)', ['9'.repeat(38), '5.0'], ['9'.repeat(39), '5.5']],
    ['bigint', ['7'], ['7.6', '7.0', '007', '']],
    ['tinyint', ['127', '-128'], ['128', '-129']],
    ['smallint', ['32767'], ['32768']],
    ['integer', ['2147483647'], ['2147483648']],
    ['double', ['7', '7.6'], ['1e5', '1234567890123456']],
    ['float', ['7.6', '123456'], ['1234567', '0.1234567']],
    ['varchar', ['1.10', '', '007'], []],
    ['date', ['2026-11-20'], ['2026-11-20T00:00', '2026-11-31']],
    [
      'timestamp',
      ['2026-11-20', '2026-11-20T10:00+14:00'],
      ['2026-11-20T10:00+14:01', '0001-01-01T00:00+01:00', '9999-12-31T23:59-01:00'],
    ],
    ['boolean', ['true'], ['TRUE', '1']],
    ['blob', ['', 'YQ==', 'YWE='], ['YR==', 'YQ', 'Y Q=', '\\x61']],
  ]
  for (const [name, fits, misfits] of cases) {
    const type = parseType(name)
    expect([name, fits.filter((text) => !matches(type, text))]).toEqual([name, []])
    expect([name, misfits.filter((text) => matches(type, text))]).toEqual([name, []])
  }
})

test('a nested type is not read from text', () => {
  for (const name of ['integer[]', 'struct(a integer)', 'map(varchar, integer)'])
    for (const ask of [proofSql, castSql]) expect(() => ask(parseType(name), 'x')).toThrow(LakeError)
})

test('a column without a value is text, and different kinds together are text', () => {
  expect(widen(undefined, undefined).kind).toBe('varchar')
  expect(widen(undefined, { kind: 'date' }).kind).toBe('date')
  expect(widen({ kind: 'bigint' }, { kind: 'double' }).kind).toBe('double')
  expect(widen({ kind: 'timestamp' }, { kind: 'date' }).kind).toBe('timestamp')
  expect(widen({ kind: 'bigint' }, { kind: 'date' }).kind).toBe('varchar')
  expect(widen({ kind: 'boolean' }, { kind: 'bigint' }).kind).toBe('varchar')
})
