/** What happens to a table's schema when an input meets it, and to several inputs' when they meet each other. */
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { reconcile } from '../../src/schema/evolve.js'
import { commonType } from '../../src/schema/fit.js'
import { parseType, typeName } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { uniteSchemas, uniteTypes } from '../../src/schema/union.js'

const schemaOf = (columns: Record<string, string>): Schema =>
  Object.entries(columns).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))
const shown = (schema: Schema) => Object.fromEntries(schema.map(({ name, type }) => [name, typeName(type)]))
const refusal = (run: () => unknown): LakeError => {
  try {
    run()
  } catch (error) {
    if (error instanceof LakeError) return error
    throw error
  }
  throw new Error('was not refused')
}

test('an input with the same columns in another order and case changes nothing', () => {
  const table = schemaOf({ id: 'bigint', City: 'varchar' })
  for (const evolve of [true, false]) {
    const result = reconcile(table, schemaOf({ city: 'varchar', ID: 'bigint' }), { evolve })
    expect(result).toEqual({ schema: table, changes: { added: [], widened: [] }, missing: [], narrowed: [] })
  }
})

test('new columns are refused together with their cure, and added at the end with evolve', () => {
  const table = schemaOf({ id: 'bigint' })
  const input = schemaOf({ a: 'date', ID: 'bigint', b: 'varchar' })
  const error = refusal(() => reconcile(table, input, { evolve: false }))
  expect(error.message).toContain('["a","b"]')
  expect(error.fix).toContain('--schema evolve')
  expect(
    refusal(() => reconcile(schemaOf({ city: 'varchar' }), schemaOf({ cty: 'varchar' }), { evolve: false })).fix,
  ).toContain('--rename "cty=city"')
  const evolved = reconcile(table, input, { evolve: true })
  expect(shown(evolved.schema)).toEqual({ id: 'bigint', a: 'date', b: 'varchar' })
  expect(evolved.changes.added.map(({ name }) => name)).toEqual(['a', 'b'])
})

test('a missing column is null, unless the table forbids it', () => {
  const table = schemaOf({ id: 'bigint', city: 'varchar' })
  expect(reconcile(table, schemaOf({ id: 'bigint' }), { evolve: false }).missing).toEqual(['city'])
  const strict: Schema = [{ name: 'id', type: { kind: 'bigint' }, nullable: false }]
  expect(
    refusal(() => reconcile([...strict, ...table.slice(1)], schemaOf({ city: 'varchar' }), { evolve: true })).message,
  ).toContain('id')
})

/** table, input, type after evolve; whether strict needs a proof per value */
const meetings: [table: string, input: string, evolved: string, strict: 'same' | 'proof' | 'refused'][] = [
  ['bigint', 'integer', 'bigint', 'same'],
  ['integer', 'bigint', 'bigint', 'proof'],
  ['tinyint', 'smallint', 'smallint', 'proof'],
  ['integer', 'double', 'double', 'proof'],
  ['double', 'integer', 'double', 'same'],
  ['float', 'double', 'double', 'proof'],
  ['float', 'smallint', 'float', 'same'],
  ['float', 'integer', 'double', 'proof'],
  // Neither holds the other, so the table keeps its type and every value must fit.
  ['bigint', 'double', 'bigint', 'proof'],
  ['double', 'bigint', 'double', 'proof'],
  ['double', 'decimal(10,2)', 'double', 'proof'],
  ['decimal(10,2)', 'double', 'decimal(10,2)', 'proof'],
  ['decimal(10,2)', 'decimal(12,1)', 'decimal(13,2)', 'proof'],
  ['decimal(10,2)', 'decimal(9,1)', 'decimal(10,2)', 'same'],
  ['decimal(10,2)', 'smallint', 'decimal(10,2)', 'same'],
  ['decimal(10,2)', 'bigint', 'decimal(21,2)', 'proof'],
  ['bigint', 'decimal(20,0)', 'decimal(20,0)', 'proof'],
  ['decimal(38,0)', 'decimal(38,38)', 'decimal(38,0)', 'proof'],
  ['timestamp', 'date', 'timestamp', 'same'],
  ['date', 'timestamp', 'timestamp', 'proof'],
  ['bigint', 'varchar', 'bigint', 'proof'],
  ['varchar', 'bigint', 'varchar', 'same'],
  ['integer[]', 'smallint[]', 'integer[]', 'same'],
  ['smallint[]', 'integer[]', 'integer[]', 'refused'],
  ['struct(a integer)', 'struct(b date, A smallint)', 'struct(a integer, b date)', 'refused'],
  ['struct(a integer, b date)', 'struct(B date)', 'struct(a integer, b date)', 'same'],
  ['map(varchar, integer)', 'map(varchar, bigint)', 'map(varchar, bigint)', 'refused'],
]

test('evolve widens a column just as far as both fit, strict keeps it and asks for proofs', () => {
  for (const [table, input, evolved, strict] of meetings) {
    const run = (evolve: boolean) => reconcile(schemaOf({ x: table }), schemaOf({ X: input }), { evolve })
    const wide = run(true)
    expect([table, input, shown(wide.schema)]).toEqual([table, input, { x: evolved }])
    expect([table, input, wide.changes.widened.map(({ name }) => name)]).toEqual([
      table,
      input,
      evolved === table ? [] : ['x'],
    ])
    if (strict === 'refused') {
      const error = refusal(() => run(false))
      expect(error.fix).toContain('--schema evolve')
      continue
    }
    const kept = run(false)
    expect(shown(kept.schema)).toEqual({ x: table })
    expect([table, input, kept.narrowed.map(({ name }) => name)]).toEqual([
      table,
      input,
      strict === 'proof' ? ['x'] : [],
    ])
  }
})

test('a new field of a struct is named by its path', () => {
  const run = () =>
    reconcile(schemaOf({ addr: 'struct(city varchar)[]' }), schemaOf({ addr: 'struct(city varchar, zip varchar)[]' }), {
      evolve: false,
    })
  expect(refusal(run).message).toContain('addr[].zip')
})

test('types of different kinds are refused, with evolve too', () => {
  for (const [table, input] of [
    ['bigint', 'date'],
    ['boolean', 'bigint'],
    ['date', 'bigint'],
    ['bigint', 'bigint[]'],
    ['struct(a integer)', 'struct(a date)'],
    ['varchar', 'blob'],
    ['varchar', 'integer[]'],
    ['integer[]', 'varchar'],
  ] as const)
    for (const evolve of [true, false]) {
      const error = refusal(() => reconcile(schemaOf({ x: table }), schemaOf({ x: input }), { evolve }))
      expect(error.message).toContain(`input=\`${input}\``)
    }
})

test('what a table says about a column beyond its type is kept', () => {
  const table: Schema = [{ name: 'x', type: { kind: 'integer' }, nullable: true, metadata: { comment: 'hm' } }]
  expect(reconcile(table, schemaOf({ X: 'bigint' }), { evolve: true }).schema).toEqual([
    { ...table[0], type: { kind: 'bigint' } },
  ])
})

test('the common type is the same from both sides', () => {
  const names = [...new Set(meetings.flatMap((meeting) => meeting.slice(0, 2)))]
  for (const a of names)
    for (const b of names) {
      if (a.startsWith('struct')) continue
      const [one, other] = [commonType(parseType(a), parseType(b)), commonType(parseType(b), parseType(a))]
      expect([a, b, one && typeName(one)]).toEqual([a, b, other && typeName(other)])
    }
})

test('several inputs are united by name, the first spelling and order ruling', () => {
  const united = uniteSchemas([
    { name: 'a.csv', schema: schemaOf({ id: 'integer', City: 'varchar' }) },
    { name: 'b.parquet', schema: schemaOf({ n: 'date', city: 'varchar', ID: 'bigint' }) },
  ])
  expect(shown(united.schema)).toEqual({ id: 'bigint', City: 'varchar', n: 'date' })
  expect(united.columns.map(({ sources }) => sources.map((field) => field?.name))).toEqual([
    ['id', 'ID'],
    ['City', 'city'],
    [undefined, 'n'],
  ])
})

test('inputs whose types have nothing in common are refused with both of them named', () => {
  const error = refusal(() =>
    uniteSchemas([
      { name: 'a.csv', schema: schemaOf({ id: 'integer' }) },
      { name: 'b.parquet', schema: schemaOf({ ID: 'date' }) },
    ]),
  )
  expect(error.message).toContain('a.csv=`integer`')
  expect(error.message).toContain('b.parquet=`date`')
  expect(error.fix).toContain('--types')
})

test('many types are united to the one that holds them all, or to none', () => {
  const unite = (...names: string[]) => uniteTypes(names.map(parseType))
  expect(unite('tinyint', 'decimal(4,2)', 'smallint')).toEqual(parseType('decimal(7,2)'))
  expect(unite('integer', 'date')).toBeUndefined()
  expect(unite()).toBeUndefined()
})
