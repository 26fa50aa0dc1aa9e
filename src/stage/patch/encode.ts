/** The pieces that are encoded anew: of each row group with a change, the columns in which there is one. */

import type { LimitFunction } from 'p-limit'
import { filesRelation } from '../../engine/relation.js'
import { quoteIdent } from '../../engine/sql.js'
import { toSql } from '../../schema/duckdb.js'
import { fieldIds } from '../../schema/field-ids.js'
import type { Field } from '../../schema/types.js'
import { openParquet, type ParquetFile } from '../parquet/splice.js'
import {
  filesTable,
  type LocalFile,
  notWhole,
  type Patch,
  type Rewrite,
  rowsTable,
  type TouchedGroup,
} from '../patch.js'
import { dataColumns, newSpoolFolder, type StagingContext } from '../stage.js'

/** Rows by file and number, in that order, so that those of a row group lie together. Other connections read them. */
export async function defineRows(
  patches: readonly Patch[],
  { removed, added }: Rewrite,
  ctx: StagingContext,
): Promise<void> {
  const numbered = patches.map(({ n }) => n).join(', ')
  const some = patches.some(({ touched }) => [...touched.values()].some((group) => group.removed > group.replaced))
  const changed = new Set(
    patches.flatMap(({ touched }) => [...touched.values()].flatMap(({ changed: own }) => [...(own ?? [])])),
  )
  const columns = dataColumns(ctx).filter(({ name }) => some || changed.has(name))
  const values = columns.map(({ name }) => `, a.${quoteIdent(name)}`).join('')
  const place = (from: string) =>
    `${quoteIdent(from)} a JOIN ${filesTable} f ON f.k = a.__lw_file WHERE f.n IN (${numbered})`
  const rows =
    added === undefined
      ? `SELECT 0 AS __lw_n, 0::BIGINT AS __lw_row${columns.map(({ name, type }) => `, CAST(NULL AS ${toSql(type)}) AS ${quoteIdent(name)}`).join('')} WHERE false`
      : `SELECT f.n AS __lw_n, a.__lw_row${values} FROM ${place(added)} ORDER BY __lw_n, __lw_row`
  const options = { signal: ctx.signal }
  await ctx.engine.run(`CREATE OR REPLACE TABLE ${rowsTable} AS ${rows}`, options)
  const gone = `SELECT f.n AS __lw_n, a.__lw_row FROM ${place(removed)}`
  await ctx.engine.run(
    `CREATE OR REPLACE TABLE ${goneTable} AS SELECT * FROM (${gone}) ANTI JOIN ${rowsTable} USING (__lw_n, __lw_row) ORDER BY __lw_n, __lw_row`,
    options,
  )
}

/** What takes the place of a row group's columns; undefined where no row is left of it. */
export type Piece = { file: ParquetFile; columns: Set<string>; hasNaN: Set<string> } | undefined

export interface Pieces {
  folder: string
  /** By row group. */
  byGroup: Map<number, Piece>
}

/** @param limit how many at once */
export async function encodePieces(patch: Patch, limit: LimitFunction, ctx: StagingContext): Promise<Pieces> {
  const folder = await newSpoolFolder(ctx)
  const { schema, partitionBy } = ctx
  const relation = filesRelation({ files: [patch.old], schema, partitionBy, provenance: true })
  const pieces = [...patch.touched].map(([g, group]) =>
    limit(async (): Promise<[number, Piece][]> => {
      const loses = group.removed > group.replaced
      const columns = dataColumns(ctx).filter(({ name }) => loses || group.changed?.has(name))
      if (group.rows - group.removed + group.replaced === 0) return [[g, undefined]]
      if (columns.length === 0) return []
      const sql = pieceSql(relation, patch.n, group, columns)
      return [[g, await encodePiece(sql, `group-${g}`, group, columns, patch.old, folder, ctx)]]
    }),
  )
  const settled = await Promise.allSettled(pieces)
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  return { folder, byGroup: new Map((await Promise.all(pieces)).flat()) }
}

const goneTable = 'lw_patch_gone'

async function encodePiece(
  sql: string,
  name: string,
  group: TouchedGroup,
  columns: Field[],
  old: LocalFile,
  folder: string,
  ctx: StagingContext,
): Promise<Piece> {
  const rows = group.rows - group.removed + group.replaced
  const [copied] = await copyPiece(sql, folder, name, columns, ctx)
  const file = await openParquet(copied?.path ?? '')
  if (file.rowGroups.length !== 1 || file.rowGroups[0]?.rows !== rows) throw notWhole(old, rows)
  const names = columns.map((column) => column.name)
  return { file, columns: new Set(names), hasNaN: new Set(names.filter((one) => copied?.columns[one]?.hasNaN)) }
}

/** The rows of a row group as they are now, in their order. */
function pieceSql(relation: string, n: number, group: TouchedGroup, columns: Field[]): string {
  const { start, rows, removed, replaced } = group
  const within = `__lw_row BETWEEN ${start} AND ${start + rows - 1}`
  const names = columns.map(({ name }) => quoteIdent(name))
  const values = names.map((name) => `CASE WHEN a.__lw_row IS NULL THEN o.${name} ELSE a.${name} END AS ${name}`)
  const of = (table: string) => `(SELECT * FROM ${table} WHERE __lw_n = ${n} AND ${within})`
  const without = removed > replaced ? ` ANTI JOIN ${of(goneTable)} d ON d.__lw_row = o.__lw_row` : ''
  return `SELECT ${values.join(', ')} FROM (SELECT ${names.join(', ')}, __lw_row FROM (${relation}) WHERE ${within}) o
    LEFT JOIN ${of(rowsTable)} a ON a.__lw_row = o.__lw_row${without} ORDER BY o.__lw_row`
}

export async function copyPiece(sql: string, folder: string, name: string, columns: Field[], ctx: StagingContext) {
  return await ctx.engine.copy(sql, {
    ...{ folder, name, partitionBy: [], inOrder: true, apart: true, rowGroupRows: mostGroupRows },
    fieldIds: fieldIds(columns),
    signal: ctx.signal,
  })
}

/** Of a piece, which is one row group: beyond it the old file's row groups are too large to be taken apart. */
export const mostGroupRows = 2 ** 27
