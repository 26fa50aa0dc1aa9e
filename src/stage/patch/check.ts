/**
 * That a file which was put together holds the rows that it should, found out from the file itself, through its footer.
 *
 *   every file            its column chunks are, byte for byte, those that were meant
 *   rows change in place  of the columns that were encoded anew: each row's value, by its place, is the new one or the old one
 *   rows go               the fingerprint of all of its rows is the one that was worked out
 *   the smallest file     that, too: so the working out is proved by every load
 */
import { filesRelation } from '../../engine/relation.js'
import { quoteIdent } from '../../engine/sql.js'
import type { Field } from '../../schema/types.js'
import { sameContent } from '../fingerprint.js'
import { OpenFiles } from '../parquet/open-files.js'
import { openParquet, type RowGroup } from '../parquet/splice.js'
import { notWhole, type Patch, rowsTable, type Spliced } from '../patch.js'
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

/** No row goes, so each keeps its place. */
export function isInPlace({ touched }: Patch): boolean {
  return [...touched.values()].every(({ removed, replaced }) => removed === replaced)
}

/**
 * Of a file whose rows keep their places only some columns can be wrong, and what belongs into each place is known: whether
 * it is there. Behind them may be further rows, which came whole from a file of their own.
 */
export async function areInPlace({ patch, staged }: Spliced, ctx: StagingContext): Promise<boolean> {
  const changed = new Set([...patch.touched.values()].flatMap((group) => [...(group.changed ?? [])]))
  const columns = dataColumns(ctx).filter(({ name }) => changed.has(name))
  if (columns.length === 0) return true
  const rows = patch.parquet.rowGroups.reduce((sum, group) => sum + group.rows, 0)
  const names = [...columns.map(({ name }) => quoteIdent(name)), '__lw_row'].join(', ')
  const place = { schema: dataColumns(ctx), partitionBy: [], provenance: true }
  const relation = ({ path, key }: { path: string; key: string }) =>
    `(SELECT ${names} FROM (${filesRelation({ ...place, files: [{ path, key, partitionValues: {} }] })}))`
  const [old, now] = [relation(patch.old), relation({ path: staged.file.path, key: staged.key })]
  const meant = `CASE WHEN a.__lw_row IS NULL THEN ${placeHash(columns, 'o')} ELSE ${placeHash(columns, 'a')} END`
  const [found] = await ctx.engine.rows(
    `SELECT (SELECT sum(${meant}::HUGEINT) FROM ${old} o
        LEFT JOIN (SELECT * FROM ${rowsTable} WHERE __lw_n = ${patch.n}) a ON a.__lw_row = o.__lw_row)
      = (SELECT sum(${placeHash(columns, 'o')}::HUGEINT) FROM ${now} o WHERE o.__lw_row < ${rows}) AS same`,
    { signal: ctx.signal, apart: true },
  )
  return found?.same === true
}

function placeHash(columns: Field[], alias: string): string {
  return `hash(${rowHashSql(columns, alias).h1}, ${alias}.__lw_row)`
}

/**
 * What was worked out from the old file and the rows that differ, and what is read back, were arrived at independently.
 * @throws LakeError corrupt
 */
export async function checkFingerprints(files: readonly Spliced[], ctx: StagingContext): Promise<void> {
  const derived = files.filter(({ isDerived }) => isDerived)
  const [smallest] = derived.toSorted((a, b) => a.staged.rows - b.staged.rows)
  const whole = derived.filter((file) => file === smallest || !isInPlace(file.patch))
  const found = await fingerprintsOf(
    whole.map(({ staged }) => staged.file),
    ctx,
  )
  for (const { staged } of whole) {
    const read = found.get(staged.file.path)
    if (read === undefined || !sameContent(read, staged.fingerprint)) throw notWhole(staged, staged.rows)
  }
}

/** Ranges of files, compared a piece at a time. */
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
