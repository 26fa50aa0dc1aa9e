/**
 * `replace` and `overwrite`: whole partitions at a time. A partition whose content is the same keeps its files.
 *
 *   orders.replace(rows)                                    stage: SELECT * FROM input
 *     partitions that occur in the input are replaced       rows:  fingerprints of old files that carry none
 *   orders.replace(rows, { scope: "dt >= '2026-11-01'" })   the same; partitions of the scope without rows are removed,
 *                                                           rows outside it are refused
 *   orders.overwrite(rows)                                  the same, with the whole table as scope
 */
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { matchesPartition, predicateText } from '../partition/scope.js'
import {
  combineFingerprints,
  fingerprintOfRow,
  fingerprintSql,
  fingerprintTagName,
  parseFingerprintTag,
  sameContent,
} from '../stage/fingerprint.js'
import type { Fingerprint } from '../stage/port.js'
import { byPartition, folderOf, type Partition, rowsInFile, stagedRows } from './partitions.js'
import {
  type Answer,
  type Ask,
  type Plan,
  type PlanContext,
  type ReadSet,
  type StagedFile,
  stageInput,
  type Verdict,
} from './port.js'

export const replace: Plan = function* (ctx) {
  const { scope, base } = ctx
  const staged = byPartition(yield* stageInput(ctx), ctx.partitionBy, ctx.schema)
  refuseOutsideScope(ctx, staged)
  const old = byPartition(base?.files.values() ?? [], ctx.partitionBy, ctx.schema)
  const touched = [...old.values()].filter(({ id, values }) =>
    scope ? matchesPartition(scope, values, ctx.schema) : staged.has(id),
  )
  const ids = new Set([...staged.keys(), ...touched.map(({ id }) => id)])
  return yield* exchange(ctx, staged, touched, { kind: 'partitions', ids, ...(scope ? { scope } : {}) })
}

export const overwrite: Plan = function* (ctx) {
  const staged = byPartition(yield* stageInput(ctx), ctx.partitionBy, ctx.schema)
  const old = byPartition(
    ctx.base?.files.values() ?? [],
    ctx.base?.metadata.partitionBy ?? ctx.partitionBy,
    ctx.base?.metadata.schema ?? ctx.schema,
  )
  return yield* exchange(ctx, staged, [...old.values()], { kind: 'everything' })
}

/** The partitions `touched` become exactly what is staged. */
function* exchange(
  ctx: PlanContext,
  staged: Map<string, Partition<StagedFile>>,
  touched: Partition<AddFile>[],
  reads: ReadSet,
): Generator<Ask, Verdict, Answer> {
  const same = yield* unchangedPartitions(ctx, staged, touched)
  const add = [...staged.values()].filter(({ id }) => !same.has(id))
  // Partitions of another partitioning are gone as such, whatever their values.
  const gone = touched.filter(({ id }) => ctx.rearranged || !staged.has(id))
  const oldPartitionBy = ctx.base?.metadata.partitionBy ?? ctx.partitionBy
  const read = stagedRows([...staged.values()].flatMap(({ files }) => files))
  const written = stagedRows(add.flatMap(({ files }) => files))
  return {
    supersede: touched.filter(({ id }) => !same.has(id)).flatMap(({ files }) => files),
    add: add.flatMap(({ files }) => files),
    reads,
    rows: { read, written, unchanged: read - written },
    partitions: {
      replaced: add.map(({ values }) => folderOf(ctx, { partitionValues: values })).sort(),
      removed: gone.map(({ values }) => folderOf({ partitionBy: oldPartitionBy }, { partitionValues: values })).sort(),
      unchanged: same.size,
    },
    dataChange: true,
  }
}

/**
 * Ids of the partitions whose staged rows are the rows that are there. Row counts from the manifest settle most of those
 * that differ; fingerprints kept with the files settle the rest; only files without a comparable one are read.
 */
function* unchangedPartitions(
  ctx: PlanContext,
  staged: Map<string, Partition<StagedFile>>,
  touched: Partition<AddFile>[],
): Generator<Ask, Set<string>, Answer> {
  if (ctx.rearranged) return new Set()
  const candidates = touched.flatMap((old) => {
    const mine = staged.get(old.id)
    return mine && mayBeEqual(old.files, stagedRows(mine.files)) ? [{ id: old.id, old, mine }] : []
  })
  const kept = yield* oldFingerprints(
    ctx,
    candidates.flatMap(({ old }) => old.files),
  )
  const same = candidates.filter(({ old, mine }) => {
    const before = combineFingerprints(
      ctx.fingerprint.of,
      old.files.map((file) => kept.get(file.key)),
    )
    const after = combineFingerprints(
      ctx.fingerprint.of,
      mine.files.map((file) => file.fingerprint),
    )
    return before !== undefined && after !== undefined && sameContent(before, after)
  })
  return new Set(same.map(({ id }) => id))
}

function* oldFingerprints(ctx: PlanContext, files: AddFile[]): Generator<Ask, Map<string, Fingerprint>, Answer> {
  const { of, columns } = ctx.fingerprint
  const known = new Map<string, Fingerprint>()
  const unknown: AddFile[] = []
  for (const file of files) {
    const kept = parseFingerprintTag(file.tags?.[fingerprintTagName])
    if (kept?.of === of) known.set(file.key, kept)
    else unknown.push(file)
  }
  if (unknown.length === 0) return known
  const answer = yield {
    ask: 'rows',
    sql: `SELECT __lw_file, ${fingerprintSql(columns)} FROM old GROUP BY __lw_file`,
    reads: [{ alias: 'old', files: unknown, columns: columns.map(({ name }) => name) }],
  }
  if (answer.ask === 'rows') {
    for (const row of answer.rows) known.set(String(row.__lw_file), fingerprintOfRow(of, row))
  }
  // A file without rows does not occur in the answer; its fingerprint is that of nothing.
  for (const file of unknown) if (!known.has(file.key)) known.set(file.key, { of, sum: 0n, xor: 0n, rows: 0 })
  return known
}

function mayBeEqual(old: AddFile[], rows: number): boolean {
  const counts = old.map(rowsInFile)
  return counts.includes(undefined) || counts.reduce<number>((sum, count) => sum + (count ?? 0), 0) === rows
}

function refuseOutsideScope(ctx: PlanContext, staged: Map<string, Partition<StagedFile>>): void {
  const { scope } = ctx
  if (!scope) return
  const outside = [...staged.values()].filter(({ values }) => !matchesPartition(scope, values, ctx.schema))
  if (outside.length === 0) return
  const examples = outside
    .slice(0, 3)
    .map(({ values, files }) => `${folderOf(ctx, { partitionValues: values })} (${stagedRows(files)} rows)`)
  throw new LakeError('invalid', 'rows lie outside the scope', {
    rows: stagedRows(outside.flatMap(({ files }) => files)),
    scope: predicateText(scope),
    partitions: outside.length,
    examples: examples.join(', '),
    fix: 'Widen --scope, or leave these rows out of the input; nothing was loaded.',
  })
}
