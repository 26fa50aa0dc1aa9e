/**
 * Old files with some of their rows gone or changed, put together from their own bytes where little of them changes: row
 * groups without a change, and columns in which no row of a group changes, are copied; the rest is encoded anew, row group
 * by row group. Encoding is what a rewrite costs, so 1,000 changed amounts in 10 million rows cost a fifth of it.
 *
 *   row group   rows go or move    rows change in place           becomes
 *   0           none               none                           the same bytes
 *   1           none               12, all in `amount`            `amount` anew, in the old order; other columns the same bytes
 *   2           3                  any                            all columns anew
 *   –                                                             new rows of the partition, where they are few
 *
 * A file for which this is no gain, or whose columns are not laid out as ours are, is none of it: `rest`.
 *
 * The fingerprint of such a file is worked out from the old one and the rows that differ. What is read back, so that pieces
 * which do not fit together are noticed: `patch/check.ts`.
 */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import pLimit, { type LimitFunction } from 'p-limit'
import type { RelationFile } from '../engine/relation.js'
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { encodeStats, parseStats } from '../manifest/stats.js'
import { partitionId } from '../partition/spec.js'
import { isNested } from '../schema/names.js'
import type { Field } from '../schema/types.js'
import { fingerprintTagName, parseFingerprintTag } from './fingerprint.js'
import { type Chunk, openParquet, type ParquetFile, type RowGroup, spliceParquet } from './parquet/splice.js'
import { chunkStatistics } from './parquet/statistics.js'
import { areInPlace, checkBytes, checkFingerprints, isInPlace } from './patch/check.js'
import { defineRows, encodePieces, type Piece, type Pieces } from './patch/encode.js'
import type { Fingerprint, StagedFile } from './port.js'
import { dataColumns, fingerprintsOf, keyOf, type StagingContext } from './stage.js'

/** @param rest staged files with rows that came anew; few of them are put at the end of a file of their partition */
export async function patchFiles(
  patches: readonly Patch[],
  rest: readonly StagedFile[],
  rewrite: Rewrite,
  ctx: StagingContext,
): Promise<StagedFile[]> {
  await defineRows(patches, rewrite, ctx)
  const appended = await appendable(patches, rest, ctx)
  const inTurn = pLimit(splicesAtOnce)
  const limit = pLimit(Math.min(availableParallelism(), mostAtOnce))
  const spliced = patches.map((patch) => inTurn(() => patched(patch, appended.get(patch), limit, ctx)))
  // Nothing may still be under way when the caller cleans up.
  const failed = (await Promise.allSettled(spliced)).find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  const files = await Promise.all(spliced)
  await checkFingerprints(files, ctx)
  const kept = new Set([...appended.values()].map(({ file }) => file))
  return [...rest.filter((file) => !kept.has(file)), ...files.map(({ staged }) => staged)]
}

async function patched(
  patch: Patch,
  appended: Appended | undefined,
  limit: LimitFunction,
  ctx: StagingContext,
): Promise<Spliced> {
  const spliced = await splice(patch, await encodePieces(patch, limit, ctx), appended, ctx)
  if (isInPlace(patch) && !(await areInPlace(spliced, ctx))) throw notWhole(spliced.staged, spliced.staged.rows)
  return spliced
}

/** A staged file that is put at the end of a patched one. */
interface Appended {
  file: StagedFile
  parquet: ParquetFile
}

export interface Rewrite {
  /** On this machine. */
  files: readonly LocalFile[]
  /** A relation of the rows that go: `__lw_file`, `__lw_row`. */
  removed: string
  /**
   * A relation of the rows that come: the table's columns, and `__lw_file`, `__lw_row` of the removed row whose place in
   * the same partition they take, or nulls.
   */
  added: string | undefined
  /**
   * Known of the rows already, so that the old ones need not be read for it: `removed` has `__lw_sum` and `__lw_xor`, the
   * row's part in its file's fingerprint, and `added` has `__lw_changed`, a bit for each data column, in the schema's order,
   * that differs.
   */
  known: boolean
}

export type LocalFile = AddFile & RelationFile

/** What is known of a file that is worth it. */
export interface Patch {
  old: LocalFile
  parquet: ParquetFile
  /** Number of the file in the relations below. */
  n: number
  /** Row groups with a row that goes, by their number. */
  touched: Map<number, TouchedGroup>
  /** Of the rows that go, and of those that take their place. */
  before: Fingerprint
  after: Fingerprint
}

export interface TouchedGroup {
  rows: number
  start: number
  removed: number
  replaced: number
  /** Columns in which a row differs from the one that takes its place. Undefined before that is known. */
  changed: Set<string> | undefined
}

/** One is put together while pieces of others are encoded. */
const splicesAtOnce = 4

const mostAtOnce = 8

/** Number and key of each file that is looked at. */
export const filesTable = 'lw_patch_files'
/** Rows that take the place of others: number of the file, place, and the columns that are encoded anew. */
export const rowsTable = 'lw_patch_rows'

/** By patch, the staged file that is put at its end: one that would be small on its own. */
async function appendable(
  patches: readonly Patch[],
  rest: readonly StagedFile[],
  ctx: StagingContext,
): Promise<Map<Patch, Appended>> {
  const found = new Map<Patch, Appended>()
  // Rows at the end of a file would not be in its order.
  if (ctx.sortBy.length > 0) return found
  const idOf = ({ partitionValues }: Pick<AddFile, 'partitionValues'>) =>
    partitionId(partitionValues, ctx.partitionBy, ctx.schema)
  for (const patch of patches) {
    const id = idOf(patch.old)
    const taken = new Set([...found.values()].map(({ file }) => file))
    const file = rest.find((one) => !taken.has(one) && idOf(one) === id && one.file.sizeBytes * 4 < patch.old.sizeBytes)
    if (file === undefined) continue
    found.set(patch, { file, parquet: await openParquet(file.file.path) })
  }
  return found
}

export interface Spliced {
  patch: Patch
  staged: StagedFile
  /** Worked out rather than read: undefined where the old file's is not known. */
  isDerived: boolean
}

async function splice(
  patch: Patch,
  { folder, byGroup }: Pieces,
  appended: Appended | undefined,
  ctx: StagingContext,
): Promise<Spliced> {
  const { old, parquet } = patch
  const groups = [
    ...parquet.rowGroups.flatMap((group, g) => {
      const piece = byGroup.get(g)
      if (piece === undefined) return byGroup.has(g) ? [] : [group]
      return [inOrder(parquet, [group, ...piece.file.rowGroups], piece.file.rowGroups[0]?.rows ?? 0)]
    }),
    ...(appended?.parquet.rowGroups ?? []).map((group) => inOrder(parquet, [group], group.rows)),
  ]
  const path = join(folder, 'patched.staged')
  const { sizeBytes } = await spliceParquet(path, parquet, groups)
  await checkBytes(path, groups, old)
  for (const piece of byGroup.values()) if (piece) await rm(piece.file.path, { force: true })
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  const derived = derivedFingerprint(patch, appended?.file.fingerprint)
  const fingerprint = derived ?? (await fingerprintsOf([{ path }], ctx)).get(path)
  if (fingerprint === undefined || fingerprint.rows !== rows) throw notWhole(old, rows)
  return {
    patch,
    staged: {
      key: keyOf(old, ctx),
      file: { path, sizeBytes },
      partitionValues: old.partitionValues,
      rows,
      stats: statsOf(patch, [...byGroup.values()], appended?.file, groups, ctx),
      fingerprint,
    },
    isDerived: derived !== undefined,
  }
}

/** A row group whose columns are in the file's order, each from the last of the groups that has it. */
function inOrder({ columns }: ParquetFile, groups: readonly RowGroup[], rows: number): RowGroup {
  const chunks = [...columns.keys()].flatMap((column) => {
    const having = groups.findLast((group) => group.chunks.some((chunk) => chunk.column === column))
    return having?.chunks.filter((chunk) => chunk.column === column) ?? []
  })
  return { rows, chunks }
}

function derivedFingerprint({ old, before, after }: Patch, appended: Fingerprint | undefined): Fingerprint | undefined {
  const kept = parseFingerprintTag(old.tags?.[fingerprintTagName])
  if (kept?.of !== before.of) return undefined
  return {
    of: kept.of,
    sum: kept.sum - before.sum + after.sum + (appended?.sum ?? 0n),
    xor: kept.xor ^ before.xor ^ after.xor ^ (appended?.xor ?? 0n),
    rows: kept.rows - before.rows + after.rows + (appended?.rows ?? 0),
  }
}

/** Out of the footers of all pieces; a NaN, of which they say nothing, is known from the statistics of old. */
function statsOf(
  { old }: Patch,
  pieces: readonly Piece[],
  appended: StagedFile | undefined,
  groups: readonly RowGroup[],
  ctx: StagingContext,
): string {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  const stats = [old.stats, ...(appended ? [appended.stats] : [])].map(parseStats)
  const mayHaveNaN = ({ name, type }: Field) =>
    (type.kind === 'float' || type.kind === 'double') &&
    (pieces.some((piece) => piece?.hasNaN.has(name)) ||
      stats.some(
        (one) => one === undefined || (one.maxValues[name] === undefined && one.nullCount[name] !== one.numRecords),
      ))
  const columns = dataColumns(ctx).filter(({ type }) => !isNested(type))
  const texts = columns.map((field) => {
    const chunks = groups.flatMap((group): Chunk[] => group.chunks.filter(({ column }) => column === field.name))
    return [field.name, { ...chunkStatistics(chunks, field), hasNaN: mayHaveNaN(field) }] as const
  })
  return encodeStats(rows, columns, Object.fromEntries(texts))
}

export function notWhole({ key }: { key: string }, rows: number): LakeError {
  return new LakeError('corrupt', 'a file that was put together from pieces does not hold the rows that it should', {
    key,
    rows,
    fix: 'Check the disk that holds the temporary folder, and the table with `lakewright verify --deep`; nothing was loaded.',
  })
}
