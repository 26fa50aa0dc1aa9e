/** A diff finds what plain arrays and maps find, by hashes and by values, whatever the values; and old + changes = new. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DiffSettings, diff } from '../../src/index.js'
import { seeded } from './seed.js'

type Value = null | number | string | boolean | Value[] | { [name: string]: Value }
type Row = Record<string, Value>

const types = {
  k: 'varchar',
  f: 'double',
  d: 'double',
  t: 'varchar',
  n: 'bigint',
  l: 'varchar[]',
  s: 'struct(a double, b varchar[])',
  gone: 'varchar',
  come: 'integer',
}

const text = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'a',
    'b',
    'ab',
    'null',
    'NULL',
    'é',
    'e\u0301',
    '"',
    "'",
    ',',
    '\0',
    '\u{1f600}',
    'x'.repeat(40),
  ),
  fc.string({ unit: 'grapheme', maxLength: 24 }),
)
const number = fc.constantFrom(0, -0, 1, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 5e-324)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const list = maybe(fc.array(maybe(text), { maxLength: 2 }))

const values = {
  d: maybe(number),
  t: maybe(text),
  n: maybe(fc.constantFrom(0, 1, -1, Number.MAX_SAFE_INTEGER)),
  l: list,
  s: maybe(fc.record({ a: maybe(number), b: list })),
}
const key = { k: fc.oneof(fc.constantFrom('a', 'b', 'é', 'e\u0301', '', 'A'), text), f: number }
const oldRow = fc.record({ ...key, ...values, gone: maybe(fc.constant('x')) })
const newRow = fc.record({ ...key, ...values, come: maybe(fc.constant(7)) })

const rowsOf = (row: typeof oldRow | typeof newRow) =>
  fc.uniqueArray(row as fc.Arbitrary<Row>, { maxLength: 12, selector: (one) => keyOf(one) })

/** The new side takes some of the old rows as they are, so that not everything differs. */
const sides = fc
  .tuple(rowsOf(oldRow), rowsOf(newRow), fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }))
  .map(([old, fresh, kept]) => {
    const same = old.filter((_, i) => kept[i]).map(({ gone: _, ...row }): Row => ({ ...row, come: null }))
    const others = fresh.filter((row) => !same.some((one) => keyOf(one) === keyOf(row)))
    return { old, now: [...others, ...same] }
  })

const settings = fc.constantFrom<DiffSettings>({}, { columns: ['t', 's'] }, { ignore: ['d', 'gone'] })

test('a diff finds what a model finds', { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(sides, settings, async ({ old, now }, chosen) => {
      const expected = model(old, now, chosen)
      for (const exact of [false, true]) {
        await using found = await diff(...([old, now].map(withColumns) as [Row[], Row[]]), {
          key: ['k', 'f'],
          types,
          prove: true,
          exact,
          ...chosen,
        })
        const { inserted, updated, deleted, unchanged, changedColumns } = found
        expect({ inserted, updated, deleted, unchanged, changedColumns }).toEqual(expected.summary)
        expect((await found.toArray()).map(changeText).sort()).toEqual(expected.rows.map(changeText).sort())
      }
    }),
    seeded({ numRuns: 40 }),
  )
})

/** The first row has every column, so that the rows of a side have them all. */
function withColumns(rows: Row[]): Row[] {
  const names = Object.keys(types)
  return rows.length === 0
    ? []
    : rows.map((row) => Object.fromEntries(names.map((name) => [name, name in row ? (row[name] ?? null) : null])))
}

function model(old: Row[], now: Row[], { columns, ignore }: DiffSettings) {
  const compared = Object.keys(types).filter(
    (name) => !['k', 'f'].includes(name) && (columns?.includes(name) ?? true) && !ignore?.includes(name),
  )
  const before = new Map(old.map((row) => [keyOf(row), row]))
  const after = new Map(now.map((row) => [keyOf(row), row]))
  const summary = { inserted: 0, updated: 0, deleted: 0, unchanged: 0, changedColumns: {} as Record<string, number> }
  const rows: Row[] = []
  for (const [id, row] of after) {
    const was = before.get(id)
    const changed = was && compared.filter((name) => canonical(was[name]) !== canonical(row[name]))
    if (was === undefined) {
      summary.inserted++
      rows.push({ ...row, _change_type: 'insert', _changed_columns: null })
    } else if (changed === undefined || changed.length === 0) summary.unchanged++
    else {
      summary.updated++
      for (const name of changed) summary.changedColumns[name] = (summary.changedColumns[name] ?? 0) + 1
      rows.push({ ...was, _change_type: 'update_preimage', _changed_columns: changed })
      rows.push({ ...row, _change_type: 'update_postimage', _changed_columns: changed })
    }
  }
  for (const [id, row] of before) {
    if (after.has(id)) continue
    summary.deleted++
    rows.push({ ...row, _change_type: 'delete', _changed_columns: null })
  }
  return { summary, rows }
}

function keyOf({ k, f }: Row): string {
  return canonical([k ?? null, f ?? null])
}

/** Equality of values: -0 is 0, NaN is NaN, absent is null, text is its characters. */
function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_, one: unknown) => {
    if (typeof one === 'bigint') return Number(one)
    return typeof one === 'number' && !Number.isFinite(one) ? `number ${one}` : one === 0 ? 0 : one
  })
}

function changeText(row: Record<string, unknown>): string {
  const changed = row._changed_columns as string[] | null
  return canonical([
    ...Object.keys(types).map((name) => row[name] ?? null),
    row._change_type,
    changed === null ? null : changed.toSorted(),
  ])
}
