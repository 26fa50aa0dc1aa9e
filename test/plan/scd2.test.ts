/** `scd2` replayed from recorded answers: which files it looks at, what it asks of them, what it refuses before it asks. */
import { describe, expect, test } from 'vitest'
import type { AddFile, Snapshot } from '../../src/manifest/actions.js'
import type { Answer, Ask, PlanContext, PlanSettings, StagedFile, Verdict } from '../../src/plan/port.js'
import { scd2 } from '../../src/plan/scd2.js'
import type { Schema } from '../../src/schema/types.js'

const schema: Schema = [
  { name: 'id', type: { kind: 'bigint' }, nullable: true },
  { name: 'name', type: { kind: 'varchar' }, nullable: true },
  { name: 'seen', type: { kind: 'date' }, nullable: true },
  { name: '_effective_from', type: { kind: 'timestamp' }, nullable: true },
  { name: '_effective_to', type: { kind: 'timestamp' }, nullable: true },
  { name: '_is_current', type: { kind: 'boolean' }, nullable: true },
]
const data = schema.slice(1, 3)

describe('files', () => {
  const closed = file('closed', { current: 'false', nulls: 0, to: day(5) })
  const current = file('current', { current: 'true', nulls: 10 })
  const unknownClosed = file('unknown-closed', { current: 'false' })
  const unknown = file('unknown', {})

  test('of closed versions are not read, by their statistics or by their partition', () => {
    const files = [closed, current, unknownClosed, unknown]
    const { asks } = replay(context(files, { effectiveAt: day(6) }), [kept(1), rows(), instants(), kept(0), rows()])
    expect(readsOf(asks, 'lw_pairs')).toEqual(['current', 'unknown'])
  })

  test('that may know of later instants are asked for them, no others', () => {
    const { asks } = replay(context([closed, current], { effectiveAt: day(6) }), [kept(1), rows(), kept(0), rows()])
    expect(asks.map(({ ask }) => ask)).toEqual(['relation', 'rows', 'relation', 'rows'])
    const late = context([closed, current], { effectiveAt: day(4), late: 'insert' })
    const { asks: asked } = replay(late, [kept(1), rows(), instants(5, 5), kept(0), rows()])
    expect(asked[2]).toMatchObject({ ask: 'rows', reads: [{ files: [closed] }] })
    // What ended later held at the instant.
    expect(readsOf(asked, 'lw_pairs')).toEqual(['closed', 'current'])
  })

  test('are compared by the hashes that are kept of them, where just these columns are tracked', () => {
    const hashes = (settings: PlanSettings) => {
      const { asks } = replay(context([current], { effectiveAt: day(6), ...settings }), [
        kept(1),
        rows(),
        kept(0),
        rows(),
      ])
      return reads(asks, 'lw_pairs')[0]?.hashes
    }
    expect(hashes({})).toMatchObject({ of: 'kept' })
    expect(hashes({ track: ['name'] })).toBeUndefined()
    expect(hashes({ exact: true })).toBeUndefined()
  })
})

test('the first load stages its rows and nothing else', () => {
  const { asks, verdict } = replay(context([], { effectiveAt: day(1) }), [
    kept(3),
    rows(),
    { ask: 'stage', files: [staged] },
  ])
  expect(asks.map(({ ask }) => ask)).toEqual(['relation', 'rows', 'stage'])
  expect(asks[2]?.sql).toBe(
    'SELECT "id", "name", "seen", make_timestamptz(1793491200000000) AS "_effective_from", ' +
      'CAST(NULL AS TIMESTAMPTZ) AS "_effective_to", true AS "_is_current" FROM lw_rows',
  )
  expect(verdict).toMatchObject({
    supersede: [],
    add: [staged],
    reads: { kind: 'everything' },
    rows: { read: 3, written: 3, inserted: 3, updated: 0, unchanged: 0, corrected: 0, ignored: 0 },
    rowsBefore: 0,
    rowsGone: 0,
  })
})

test('a snapshot that differs in nothing ends after the comparison, and tells the guards what there was', () => {
  const answers = [kept(8), rows(), kept(0), rows({ told: 0n, missing: 0n, met: 0n })]
  const { verdict } = replay(context([file('current', { nulls: 10 })], { effectiveAt: day(6) }), answers)
  expect(verdict).toMatchObject({
    supersede: [],
    add: [],
    rows: { read: 8, written: 0, inserted: 0, updated: 0, unchanged: 8 },
    rowsBefore: 8,
    rowsGone: 0,
  })
})

test('a partial snapshot has no share to guard', () => {
  const { verdict } = replay(context([], { effectiveAt: day(1), snapshot: 'partial' }), [
    kept(0),
    rows(),
    { ask: 'stage', files: [] },
  ])
  expect(verdict).not.toHaveProperty('rowsBefore')
  expect(verdict).not.toHaveProperty('rowsGone')
})

describe('refused before anything is asked', () => {
  test.each<[string, PlanSettings, RegExp]>([
    ['a time that is none', { effectiveAt: '2026-02-30' }, /neither a time nor a column/],
    ['a number', { effectiveAt: '1700000000000' }, /neither a time nor a column/],
    ['a column that is not there', { effectiveAt: 'column:sen' }, /column that the load does not have: column=`sen`/],
    ['a column of ours', { effectiveAt: 'column:_effective_from' }, /column that the load does not have/],
    ['a column without times', { effectiveAt: 'column:name' }, /without times: column=`name`, type=`varchar`/],
    ['the key', { effectiveAt: 'column:id' }, /column of the key/],
    ['tracked columns that are not there', { track: ['names'] }, /--track names a column that the load does not have/],
    ['tracked columns of ours', { track: ['_is_current'] }, /--track names a column that the load does not have/],
    ['a tracked time', { effectiveAt: 'column:SEEN', track: ['seen'] }, /takes the time from/],
  ])('%s', (_, settings, message) => {
    expect(() => replay(context([], settings), [])).toThrow(message)
  })
})

function context(files: AddFile[], settings: PlanSettings): PlanContext {
  const base: Snapshot = {
    version: 3,
    timestamp: 0,
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metadata: { id: 't', schema, partitionBy: ['_is_current'], configuration: {} },
    files: new Map(files.map((one) => [one.key, one])),
    txns: new Map(),
  }
  return {
    base,
    schema,
    partitionBy: ['_is_current'],
    key: ['id'],
    loadColumns: [],
    fingerprint: { of: 'fp', columns: data },
    rearranged: false,
    input: { name: 'lw_input', schema, supplied: ['id', 'name', 'seen'], extras: [] },
    rowHash: { of: 'kept', columns: data, key: ['id', '_effective_from', '_effective_to', '_is_current'] },
    changeFeed: false,
    startedMs: Date.parse(day(30)),
    loadId: 'load',
    settings,
  }
}

/** `to` is the greatest end; without `nulls` the file has no statistics. */
function file(key: string, { current, nulls, to }: { current?: string; nulls?: number; to?: string }): AddFile {
  const bounds = { _effective_from: day(1), ...(to ? { _effective_to: to } : {}) }
  const stats = { numRecords: 10, minValues: bounds, maxValues: bounds, nullCount: { _effective_to: nulls } }
  return {
    key,
    partitionValues: current === undefined ? {} : { _is_current: current },
    sizeBytes: 100,
    modificationTime: 0,
    dataChange: true,
    ...(nulls === undefined ? {} : { stats: JSON.stringify(stats) }),
  }
}

const staged: StagedFile = {
  key: '_is_current=true/new.parquet',
  file: { path: '/spool/new', sizeBytes: 90 },
  partitionValues: { _is_current: 'true' },
  rows: 3,
  stats: '{}',
  fingerprint: { of: 'fp', sum: 0n, xor: 0n, rows: 3 },
}

function replay(ctx: PlanContext, answers: Answer[]): { verdict: Verdict; asks: Ask[] } {
  const running = scd2(ctx)
  const asks: Ask[] = []
  let step = running.next()
  while (!step.done) {
    asks.push(step.value)
    const answer = answers.shift()
    if (answer === undefined) throw new Error(`no answer recorded for ${JSON.stringify(step.value)}`)
    step = running.next(answer)
  }
  return { verdict: step.value, asks }
}

function reads(asks: Ask[], relation: string) {
  const ask = asks.find((one) => one.ask === 'relation' && one.name === relation)
  return ask?.reads ?? []
}

function readsOf(asks: Ask[], relation: string): string[] {
  return reads(asks, relation).flatMap(({ files }) => files.map(({ key }) => key))
}

function kept(n: number): Answer {
  return { ask: 'relation', rows: n }
}
function rows(...found: Record<string, unknown>[]): Answer {
  return { ask: 'rows', rows: found }
}
/** Days of the newest instant after T and of the next one; none. */
function instants(newest?: number, next?: number): Answer {
  const micros = (n: number | undefined) => (n === undefined ? null : BigInt(Date.parse(day(n))) * 1000n)
  return rows({ newest: micros(newest), next: micros(next) })
}
function day(n: number): string {
  return `2026-11-${String(n).padStart(2, '0')}T00:00:00.000Z`
}
