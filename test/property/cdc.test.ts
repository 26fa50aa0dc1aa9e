/**
 * One history of changes, told in any division into loads, in any order, again and again, makes one table; and each load
 * does what the reference model says.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cdc as modelled } from '../model/cdc.js'
import { changeTexts, newTable, type Row, rowText, rowTexts, type Table } from '../model/table.js'
import { type Bench, type Event, EventTable, openBench, type TableShape } from '../plan/cdc-table.js'
import { seeded } from './seed.js'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench[Symbol.asyncDispose]())

const columns = { id: 'bigint', part: 'varchar', at: 'bigint', a: 'varchar', b: 'bigint' } as const
const names = Object.keys(columns) as (keyof typeof columns)[]
type Shape = Pick<TableShape, 'key' | 'partitionBy'> & { softDelete: string | undefined }
const shapes: fc.Arbitrary<Shape> = fc.record({
  partitionBy: fc.constantFrom<string[][]>([], ['part']),
  key: fc.constantFrom<string[][]>(['id'], ['id', 'part'], ['part', 'id']),
  softDelete: fc.constantFrom(undefined, undefined, 'gone'),
})

function tableOf({ key, partitionBy = [], softDelete }: Shape): EventTable {
  const mark = softDelete === undefined ? {} : { [softDelete]: 'boolean' }
  const shape: TableShape = { columns: { ...columns, ...mark }, key, partitionBy, order: 'at' }
  return new EventTable(bench, softDelete === undefined ? shape : { ...shape, softDelete })
}

interface Change {
  op: 'u' | 'd' | 't'
  row: Record<'id' | 'b', bigint | null> & Record<'part' | 'a', string | null>
  absent: string[]
}
/** A few keys are often met, so that they have a history. */
const change: fc.Arbitrary<Change> = fc.record({
  op: fc.constantFrom('u', 'u', 'u', 'u', 'u', 'd', 'd', 't'),
  row: fc.record({
    id: fc.oneof(fc.bigInt(1n, 3n), fc.bigInt(4n, 12n)),
    part: fc.constantFrom('x', 'y'),
    a: fc.constantFrom(null, '', 'é', 'e\u0301', "o'k"),
    b: fc.constantFrom(null, 0n, -1n, 2n ** 60n),
  }),
  absent: fc.subarray(['a', 'b']),
})
const history = fc.array(change, { minLength: 1, maxLength: 40 })

/** A delete knows the key alone. */
function eventOf({ op, row, absent }: Change, order: bigint, key: string[]): Event {
  const known = names.filter((name) => op === 'u' || (op === 'd' && key.includes(name)))
  const cells: Row = { ...row, at: order }
  return {
    op,
    order,
    values: names.map((name) =>
      name === 'at' || (known.includes(name) && !absent.includes(name)) ? (cells[name] ?? null) : null,
    ),
    absent: op === 'u' ? absent : [],
  }
}

/** Of each event the load that it goes into; and which loads are told again. */
const division = fc.record({
  loads: fc.array(fc.nat(4), { minLength: 40, maxLength: 40 }),
  again: fc.array(fc.nat(4), { maxLength: 2 }),
  places: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
})
type Division = { loads: number[]; again: number[]; places: number[] }

function divided(events: Event[], { loads, again, places }: Division): Event[][] {
  const batches = [0, 1, 2, 3, 4].map((load) =>
    shuffled(
      events.filter((_, i) => loads[i] === load),
      places,
    ),
  )
  return [...batches, ...again.map((load) => batches[load] ?? [])]
}

/** Each load a stretch of the history. */
function inStretches(events: Event[], { loads, again, places }: Division): Event[][] {
  const ends = loads.slice(0, 4).map((load, i) => (load * 7 + i) % (events.length + 1))
  const bounds = [0, ...ends.sort((a, b) => a - b), events.length]
  const batches = bounds.slice(1).map((end, i) => shuffled(events.slice(bounds[i], end), places))
  // What was told before may come again at any time.
  return batches.flatMap((batch, i) => [batch, ...again.filter((load) => load < i).map((load) => batches[load] ?? [])])
}

function shuffled(events: Event[], places: number[]): Event[] {
  return events
    .map((event, i) => ({ event, place: places[i] ?? 0 }))
    .sort((a, b) => a.place - b.place)
    .map(({ event }) => event)
}

/** The events one after the other. */
function told(events: Event[], { key }: Shape): string[] {
  const rows = new Map<string, Row>()
  for (const { op, values, absent = [] } of events) {
    const cells = Object.fromEntries(names.map((name, i) => [name, values[i] ?? null])) as Row
    const text = key.map((name) => String(cells[name])).join(' ')
    if (op === 't') rows.clear()
    else if (op === 'd') rows.delete(text)
    else
      rows.set(text, {
        ...rows.get(text),
        ...Object.fromEntries(Object.entries(cells).filter(([name]) => !absent.includes(name))),
      })
  }
  return rowTexts([...rows.values()])
}

async function livingRows(t: EventTable): Promise<string[]> {
  const rows = (await t.rows()).filter(({ gone }) => gone !== true)
  return rowTexts(rows.map(({ gone: _, ...row }) => row as Row))
}

/** What the change feed adds up to. */
function fedRows(t: EventTable): string[] {
  const rows: string[] = []
  for (const { _change_type: type, _commit_version, ...row } of t.feed) {
    const text = rowText(row as Row)
    const leaves = type === 'delete' || type === 'update_preimage'
    if (!leaves) rows.push(text)
    else if (rows.includes(text)) rows.splice(rows.indexOf(text), 1)
    else expect.fail(`a row leaves that is not there: ${text}`)
  }
  return rows.sort()
}

const runs = { numRuns: Number(process.env.LAKEWRIGHT_PROPERTY_RUNS ?? 6) }

test('any division of a history into loads, in any order and with repeats, makes the table that its order makes', async () => {
  await fc.assert(
    fc.asyncProperty(history, shapes, division, async (changes, shape, how) => {
      const events = changes.map((one, i) => eventOf({ ...one, absent: [] }, BigInt(i + 1), shape.key))
      const t = tableOf(shape)
      for (const batch of divided(events, how)) await t.cdc(batch)
      expect(await livingRows(t)).toEqual(told(events, shape))
    }),
    seeded(runs),
  )
}, 180_000)

test('updates of some columns, in loads that follow each other, make the table that their order makes', async () => {
  await fc.assert(
    fc.asyncProperty(history, shapes, division, async (changes, shape, how) => {
      const events = changes.map((one, i) => eventOf(one, BigInt(i + 1), shape.key))
      const t = tableOf(shape)
      for (const batch of inStretches(events, how)) await t.cdc(batch)
      expect(await livingRows(t)).toEqual(told(events, shape))
    }),
    seeded(runs),
  )
}, 180_000)

test('each load says and does what the model does, and its change feed tells the table', async () => {
  const loads = fc.array(fc.array(fc.tuple(change, fc.bigInt(1n, 20n)), { maxLength: 12 }), {
    minLength: 1,
    maxLength: 5,
  })
  await fc.assert(
    fc.asyncProperty(loads, shapes, async (told, shape) => {
      const t = tableOf(shape)
      let model: Table = newTable({
        columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
        key: shape.key,
      })
      for (const [n, changes] of told.entries()) {
        // A truncate and a row of one order: see the ties in `plan/cdc.test.ts`.
        const batch = changes.map(([one, order]) => eventOf(one, order * 2n + (one.op === 't' ? 1n : 0n), shape.key))
        const { rows, tombstones } = await t.cdc(batch, { startedMs: n * 1000 })
        const expected = modelled(
          model,
          {
            columns: [...model.columns.filter(({ name }) => name !== 'gone'), { name: 'op', type: 'varchar' }],
            rows: batch.map(({ op, values, absent = [] }) => {
              const cells = Object.fromEntries(names.map((name, i) => [name, values[i] ?? null])) as Row
              return { op, ...Object.fromEntries(Object.entries(cells).filter(([name]) => !absent.includes(name))) }
            }),
          },
          { opColumn: 'op', orderColumn: 'at', ...(shape.softDelete ? { softDelete: shape.softDelete } : {}) },
          { at: new Date(n * 1000).toISOString(), id: 'load' },
        )
        model = expected.table
        const { written: _, ...counts } = rows
        expect(counts).toEqual(expected.counts)
        expect(rowTexts((await t.rows()) as Row[])).toEqual(rowTexts(model.rows))
        const feed = t.feed.filter(({ _commit_version }) => _commit_version === t.version)
        if (expected.changes.length > 0)
          expect(
            feed.map(({ _change_type, _commit_version, ...row }) => `${_change_type} ${rowText(row as Row)}`).sort(),
          ).toEqual(changeTexts(expected.changes))
        expect(fedRows(t)).toEqual(rowTexts(model.rows))
        const floor = model.events?.floor ?? null
        const buried = [...(model.events?.tombstones.values() ?? [])].map(({ key, order }) => ({
          ...key,
          _order: order,
        }))
        expect(rowTexts((await t.tombstones()).map(({ _deleted_at, ...row }) => row as Row))).toEqual(
          rowTexts([...buried, ...(floor === null ? [] : [{ _order: floor }])]),
        )
        if (expected.changes.length === 0 && tombstones === undefined) expect(rows.written).toBe(0)
      }
    }),
    seeded(runs),
  )
}, 180_000)
