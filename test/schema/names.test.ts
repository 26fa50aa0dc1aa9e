/** Names of types and columns: what users may write, what they read, and what they are told. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { assertColumnNames, findColumn, nearMiss, parseType, sameType, typeName } from '../../src/schema/names.js'
import type { Field, LakeType } from '../../src/schema/types.js'
import { seeded } from '../property/seed.js'

const leaf: fc.Arbitrary<LakeType> = fc.oneof(
  fc
    .constantFrom(
      ...([
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
      ] as const),
    )
    .map((kind) => ({ kind })),
  fc
    .tuple(fc.integer({ min: 1, max: 38 }), fc.nat(38))
    .map(([precision, scale]): LakeType => ({ kind: 'decimal', precision, scale: Math.min(precision, scale) })),
)
const anyType = fc.letrec<{ t: LakeType }>((tie) => ({
  t: fc.oneof(
    { depthSize: 'small' },
    leaf,
    tie('t').map((element): LakeType => ({ kind: 'list', element })),
    fc.record({ kind: fc.constant('map' as const), key: tie('t'), value: tie('t') }),
    fc
      .uniqueArray(
        fc.tuple(
          fc
            .string({ unit: fc.constantFrom(...'abC1 _",()[]<>:日'), minLength: 1, maxLength: 5 })
            .filter((n) => n.trim() !== ''),
          tie('t'),
        ),
        { minLength: 1, maxLength: 3, selector: ([name]) => name.toLowerCase() },
      )
      .map(
        (fields): LakeType => ({
          kind: 'struct',
          fields: fields.map(([name, type]): Field => ({ name, type, nullable: true })),
        }),
      ),
  ),
})).t

const refusal = (run: () => unknown): LakeError => {
  try {
    run()
  } catch (error) {
    if (error instanceof LakeError) return error
    throw error
  }
  throw new Error('was not refused')
}

test('a type comes back from its name', () => {
  fc.assert(
    fc.property(anyType, (type) => {
      expect(sameType(parseType(typeName(type)), type)).toBe(true)
    }),
    seeded({ numRuns: 1000 }),
  )
})

test('synonyms of other databases are understood', () => {
  const synonyms: Record<string, string> = {
    'int int4 INTEGER Signed': 'integer',
    'int8 long BIGINT': 'bigint',
    'int2 short': 'smallint',
    'text string VARCHAR': 'varchar',
    'real float4 float(24)': 'float',
    'float8 double float(53)': 'double',
    'bool BOOLEAN': 'boolean',
    'bytea binary': 'blob',
    'timestamptz datetime timestamp(6)': 'timestamp',
    'numeric(12,2) decimal(12,2) DEC(12,2)': 'decimal(12,2)',
    'numeric(5)': 'decimal(5,0)',
    'int[] int[3] array<int> list(int)': 'integer[]',
    'map<string,int> map(varchar,integer)': 'map(varchar, integer)',
    'struct<a:int> row(a/int)': 'struct(a integer)',
  }
  for (const [names, type] of Object.entries(synonyms))
    for (const name of names.split(' '))
      expect([name, typeName(parseType(name.replace('/', ' ')))]).toEqual([name, type])
  for (const name of [
    'timestamp with time zone',
    'TIMESTAMP(6) WITH TIME ZONE',
    'timestamp without time zone',
    ' timestamp ',
  ])
    expect(typeName(parseType(name))).toBe('timestamp')
  expect(typeName(parseType('double precision'))).toBe('double')
  expect(typeName(parseType('character varying'))).toBe('varchar')
})

test('what is no type is refused with the text, the near miss and the names there are', () => {
  const cases: [string, string, string][] = [
    ['bigit', '`bigit` is not known', 'Did you mean `bigint`?'],
    ['varchr[]', '`varchr` is not known', '`varchar`'],
    ['interval', '`interval` is not known', 'Types are'],
    ['decimal', 'needs precision and scale', ''],
    ['decimal(39,0)', '1 to 38', ''],
    ['decimal(2,3)', 'scale of 0 up to it', ''],
    ['decimal(a,b)', '1 to 38', ''],
    ['varchar(20)', 'takes no length', ''],
    ['timestamp(3)', 'takes no argument', ''],
    ['integer(4)', 'takes no argument', ''],
    ['', 'the name of a type is missing', ''],
    ['integer integer', 'is too much', ''],
    ['struct(a)', 'missing', ''],
    ['struct(a integer', '`)` is missing', ''],
    ['struct(a integer, A integer)', 'differ in case only', ''],
    ['map(integer)', '`,` is missing', ''],
    ['struct("a integer)', 'does not close', ''],
    ['integer[', '', ''],
  ]
  for (const [text, message, fix] of cases) {
    const error = refusal(() => parseType(text))
    expect([text, error.code, error.message, error.fix]).toEqual([
      text,
      'invalid',
      expect.stringContaining(message),
      expect.stringContaining(fix),
    ])
  }
})

test('empty, repeated and case-equal column names are refused with their positions, all others are fine', () => {
  expect(refusal(() => assertColumnNames(['a', '', 'b'])).message).toContain('column 2 has no name')
  expect(refusal(() => assertColumnNames(['a', ' '])).message).toContain('column 2')
  expect(refusal(() => assertColumnNames(['id', 'b', 'id'], { file: 'x.csv' })).message).toBe(
    'column name `id` is repeated, at 1 and 3: file=`x.csv`',
  )
  expect(refusal(() => assertColumnNames(['Id', 'b', 'iD'])).message).toBe(
    'column names `Id` (1) and `iD` (3) differ in case only',
  )
  expect(() =>
    assertColumnNames(['a b', 'a;b', '(a)', '{=}', 'a,b', 'é', '"', '__proto__', 'constructor']),
  ).not.toThrow()
})

test('a column is found without regard to case, the exact spelling first', () => {
  const schema = ['a', 'B'].map((name): Field => ({ name, type: { kind: 'date' }, nullable: true }))
  expect(findColumn(schema, 'A')?.name).toBe('a')
  expect(findColumn(schema, 'b')?.name).toBe('B')
  expect(findColumn(schema, 'c')).toBeUndefined()
})

test('a near miss is near', () => {
  expect(nearMiss('regoin', ['id', 'region', 'reason'])).toBe('region')
  expect(nearMiss('zzz', ['id', 'region'])).toBeUndefined()
})
