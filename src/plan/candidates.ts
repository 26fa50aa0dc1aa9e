/**
 * Which old files may hold a row with one of the load's keys: by their partition where partition columns are part of the
 * key, and by statistics. The bounds of each file meet the keys themselves, not only their least and greatest, so that
 * a few keys from both ends of the table do not ask for all that lies between. Leaving a file out needs a proof.
 *
 *   rows:  SELECT DISTINCT dt FROM keys                             what the load looks at, where the key says so
 *   rows:  SELECT n FROM files ASOF JOIN keys ON p0 = dt AND low <= id WHERE id <= high
 *
 * The join finds the least key from a file's lower bound on: one sort of the keys, however many files there are.
 */
import type { AddFile } from '../manifest/actions.js'
import { parseStats } from '../manifest/stats.js'
import { partitionId, textOf } from '../partition/spec.js'
import { canonicalText, partitionTextSql } from '../partition/value.js'
import { toSql } from '../schema/duckdb.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Field, LakeType } from '../schema/types.js'
import type { Answer, Ask, PlanContext, ReadSet } from './port.js'

export interface Candidates {
  files: AddFile[]
  /** What the keys make the load look at: their partitions where the key has all partition columns, else everything. */
  reads: ReadSet
}

/**
 * @param files of the base, those of the scope where there is one
 * @param keys a relation with the key's columns, in the table's types, without nulls
 */
export function* candidateFiles(
  ctx: PlanContext,
  files: readonly AddFile[],
  keys: string,
): Generator<Ask, Candidates, Answer> {
  const partitions = yield* partitionsOfKeys(ctx, keys)
  const near = partitions === undefined ? files : files.filter((file) => partitions.has(partitionOf(ctx, file)))
  const tests = testsOf(ctx, near)
  const passed = yield* passedTests(ctx, tests, keys)
  const candidates = near.filter((file) =>
    tests.every(({ files: tested }, t) => !tested.has(file) || passed[t]?.has(file)),
  )
  return {
    files: candidates,
    reads: partitions === undefined ? { kind: 'everything' } : { kind: 'partitions', ids: partitions },
  }
}

/** Above this many a set of them says little more than "everything", and costs memory. */
const mostPartitions = 20_000

/** Ids of the partitions that the keys lie in; undefined where the key does not say, or there are too many. */
function* partitionsOfKeys(ctx: PlanContext, keys: string): Generator<Ask, Set<string> | undefined, Answer> {
  const { partitionBy, key } = ctx
  if (partitionBy.length === 0 || !partitionBy.every((name) => key.includes(name))) return undefined
  const texts = fieldsOf(ctx, partitionBy).map(
    ({ name, type }, i) => `${partitionTextSql(type, quoteIdentifier(name), name)} AS p${i}`,
  )
  const answer = yield {
    ask: 'rows',
    sql: `SELECT DISTINCT ${texts.join(', ')} FROM ${quoteIdentifier(keys)} LIMIT ${mostPartitions + 1}`,
    reads: [],
  }
  const rows = answer.ask === 'rows' ? answer.rows : []
  if (rows.length > mostPartitions) return undefined
  return new Set(
    rows.map((row) => {
      const values = partitionBy.map((name, i) => [name, row[`p${i}`] === null ? null : String(row[`p${i}`])])
      return partitionOf(ctx, { partitionValues: Object.fromEntries(values) })
    }),
  )
}

/** What files must pass to hold a key: its value of one column, in the file's partition as far as the key says that. */
interface Test {
  /** Undefined where only the partition is tested. */
  field: Field | undefined
  /** Files that can be tested, with their bounds as the manifest has them. */
  files: Map<AddFile, { low: string | undefined; high: string | undefined }>
}

function testsOf(ctx: PlanContext, files: readonly AddFile[]): Test[] {
  const stats = new Map(files.map((file) => [file, parseStats(file.stats)]))
  const placed = files.filter((file) =>
    keyPartitionColumns(ctx).every((field) => readableText(file.partitionValues, field) !== undefined),
  )
  const tests = fieldsOf(ctx, ctx.key)
    .filter(({ name, type }) => !ctx.partitionBy.includes(name) && isBounded(type))
    .map((field): Test => {
      const tested: Test['files'] = new Map()
      for (const file of placed) {
        const { minValues, maxValues } = stats.get(file) ?? {}
        const low = boundText(minValues, field.name)
        if (low !== undefined) tested.set(file, { low, high: boundText(maxValues, field.name) })
      }
      return { field, files: tested }
    })
  if (keyPartitionColumns(ctx).length > 0)
    tests.push({ field: undefined, files: new Map(placed.map((file) => [file, { low: undefined, high: undefined }])) })
  return tests.filter(({ files: tested }) => tested.size > 0)
}

/** The files that passed, test by test. Some of many keys settle most files, so that only the rest asks for a sort of all. */
function* passedTests(ctx: PlanContext, tests: Test[], keys: string): Generator<Ask, Set<AddFile>[], Answer> {
  if (tests.length === 0) return []
  const columns = ctx.key.map(quoteIdentifier).join(', ')
  const some = `(SELECT ${columns} FROM ${quoteIdentifier(keys)} LIMIT ${firstKeys})`
  const first = yield* answersTo(ctx, tests, some, `SELECT -1 AS t, count(*) AS n FROM ${quoteIdentifier(keys)}`)
  const passed = filesNamed(tests, first)
  const rest = tests.map((test, t) => {
    const open = [...test.files].filter(([file]) => !passed[t]?.has(file))
    return { field: test.field, files: new Map(open) }
  })
  const isSettled = rest.every(({ files }) => files.size === 0)
  if (isSettled || first.some(({ t, n }) => t === -1 && Number(n) <= firstKeys)) return passed
  const second = filesNamed(rest, yield* answersTo(ctx, rest, quoteIdentifier(keys)))
  return passed.map((files, t) => new Set([...files, ...(second[t] ?? [])]))
}

const firstKeys = 20_000

/** Rows of `t`, the test, and `n`, the file that passed it. */
function* answersTo(
  ctx: PlanContext,
  tests: Test[],
  keys: string,
  ...more: string[]
): Generator<Ask, Record<string, unknown>[], Answer> {
  const selects = tests.flatMap((test, t) =>
    test.files.size === 0 ? [] : `SELECT ${t} AS t, n FROM (${testSql(ctx, test, keys)})`,
  )
  const answer = yield { ask: 'rows', sql: [...selects, ...more].join(' UNION ALL '), reads: [] }
  return answer.ask === 'rows' ? answer.rows : []
}

function filesNamed(tests: Test[], rows: Record<string, unknown>[]): Set<AddFile>[] {
  const named = tests.map(() => new Set<AddFile>())
  const listed = tests.map(({ files }) => [...files.keys()])
  for (const { t, n } of rows) {
    const file = listed[Number(t)]?.[Number(n)]
    if (file) named[Number(t)]?.add(file)
  }
  return named
}

/** @param keys a relation, quoted, or a SELECT in parentheses */
function testSql(ctx: PlanContext, { field, files }: Test, keys: string): string {
  const partitionFields = keyPartitionColumns(ctx)
  const from = `${keys} k`
  const same = partitionFields.map(({ name }, i) => `f.p${i} = k.${quoteIdentifier(name)}`)
  const listed = listSql(partitionFields, files)
  if (field === undefined) return `SELECT f.n FROM (${listed}) f SEMI JOIN ${from} ON ${same.join(' AND ')}`
  const column = `k.${quoteIdentifier(field.name)}`
  const bound = (name: string) => `TRY_CAST(${name} AS ${toSql(field.type)})`
  // Delta's own writers cut timestamps to milliseconds, also the greatest.
  const high = field.type.kind === 'timestamp' ? `${bound('high')} + INTERVAL 999 microseconds` : bound('high')
  const bounded = `SELECT * REPLACE (${bound('low')} AS low, ${high} AS high) FROM (${listed})`
  return `SELECT f.n FROM (${bounded}) f ASOF JOIN ${from} ON ${[...same, `f.low <= ${column}`].join(' AND ')}
    WHERE coalesce(${column} <= f.high, true)
    UNION ALL SELECT n FROM (${bounded}) WHERE low IS NULL`
}

/** The files as rows. As one text of JSON: 100,000 of them are parsed ten times as fast as `VALUES`. */
function listSql(partitionFields: Field[], files: Test['files']): string {
  const rows = [...files].map(([{ partitionValues }, bounds], n) => ({
    n,
    ...Object.fromEntries(partitionFields.map((field, i) => [`p${i}`, readableText(partitionValues, field)])),
    ...bounds,
  }))
  const partitionNames = partitionFields.map((_, i) => `p${i}`)
  const texts = [...partitionNames, 'low', 'high'].map((name) => `"${name}":"VARCHAR"`)
  const casts = partitionFields.map(({ type }, i) => `CAST(f.p${i} AS ${toSql(type)}) AS p${i}`)
  const structure = quoteText(`[{"n":"INTEGER",${texts.join(',')}}]`)
  return `SELECT ${['f.n AS n', ...casts, 'f.low AS low', 'f.high AS high'].join(', ')}
    FROM (SELECT unnest(from_json(${quoteText(JSON.stringify(rows))}, ${structure})) AS f)`
}

/** Partition columns that are part of the key. */
function keyPartitionColumns(ctx: PlanContext): Field[] {
  return fieldsOf(ctx, ctx.partitionBy).filter(({ name }) => ctx.key.includes(name))
}

function fieldsOf(ctx: PlanContext, names: readonly string[]): Field[] {
  return names.flatMap((name) => findColumn(ctx.schema, name) ?? [])
}

function partitionOf(ctx: PlanContext, { partitionValues }: Pick<AddFile, 'partitionValues'>): string {
  return partitionId(partitionValues, ctx.partitionBy, ctx.schema)
}

/** Null for null, undefined where another writer wrote what is no value of the type. */
function readableText(values: AddFile['partitionValues'], { name, type }: Field): string | null | undefined {
  const text = textOf(values, name)
  return text === null ? null : canonicalText(text, type)
}

/** Types of which no value lies outside of the bounds: NaN does, and booleans have none. */
function isBounded({ kind }: LakeType): boolean {
  return ['tinyint', 'smallint', 'integer', 'bigint', 'decimal', 'varchar', 'date', 'timestamp'].includes(kind)
}

function boundText(values: Record<string, unknown> | undefined, name: string): string | undefined {
  const bound = values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined
  if (bound === undefined || bound === null) return undefined
  const text = String(bound)
  // What JSON, or the engine's reader of it, cannot carry.
  return /[\0\p{Surrogate}]/u.test(text) ? undefined : text
}
