/**
 * One sequence of loads, in the reference model and in the library, and everything that must then be the same: receipts,
 * the rows of every version, the changes of every version, what they leave between two.
 *
 *   await agree(scenario, memoryPlace)
 *
 * `LAKEWRIGHT_PROPERTY_RUNS=500` runs more of them, `FC_SEED=n` the same again.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLakeError, type LoadSettings, openTable, type Receipt, type Table } from '../../../src/index.js'
import { patchCosts } from '../../../src/stage/patch/costs.js'
import { appliedTo, changesOf, netChanges } from '../../model/change-feed.js'
import { changedIn } from '../../model/diff.js'
import type { Incoming } from '../../model/incoming.js'
import {
  changeTexts,
  comparedColumns,
  keyText,
  type Load,
  type Table as ModelTable,
  newTable,
  type Outcome,
  Refused,
  type Row,
  type RowChange,
  rowText,
  rowTexts,
} from '../../model/table.js'
import type { Value } from '../../model/value.js'
import { type Place, places } from '../../road/places.js'
import { seeded } from '../seed.js'
import { weighted } from './shapes.js'

export interface LoadCase {
  /** As a user writes it. */
  text: string
  /** Which load columns the mode adds where it is asked to: two, or four. */
  stamps?: 'load' | 'row'
  model(before: ModelTable, load: Load): Outcome
  /** @param known the columns that the table has */
  run(table: Table, common: LoadSettings, known: readonly string[]): Promise<Receipt>
}

export interface Scenario {
  key: string[]
  partitionBy: string[]
  /** `--add-load-columns` with every load. */
  loadColumns?: boolean
  changeFeed?: 'on' | 'off'
  loads: LoadCase[]
}

export interface AgreeOptions {
  /** What tells rows apart in the change feed beside the key; null where keys are repeated, so that nothing does. */
  alsoKey?: readonly string[] | null
  /** Changes that were not written down are found by comparing rows, which leaves load columns out. */
  found?: boolean
}

const memory: () => Promise<Place> = placeNamed('memory')
const local: () => Promise<Place> = placeNamed('a local folder')

/** @param scenario asked for when the tests run */
export function agreesWithModel(
  what: string,
  scenario: () => fc.Arbitrary<Scenario>,
  options: AgreeOptions = {},
): void {
  for (const [where, place, count] of [
    ['memory', memory, 25],
    ['a local folder', local, 6],
  ] as const)
    test(`${what} in ${where}: rows, receipts and changes are the model’s`, patiently, async () => {
      await fc.assert(
        fc.asyncProperty(scenario(), (one) => agree(one, place, options)),
        runs(count),
      )
    })
}

/** What a property is given, and its test: as many runs as fit into the time, `count` at most, or as many as were asked for. */
export function runs(count: number): { numRuns: number; seed: number; interruptAfterTimeLimit?: number } {
  const asked = process.env.LAKEWRIGHT_PROPERTY_RUNS
  if (asked !== undefined) return seeded({ numRuns: Number(asked) })
  return seeded({ numRuns: count, interruptAfterTimeLimit: Math.max(leastMs, count * 700) })
}

/** No run within the time would be a failure. */
const leastMs = 20_000

/** A run under way when the time is up is brought to its end, and a counterexample made smaller. */
export const patiently = { timeout: process.env.LAKEWRIGHT_PROPERTY_RUNS === undefined ? 240_000 : 3_600_000 }

/** Settings without those that are not given. */
export function given<T extends object>(settings: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as never
}

/** One to four loads of the kind, after those that come first, on a table of the shape. */
export function scenarioOf(
  shape: Pick<Scenario, 'key' | 'partitionBy'>,
  load: fc.Arbitrary<LoadCase>,
  first: readonly fc.Arbitrary<LoadCase>[] = [],
): fc.Arbitrary<Scenario> {
  return fc
    .record({
      first: fc.tuple(...first),
      loads: fc.array(load, { minLength: 1, maxLength: 4 - first.length }),
      loadColumns: weighted(25, fc.constant(true)).map(Boolean),
      changeFeed: weighted(20, fc.constantFrom<'off' | 'on'>('off', 'on')),
    })
    .map(({ loads, loadColumns, changeFeed, first: before }) => {
      const { key, partitionBy } = shape
      return readable({ key, partitionBy, loads: [...before, ...loads], loadColumns, ...given({ changeFeed }) })
    })
}

/** fast-check shows a counterexample as this text. */
function readable(scenario: Scenario): Scenario {
  const opened = `openTable({ key: ${JSON.stringify(scenario.key)}, partitionBy: ${JSON.stringify(scenario.partitionBy)} })`
  const extras = `${scenario.loadColumns ? '  // addLoadColumns' : ''}${scenario.changeFeed ? `  // changeFeed ${scenario.changeFeed}` : ''}`
  const text = [`\n${opened}${extras}`, ...scenario.loads.map((load) => load.text)].join('\n')
  return Object.defineProperty(scenario, fc.toStringMethod, { value: () => text })
}

/** In a local folder files are put together from their own bytes wherever that is possible, however little they hold. */
async function agree(scenario: Scenario, place: () => Promise<Place>, options: AgreeOptions = {}): Promise<void> {
  if (place !== local) return await agreeAt(scenario, place, options)
  const measured = { ...patchCosts }
  Object.assign(patchCosts, { perGroup: 0, gain: 100, smallRows: 0, mostSmall: 0 })
  try {
    await agreeAt(scenario, place, options)
  } finally {
    Object.assign(patchCosts, measured)
  }
}

async function agreeAt(scenario: Scenario, place: () => Promise<Place>, options: AgreeOptions): Promise<void> {
  await using at = await place()
  const clock = { at: Date.parse('2026-11-20T10:00:00Z') }
  await using table = await openTable(at.url, {
    key: scenario.key,
    partitionBy: scenario.partitionBy,
    store: at.store,
    threads: 1,
    components: { runtime: { now: () => clock.at } },
  })
  const history: Pick<Outcome, 'table' | 'changes'>[] = []
  let before = newTable({ key: scenario.key, partitionBy: scenario.partitionBy })
  for (const [index, load] of scenario.loads.entries()) {
    clock.at += 3_600_000
    before = await loadBoth(load, { index, at: clock.at, table, before, history, scenario })
  }
  if (history.length === 0) return
  await sameVersions(table, history)
  const { alsoKey = [] } = options
  await sameChanges(
    table,
    history,
    alsoKey === null ? [] : [...scenario.key, ...alsoKey],
    options.found ? withoutStamps : (row) => row,
  )
  expect((await table.verify({ deep: true })).problems).toEqual([])
}

export interface InputForm {
  /** Rows that can be read only once. */
  stream: boolean
  /** Names that the table knows in capitals: they are folded. */
  shouted: boolean
}

export const inputForm: fc.Arbitrary<InputForm> = fc.record({
  stream: weighted(20, fc.constant(true)).map(Boolean),
  shouted: weighted(10, fc.constant(true)).map(Boolean),
})

/** The input as `table.sync(input, settings)` takes it, and what that looks like. */
export function passed(
  input: Incoming,
  { stream, shouted }: InputForm,
  known: readonly string[],
): { rows: RowsInput; types: Record<string, string> } {
  const shout = (name: string) => (known.includes(name) && /^[a-z]+$/i.test(name) ? name.toUpperCase() : name)
  const spelled = shouted ? withNames(input, shout) : input
  return { rows: stream ? streamOf(spelled) : rowsFor(spelled), types: typesOf(spelled) }
}

export function callText(verb: string, input: Incoming, settings: object, { stream, shouted }: InputForm): string {
  const how = `${stream ? '  // as a stream' : ''}${shouted ? '  // names in capitals' : ''}`
  const given = Object.keys(settings).length > 0 ? `, ${valueText(settings)}` : ''
  return `  ${verb}(${inputText(input)}${given})${how}`
}

type RowsInput = Record<string, Value>[] | AsyncGenerator<Record<string, Value>>

function withNames({ columns, rows }: Incoming, spell: (name: string) => string): Incoming {
  return {
    columns: columns.map(({ name, type }) => ({ name: spell(name), type })),
    rows: rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [spell(name), value]))),
  }
}

function rowsFor({ rows }: Incoming): Record<string, Value>[] {
  return rows.map((row) => ({ ...row }))
}

async function* streamOf(input: Incoming): AsyncGenerator<Record<string, Value>> {
  for (const row of rowsFor(input)) yield row
}

export function typesOf({ columns }: Incoming): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, type }) => [name, type]))
}

/** `[{ id: 1n, name: 'é' }, …]`, one row a line. */
export function inputText({ rows, columns }: Incoming): string {
  const lines = rows.map(
    (row) =>
      `    { ${columns.map(({ name }) => `${JSON.stringify(name)}: ${valueText(row[name] ?? null)}`).join(', ')} },`,
  )
  const types = columns.map(({ name, type }) => `${JSON.stringify(name)} ${type}`).join(', ')
  return `[  // ${types}\n${lines.join('\n')}${lines.length > 0 ? '\n' : ''}  ]`
}

export function valueText(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value !== 'object' || value === null)
    return (
      JSON.stringify(value)?.replaceAll(/[^ -~]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`) ??
      'undefined'
    )
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  return `{ ${Object.entries(value)
    .filter(([, one]) => one !== undefined && typeof one !== 'function')
    .map(([name, one]) => `${name}: ${valueText(one)}`)
    .join(', ')} }`
}

interface Step {
  index: number
  at: number
  table: Table
  before: ModelTable
  /** By version. */
  history: Pick<Outcome, 'table' | 'changes'>[]
  scenario: Scenario
}

async function loadBoth(load: LoadCase, step: Step): Promise<ModelTable> {
  const { index, table, history, scenario } = step
  const id = `load-${index}`
  const before = stamped(step, load)
  const expected = outcomeOf(() => load.model(before, { at: timeText(step.at), id }))
  const common: LoadSettings = {
    ...(scenario.loadColumns ? { addLoadColumns: true, loadId: id } : {}),
    ...(scenario.changeFeed && history.length === 0 ? { changeFeed: scenario.changeFeed } : {}),
  }
  const known = before.columns.map(({ name }) => name)
  const receipt = await receiptOf(() => load.run(table, common, known))
  const where = `load ${index}`
  if (expected instanceof Refused || 'code' in receipt) {
    const got = 'code' in receipt ? `${receipt.code}: ${receipt.message}` : `loaded: ${JSON.stringify(receipt.rows)}`
    const wanted = expected instanceof Refused ? `${expected.code}: ${expected.message}` : 'loaded'
    if (!(expected instanceof Refused) || !('code' in receipt) || receipt.code !== expected.code)
      expect.fail(`${where}: expected ${wanted}, got ${got}`)
    return step.before
  }
  const { rows, version } = receipt
  const counted = Object.fromEntries(
    Object.keys(expected.counts).map((name) => [name, rows[name as keyof typeof rows] ?? 0]),
  )
  expect(counted, `${where}: counts`).toEqual(expected.counts)
  if (version === history.length) history.push(expected)
  else {
    expect(version, `${where}: version`).toBe(history.length - 1)
    expect(changeTexts(expected.changes), `${where}: made no version`).toEqual([])
  }
  return expected.table
}

function stamped({ scenario, before }: Step, { stamps }: LoadCase): ModelTable {
  if (!scenario.loadColumns || stamps === undefined || before.loadColumns === 'row') return before
  return { ...before, loadColumns: stamps }
}

async function sameVersions(table: Table, history: Step['history']): Promise<void> {
  for (const [version, { table: expected }] of history.entries()) {
    const rows = await rowsAt(table, version)
    expect(rowTexts(rows), `rows of version ${version}`).toEqual(rowTexts(expected.rows))
  }
  const { columns } = await table.snapshot()
  const expected = history.at(-1)?.table.columns.map(({ name }) => name) ?? []
  const own = columns.map(({ name }) => name).filter((name) => !loadColumns.includes(name))
  expect(own.toSorted()).toEqual(expected.toSorted())
}

async function sameChanges(
  table: Table,
  history: Step['history'],
  rowKey: readonly string[],
  compared: (row: Row) => Row,
): Promise<void> {
  const all = await table.changes({ since: -1 }).toArray()
  for (const [version, { table: after, changes }] of history.entries()) {
    const mine = all.filter(({ _commit_version }) => Number(_commit_version) === version)
    expect(feedTexts(mine, rowKey), `changes of version ${version}`).toEqual(expectedFeed(after, changes, rowKey))
  }
  const last = history.length - 1
  // From the middle to the end, and over all.
  for (const since of new Set([Math.floor(last / 2), -1])) {
    const net = await table.changes({ since, net: true }).toArray()
    const [a, b] = [history[since]?.table.rows ?? [], history[last]?.table as ModelTable]
    const rows = appliedTo(
      a.map(compared),
      net.map((row) => changeRowOf(row, compared)),
    )
    expect(rowTexts(rows), `rows of ${since} and the net changes up to ${last}`).toEqual(rowTexts(b.rows.map(compared)))
    if (rowKey.length > 0) {
      const expected = netChanges({ ...b, key: rowKey }, changesOf(history, since, last))
      expect(feedTexts(net, rowKey), `net changes ${since} to ${last}`).toEqual(expectedFeed(b, expected, rowKey))
    }
  }
}

function expectedFeed(table: ModelTable, changes: readonly RowChange[], rowKey: readonly string[]): string[] {
  const compare = comparedColumns(table)
  // Images that no key brings together have no changed columns.
  const isOne = ({ before, after }: { before: Row; after: Row }) =>
    rowKey.length > 0 && keyText(before, rowKey) === keyText(after, rowKey)
  return changes
    .flatMap((change) => {
      const changed =
        change.kind === 'update' && isOne(change) ? (changedIn(change, compare)?.toSorted() ?? null) : null
      // A row that is known by other values now is another row.
      if (change.kind === 'update' && rowKey.length > 0 && !isOne(change))
        return [feedText('delete', change.before, null), feedText('insert', change.after, null)]
      if (change.kind === 'update')
        return [
          feedText('update_preimage', change.before, changed),
          feedText('update_postimage', change.after, changed),
        ]
      return [feedText(change.kind, change.row, null)]
    })
    .sort()
}

function feedTexts(rows: readonly Record<string, unknown>[], rowKey: readonly string[]): string[] {
  return rows
    .map((row) => {
      const changed = rowKey.length > 0 ? (row._changed_columns as string[] | null) : null
      return feedText(String(row._change_type), dataOf(row), changed?.toSorted() ?? null)
    })
    .sort()
}

function feedText(kind: string, row: Row, changed: readonly string[] | null): string {
  return `${kind} ${rowText(row)}${changed === null ? '' : ` changed: ${changed.join(', ')}`}`
}

/** Images of updates apart: applying them is the same. */
function changeRowOf(row: Record<string, unknown>, compared: (row: Row) => Row): RowChange {
  const isOld = row._change_type === 'delete' || row._change_type === 'update_preimage'
  return { kind: isOld ? 'delete' : 'insert', row: compared(dataOf(row)) }
}

function dataOf(row: Record<string, unknown>): Row {
  const { _change_type, _commit_version, _commit_timestamp, _changed_columns, ...data } = row
  return data as Row
}

async function rowsAt(table: Table, version: number): Promise<Row[]> {
  return (await table.query('select * from t', { version }).toArray()) as Row[]
}

function withoutStamps(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !loadColumns.includes(name)))
}

const loadColumns = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

function outcomeOf(model: () => Outcome): Outcome | Refused {
  try {
    return model()
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
}

async function receiptOf(run: () => Promise<Receipt>): Promise<Receipt | { code: string; message: string }> {
  try {
    return await run()
  } catch (error) {
    if (isLakeError(error)) return { code: error.code, message: error.message }
    throw error
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

function placeNamed(name: string): () => Promise<Place> {
  const place = places.find((one) => one.name === name)
  if (place === undefined) throw new Error(`no such place: ${name}`)
  return place.make
}
