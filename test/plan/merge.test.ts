/** What `merge` asks, in which order, and of which files and columns; and that files are left out only where that is right. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import type { AddFile, Snapshot } from '../../src/manifest/actions.js'
import { encodeStats } from '../../src/manifest/stats.js'
import { parseScope } from '../../src/partition/scope.js'
import { candidateFiles } from '../../src/plan/candidates.js'
import { merge } from '../../src/plan/merge.js'
import type { Answer, Ask, PlanContext, Verdict } from '../../src/plan/port.js'
import type { LakeType, Schema } from '../../src/schema/types.js'
import { seeded } from '../property/seed.js'

const column = (name: string, kind: 'bigint' | 'varchar' | 'double' | 'timestamp') => ({
  name,
  type: { kind } as LakeType,
  nullable: true,
})
const schema: Schema = [column('dt', 'varchar'), column('id', 'bigint'), column('v', 'double')]

function file(name: string, { dt = 'a', ids = [0n, 9n] }: { dt?: string; ids?: readonly bigint[] } = {}): AddFile {
  return {
    key: `dt=${dt}/${name}.parquet`,
    partitionValues: { dt },
    sizeBytes: 100,
    modificationTime: 0,
    dataChange: true,
    stats: encodeStats(ids.length, schema.slice(1), { id: { ...boundsOf(ids), nullCount: 0 }, v: { nullCount: 0 } }),
  }
}

function boundsOf(ids: readonly bigint[]): { min?: string; max?: string } {
  if (ids.length === 0) return {}
  const sorted = ids.toSorted((a, b) => (a < b ? -1 : 1))
  return { min: String(sorted[0]), max: String(sorted.at(-1)) }
}

function context(files: AddFile[], more: Partial<PlanContext> = {}): PlanContext {
  const base: Snapshot = {
    version: 3,
    timestamp: 0,
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metadata: { id: 't', schema, partitionBy: ['dt'], configuration: {} },
    files: new Map(files.map((one) => [one.key, one])),
    txns: new Map(),
  }
  return {
    ...{ base, schema, partitionBy: ['dt'], key: ['id'], loadColumns: [], rearranged: false },
    fingerprint: { of: 'fp', columns: schema.slice(1) },
    input: { name: 'lw_input', schema, supplied: ['dt', 'id', 'v'], extras: [] },
    rowHash: { of: 'rows', columns: schema, key: ['id'] },
    ...{ changeFeed: false, startedMs: 0, loadId: 'load', settings: {} },
    ...more,
  }
}

/** Answers by what an ask is about. */
function replay(ctx: PlanContext, answers: Record<string, Answer>): { verdict: Verdict; asks: Ask[] } {
  const running = merge(ctx)
  const asks: Ask[] = []
  let step = running.next()
  while (!step.done) {
    const ask = step.value
    asks.push(ask)
    const name = ask.ask === 'relation' ? ask.name : ask.sql
    const found = Object.entries(answers).find(([about, { ask: kind }]) => kind === ask.ask && name.includes(about))
    step = running.next(found?.[1] ?? { ask: 'rows', rows: [] })
  }
  return { verdict: step.value, asks }
}

const relation = (rows: number): Answer => ({ ask: 'relation', rows })
const rowsOf = (...rows: Record<string, unknown>[]): Answer => ({ ask: 'rows', rows })
const readsOf = (asks: Ask[], name: string) =>
  asks
    .flatMap((ask) => (ask.ask === 'relation' && ask.name === name ? (ask.reads ?? []) : []))
    .map(({ files, columns }) => ({ files: files.map(({ key }) => key), columns }))

describe('merge', () => {
  const [a, b, c] = [file('a'), file('b'), file('c')]

  test('reads keys of the files that can hold one, and further columns only of those that do', () => {
    const { asks, verdict } = replay(context([a, b, c]), {
      ASOF: rowsOf({ t: 0, n: 0 }, { t: 0, n: 2 }, { t: -1, n: 5n }),
      lw_rows: relation(5),
      lw_matched: relation(3),
      'DISTINCT __lw_file FROM lw_matched': rowsOf({ __lw_file: c.key }),
      lw_decided: relation(3),
      'FROM lw_decided GROUP BY ALL': rowsOf({ __lw_file: c.key, __lw_change: '=', n: 3n }),
      lw_added: relation(2),
    })
    expect(readsOf(asks, 'lw_matched')).toEqual([{ files: [a.key, c.key], columns: ['id'] }])
    expect(readsOf(asks, 'lw_decided')).toEqual([{ files: [c.key], columns: ['id', 'dt', 'v'] }])
    expect(verdict).toMatchObject({
      supersede: [],
      reads: { kind: 'everything' },
      rows: { read: 5, inserted: 2, updated: 0, deleted: 0, unchanged: 3, ignored: 0 },
    })
  })

  test('with many keys for each file nothing is gained by looking for them first', () => {
    const { asks } = replay(context([a, b]), {
      ASOF: rowsOf({ t: 0, n: 0 }, { t: 0, n: 1 }),
      lw_rows: relation(32),
      lw_decided: relation(0),
    })
    expect(readsOf(asks, 'lw_matched')).toEqual([])
    expect(readsOf(asks, 'lw_decided')).toEqual([{ files: [a.key, b.key], columns: ['id', 'dt', 'v'] }])
  })

  test('compares and reads only the columns that it may update', () => {
    const ctx = context([a], { settings: { updateColumns: ['V'], whenMatched: "current.dt <> 'x'" } })
    const answers = {
      ASOF: rowsOf({ t: 0, n: 0 }),
      lw_rows: relation(1),
      lw_matched: relation(1),
      'DISTINCT __lw_file FROM lw_matched': rowsOf({ __lw_file: a.key }),
      'FROM lw_decided GROUP BY ALL': rowsOf({ __lw_file: a.key, __lw_change: 'u', n: 1n }),
      'GROUP BY __lw_file': rowsOf({ __lw_file: a.key, n: 1n }),
    }
    const { asks } = replay(ctx, answers)
    expect(readsOf(asks, 'lw_decided')).toEqual([{ files: [a.key], columns: ['dt', 'v'] }])
    expect(readsOf(asks, 'lw_added')).toEqual([{ files: [a.key], columns: ['dt'] }])
    const without = replay({ ...ctx, settings: { updateColumns: ['v'] } }, answers)
    expect(readsOf(without.asks, 'lw_decided')).toEqual([{ files: [a.key], columns: ['v'] }])
  })

  test('looks only at the partitions of its keys where these are part of the key', () => {
    const [elsewhere, here] = [file('x', { dt: 'x' }), file('y', { dt: 'y' })]
    const ctx = context([elsewhere, here], { key: ['dt', 'id'], scope: parseScope("dt < 'z'", schema, ['dt']) })
    const { asks, verdict } = replay(ctx, {
      'SELECT DISTINCT': rowsOf({ p0: 'y' }, { p0: 'w' }),
      ASOF: rowsOf({ t: 0, n: 0 }, { t: 1, n: 0 }),
      lw_rows: relation(2),
      lw_matched: relation(0),
    })
    expect(readsOf(asks, 'lw_matched')).toEqual([{ files: [here.key], columns: ['dt', 'id'] }])
    expect(verdict.reads).toEqual({ kind: 'partitions', ids: new Set(['["y"]', '["w"]']), scope: ctx.scope })
  })

  test('with deletion by source it looks at everything, or at all of the scope', () => {
    const settings = { whenNotMatchedBySource: 'delete' } as const
    const answers = { 'SELECT DISTINCT': rowsOf({ p0: 'a' }), lw_rows: relation(0) }
    const whole = context([a, file('x', { dt: 'x' })], { key: ['dt', 'id'], settings })
    const { asks, verdict } = replay(whole, answers)
    expect(verdict.reads).toEqual({ kind: 'everything' })
    expect(readsOf(asks, 'lw_left')).toMatchObject([{ files: [a.key, 'dt=x/x.parquet'] }])
    const scope = parseScope("dt = 'x'", schema, ['dt'])
    const part = replay({ ...whole, scope }, answers)
    expect(part.verdict.reads).toMatchObject({ kind: 'partitions', scope })
    expect(readsOf(part.asks, 'lw_left')).toMatchObject([{ files: ['dt=x/x.parquet'] }])
  })

  test('a first load asks nothing of files', () => {
    const { asks } = replay({ ...context([]), base: undefined }, { lw_rows: relation(3) })
    expect(asks.filter(({ reads = [] }) => reads.length > 0)).toEqual([])
    expect(asks.at(-1)).toMatchObject({ ask: 'stage', sql: expect.stringContaining('FROM "lw_rows"') })
  })
})

describe('candidates', () => {
  let engine: Engine
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lakewright-candidates-'))
    engine = await openDuckDB({ spillFolder: folder })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function candidates(ctx: PlanContext, keys: string): Promise<string[]> {
    await engine.run(`CREATE OR REPLACE TEMP TABLE keys AS ${keys}`)
    const running = candidateFiles(ctx, [...(ctx.base?.files.values() ?? [])], 'keys')
    let step = running.next()
    while (!step.done) step = running.next({ ask: 'rows', rows: await engine.rows(step.value.sql) })
    return step.value.files.map(({ key }) => key)
  }

  test('a file that holds a key is one, and one whose bounds meet no key is not', async () => {
    const ids = fc.array(fc.bigInt({ min: -20n, max: 20n }), { minLength: 1, maxLength: 4 })
    const files = fc.array(fc.record({ dt: fc.constantFrom('a', 'b', 'NULL'), ids }), { maxLength: 6 })
    const keys = fc.array(fc.record({ dt: fc.constantFrom('a', 'b', 'c'), id: fc.bigInt({ min: -20n, max: 20n }) }), {
      maxLength: 5,
    })
    await fc.assert(
      fc.asyncProperty(files, keys, fc.boolean(), async (held, wanted, byPartition) => {
        const all = held.map((one, i) => file(String(i), one))
        const key = byPartition ? ['dt', 'id'] : ['id']
        const values = wanted.map(({ dt, id }) => `('${dt}', ${id}::BIGINT)`).join(', ')
        const sql =
          wanted.length === 0
            ? `SELECT '' AS dt, 0::BIGINT AS id WHERE false`
            : `SELECT * FROM (VALUES ${values}) v(dt, id)`
        const found = await candidates(context(all, { key }), sql)
        const meets = held.map(({ dt: place, ids }) => {
          const sorted = ids.toSorted((x, y) => (x < y ? -1 : 1))
          const [min = 0n, max = 0n] = [sorted[0], sorted.at(-1)]
          return wanted.some(({ dt, id }) => (!byPartition || dt === place) && id >= min && id <= max)
        })
        expect(found).toEqual(all.filter((_, i) => meets[i]).map((one) => one.key))
      }),
      seeded({ numRuns: 60 }),
    )
  })

  test('without bounds, or with ones that are no value, a file may hold any key', async () => {
    const strange = {
      ...file('strange'),
      stats: '{"numRecords":1,"minValues":{"id":"x"},"maxValues":{"id":3},"nullCount":{}}',
    }
    const open = { ...file('open'), stats: '{"numRecords":1,"minValues":{"id":5},"nullCount":{}}' }
    const { stats: _, ...none } = file('none')
    const ctx = context([strange, open, none, file('far', { ids: [100n] })])
    expect(await candidates(ctx, 'SELECT 7::BIGINT AS id')).toEqual([strange.key, open.key, none.key])
    expect(await candidates(ctx, 'SELECT 4::BIGINT AS id')).toEqual([strange.key, none.key])
  })

  test('times of other writers are cut to milliseconds, and texts are compared by their bytes', async () => {
    const at: Schema = [column('dt', 'varchar'), column('at', 'timestamp'), column('name', 'varchar')]
    const bounds = (name: string, low: string, high: string): AddFile => ({
      ...file(low),
      stats: JSON.stringify({ numRecords: 2, minValues: { [name]: low }, maxValues: { [name]: high }, nullCount: {} }),
    })
    const instants = bounds('at', '2026-11-20T10:00:00.000Z', '2026-11-20T10:00:00.123Z')
    const byTime = context([instants], { schema: at, key: ['at'] })
    expect(await candidates(byTime, `SELECT TIMESTAMPTZ '2026-11-20 10:00:00.123456+00' AS at`)).toHaveLength(1)
    expect(await candidates(byTime, `SELECT TIMESTAMPTZ '2026-11-20 10:00:00.124+00' AS at`)).toHaveLength(0)
    const byName = context([bounds('name', 'Zoë', 'é')], { schema: at, key: ['name'] })
    expect(await candidates(byName, `SELECT 'a' AS name`)).toHaveLength(1)
    expect(await candidates(byName, `SELECT 'Z' AS name`)).toHaveLength(0)
    expect(await candidates(byName, `SELECT 'ê' AS name`)).toHaveLength(0)
  })

  test('numbers with fractions may be beyond any bound, so they are not tested', async () => {
    const ctx = context([file('a', { ids: [1n] })], { key: ['v'] })
    expect(await candidates(ctx, `SELECT 'nan'::DOUBLE AS v`)).toHaveLength(1)
  })
})
