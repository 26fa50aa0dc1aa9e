import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inferType, widen } from '../../src/schema/grammar.js'
import { typeName } from '../../src/schema/names.js'
import type { LakeType } from '../../src/schema/types.js'
import { failure, useReading } from './reading.js'

const suite = useReading()

const cell = fc.constantFrom(
  '',
  '0',
  '-0',
  '12',
  '007',
  '+1',
  '1.50',
  '-3.25',
  '123456789012345678',
  '12345678901234567890',
  '1234567890.123456789',
  '2026-11-20',
  '2026-02-30',
  '0000-01-01',
  '2026-11-20T10:00',
  '2026-11-20 10:00:00.123456',
  '2026-11-20T10:00:00+02:00',
  '2026-02-30T10:00:00',
  '2026-11-20T24:00:00',
  'true',
  'false',
  'True',
  'nan',
  '1e5',
  'x',
)
/** Mostly of one kind, as columns are. */
const columnOf = fc.oneof(
  fc.array(fc.constantFrom('', '1', '-22', '9223372036854775807'), { maxLength: 25 }),
  fc.array(fc.constantFrom('', '1', '1.5', '2.50'), { maxLength: 25 }),
  fc.array(fc.constantFrom('', '2026-11-20', '2026-11-20T10:00:00Z', '2026-11-20 10:00:00'), { maxLength: 25 }),
  fc.array(fc.constantFrom('', '', '', '', 'true'), { maxLength: 25 }),
  fc.array(cell, { maxLength: 25 }),
)

describe('types of text', () => {
  test('are those of the lattice over all rows, whatever the sample and wherever a value stands', async () => {
    let serial = 0
    await fc.assert(
      fc.asyncProperty(fc.array(columnOf, { minLength: 1, maxLength: 3 }), async (columns) => {
        const rows = Math.max(...columns.map((values) => values.length))
        const lines = Array.from({ length: rows }, (_, i) => [i, ...columns.map((values) => values[i] ?? '')].join(','))
        const header = ['id', ...columns.map((_, i) => `c${i}`)].join(',')
        const path = await suite.file(`lattice-${serial++ % 50}.csv`, `${[header, ...lines].join('\n')}\n`)
        const expected = columns.map((values, i) => `c${i} ${typeName(latticeOf(values))}`)
        for (const sampleRows of [1, 10, 20_000]) {
          const read = await suite.read(path, {}, { sampleRows })
          expect(read.columns.slice(1)).toEqual(expected)
          expect(read.passes).toBeLessThanOrEqual(2)
          expect(read.rows).toHaveLength(rows)
        }
      }),
      { numRuns: 40 },
    )
  })

  test('a column without a value in the sample gets the type of what comes later', async () => {
    const lines = Array.from({ length: 500 }, (_, i) => `${i},${i < 400 ? '' : i}`)
    const read = await suite.read(await suite.file('late.csv', `id,v\n${lines.join('\n')}\n`), {}, { sampleRows: 100 })
    expect(read.columns).toEqual(['id bigint', 'v bigint'])
    expect(read.passes).toBe(2)
  })

  test('of the same column in several files are inferred together', async () => {
    const a = await suite.file('t1.csv', 'id,v\n1,5\n')
    const b = await suite.file('t2.csv', 'v,id\n1.5,2\n')
    const c = await suite.file('t3.csv', 'v,id,w\n007,3,\n')
    expect((await suite.read([a, b])).columns).toEqual(['id bigint', 'v double'])
    expect((await suite.read([a, b, c], {}, { sampleRows: 1 })).columns).toEqual([
      'id bigint',
      'v varchar',
      'w varchar',
    ])
  })

  test('beside typed data are the typed data’s, or what holds both', async () => {
    const typed = `${suite.folder}/typed.parquet`
    await suite.engine.run(`COPY (SELECT 1::INTEGER AS id, 1.5::DECIMAL(10,2) AS v) TO '${typed}' (FORMAT parquet)`)
    const text = await suite.file('beside.csv', 'id,v\n5000000000,1.10\n')
    const { columns, rows } = await suite.read([typed, text])
    expect(columns).toEqual(['id bigint', 'v decimal(10,2)'])
    expect(rows).toEqual([
      { id: 1n, v: '1.50' },
      { id: 5000000000n, v: '1.10' },
    ])
    const word = await suite.file('word.csv', 'id,v\nx,1\n')
    expect((await failure(suite.read([typed, word]))).details).toMatchObject({ column: 'id', value: 'x', row: 1 })
  })

  test('how they came about is told', async () => {
    const path = await suite.file('told.csv', 'id,v,w\n1,a,2\n')
    const tableSchema = [
      { name: 'id', type: { kind: 'integer' } as const, nullable: true },
      { name: 'w', type: { kind: 'varchar' } as const, nullable: true },
    ]
    const { typedBy } = await suite.read(path, { types: { v: 'varchar' } }, { tableSchema, evolve: true })
    expect(typedBy).toEqual({ id: 'table', w: 'table', v: 'declared' })
    expect((await suite.read(path)).typedBy).toEqual({ id: 'inferred', v: 'inferred', w: 'inferred' })
  })
})

describe('declared types', () => {
  test('are applied by the grammar: 1.10 stays 1.10, 007 is no bigint', async () => {
    const path = await suite.file('grammar.csv', 'a,b\n1.10,007\n')
    expect((await suite.read(path, { types: { '*': 'varchar' } })).rows).toEqual([{ a: '1.10', b: '007' }])
    const error = await failure(suite.read(path, { types: { b: 'bigint' } }))
    expect(error.details).toMatchObject({ column: 'b', type: 'bigint', value: '007', row: 1, file: path })
  })

  test('misfits are counted, three are shown, long values are cut', async () => {
    const long = 'x'.repeat(5000)
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i},${i % 10_000 === 9 ? long : i}`)
    const path = await suite.file('many.csv', `id,v\n${lines.join('\n')}\n`)
    const error = await failure(suite.read(path, { types: { v: 'integer' } }))
    expect(error.details).toMatchObject({ row: 10, misfits: 3 })
    expect(error.message).toMatch(/row 10010.*row 20010/)
    expect(error.message.length).toBeLessThan(600)
    expect(error.fix).toContain('--on-reject divert')
  })

  test('a day that the calendar does not have is no date, before and after the sample', async () => {
    const path = await suite.file('day.csv', 'd\n2026-02-28\n2026-02-30\n')
    expect((await suite.read(path, {}, { sampleRows: 1 })).columns).toEqual(['d varchar'])
    expect((await failure(suite.read(path, { types: { d: 'date' } }))).details).toMatchObject({
      row: 2,
      value: '2026-02-30',
    })
  })

  test('that name no column are refused with the near miss', async () => {
    const path = await suite.file('miss.csv', 'customer,v\n1,2\n')
    expect((await failure(suite.read(path, { types: { custmer: 'varchar' } }))).fix).toContain(
      'Did you mean `customer`',
    )
  })
})

describe('a table’s schema', () => {
  const tableSchema = [
    { name: 'Id', type: { kind: 'integer' } as LakeType, nullable: true },
    { name: 'n', type: { kind: 'integer' } as LakeType, nullable: true },
    { name: 'later', type: { kind: 'date' } as LakeType, nullable: true },
  ]

  test('rules: its spelling, its order, its types; what the input lacks is null', async () => {
    const path = await suite.file('rules.csv', 'n,ID\n7,1\n')
    const { columns, rows, supplied } = await suite.read(path, {}, { tableSchema })
    expect(columns).toEqual(['Id integer', 'n integer', 'later date'])
    expect(rows).toEqual([{ Id: 1, n: 7, later: null }])
    expect(supplied).toEqual(['Id', 'n'])
  })

  test('refuses new columns and wider values unless it may evolve', async () => {
    const added = await suite.file('added.csv', 'Id,extra\n1,x\n')
    expect((await failure(suite.read(added, {}, { tableSchema }))).fix).toContain('--schema evolve')
    const wide = await suite.file('wide.csv', 'Id,n\n1,5000000000\n')
    expect((await failure(suite.read(wide, {}, { tableSchema }))).details).toMatchObject({
      column: 'n',
      type: 'integer',
      row: 1,
    })
    const evolved = await suite.read([added, wide], {}, { tableSchema, evolve: true })
    expect(evolved.columns).toEqual(['Id integer', 'n bigint', 'later date', 'extra varchar'])
  })

  test('a key or partition column that a file does not supply is refused, never null', async () => {
    const path = await suite.file('key.csv', 'n\n1\n')
    const error = await failure(suite.read(path, {}, { tableSchema, required: ['Id'] }))
    expect(error.message).toMatch(/nothing supplies.*key\.csv.*Id/)
    expect((await suite.read(path, { set: { Id: '5' } }, { tableSchema, required: ['Id'] })).rows).toEqual([
      { Id: 5, n: 1, later: null },
    ])
    expect(
      (await suite.read(path, {}, { tableSchema, required: ['Id'], scopeConstants: { Id: '6' } })).rows[0]?.Id,
    ).toBe(6)
    const partly = await suite.file('key2.csv', 'Id,n\n1,1\n')
    expect((await failure(suite.read([partly, path], {}, { required: ['Id'] }))).details.file).toBe(path)
  })
})

function latticeOf(values: string[]): LakeType {
  const types = values.filter((text) => text !== '').map(inferType)
  const type = types.reduce<LakeType | undefined>(widen, undefined) ?? { kind: 'varchar' }
  // A column of whole numbers and fractions is proved again: an integer of more than 15 digits is no double.
  const isDouble = type.kind === 'double' && values.some((text) => text.replace(/^-?0*|\./g, '').length > 15)
  return isDouble ? { kind: 'varchar' } : type
}
