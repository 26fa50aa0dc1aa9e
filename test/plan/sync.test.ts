/** `sync` and its guards, without an engine or a store: what is asked, and what follows from the answers. */
import { describe, expect, test } from 'vitest'
import { type GuardSettings, guardText, type Measured, trippedGuards } from '../../src/guard.js'
import type { AddFile, Snapshot } from '../../src/manifest/actions.js'
import { parseScope } from '../../src/partition/scope.js'
import type { Answer, Ask, PlanContext, StagedFile, Verdict } from '../../src/plan/port.js'
import { sync } from '../../src/plan/sync.js'
import type { Schema } from '../../src/schema/types.js'
import { fingerprintTag, fingerprintTagName } from '../../src/stage/fingerprint.js'
import type { Compared } from '../../src/stage/port.js'

const schema: Schema = [
  { name: 'dt', type: { kind: 'varchar' }, nullable: true },
  { name: 'id', type: { kind: 'bigint' }, nullable: true },
  { name: 'v', type: { kind: 'varchar' }, nullable: true },
]
const of = 'duckdb-hash:1.5.6:abc'
const fingerprint = (content: number, rows: number) => ({ of, sum: BigInt(content), xor: BigInt(content), rows })

/** Content is a number here: equal numbers are equal rows. */
function old(dt: string, content: number, rows = 10, tagged = true): AddFile {
  return {
    key: `dt=${dt}/old.parquet`,
    partitionValues: { dt },
    sizeBytes: 100,
    modificationTime: 0,
    dataChange: true,
    stats: JSON.stringify({ numRecords: rows, minValues: {}, maxValues: {}, nullCount: { id: 0 } }),
    ...(tagged ? { tags: { [fingerprintTagName]: fingerprintTag(fingerprint(content, rows)) } } : {}),
  }
}

function staged(dt: string, rows: number): StagedFile {
  const key = `dt=${dt}/new.parquet`
  const file = { path: `/spool/${dt}`, sizeBytes: 90 }
  return { key, file, partitionValues: { dt }, rows, stats: '{}', fingerprint: fingerprint(0, rows) }
}

function context(files: AddFile[], more: Partial<PlanContext> = {}): PlanContext {
  const base: Snapshot = {
    version: 3,
    timestamp: 0,
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metadata: { id: 't', schema, partitionBy: ['dt'], configuration: {} },
    files: new Map(files.map((file) => [file.key, file])),
    txns: new Map(),
  }
  return {
    base,
    schema,
    partitionBy: ['dt'],
    key: ['id'],
    loadColumns: [],
    fingerprint: { of, columns: schema.slice(1) },
    rearranged: false,
    input: { name: 'lw_input', schema, supplied: schema.map(({ name }) => name), extras: [] },
    rowHash: { of: 'rows', columns: [schema[0], schema[2]] as Schema, key: ['id'] },
    changeFeed: false,
    startedMs: 0,
    loadId: 'load',
    settings: {},
    ...more,
  }
}

/** What the input is said to be: rows by partition, their content, and how it differs from what is there. */
interface Told {
  parts: Record<string, { rows: number; content: number }>
  changes?: { i?: number; u?: number; d?: number }
  /** What comparing values finds, where it is worth it. */
  compared?: Compared
  /** Old rows that go, by file. */
  removed?: Record<string, number>
  staged?: StagedFile[]
}

/** Answers by what is asked, not by the order of the asks. */
function answerOf(ask: Ask, told: Told): Answer {
  const parts = Object.entries(told.parts)
  const rows = (list: Record<string, unknown>[]): Answer => ({ ask: 'rows', rows: list })
  if (ask.ask === 'stage') return { ask: 'stage', files: told.staged ?? [] }
  if (ask.ask === 'compare') return { ask: 'compare', found: told.compared }
  if (ask.ask === 'relation')
    return { ask: 'relation', rows: ask.name === 'lw_rows' ? parts.reduce((sum, [, part]) => sum + part.rows, 0) : 0 }
  if (ask.sql.includes('fp_sum'))
    return rows(
      parts.map(([, { content, rows: n }], i) => ({
        ...{ __lw_n: i, fp_sum: BigInt(content), fp_xor: BigInt(content), fp_rows: BigInt(n) },
      })),
    )
  if (/^SELECT __lw_n, __lw_rows/.test(ask.sql))
    return rows(parts.map(([dt, part], i) => ({ __lw_n: i, __lw_rows: part.rows, p0: dt })))
  if (ask.sql.includes('GROUP BY __lw_change'))
    return rows(Object.entries(told.changes ?? {}).map(([kind, n]) => ({ __lw_change: kind, n })))
  if (ask.sql.startsWith('SELECT DISTINCT __lw_file'))
    return rows(Object.keys(told.removed ?? {}).map((key) => ({ __lw_file: key })))
  if (ask.sql.startsWith('SELECT __lw_file, count(*)'))
    return rows(Object.entries(told.removed ?? {}).map(([key, n]) => ({ __lw_file: key, n })))
  return rows([])
}

function replay(ctx: PlanContext, told: Told): { verdict: Verdict; asks: Ask[] } {
  const running = sync(ctx)
  const asks: Ask[] = []
  let step = running.next()
  while (!step.done) {
    asks.push(step.value)
    step = running.next(answerOf(step.value, told))
  }
  return { verdict: step.value, asks }
}

const keys = (files: { key: string }[]) => files.map(({ key }) => key)
/** What is read where values cannot be compared at once. */
const readsOf = (asks: Ask[]) => asks.flatMap(({ ask, reads = [] }) => (ask === 'compare' ? [] : reads))

describe('sync', () => {
  test('reads nothing of partitions that are the same, nor of the rest more than keys and hashes', () => {
    const files = [old('a', 1), old('b', 2), old('c', 3)]
    const told: Told = {
      parts: { a: { rows: 10, content: 1 }, b: { rows: 10, content: 22 }, c: { rows: 10, content: 3 } },
      changes: { u: 4 },
      removed: { 'dt=b/old.parquet': 4 },
      staged: [staged('b', 10)],
    }
    const { verdict, asks } = replay(context(files), told)
    const reads = readsOf(asks)
    expect(new Set(reads.flatMap((one) => keys([...one.files])))).toEqual(new Set(['dt=b/old.parquet']))
    // Whole rows only of the file that is rewritten.
    const whole = reads.filter(({ hashes }) => hashes === undefined)
    expect(whole).toMatchObject([
      { alias: 'previous', columns: ['dt'] },
      { alias: 'kept', columns: ['dt', 'id', 'v'] },
    ])
    expect(keys(verdict.supersede)).toEqual(['dt=b/old.parquet'])
    expect(keys(verdict.add)).toEqual(['dt=b/new.parquet'])
    expect(verdict.partitions).toEqual({ replaced: ['dt=b'], removed: [], unchanged: 2 })
    expect(verdict.rows).toEqual({
      read: 30,
      written: 10,
      inserted: 0,
      updated: 4,
      deleted: 0,
      unchanged: 26,
      ignored: 0,
    })
    expect(verdict).toMatchObject({ rowsBefore: 30, reads: { kind: 'everything' } })
  })

  test('asks for fingerprints only where the row counts agree', () => {
    const files = [old('a', 1), old('b', 2, 9), old('c', 3, 10, false)]
    const parts = { a: { rows: 10, content: 1 }, b: { rows: 10, content: 2 }, c: { rows: 10, content: 3 } }
    const { asks } = replay(context(files), { parts, changes: { i: 1 }, staged: [staged('b', 1)] })
    const asked = asks.filter(({ sql }) => sql.includes('fp_sum'))
    expect(asked).toHaveLength(1)
    expect(asked[0]?.sql).toContain('WHERE p.__lw_n IN (0)')
    // Of the file without a fingerprint the hashes are compared.
    expect(keys([...(readsOf(asks).find(({ hashes }) => hashes)?.files ?? [])])).toEqual([
      'dt=b/old.parquet',
      'dt=c/old.parquet',
    ])
  })

  test('asks about its own rows alone are told apart from those that look at the table', () => {
    const told: Told = {
      parts: { a: { rows: 10, content: 2 } },
      changes: { d: 1, i: 1 },
      removed: { 'dt=a/old.parquet': 1 },
    }
    const { asks } = replay(context([old('a', 1)]), { ...told, staged: [staged('a', 10)] })
    for (const { ask, reads, sql } of asks) {
      if (ask === 'compare') continue
      const isAboutTable = /lw_changes|lw_removed|lw_added|lw_rest|\bold\b|\bkept\b/.test(sql)
      expect([sql, reads === undefined]).toEqual([sql, !isAboutTable])
    }
  })

  describe('where values are compared at once', () => {
    const files = [old('a', 1), old('b', 2)]
    const parts = { a: { rows: 11, content: 1 }, b: { rows: 9, content: 2 } }
    const removed = { 'dt=b/old.parquet': 3 }
    const compared: Compared = { inserted: 2, updated: 1, deleted: 2, pairs: 18 }
    const told: Told = { parts, removed, compared, staged: [staged('a', 2), staged('b', 7)] }

    test('nothing else is read but the files that are rewritten', () => {
      const { verdict, asks } = replay(context(files), told)
      expect(readsOf(asks)).toMatchObject([{ alias: 'kept', files: [{ key: 'dt=b/old.parquet' }] }])
      expect(asks.some(({ sql }) => /fp_sum|__lw_h1 IS DISTINCT/.test(sql))).toBe(false)
      const counts = { read: 20, written: 9, inserted: 2, updated: 1, deleted: 2, unchanged: 17, ignored: 0 }
      expect(verdict).toMatchObject({ rows: counts, rowsBefore: 20, reads: { kind: 'everything' } })
      expect(asks.find((ask) => ask.ask === 'stage')?.rewrites).toMatchObject({
        ...{ removed: 'lw_removed', added: 'lw_added', known: true },
      })
    })

    test('as many pairs as rows show that no key is repeated; else the keys are looked at', () => {
      const grouped = (asks: Ask[], of: string) =>
        asks.filter(({ sql }) => sql.includes('count(*) AS __lw_n') && sql.includes(of)).length
      const fine = replay(context(files), told).asks
      expect([grouped(fine, 'FROM lw_rows'), grouped(fine, 'FROM old')]).toEqual([0, 0])
      for (const pairs of [17, 19, undefined]) {
        const { asks } = replay(context(files), { ...told, compared: { ...compared, pairs } })
        expect([grouped(asks, 'FROM lw_rows'), grouped(asks, 'FROM old')]).toEqual([1, 1])
      }
    })
  })

  test('with `exact` the values are compared', () => {
    const told: Told = { parts: { a: { rows: 10, content: 2 } }, changes: {} }
    const { asks } = replay(context([old('a', 1)], { settings: { exact: true } }), told)
    const compared = asks.find((ask) => ask.ask === 'relation' && ask.name === 'lw_changes')
    expect(compared?.reads).toEqual([{ alias: 'old', files: [expect.anything()], columns: ['id', 'dt', 'v'] }])
    expect(compared?.sql).toContain('o."v" IS DISTINCT FROM n."v"')
  })

  test('a scope bounds what is looked at, and rows outside it are refused', () => {
    const scope = parseScope("dt < 'm'", schema, ['dt'])
    const files = [old('a', 1), old('z', 3)]
    const ctx = context(files, { scope, key: ['dt', 'id'] })
    const { verdict, asks } = replay(ctx, {
      parts: { b: { rows: 5, content: 2 } },
      changes: { i: 5, d: 10 },
      removed: { 'dt=a/old.parquet': 10 },
      staged: [staged('b', 5)],
    })
    expect(readsOf(asks).flatMap((one) => keys([...one.files]))).not.toContain('dt=z/old.parquet')
    expect(verdict.reads).toEqual({ kind: 'partitions', ids: new Set(['["a"]', '["b"]']), scope })
    expect(verdict).toMatchObject({
      rowsBefore: 10,
      partitions: { replaced: ['dt=b'], removed: ['dt=a'], unchanged: 1 },
    })
    expect(() => replay(ctx, { parts: { z: { rows: 7, content: 2 } } })).toThrow(/outside the scope: rows=`7`/)
  })

  test('values that readers take for null are refused, before they meet the partition of null', () => {
    for (const dt of ['', 'NULL'])
      expect(() => replay(context([]), { parts: { [dt]: { rows: 1, content: 1 } } })).toThrow(/partition value/)
  })
})

describe('guards', () => {
  const counts = (deleted: number, updated = 0, rowsBefore = 100, read = 50): Measured => ({
    rows: { read, written: 0, deleted, updated },
    rowsBefore,
  })

  test.each<['sync' | 'scd2' | 'merge', GuardSettings, Measured, string[]]>([
    ['sync', {}, counts(50), []],
    ['sync', {}, counts(51), ['maxDeleteRatio']],
    ['sync', { maxDeleteRatio: 1 }, counts(100), []],
    ['sync', { maxDeleteRatio: 0 }, counts(0), []],
    ['sync', { maxDeleteRatio: 0 }, counts(1), ['maxDeleteRatio']],
    ['sync', {}, counts(0, 100), []],
    ['sync', { maxUpdateRatio: 0.1 }, counts(0, 10), []],
    ['sync', { maxUpdateRatio: 0.1 }, counts(60, 11), ['maxDeleteRatio', 'maxUpdateRatio']],
    ['sync', {}, counts(0, 0, 0), []],
    ['sync', { minRows: 50 }, counts(0), []],
    ['sync', { minRows: 51 }, counts(0, 0, 0), ['minRows']],
    ['scd2', {}, counts(51), ['maxDeleteRatio']],
    ['scd2', {}, { ...counts(0), rowsGone: 51 }, ['maxDeleteRatio']],
    ['scd2', { snapshot: 'partial' }, counts(51), []],
    ['merge', {}, counts(100), []],
  ])('%s with %j and %j trips %j', (mode, settings, measured, expected) => {
    expect(trippedGuards(mode, settings, measured).map(({ guard }) => guard)).toEqual(expected)
  })

  test('say what they measured', () => {
    const [first, second] = trippedGuards('sync', { maxUpdateRatio: 0.1 }, counts(51, 12))
    expect(first && guardText(first)).toBe(
      'it would delete 51 of 100 rows (51%), more than the 50% that maxDeleteRatio allows',
    )
    expect(second && guardText(second)).toContain('change 12 of 100 rows (12%), more than the 10% that maxUpdateRatio')
  })
})
