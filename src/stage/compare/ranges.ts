/**
 * Ranges of the key that can be compared one after the other, each read from few row groups: there are such where both
 * sides lie roughly in the order of their keys, as dumps do that were taken by primary key. Then whole rows are compared,
 * with little memory and faster than by hashes, which have to be made first.
 *
 *   row groups of old   [0 … 99] [100 … 199] [200 … 299]        key < 100 · 100 ≤ key < 200 · 200 ≤ key
 *   row groups of new   [0 … 101] [102 … 205] [206 … 310]
 *
 * What the files say of their row groups is only a hint: the ranges cover every key, whatever lies where.
 */
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteGlobFree, quoteIdent, quoteText } from '../../engine/sql.js'
import { toSql } from '../../schema/duckdb.js'
import { isNested } from '../../schema/names.js'
import type { Field, LakeType, Schema } from '../../schema/types.js'
import { memoryLimit } from './memory.js'

/**
 * @returns conditions on the key column of which each row meets exactly one, a single one where everything is held at once;
 * undefined where ranges do not pay
 */
export async function keyRanges(request: RangeRequest): Promise<string[] | undefined> {
  const { engine, run, column, files } = request
  if (files.old.length === 0 || files.new.length === 0) return undefined
  const ordinal = ordinalSql(column.type)
  const of = ordinal?.of ?? (() => 'NULL::BIGINT')
  const old = await rowGroups(engine, files.old, column, of, run)
  const now = await rowGroups(engine, files.new, column, of, run)
  const atOnce = await rowsAtOnce(request, old.bytesPerRow)
  if (Math.max(rowsIn(old.groups), rowsIn(now.groups)) <= Math.min(enoughRows, atOnce)) return [everything]
  const [before, after] = [bounded(old.groups), bounded(now.groups)]
  if (ordinal === undefined || before === undefined || after === undefined) return undefined
  // Row groups of a partitioned table's files lie across more than one small range, but fewer of them across a larger one.
  for (const rows of [enoughRows, mostRows]) {
    const bounds = chooseBounds(before, after, Math.min(rows, atOnce), request.held)
    if (bounds !== undefined) return conditions(column, bounds.map(ordinal.literal))
  }
  return undefined
}

/** More rows at once do not make it faster, but take more memory. */
const enoughRows = 2_000_000
const mostRows = 3_000_000

/** The condition of a range that is the only one. */
const everything = 'true'

export interface RangeRequest {
  engine: Engine
  run: RunOptions
  /** Of the key, the first; its name is that of the column in the files, too. */
  column: Field
  schema: Schema
  /** The side of which a range is held in memory, while the other one flows past it. */
  held: 'old' | 'new'
  /** The Parquet files of each side; none where it is not only such. */
  files: Record<'old' | 'new', readonly string[]>
}

/** A row group, by the least and the greatest key in it. */
export interface RowGroup {
  min: bigint
  max: bigint
  rows: number
}

type FoundGroup = Partial<RowGroup> & Pick<RowGroup, 'rows'>

/**
 * Keys at which ranges of about so many rows begin, the first range before the first of them.
 * @returns none where one range would do; undefined where row groups lie across so many ranges that they would be read over and over
 */
export function chooseBounds(
  old: readonly RowGroup[],
  now: readonly RowGroup[],
  rowsPerRange: number,
  held: 'old' | 'new' = 'new',
): bigint[] | undefined {
  const [larger] = [old, now].sort((a, b) => rowsIn(b) - rowsIn(a))
  const bounds: bigint[] = []
  let rows = 0
  for (const group of (larger ?? []).toSorted((a, b) => (a.min < b.min ? -1 : 1))) {
    if (rows > 0 && rows + group.rows > rowsPerRange && group.min > (bounds.at(-1) ?? group.min - 1n)) {
      bounds.push(group.min)
      rows = 0
    }
    rows += group.rows
  }
  const inRange = (groups: readonly RowGroup[], i: number): number => {
    const [from, to] = [bounds[i - 1], bounds[i]]
    return rowsIn(
      groups.filter(({ min, max }) => (from === undefined || max >= from) && (to === undefined || min < to)),
    )
  }
  const read = [...bounds.keys(), bounds.length].map((i) => ({ old: inRange(old, i), now: inRange(now, i) }))
  const most = 2 * rowsPerRange + largest(held === 'old' ? old : now)
  const isEven = read.every((range) => (held === 'old' ? range.old : range.now) <= most)
  const total = read.reduce((sum, range) => sum + range.old + range.now, 0)
  return isEven && total <= mostReadTwice * (rowsIn(old) + rowsIn(now)) ? bounds : undefined
}

/** Reading half of it twice is still cheaper than hashing everything. */
const mostReadTwice = 1.6

/** Undefined where a file does not say what its row groups hold. */
function bounded(groups: readonly FoundGroup[]): RowGroup[] | undefined {
  const known = groups.filter((group): group is RowGroup => group.min !== undefined && group.max !== undefined)
  return known.length === groups.length ? known : undefined
}

function rowsIn(groups: readonly Pick<RowGroup, 'rows'>[]): number {
  return groups.reduce((sum, { rows }) => sum + rows, 0)
}

function largest(groups: readonly RowGroup[]): number {
  return groups.reduce((most, { rows }) => Math.max(most, rows), 0)
}

/** As many as can be held at once in a third of the memory. */
async function rowsAtOnce({ engine, run, schema }: RangeRequest, bytesPerRow: number): Promise<number> {
  const bytes = await memoryLimit(engine, run)
  const headers =
    schema.filter(({ type }) => type.kind === 'varchar' || type.kind === 'blob' || isNested(type)).length * 16
  return Math.floor(bytes / 3 / (bytesPerRow + headers + 32))
}

async function rowGroups(
  engine: Engine,
  files: readonly string[],
  { name }: Field,
  ordinalOf: (text: string) => string,
  run: RunOptions,
): Promise<{ groups: FoundGroup[]; bytesPerRow: number }> {
  const found = await engine.rows(
    `SELECT any_value(row_group_num_rows) AS rows, sum(total_uncompressed_size) AS bytes,
       any_value(${ordinalOf('stats_min_value')}) FILTER (WHERE ${isColumn(name)}) AS min,
       any_value(${ordinalOf('stats_max_value')}) FILTER (WHERE ${isColumn(name)}) AS max
     FROM parquet_metadata([${files.map(quoteGlobFree).join(', ')}]) GROUP BY file_name, row_group_id`,
    run,
  )
  const groups = found.map(({ rows, min, max }): FoundGroup => {
    const [least, greatest] = [bigint(min), bigint(max)]
    const bounds = least === undefined || greatest === undefined ? {} : { min: least, max: greatest }
    return { rows: Number(rows), ...bounds }
  })
  const bytes = found.reduce((sum, row) => sum + Number(row.bytes), 0)
  return { groups, bytesPerRow: bytes / Math.max(1, rowsIn(groups)) }
}

function isColumn(name: string): string {
  return `lower(path_in_schema) = lower(${quoteText(name)})`
}

function bigint(value: unknown): bigint | undefined {
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : undefined
}

interface Ordinal {
  /** From the text of a statistic to an integer, and back to a value of the column. */
  of(text: string): string
  literal(ordinal: bigint): string
}

function ordinalSql(type: LakeType): Ordinal | undefined {
  switch (type.kind) {
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return { of: (text) => `TRY_CAST(${text} AS BIGINT)`, literal: (n) => `CAST('${n}' AS ${toSql(type)})` }
    case 'date':
      return {
        of: (text) => `TRY_CAST(${text} AS DATE) - DATE '1970-01-01'`,
        literal: (n) => `DATE '1970-01-01' + CAST('${n}' AS INTEGER)`,
      }
    case 'timestamp':
      return {
        of: (text) => `epoch_us(TRY_CAST(${text} AS TIMESTAMPTZ))`,
        literal: (n) => `make_timestamptz('${n}'::BIGINT)`,
      }
    default:
      return undefined
  }
}

function conditions({ name }: Field, bounds: readonly string[]): string[] {
  const column = quoteIdent(name)
  if (bounds.length === 0) return [everything]
  return [...bounds.keys(), bounds.length].map((i) => {
    const [from, to] = [bounds[i - 1], bounds[i]]
    return [
      ...(from === undefined ? [] : [`${column} >= ${from}`]),
      ...(to === undefined ? [] : [`${column} < ${to}`]),
    ].join(' AND ')
  })
}
