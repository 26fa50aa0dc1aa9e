/** Partition values: JavaScript and DuckDB write the same text, and the text gives the value back. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  canonicalText,
  compareTexts,
  instantText,
  isHashed,
  markedPartitionSql,
  partitionText,
  partitionTextSql,
  partitionValueSql,
  unmark,
} from '../../src/partition/value.js'
import { toSql } from '../../src/schema/duckdb.js'
import { instantMicros } from '../../src/schema/grammar.js'
import { parseMisfit } from '../../src/schema/misfit.js'
import { parseType, typeName } from '../../src/schema/names.js'
import { quoteText } from '../../src/schema/quote.js'
import type { LakeType } from '../../src/schema/types.js'
import { type Duck, openDuck } from '../schema/duck.js'
import { seeded } from './seed.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const integers = (bits: bigint) => fc.bigInt({ min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n }).map(String)
const decimals = (precision: number, scale: number) =>
  fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }).map((n) => {
    const text = (n < 0n ? -n : n).toString().padStart(scale + 1, '0')
    return `${n < 0n ? '-' : ''}${scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`}`
  })
const instants = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })
const word = fc.string({
  unit: fc.oneof(
    fc.constantFrom('/', '%', '"', "'", '\\', '\n', '\t', ' ', '\u007f', 'é', 'e\u0301', '日', '😀', '.', '='),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 70,
})
const plain = word.filter(
  (t) =>
    !t.includes('\0') &&
    !['', 'null', '__hive_default_partition__'].includes(t.toLowerCase()) &&
    !/\p{Surrogate}/u.test(t),
)

const texts: [string, fc.Arbitrary<string>][] = [
  ['tinyint', integers(8n)],
  ['smallint', integers(16n)],
  ['integer', integers(32n)],
  ['bigint', integers(64n)],
  ['decimal(10,2)', decimals(10, 2)],
  ['decimal(38,0)', decimals(38, 0)],
  ['decimal(3,3)', decimals(3, 3)],
  [
    'date',
    fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((d) => d.toISOString().slice(0, 10)),
  ],
  [
    'timestamp',
    fc
      .oneof(
        instants,
        instants.map((n) => n - (n % 1_000_000n)),
      )
      .map(instantText),
  ],
  ['boolean', fc.constantFrom('true', 'false')],
  [
    'double',
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => partitionText(n, { kind: 'double' }) ?? ''),
  ],
  ['float', fc.float({ noNaN: true, noDefaultInfinity: true }).map((n) => partitionText(n, { kind: 'float' }) ?? '')],
  ['varchar', plain],
]

for (const [name, text] of texts) {
  const type = parseType(name)
  test(`${name}: text → literal → text in SQL comes back the same, and is canonical`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { minLength: 20, maxLength: 40 }), async (values) => {
        const literals = values.map((value) => partitionValueSql(value, type))
        const back = await duck.over(literals, partitionTextSql(type, 'x'))
        const same = (t: unknown) => (name === 'float' && typeof t === 'string' ? canonicalText(t, type) : t)
        expect(back.map(same)).toEqual(values)
        expect(values.map((value) => value === null || canonicalText(value, type))).toEqual(
          values.map((value) => value === null || value),
        )
        const marked = await duck.over(literals, markedPartitionSql(type, 'x'))
        expect(marked.map((m, i) => (isHashed(String(m)) ? values[i] : same(unmark(String(m)))))).toEqual(values)
      }),
      seeded({ numRuns: 25 }),
    )
  })

  test(`${name}: two texts compare as DuckDB compares the values`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 20, maxLength: 40 }), async (values) => {
        const pairs = values.map((a, i) => [a, values[(i + 1) % values.length] ?? a] as const)
        const bySql = await duck.over(
          pairs.map(([a, b]) => {
            const [x, y] = [partitionValueSql(a, type), partitionValueSql(b, type)]
            return `CASE WHEN ${x} < ${y} THEN -1 WHEN ${x} > ${y} THEN 1 ELSE 0 END`
          }),
          'x',
        )
        expect(pairs.filter(([a, b], i) => compareTexts(a, b, type) !== bySql[i])).toEqual([])
      }),
      seeded({ numRuns: 10 }),
    )
  })
}

test('an instant and its text are one, down to the microsecond and before 1970', () => {
  fc.assert(
    fc.property(instants, (micros) => {
      expect(instantMicros(instantText(micros))).toBe(micros)
    }),
    seeded({ numRuns: 2000 }),
  )
})

test('equal values have one text, whoever wrote them', () => {
  const same: [string, string, string][] = [
    ['timestamp', '2026-11-20T10:00:00.000000Z', '2026-11-20T10:00:00.000000Z'],
    ['timestamp', '2026-11-20 12:00:00.5+02:00', '2026-11-20T10:00:00.500000Z'],
    ['timestamp', '2026-11-20', '2026-11-20T00:00:00.000000Z'],
    ['decimal(10,2)', '1.5', '1.50'],
    ['decimal(10,2)', '-0.00', '0.00'],
    ['decimal(10,2)', '1.500', '1.50'],
    ['double', '-0.0', '0.0'],
    ['double', '1.50', '1.5'],
    ['double', '1E20', '1e+20'],
    ['float', '0.1', '0.1'],
  ]
  for (const [name, text, canonical] of same)
    expect([text, canonicalText(text, parseType(name))]).toEqual([text, canonical])
})

test('JavaScript values become the text of the column’s type, or are none of it', () => {
  const cases: [Parameters<typeof partitionText>[0], string, string | undefined][] = [
    [5, 'integer', '5'],
    [5.5, 'integer', undefined],
    [128, 'tinyint', undefined],
    [9007199254740993n, 'bigint', '9007199254740993'],
    [-0, 'bigint', '0'],
    [1.5, 'decimal(4,2)', '1.50'],
    [1.555, 'decimal(4,2)', undefined],
    [5, 'varchar', undefined],
    ['5', 'varchar', '5'],
    [true, 'boolean', 'true'],
    [true, 'varchar', undefined],
    ['TRUE', 'boolean', undefined],
    [new Date('2026-11-20'), 'date', '2026-11-20'],
    [new Date('2026-11-20T10:00:00Z'), 'date', undefined],
    [new Date('2026-11-20T10:00:00.5Z'), 'timestamp', '2026-11-20T10:00:00.500000Z'],
    [new Date(Number.NaN), 'timestamp', undefined],
    ['2026-02-30', 'date', undefined],
    [Number.NaN, 'double', undefined],
    [0.1, 'double', '0.1'],
    ['x', 'integer[]', undefined],
  ]
  for (const [value, name, text] of cases)
    expect([value, name, partitionText(value, parseType(name))]).toEqual([value, name, text])
})

test('values that no partition can have are misfits that name the column', async () => {
  const bad: [LakeType, string][] = [
    [{ kind: 'varchar' }, "''"],
    [{ kind: 'varchar' }, "'NuLL'"],
    [{ kind: 'varchar' }, "'__HIVE_DEFAULT_PARTITION__'"],
    [{ kind: 'varchar' }, quoteText('a\0b')],
    [{ kind: 'double' }, "'nan'::DOUBLE"],
    [{ kind: 'float' }, "'-inf'::FLOAT"],
    [{ kind: 'date' }, "DATE '10000-01-01'"],
    [{ kind: 'date' }, "DATE '0044-03-15 (BC)'"],
    [{ kind: 'date' }, "DATE 'infinity'"],
    [{ kind: 'timestamp' }, "TIMESTAMPTZ 'infinity'"],
    [{ kind: 'timestamp' }, "TIMESTAMPTZ '10000-01-01 00:00:00+00'"],
  ]
  for (const [type, literal] of bad) {
    const error: unknown = await duck
      .over([`CAST(${literal} AS ${toSql(type)})`], markedPartitionSql(type, 'x', 'region', '{file: 1}'))
      .catch((thrown: unknown) => thrown)
    expect(error, literal).toBeInstanceOf(Error)
    expect(parseMisfit((error as Error).message)).toMatchObject({
      column: 'region',
      type: typeName(type),
      place: { file: 1 },
    })
  }
})

test('a long text is marked by its digest, so that the folder of DuckDB’s own making holds it', async () => {
  const [marked, short] = await duck.over(
    [quoteText('日'.repeat(61)), quoteText('a'.repeat(199))],
    markedPartitionSql({ kind: 'varchar' }, 'x'),
  )
  expect(isHashed(String(marked))).toBe(true)
  expect(() => unmark(String(marked))).toThrow('not its text')
  expect(unmark(String(short))).toBe('a'.repeat(199))
})
