/**
 * The digest of a load's content, by which a load id recognises that it was given the same rows again: whatever their
 * order, the files they came in, or the engine's version. So it stands on md5 of a row's canonical text, not on the
 * engine's own `hash()`; it is computed only where a load id was given.
 *
 *   row      name=length:text; for each column that is not null, in the order of the folded names
 *   content  sums of both halves of the rows' md5, and the number of rows
 */
import { createHash } from 'node:crypto'
import type { Engine } from '../engine/port.js'
import { isNested } from '../schema/names.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'
import type { Field, Schema } from '../schema/types.js'

export const digestAlgorithm = 'md5-rows-1'

export interface DigestContext {
  engine: Engine
  schema: Schema
  /** `_loaded_at` and its kind are no part of the content. */
  loadColumns: string[]
  signal?: AbortSignal | undefined
}

/**
 * @param rows a SELECT of them; undefined for none
 * @returns 32 hex digits
 */
export async function contentDigest(rows: string | undefined, ctx: DigestContext): Promise<string> {
  const halves = rows === undefined ? noRows : await sums(rows, ctx)
  return createHash('sha256').update(halves.join(':')).digest('hex').slice(0, 32)
}

const noRows = ['0', '0', '0']

async function sums(rows: string, ctx: DigestContext): Promise<string[]> {
  const [row] = await ctx.engine.rows(
    `SELECT sum(md5_number_lower(t)::HUGEINT) AS lower, sum(md5_number_upper(t)::HUGEINT) AS upper, count(*) AS n
     FROM (SELECT ${rowText(ctx.schema, ctx.loadColumns)} AS t FROM (${rows}))`,
    { signal: ctx.signal },
  )
  return Number(row?.n ?? 0) === 0 ? noRows : [row?.lower, row?.upper, row?.n].map(String)
}

function rowText(schema: Schema, loadColumns: string[]): string {
  const columns = schema
    .filter(({ name }) => !loadColumns.includes(name))
    .toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
  const parts = columns.map((field) => {
    const text = valueText(field)
    const name = quoteText(`${field.name.toLowerCase()}=`)
    return `CASE WHEN ${text} IS NULL THEN '' ELSE ${name} || strlen(${text}) || ':' || ${text} || ';' END`
  })
  return parts.length > 0 ? parts.join(' || ') : "''"
}

/**
 * A value's text is the same in every type that holds it, so that a column which was widened since does not make the same
 * content look like another.
 */
function valueText({ name, type }: Field): string {
  const column = quoteIdentifier(name)
  if (isNested(type)) return `to_json(${column})::VARCHAR`
  switch (type.kind) {
    case 'blob':
      return `hex(${column})`
    case 'date':
    case 'timestamp':
      return `epoch_us(${column}::TIMESTAMPTZ)::VARCHAR`
    case 'decimal':
      return type.scale === 0 ? `${column}::VARCHAR` : withoutTrailingZeros(`${column}::VARCHAR`)
    case 'double':
    case 'float':
      // Zero has two signs and is one value.
      return withoutTrailingZeros(`(CASE WHEN ${column} = 0 THEN 0 ELSE ${column}::DOUBLE END)::VARCHAR`)
    default:
      return `${column}::VARCHAR`
  }
}

function withoutTrailingZeros(text: string): string {
  return `CASE WHEN contains(${text}, '.') AND NOT contains(${text}, 'e') THEN rtrim(rtrim(${text}, '0'), '.') ELSE ${text} END`
}
