/**
 * That a file which was put together holds the rows that it should, found out from the file itself, through its footer.
 *
 *   every file            its column chunks are, byte for byte, those that were meant
 *   rows change in place  of the columns that were encoded anew: each row's value, by its place, is the new one or the old one
 *   rows go               the fingerprint of all of its rows is the one that was worked out
 *   the smallest file     that, too: so the working out is proved by every load
 */
import { filesRelation } from '../../engine/relation.js'
import { quoteText } from '../../engine/sql.js'
import type { Field } from '../../schema/types.js'
import { sameContent } from '../fingerprint.js'
import { OpenFiles } from '../parquet/open-files.js'
import { openParquet, type RowGroup } from '../parquet/splice.js'
import { filesTable, notWhole, type Patch, rowsTable, type Spliced } from '../patch.js'
import { rowHashSql } from '../row-hash.js'
import { dataColumns, fingerprintsOf, type StagingContext } from '../stage.js'

/** @param groups what the file was put together from */
export async function checkBytes(path: string, groups: readonly RowGroup[], old: Patch['old']): Promise<void> {
  const { rowGroups } = await openParquet(path)
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  if (rowGroups.length !== groups.length) throw notWhole(old, rows)
  const comparison = new Comparison()
  try {
    for (const [g, { rows: there, chunks }] of rowGroups.entries()) {
      const meant = groups[g]
      if (meant?.rows !== there || meant.chunks.length !== chunks.length) throw notWhole(old, rows)
      for (const [c, chunk] of chunks.entries()) {
        const source = meant.chunks[c]
        if (source?.column !== chunk.column || source.length !== chunk.length) throw notWhole(old, rows)
        if (!(await comparison.areEqual(chunk, source))) throw notWhole(old, rows)
      }
    }
  } finally {
    await comparison.close()
  }
}

/** @throws LakeError corrupt */
export async function checkRows(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const derived = files.filter(({ isDerived }) => isDerived)
  const [smallest] = derived.toSorted((a, b) => a.staged.rows - b.staged.rows)
  const whole = derived.filter((file) => file === smallest || !isInPlace(file.patch))
  await checkFingerprints(whole, ctx)
  await checkPlaces(
    files.filter((file) => isInPlace(file.patch) && !whole.includes(file)),
    ctx,
  )
}

function isInPlace({ touched }: Patch): boolean {
  return [...touched.values()].every(({ removed, replaced }) => removed === replaced)
}

/** What was worked out from the old file and the rows that differ, and what is read back, were arrived at independently. */
async function checkFingerprints(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const found = await fingerprintsOf(
    files.map(({ staged }) => staged.file),
    ctx,
  )
  for (const { staged } of files) {
    const read = found.get(staged.file.path)
    if (read === undefined || !sameContent(read, staged.fingerprint)) throw notWhole(staged, staged.rows)
  }
}

/** Of a file whose rows keep their places only some columns can be wrong, and what belongs into each place is known. */
async function checkPlaces(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const changed = new Set(
    files.flatMap(({ patch }) => [...patch.touched.values()].flatMap((one) => [...(one.changed ?? [])])),
  )
  const columns = dataColumns(ctx).filter(({ name }) => changed.has(name))
  if (files.length === 0 || columns.length === 0) return
  const [meant, there] = [
    await digests(meantSql(files, columns, ctx), ctx),
    await digests(thereSql(files, columns, ctx), ctx),
  ]
  for (const { patch, staged } of files)
    if (meant.get(patch.n) === undefined || meant.get(patch.n) !== there.get(patch.n))
      throw notWhole(staged, staged.rows)
}

function meantSql(files: readonly Spliced[], columns: Field[], ctx: StagingContext): string {
  const old = filesRelation({
    ...{ files: files.map(({ patch }) => patch.old), schema: ctx.schema, partitionBy: ctx.partitionBy },
    provenance: true,
  })
  const digest = `CASE WHEN a.__lw_row IS NULL THEN ${placeHash(columns, 'o')} ELSE ${placeHash(columns, 'a', 'o')} END`
  return `SELECT f.n, sum(${digest}::HUGEINT) AS digest FROM (${old}) o JOIN ${filesTable} f ON f.k = o.__lw_file
    LEFT JOIN ${rowsTable} a ON a.__lw_n = f.n AND a.__lw_row = o.__lw_row GROUP BY f.n`
}

/** Behind the old file's rows may be further ones, which came whole from a file of their own. */
function thereSql(files: readonly Spliced[], columns: Field[], ctx: StagingContext): string {
  const now = filesRelation({
    files: files.map(({ staged }) => ({ path: staged.file.path, key: staged.file.path, partitionValues: {} })),
    ...{ schema: dataColumns(ctx), partitionBy: [], provenance: true },
  })
  const numbers = files.map(({ staged, patch }) => {
    const rows = patch.parquet.rowGroups.reduce((sum, group) => sum + group.rows, 0)
    return `(${patch.n}, ${quoteText(staged.file.path)}, ${rows})`
  })
  return `SELECT f.n, sum(${placeHash(columns, 'o')}::HUGEINT) AS digest FROM (${now}) o
    JOIN (VALUES ${numbers.join(', ')}) f(n, path, rows) ON f.path = o.__lw_file AND o.__lw_row < f.rows GROUP BY f.n`
}

function placeHash(columns: Field[], alias: string, place = alias): string {
  const { h1, h2 } = rowHashSql(columns, alias)
  return `hash(${h1}, ${h2}, ${place}.__lw_row)`
}

/** By number of the file. */
async function digests(sql: string, { engine, signal }: StagingContext): Promise<Map<number, string>> {
  const rows = await engine.rows(sql, { signal })
  return new Map(rows.map(({ n, digest }) => [Number(n), String(digest)]))
}

class Comparison {
  private readonly files = new OpenFiles()
  private readonly left = Buffer.allocUnsafe(pieceBytes)
  private readonly right = Buffer.allocUnsafe(pieceBytes)

  async areEqual(a: ByteRange, b: ByteRange): Promise<boolean> {
    for (let done = 0; done < a.length; done += pieceBytes) {
      const length = Math.min(pieceBytes, a.length - done)
      const [one, other] = [this.left.subarray(0, length), this.right.subarray(0, length)]
      if (!(await this.files.fill(a.path, one, a.offset + done))) return false
      if (!(await this.files.fill(b.path, other, b.offset + done))) return false
      if (!one.equals(other)) return false
    }
    return true
  }

  async close(): Promise<void> {
    await this.files.close()
  }
}

interface ByteRange {
  path: string
  offset: number
  length: number
}

const pieceBytes = 1024 * 1024
