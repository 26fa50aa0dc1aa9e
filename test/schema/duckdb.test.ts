/** DuckDB's types become ours without loss, and values that would lose something are misfits. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import { castExpression, fromSql, toSql } from '../../src/schema/duckdb.js'
import { parseMisfit } from '../../src/schema/misfit.js'
import { parseType, sameType, typeName } from '../../src/schema/names.js'
import { type Duck, openDuck } from './duck.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

/** literal, our type, and the value as text of our type */
const conversions: [literal: string, type: string, text: string | null][] = [
  ['true', 'boolean', 'true'],
  ['255::UTINYINT', 'smallint', '255'],
  ['65535::USMALLINT', 'integer', '65535'],
  ['4294967295::UINTEGER', 'bigint', '4294967295'],
  ['18446744073709551615::UBIGINT', 'decimal(20,0)', '18446744073709551615'],
  ['-99999999999999999999999999999999999999::HUGEINT', 'decimal(38,0)', '-99999999999999999999999999999999999999'],
  ['99999999999999999999999999999999999999::UHUGEINT', 'decimal(38,0)', '99999999999999999999999999999999999999'],
  ["'9a3b1e90-0000-4000-8000-000000000000'::UUID", 'varchar', '9a3b1e90-0000-4000-8000-000000000000'],
  ["TIME '10:00:00.5'", 'varchar', '10:00:00.5'],
  ["'10:00:00+02'::TIMETZ", 'varchar', '10:00:00+02'],
  ["'y''z'::ENUM('x', 'y''z')", 'varchar', "y'z"],
  ['\'{"a": 1}\'::JSON', 'varchar', '{"a": 1}'],
  ["'101'::BIT", 'varchar', '101'],
  ["TIMESTAMP '2026-11-20 10:00:00.123456'", 'timestamp', '2026-11-20 10:00:00.123456+00'],
  ["TIMESTAMP_S '2026-11-20 10:00:00'", 'timestamp', '2026-11-20 10:00:00+00'],
  ["TIMESTAMP_MS '2026-11-20 10:00:00.123'", 'timestamp', '2026-11-20 10:00:00.123+00'],
  ["TIMESTAMP_NS '2026-11-20 10:00:00.123456'", 'timestamp', '2026-11-20 10:00:00.123456+00'],
  ["TIMESTAMPTZ '2026-11-20 10:00:00+02'", 'timestamp', '2026-11-20 08:00:00+00'],
  ["DATE '2026-11-20'", 'date', '2026-11-20'],
  ['1.5::DECIMAL(4,2)', 'decimal(4,2)', '1.50'],
  ['array_value(1::UTINYINT, NULL)', 'smallint[]', '[1, NULL]'],
  ['array_value(array_value(1), array_value(2))', 'integer[][]', '[[1], [2]]'],
  ["[TIMESTAMP '2026-11-20 10:00:00', NULL]", 'timestamp[]', "['2026-11-20 10:00:00+00', NULL]"],
  [
    "{'a b': [1::UTINYINT], 'C\"x': NULL::UUID}",
    'struct("a b" smallint[], "C""x" varchar)',
    "{'a b': [1], 'C\"x': NULL}",
  ],
  ['NULL::STRUCT(a TIME)', 'struct(a varchar)', null],
  ["MAP {'a': 1::HUGEINT, 'b': NULL}", 'map(varchar, decimal(38,0))', '{a=1, b=NULL}'],
  ["[{'m': MAP {'k': [TIME '10:00:00']}}]", 'struct(m map(varchar, varchar[]))[]', "[{'m': {k=['10:00:00']}}]"],
]

test('every type DuckDB prints becomes ours with the same value, whatever the session zone', async () => {
  for (const [literal, type, text] of conversions) {
    const [described] = await duck.rows(`DESCRIBE SELECT ${literal} AS x`)
    const sqlType = String(described?.column_type)
    const found = fromSql(sqlType)
    expect([literal, typeName(found.type)]).toEqual([literal, type])
    const cast = castExpression(sqlType, 'x')
    const [row] = await duck.rows(
      `SELECT typeof(${cast}) AS t, CAST(${cast} AS VARCHAR) AS v FROM (SELECT ${literal} AS x)`,
    )
    expect([literal, typeName(fromSql(String(row?.t)).type)]).toEqual([literal, type])
    expect([literal, inUtc(row?.v)]).toEqual([literal, text])
    expect(
      await duck.rows(`SELECT ${cast} AS v FROM (SELECT ${literal} AS x WHERE x IS NULL OR true) WHERE false`),
    ).toEqual([])
  }
})

test('a null of any type stays null', async () => {
  for (const sqlType of [
    'HUGEINT',
    'UBIGINT',
    'TIMESTAMP',
    'TIMESTAMP_NS',
    'DATE',
    'UUID',
    'TIME[]',
    'MAP(TIME, HUGEINT)',
    'STRUCT(a TIME)',
    'INTEGER[2]',
  ]) {
    expect(await duck.rows(`SELECT ${castExpression(sqlType, 'x')} AS v FROM (SELECT NULL::${sqlType} AS x)`)).toEqual([
      { v: null },
    ])
  }
})

test('a value that would lose something is a misfit that names column, type and value', async () => {
  const misfits: [string, string][] = [
    ['100000000000000000000000000000000000000::HUGEINT', 'more than 38 digits'],
    ['100000000000000000000000000000000000000::UHUGEINT', 'more than 38 digits'],
    ["TIMESTAMP_NS '2026-11-20 10:00:00.123456789'", 'nanoseconds would be lost'],
    ["TIMESTAMP_NS '1960-11-20 10:00:00.123456789'", 'nanoseconds would be lost'],
    ["TIMESTAMP 'infinity'", 'infinite'],
    ["TIMESTAMP_NS 'infinity'", 'infinite'],
    ["TIMESTAMPTZ '-infinity'", 'infinite'],
    ["DATE 'infinity'", 'infinite'],
    ["[DATE 'infinity']", 'infinite'],
  ]
  for (const [literal, reason] of misfits) {
    const [described] = await duck.rows(`DESCRIBE SELECT ${literal} AS x`)
    const sqlType = String(described?.column_type)
    const error: unknown = await duck
      .rows(`SELECT ${castExpression(sqlType, 'x', 'it"s')} FROM (SELECT ${literal} AS x)`)
      .catch((thrown: unknown) => thrown)
    expect(error, literal).toBeInstanceOf(Error)
    const misfit = parseMisfit((error as Error).message)
    expect(misfit).toMatchObject({ column: 'it"s', type: typeName(fromSql(sqlType).type), reason })
    expect(misfit?.value).not.toBe('')
  }
})

test('INTERVAL, UNION and what else has no lossless form are refused by name, nested ones too', () => {
  for (const sqlType of [
    'INTERVAL',
    'UNION(a INTEGER, b VARCHAR)',
    'VARIANT',
    'GEOMETRY',
    'BIGNUM',
    'INTERVAL[]',
    'STRUCT(a INTERVAL)',
    'WHATEVER',
  ]) {
    let error: unknown
    try {
      fromSql(sqlType, 'waited')
    } catch (thrown) {
      error = thrown
    }
    expect(isLakeError(error, 'invalid')).toBe(true)
    expect(String(error)).toContain(sqlType)
    expect(String(error)).toContain('waited')
  }
})

test('our types go to DuckDB and come back the same', async () => {
  const names = [
    'boolean',
    'tinyint',
    'smallint',
    'integer',
    'bigint',
    'float',
    'double',
    'varchar',
    'blob',
    'date',
    'timestamp',
    'decimal(38,37)',
  ]
  names.push('integer[][]', 'struct("a b" integer, "q""" map(varchar, timestamp[]))', 'map(date, struct(x blob))[]')
  for (const name of names) {
    const type = parseType(name)
    const [described] = await duck.rows(`DESCRIBE SELECT CAST(NULL AS ${toSql(type)}) AS x`)
    expect(sameType(fromSql(String(described?.column_type)).type, type), name).toBe(true)
  }
})

/** DuckDB prints instants in the session's zone, here New York in winter. */
function inUtc(printed: unknown): unknown {
  if (typeof printed !== 'string') return printed
  return printed.replace(/(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)/g, (_, local: string, zone: string) => {
    const shifted = new Date(Date.parse(`${local.slice(0, 19).replace(' ', 'T')}Z`) - Number(zone) * 3_600_000)
    return `${shifted.toISOString().slice(0, 19).replace('T', ' ')}${local.slice(19)}+00`
  })
}
