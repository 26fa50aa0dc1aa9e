/** `diff` finds between two random snapshots what the model finds, by hashes and by values, and proves it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DiffSettings, diff, isLakeError } from '../../../src/index.js'
import { changedIn, type Diff, diff as modelled } from '../../model/diff.js'
import type { Incoming } from '../../model/incoming.js'
import { Refused, type Row, rowText } from '../../model/table.js'
import { given, inputText, patiently, runs, typesOf, valueText } from './library.js'
import { inputOf, type Shape, shapeOf, weighted } from './shapes.js'

test('diff of two snapshots: counts, rows and changed columns are the model’s', patiently, async () => {
  await fc.assert(
    fc.asyncProperty(pair, async ({ old, now, settings }) => {
      const expected = expectedOf(old, now, settings)
      const found = await foundOf(old, now, settings)
      if (expected instanceof Refused || found === 'invalid')
        expect(found).toBe(expected instanceof Refused ? 'invalid' : 'rows')
      else expect(found).toEqual(expected)
    }),
    runs(60),
  )
})

interface Pair {
  old: Incoming
  now: Incoming
  settings: DiffSettings & { key: string[]; types: Record<string, string> }
}

const pair: fc.Arbitrary<Pair> = shapeOf({ partitions: false }).chain((shape) => {
  const others = shape.columns.map(({ name }) => name).filter((name) => !shape.key.includes(name))
  return fc
    .record({
      old: sideOf(shape),
      now: sideOf(shape),
      /** Only one side has it. Its type is inferred, so that it is not declared on the other. */
      lacking: weighted(40, fc.record({ name: fc.constantFrom(...others), side: fc.constantFrom('old', 'now') })),
      exact: weighted(40, fc.constant(true)),
      columns: weighted(15, fc.subarray(others, { minLength: 1 })),
      ignore: weighted(15, fc.subarray(others, { minLength: 1 })),
    })
    .map(({ old, now, lacking, exact, columns, ignore }) => {
      const one = inferred(shape, lacking?.name)
      const sides = {
        old: sideWith(old, one, lacking?.side !== 'old'),
        now: sideWith(now, one, lacking?.side !== 'now'),
      }
      const types = typesOf({ rows: [], columns: shape.columns.filter(({ name }) => name !== one) })
      const chosen = columns ? { columns } : given({ ignore })
      const known = [...sides.old.columns, ...sides.now.columns].map(({ name }) => name)
      const isKnown = [...(columns ?? []), ...(ignore ?? [])].every((name) => known.includes(name))
      const settings = { key: shape.key, types, prove: true, ...given({ exact }), ...(isKnown ? chosen : {}) }
      const text = `\ndiff(${inputText(sides.old)}, ${inputText(sides.now)}, ${valueText(settings)})`
      return Object.defineProperty({ ...sides, settings }, fc.toStringMethod, { value: () => text })
    })
})

function sideOf(shape: Shape): fc.Arbitrary<Incoming> {
  return inputOf(shape, { required: shape.columns.map(({ name }) => name), maxRows: 16, spoiled: 3 })
}

/** Values of these types show it themselves. */
function inferred({ columns }: Shape, name: string | undefined): string | undefined {
  const column = columns.find((one) => one.name === name)
  return column && ['varchar', 'boolean', 'bigint'].includes(column.type) ? column.name : undefined
}

/** A column that nobody declares is there where the rows show it. */
function sideWith({ columns, rows }: Incoming, name: string | undefined, keeps: boolean): Incoming {
  if (name === undefined || (keeps && rows.length > 0)) return { columns, rows }
  const without = (row: Row) => Object.fromEntries(Object.entries(row).filter(([other]) => other !== name))
  return { columns: columns.filter((column) => column.name !== name), rows: rows.map(without) }
}

function expectedOf(old: Incoming, now: Incoming, { key, columns, ignore }: Pair['settings']): object | Refused {
  try {
    const result = modelled(old, now, { key, ...given({ columns, ignore }) })
    const names = [...new Set([...now.columns, ...old.columns].map(({ name }) => name))]
    const compare = names.filter(
      (name) => !key.includes(name) && (columns ?? names).includes(name) && !(ignore ?? []).includes(name),
    )
    return { ...countsOf(result), rows: result.changes.flatMap((change) => changeTextsOf(change, compare)).sort() }
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
}

async function foundOf(old: Incoming, now: Incoming, settings: DiffSettings): Promise<object | 'invalid'> {
  try {
    await using found = await diff([...old.rows], [...now.rows], { ...settings, threads: 1 })
    const rows = await found.toArray()
    return { ...countsOf(found), rows: rows.map(foundText).sort() }
  } catch (error) {
    if (isLakeError(error, 'invalid')) return 'invalid'
    throw error
  }
}

function countsOf(result: Omit<Diff, 'changes'>): object {
  const { inserted, updated, deleted, unchanged, changedColumns, schema } = result
  const sorted = { added: schema.added.toSorted(), removed: schema.removed.toSorted() }
  return { inserted, updated, deleted, unchanged, changedColumns, schema: sorted }
}

function changeTextsOf(change: Diff['changes'][number], compare: readonly string[]): string[] {
  if (change.kind !== 'update') return [`${change.kind} ${rowText(change.row)} -`]
  const changed = changedIn(change, compare)?.toSorted().join(', ')
  return [
    `update_preimage ${rowText(change.before)} ${changed}`,
    `update_postimage ${rowText(change.after)} ${changed}`,
  ]
}

function foundText({ _change_type, _changed_columns, ...row }: Record<string, unknown>): string {
  const changed = Array.isArray(_changed_columns) ? _changed_columns.toSorted().join(', ') : '-'
  return `${_change_type} ${rowText(row as Row)} ${changed}`
}
