/** A predicate means the same when it is evaluated, said as SQL, and read back from its text. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  matchesPartition,
  normalForm,
  type Predicate,
  parseScope,
  possiblyOverlaps,
  predicateSql,
  predicateText,
  scopeConstants,
} from '../../src/partition/scope.js'
import { canonicalText, partitionValueSql } from '../../src/partition/value.js'
import { parseType } from '../../src/schema/names.js'
import { quoteIdentifier } from '../../src/schema/quote.js'
import type { Schema } from '../../src/schema/types.js'
import { type Duck, openDuck } from '../schema/duck.js'
import { seeded } from './seed.js'

let duck: Duck
beforeAll(async () => {
  duck = await openDuck()
})
afterAll(() => duck.close())

const domains: Record<string, [type: string, values: string[]]> = {
  dt: ['date', ['2026-11-19', '2026-11-20', '2026-11-21', '0999-01-01']],
  'odd "name"': ['varchar', ['EU', 'eu', "o'k", '10', '9', '日', '\u{1F600}', '\uffee']],
  n: ['bigint', ['-10', '-9', '0', '9', '10']],
  price: ['decimal(5,2)', ['-1.50', '0.00', '9.00', '10.25']],
  at: ['timestamp', ['2026-11-20T10:00:00.000000Z', '2026-11-20T10:00:00.000001Z', '1969-12-31T23:59:59.500000Z']],
  ok: ['boolean', ['true', 'false']],
  x: ['double', ['-1.0', '0.0', '1e+20', '9.5']],
}
const schema: Schema = Object.entries(domains).map(([name, [type]]) => ({
  name,
  type: parseType(type),
  nullable: true,
}))
const names = schema.map((field) => field.name)

const atom: fc.Arbitrary<Predicate> = fc.constantFrom(...schema).chain(({ name: column, type }) => {
  const value = fc.constantFrom(...(domains[column]?.[1] ?? []))
  return fc.oneof(
    fc.record({
      op: fc.constant('compare' as const),
      column: fc.constant(column),
      type: fc.constant(type),
      comparison: fc.constantFrom('=', '<>', '<', '<=', '>', '>='),
      value,
    }),
    fc.record({
      op: fc.constant('in' as const),
      column: fc.constant(column),
      type: fc.constant(type),
      values: fc.array(value, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('null' as const), column: fc.constant(column), type: fc.constant(type) }),
    fc.constantFrom<Predicate>({ op: 'true' }, { op: 'false' }),
  )
})
const predicate: fc.Arbitrary<Predicate> = fc.letrec<{ p: Predicate }>((tie) => ({
  p: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('p'), { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ op: fc.constant('not' as const), of: tie('p') }),
  ),
})).p
const partition = fc.record(
  Object.fromEntries(
    Object.entries(domains).map(([name, [, values]]) => [name, fc.option(fc.constantFrom(...values))]),
  ),
)

test('DuckDB gives the same answer as the evaluation, also of the normal form', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(predicate, { minLength: 5, maxLength: 10 }),
      fc.array(partition, { minLength: 8, maxLength: 8 }),
      async (predicates, rows) => {
        const select = rows
          .map(
            (row, i) =>
              `SELECT ${i} AS "#", ${schema.map(({ name, type }) => `${partitionValueSql(row[name] ?? null, type)} AS ${quoteIdentifier(name)}`).join(', ')}`,
          )
          .join(' UNION ALL ')
        const flags = predicates.map((p, i) => `${predicateSql(p, 't')} IS TRUE AS p${i}`).join(', ')
        const answers = await duck.rows(`SELECT ${flags} FROM (${select}) t ORDER BY "#"`)
        for (const [i, p] of predicates.entries())
          for (const [r, row] of rows.entries()) {
            expect([predicateText(p), row, matchesPartition(p, row)]).toEqual([
              predicateText(p),
              row,
              answers[r]?.[`p${i}`],
            ])
            expect(matchesPartition(normalForm(p), row, schema)).toBe(answers[r]?.[`p${i}`])
          }
      },
    ),
    seeded({ numRuns: 60 }),
  )
})

test('the normal text reads back to the normal form', () => {
  fc.assert(
    fc.property(predicate, (p) => {
      const text = predicateText(p)
      expect(normalForm(parseScope(text, schema, names))).toEqual(normalForm(p))
      expect(predicateText(parseScope(text, schema, names))).toBe(text)
    }),
    seeded({ numRuns: 2000 }),
  )
})

test('the normal form has one text however the parts are ordered, nested or repeated', () => {
  fc.assert(
    fc.property(fc.array(atom, { minLength: 1, maxLength: 4 }), (parts) => {
      const one: Predicate = { op: 'and', of: parts }
      const nested = parts.reduceRight<Predicate>((rest, part) => ({ op: 'and', of: [rest, part, part] }), {
        op: 'true',
      })
      expect(predicateText(nested)).toBe(predicateText(one))
      expect(predicateText({ op: 'not', of: { op: 'not', of: one } })).toBe(predicateText(one))
    }),
    seeded({ numRuns: 1000 }),
  )
})

test('predicates that are called disjoint share no partition', () => {
  let disjoint = 0
  fc.assert(
    fc.property(predicate, predicate, fc.array(partition, { minLength: 50, maxLength: 50 }), (p, q, rows) => {
      if (possiblyOverlaps(p, q)) return
      disjoint++
      expect(rows.filter((row) => matchesPartition(p, row) && matchesPartition(q, row))).toEqual([])
    }),
    seeded({ numRuns: 1500 }),
  )
  expect(disjoint).toBeGreaterThan(50)
})

test('a constant of a scope is the value of every partition that matches', () => {
  fc.assert(
    fc.property(predicate, fc.array(partition, { minLength: 50, maxLength: 50 }), (p, rows) => {
      const constants = scopeConstants(p)
      for (const row of rows) if (matchesPartition(p, row)) expect(row).toMatchObject(constants)
    }),
    seeded({ numRuns: 1000 }),
  )
})

test('the texts of these domains are canonical', () => {
  for (const [type, values] of Object.values(domains))
    for (const value of values) expect(canonicalText(value, parseType(type))).toBe(value)
})
