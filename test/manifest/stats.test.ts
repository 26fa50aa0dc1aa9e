import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ColumnTexts, type Comparison, canContain, encodeStats, parseStats } from '../../src/manifest/stats.js'
import type { Field, LakeType } from '../../src/schema/types.js'

const kind = (name: Exclude<LakeType['kind'], 'decimal' | 'list' | 'struct' | 'map'>): LakeType => ({ kind: name })
const field = (type: LakeType, name = 'c'): Field => ({ name, type, nullable: true })

/** The bounds that the log gets for DuckDB's texts, as raw JSON. */
function bounds(type: LakeType, texts: ColumnTexts): string {
  const [, min, max] =
    /"minValues":\{(.*?)\},"maxValues":\{(.*)\},"nullCount"/s.exec(encodeStats(3, [field(type)], { c: texts })) ?? []
  return `${min} ${max}`
}

describe('statistics in the log', () => {
  test.each([
    [
      'bigint',
      { min: '-9223372036854775808', max: '9223372036854775807' },
      '"c":-9223372036854775808 "c":9223372036854775807',
    ],
    ['double', { min: '1e-07', max: '10000000000.0' }, '"c":1e-07 "c":10000000000.0'],
    ['double', { min: '-0.0', max: '-0.0' }, '"c":-0.0 "c":0.0'],
    ['double', { min: '0.0', max: '0.0' }, '"c":-0.0 "c":0.0'],
    ['double', { min: '-inf', max: 'inf' }, ' '],
    ['double', { min: '2.5', max: '2.5', hasNaN: true }, '"c":2.5 '],
    ['double', { hasNaN: true }, ' '],
    ['boolean', { min: '0', max: '1' }, ' '],
    ['blob', { min: '00', max: 'ff' }, ' '],
    ['date', { min: '0001-01-01', max: '9999-12-31' }, '"c":"0001-01-01" "c":"9999-12-31"'],
    ['date', { min: '0045-03-15 (BC)', max: 'infinity' }, ' '],
    [
      'timestamp',
      { min: '2026-11-20 10:00:00.123456+00', max: '2026-11-20 10:00:00.123456+00' },
      '"c":"2026-11-20T10:00:00.123Z" "c":"2026-11-20T10:00:00.124Z"',
    ],
    [
      'timestamp',
      { min: '1969-12-31 23:59:59.999999+00', max: '1969-12-31 23:59:59.999+00' },
      '"c":"1969-12-31T23:59:59.999Z" "c":"1969-12-31T23:59:59.999Z"',
    ],
    [
      'timestamp',
      { min: '2026-11-20 10:00:00+05:30', max: '2026-11-20 10:00:00-00:01:15' },
      '"c":"2026-11-20T04:30:00.000Z" "c":"2026-11-20T10:01:15.000Z"',
    ],
    ['timestamp', { min: '0044-03-15 (BC) 00:00:00+00', max: '9999-12-31 23:59:59.999999+00' }, ' '],
    ['timestamp', { min: '-infinity', max: '10000-01-01 00:00:00+00' }, ' '],
    ['varchar', { min: '', max: '\u0000"\n' }, '"c":"" "c":"\\u0000\\"\\n"'],
  ] as const)('of %s %j', (name, texts, expected) => {
    expect(bounds(kind(name), texts)).toBe(expected)
  })

  test('of a decimal keep every digit', () => {
    const type: LakeType = { kind: 'decimal', precision: 38, scale: 2 }
    const texts = { min: '-0.10', max: '123456789012345678901234567890123456.78' }
    expect(bounds(type, texts)).toBe('"c":-0.10 "c":123456789012345678901234567890123456.78')
  })

  test('of text are bounds in code points, at most 32, and never half a character', () => {
    const text = fc.string({ unit: 'binary', maxLength: 50 })
    fc.assert(
      fc.property(text, (value) => {
        const stats = parseStats(encodeStats(1, [field(kind('varchar'))], { c: { min: value, max: value } }))
        const [min, max] = [stats?.minValues.c, stats?.maxValues.c] as [string, string | undefined]
        expect([...min].length).toBeLessThanOrEqual(32)
        expect(Buffer.compare(Buffer.from(min), Buffer.from(value))).toBeLessThanOrEqual(0)
        if (max !== undefined) {
          expect([...max].length).toBeLessThanOrEqual(32)
          expect(/\p{Surrogate}/u.test(max)).toBe(false)
          expect(Buffer.compare(Buffer.from(max), Buffer.from(value))).toBeGreaterThanOrEqual(0)
        }
      }),
    )
    const of = (value: string) => bounds(kind('varchar'), { max: value })
    expect(of('a'.repeat(33))).toBe(` "c":"${'a'.repeat(31)}b"`)
    expect(of(`${'a'.repeat(31)}\u{d7ff}x`)).toBe(` "c":"${'a'.repeat(31)}\u{e000}"`)
    expect(of(`a${'\u{10ffff}'.repeat(40)}`)).toBe(' "c":"b"')
    expect(of('\u{10ffff}'.repeat(33))).toBe(' ')
  })

  test('count nulls per column, leave bounds out where all are null, and nested columns altogether', () => {
    const schema = [
      field(kind('bigint'), 'all'),
      field({ kind: 'list', element: kind('bigint') }, 'l'),
      field(kind('boolean'), 'b'),
      field(kind('date'), 'dt'),
    ]
    const columns = {
      all: { nullCount: 3 },
      l: { min: '1', max: '2', nullCount: 9 },
      b: { min: '0', max: '1', nullCount: 1 },
    }
    expect(encodeStats(3, schema, columns)).toBe(
      '{"numRecords":3,"minValues":{},"maxValues":{},"nullCount":{"all":3,"b":1}}',
    )
  })

  test('that are missing or damaged say nothing', () => {
    for (const text of [undefined, '', 'nonsense', '[]', '{"minValues":{"c":1}}', 'null'])
      expect(parseStats(text)).toBeUndefined()
    expect(canContain(undefined, field(kind('bigint')), '=', 1)).toBe(true)
    expect(parseStats('{"numRecords":1,"tightBounds":false,"minValues":null}')).toStrictEqual({
      numRecords: 1,
      minValues: {},
      maxValues: {},
      nullCount: {},
      tightBounds: false,
    })
  })
})

describe('pruning by statistics', () => {
  const can = (type: LakeType, min: string, max: string, op: Comparison, value: unknown) =>
    canContain(
      parseStats(`{"numRecords":5,"minValues":{"c":${min}},"maxValues":{"c":${max}},"nullCount":{"c":0}}`),
      field(type),
      op,
      value,
    )
  const decimal: LakeType = { kind: 'decimal', precision: 38, scale: 18 }

  test.each([
    [kind('bigint'), '9007199254740992', '9007199254740992', '=', 9007199254740993n, false],
    [kind('bigint'), '9007199254740992', '9007199254740994', '=', '9007199254740993', true],
    [kind('bigint'), '1', '5', '>', 5, false],
    [kind('bigint'), '1', '5', '>=', 5, true],
    [kind('bigint'), '1', '5', '<', 1, false],
    [kind('bigint'), '1', '5', '<=', 1, true],
    [kind('bigint'), '5', '5', '<>', 5, false],
    [kind('bigint'), '1', '5', '=', 2.5, true],
    [kind('bigint'), '9007199254740993', '9007199254740993', '=', 2 ** 53, true],
    [decimal, '0.1234567890123456789', '0.1234567890123456789', '=', '0.1234567890123456788', false],
    [decimal, '1.10', '1.10', '=', '1.1', true],
    [decimal, '1e-7', '1e-7', '=', '0.0000001', true],
    [kind('varchar'), '"a"', '"m"', '=', 'n', false],
    [kind('varchar'), '"a"', '"\\ud83d\\ude00"', '=', '\uffff', true],
    [kind('date'), '"2026-11-01"', '"2026-11-30"', '=', '2026-12-01', false],
    [
      kind('timestamp'),
      '"2026-11-20T10:00:00.000Z"',
      '"2026-11-20T10:00:00.123Z"',
      '=',
      '2026-11-20T10:00:00.123999Z',
      true,
    ],
    [
      kind('timestamp'),
      '"2026-11-20T10:00:00.000Z"',
      '"2026-11-20T10:00:00.123Z"',
      '=',
      '2026-11-20 10:00:00.124+00',
      false,
    ],
    [
      kind('timestamp'),
      '"2026-11-20T12:00:00+02:00"',
      '"2026-11-20T10:00:00.123Z"',
      '=',
      '2026-11-20T09:59:59Z',
      false,
    ],
    [kind('double'), '-0.0', '0.0', '=', 0, true],
    [kind('double'), '1.5', '2.5', '=', 3, false],
    // Other writers leave NaN out of their maximum, and NaN is greater than all.
    [kind('double'), '1.5', '2.5', '>', 3, true],
    [kind('double'), '1.5', '2.5', '<', 1, false],
    [kind('float'), '0.1', '0.1', '=', 0.1, true],
    [kind('float'), '0.1', '0.1', '=', Math.fround(0.1), true],
    [kind('float'), '0.1', '0.1', '<', 0.100000002, true],
    [kind('double'), '"NaN"', '"NaN"', '=', 3, true],
    [kind('double'), '1', '2', '=', Number.NaN, true],
    [kind('boolean'), 'false', 'false', '=', true, true],
  ] as const)('%j between %s and %s, %s %s: %s', (type, min, max, op, value, expected) => {
    expect(can(type, min, max, op, value)).toBe(expected)
  })

  test('by nulls', () => {
    const stats = (nulls: number | undefined) => ({
      numRecords: 5,
      minValues: {},
      maxValues: {},
      nullCount: nulls === undefined ? {} : { c: nulls },
    })
    const c = field(kind('bigint'))
    expect([0, 2, 5, undefined].map((n) => canContain(stats(n), c, 'is null'))).toStrictEqual([false, true, true, true])
    expect([0, 2, 5, undefined].map((n) => canContain(stats(n), c, 'is not null'))).toStrictEqual([
      true,
      true,
      false,
      true,
    ])
    expect([0, 2, 5, undefined].map((n) => canContain(stats(n), c, '=', 1))).toStrictEqual([true, true, false, true])
    expect(canContain(stats(0), field(kind('bigint'), 'toString'), '=', 1)).toBe(true)
  })
})

describe("DuckDB's own statistics", () => {
  const folder = mkdtempSync(join(tmpdir(), 'lakewright-stats-'))
  let connection: Awaited<ReturnType<DuckDBInstance['connect']>>
  beforeAll(async () => {
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run("SET timezone = 'Asia/Kolkata'")
  })
  afterAll(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  const values: [LakeType, string, string[]][] = [
    [kind('bigint'), 'BIGINT', ['-9223372036854775808', '9223372036854775807', '0', '9007199254740993']],
    [
      { kind: 'decimal', precision: 38, scale: 6 },
      'DECIMAL(38,6)',
      ['-1.5', '0.000001', '12345678901234567890123456789012.123456'],
    ],
    [kind('double'), 'DOUBLE', ['-0.0', '0.0', '1e-300', '1.7976931348623157e308', 'nan', 'inf', '-inf', '0.1']],
    [kind('float'), 'FLOAT', ['0.1', '-1e-10', '3.4e38', 'nan', '16777217']],
    [kind('varchar'), 'VARCHAR', ['', 'a', 'é'.repeat(40), '日本'.repeat(30), '\u{1f600}'.repeat(33), '\uffff']],
    [kind('date'), 'DATE', ['0001-01-01', '9999-12-31', '2026-11-20']],
    [
      kind('timestamp'),
      'TIMESTAMPTZ',
      ['0001-01-02 00:00:00+00', '2026-11-20 10:00:00.123456+00', '1969-12-31 23:59:59.999999+00'],
    ],
  ]

  test.each(values)('of %j never prune a value that is in the file', async (type, sqlType, texts) => {
    for (let mask = 1; mask < 2 ** Math.min(texts.length, 5); mask++) {
      const inFile = texts.filter((_, i) => mask & (1 << (i % 5)))
      const list = inFile.map((text) => `('${text}'::${sqlType})`).join(', ')
      const result = await connection.runAndReadAll(
        `COPY (SELECT * FROM (VALUES ${list}, (NULL)) t(c)) TO '${folder}/f.parquet' (FORMAT parquet, RETURN_STATS)`,
      )
      const stats = parseStats(encodeStats(inFile.length + 1, [field(type)], textsOf(result.getRowObjectsJson()[0])))
      expect(stats?.nullCount).toStrictEqual({ c: 1 })
      for (const value of inFile) {
        const operand = value === 'nan' ? Number.NaN : value === 'inf' ? Infinity : value === '-inf' ? -Infinity : value
        for (const op of ['=', '<=', '>='] as const)
          expect([op, value, canContain(stats, field(type), op, operand)]).toStrictEqual([op, value, true])
      }
    }
  })

  interface Pairs {
    key: string
    value: Pairs[] | string
  }
  function textsOf(row: unknown): Record<string, ColumnTexts> {
    const [column] = (row as { column_statistics: Pairs[] }).column_statistics
    const entries = Object.fromEntries(
      ((column?.value ?? []) as { key: string; value: string }[]).map(({ key, value }) => [key, value]),
    )
    const { min, max, null_count, has_nan } = entries
    return {
      c: {
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        nullCount: Number(null_count),
        hasNaN: has_nan === 'true',
      },
    }
  }
})
