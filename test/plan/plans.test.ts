/** Plans are pure: replayed here from recorded answers, without an engine or a store. */
import { describe, expect, test } from 'vitest'
import type { AddFile, Snapshot } from '../../src/manifest/actions.js'
import { parseScope } from '../../src/partition/scope.js'
import { append } from '../../src/plan/append.js'
import type { Answer, Ask, Plan, PlanContext, StagedFile, Verdict } from '../../src/plan/port.js'
import { overwrite, replace } from '../../src/plan/replace.js'
import { withWidening } from '../../src/plan/widen.js'
import type { Schema } from '../../src/schema/types.js'
import { fingerprintTag, fingerprintTagName } from '../../src/stage/fingerprint.js'

const schema: Schema = [
  { name: 'dt', type: { kind: 'varchar' }, nullable: true },
  { name: 'id', type: { kind: 'bigint' }, nullable: true },
]
const of = 'duckdb-rows-sumxor-2:1.5.6:abc'
const fingerprint = (content: number, rows: number) => ({ of, sum: BigInt(content), xor: BigInt(content), rows })

/** Content is a number here: equal numbers are equal rows. */
function old(dt: string, content: number, { rows = 10, tagged = true, n = 0 } = {}): AddFile {
  return {
    key: `dt=${dt}/old-${n}.parquet`,
    partitionValues: { dt },
    sizeBytes: 100,
    modificationTime: 0,
    dataChange: true,
    stats: JSON.stringify({ numRecords: rows, minValues: {}, maxValues: {}, nullCount: { id: 0 } }),
    ...(tagged ? { tags: { [fingerprintTagName]: fingerprintTag(fingerprint(content, rows)) } } : {}),
  }
}

function staged(dt: string, content: number, rows = 10): StagedFile {
  return {
    key: `dt=${dt}/new.parquet`,
    file: { path: `/spool/${dt}`, sizeBytes: 90 },
    partitionValues: { dt },
    rows,
    stats: '{}',
    fingerprint: fingerprint(content, rows),
  }
}

function context(files: AddFile[], scope?: string): PlanContext {
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
    key: [],
    loadColumns: [],
    fingerprint: { of, columns: schema.slice(1) },
    rearranged: false,
    input: { name: 'lw_input', schema, supplied: schema.map(({ name }) => name), extras: [] },
    rowHash: { of: 'rows', columns: schema, key: [] },
    changeFeed: false,
    startedMs: 0,
    loadId: 'load',
    settings: {},
    ...(scope === undefined ? {} : { scope: parseScope(scope, schema, ['dt']) }),
  }
}

function replay(plan: Plan, ctx: PlanContext, answers: Answer[]): { verdict: Verdict; asks: Ask[] } {
  const running = plan(ctx)
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

const stage = (...files: StagedFile[]): Answer => ({ ask: 'stage', files })
const keys = (files: { key: string }[]) => files.map(({ key }) => key)

describe('append', () => {
  test('adds every staged file and reads nothing', () => {
    const { verdict, asks } = replay(append, context([old('a', 1)]), [stage(staged('a', 2), staged('b', 3))])
    expect(asks).toEqual([{ ask: 'stage', sql: 'SELECT * FROM lw_input' }])
    expect(verdict).toMatchObject({ supersede: [], reads: { kind: 'nothing' }, rows: { read: 20, written: 20 } })
    expect(keys(verdict.add)).toEqual(['dt=a/new.parquet', 'dt=b/new.parquet'])
  })
})

describe('replace', () => {
  test('supersedes the partitions that differ and keeps those that are equal, without reading a file', () => {
    const files = [old('a', 1), old('b', 2), old('c', 3)]
    const { verdict, asks } = replay(replace, context(files), [stage(staged('a', 1), staged('b', 22), staged('d', 4))])
    expect(asks).toHaveLength(1)
    expect(keys(verdict.supersede)).toEqual(['dt=b/old-0.parquet'])
    expect(keys(verdict.add)).toEqual(['dt=b/new.parquet', 'dt=d/new.parquet'])
    expect(verdict.rows).toEqual({ read: 30, written: 20, unchanged: 10 })
    expect(verdict.partitions).toEqual({ replaced: ['dt=b', 'dt=d'], removed: [], unchanged: 1 })
    // Also what was judged unchanged was looked at.
    expect(verdict.reads).toEqual({ kind: 'partitions', ids: new Set(['["a"]', '["b"]', '["d"]']) })
  })

  test('adds up the fingerprints of several files of a partition', () => {
    const files = [old('a', 1, { rows: 4, n: 0 }), old('a', 2, { rows: 6, n: 1 })]
    const { verdict } = replay(replace, context(files), [
      stage({ ...staged('a', 0), fingerprint: { of, sum: 3n, xor: 3n, rows: 10 } }),
    ])
    expect(verdict).toMatchObject({ supersede: [], add: [], partitions: { unchanged: 1 } })
  })

  test('asks for the fingerprints of files that carry none, and only where the row counts agree', () => {
    const files = [old('a', 1, { tagged: false }), old('b', 2, { tagged: false, rows: 9 })]
    const answer: Answer = {
      ask: 'rows',
      rows: [{ __lw_file: 'dt=a/old-0.parquet', fp_sum: 1n, fp_xor: 1n, fp_rows: 10n }],
    }
    const { verdict, asks } = replay(replace, context(files), [stage(staged('a', 1), staged('b', 2)), answer])
    expect(asks[1]).toMatchObject({ ask: 'rows', reads: [{ alias: 'old', files: [files[0]], columns: ['id'] }] })
    expect(keys(verdict.supersede)).toEqual(['dt=b/old-0.parquet'])
  })

  test('a fingerprint made in another way counts for nothing', () => {
    const foreign = { ...old('a', 1), tags: { [fingerprintTagName]: 'duckdb-rows-sumxor-2:9.9.9:abc:1.1.a' } }
    const answer: Answer = { ask: 'rows', rows: [{ __lw_file: foreign.key, fp_sum: 7n, fp_xor: 7n, fp_rows: 10n }] }
    const { verdict } = replay(replace, context([foreign]), [stage(staged('a', 1)), answer])
    expect(keys(verdict.supersede)).toEqual([foreign.key])
  })

  test('with a scope, partitions of it without rows are removed, and others are not looked at', () => {
    const ctx = context([old('a', 1), old('b', 2), old('z', 3)], "dt < 'm'")
    const { verdict } = replay(replace, ctx, [stage(staged('b', 22))])
    expect(keys(verdict.supersede)).toEqual(['dt=a/old-0.parquet', 'dt=b/old-0.parquet'])
    expect(verdict.partitions).toEqual({ replaced: ['dt=b'], removed: ['dt=a'], unchanged: 0 })
    expect(verdict.reads).toMatchObject({ kind: 'partitions', scope: ctx.scope })
  })

  test('rows outside the scope are refused with examples', () => {
    expect(() => replay(replace, context([], "dt = 'a'"), [stage(staged('a', 1), staged('b', 2, 7))])).toThrow(
      /outside the scope: rows=`7`/,
    )
  })
})

describe('overwrite', () => {
  test('has the whole table as scope', () => {
    const files = [old('a', 1), old('b', 2), old('c', 3)]
    const { verdict } = replay(overwrite, context(files), [stage(staged('b', 2), staged('c', 33))])
    expect(keys(verdict.supersede)).toEqual(['dt=a/old-0.parquet', 'dt=c/old-0.parquet'])
    expect(keys(verdict.add)).toEqual(['dt=c/new.parquet'])
    expect(verdict.reads).toEqual({ kind: 'everything' })
  })

  test('a table made anew keeps nothing, and its old partitions are spelled as they were', () => {
    const ctx = { ...context([old('a', 1)]), partitionBy: ['id'], rearranged: true }
    const { verdict } = replay(overwrite, ctx, [stage({ ...staged('a', 1), partitionValues: { id: 'a' } })])
    expect(keys(verdict.supersede)).toEqual(['dt=a/old-0.parquet'])
    expect(verdict.partitions).toEqual({ replaced: ['id=a'], removed: ['dt=a'], unchanged: 0 })
  })
})

describe('widening', () => {
  test('rewrites the files that stay and hold the column, in the same verdict', () => {
    const allNull = { ...old('n', 5), stats: '{"numRecords":10,"nullCount":{"id":10}}' }
    const plan = withWidening(replace, ['id'])
    const rewritten = { ...staged('b', 2), key: 'dt=b/rewritten.parquet' }
    const { verdict, asks } = replay(plan, context([old('a', 1), old('b', 2), allNull]), [
      stage(staged('a', 11)),
      stage(rewritten),
    ])
    expect(asks[1]).toMatchObject({
      ask: 'stage',
      sql: 'SELECT * FROM kept',
      reads: [{ files: [{ key: 'dt=b/old-0.parquet' }] }],
    })
    expect(keys(verdict.supersede)).toEqual(['dt=a/old-0.parquet', 'dt=b/old-0.parquet'])
    expect(keys(verdict.add)).toEqual(['dt=a/new.parquet', 'dt=b/rewritten.parquet'])
    expect(verdict.rows).toEqual({ read: 10, written: 10, unchanged: 0, rewritten: 10 })
  })
})
