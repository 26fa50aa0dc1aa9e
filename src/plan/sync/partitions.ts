/** What a full snapshot stands for: partitions of the input, and those of the table that it is compared with. */
import { LakeError } from '../../errors.js'
import type { AddFile, PartitionValues } from '../../manifest/actions.js'
import { matchesPartition, predicateText } from '../../partition/scope.js'
import { assertPartitionValue, partitionId } from '../../partition/spec.js'
import { partitionTextSql } from '../../partition/value.js'
import { findColumn } from '../../schema/names.js'
import { quoteIdentifier } from '../../schema/quote.js'
import type { Field } from '../../schema/types.js'
import { byPartition, folderOf, type Partition, rowsInFile } from '../partitions.js'
import type { Answer, Ask, PlanContext, ReadSet } from '../port.js'
import type { UniqueRows } from '../unique.js'
import { partsName } from './names.js'

/** One of the input. */
export interface InputPartition {
  id: string
  /** In `lw_parts`. */
  n: number
  values: PartitionValues
  rows: number
}

/** A table without partitions is one. */
export function* inputPartitions(ctx: PlanContext, input: UniqueRows): Generator<Ask, InputPartition[], Answer> {
  const fields = partitionFields(ctx)
  const id = (values: PartitionValues) => partitionId(values, ctx.partitionBy, ctx.schema)
  if (fields.length === 0) return [{ id: id({}), n: 0, values: {}, rows: input.rows }]
  const columns = fields.map(({ name }) => quoteIdentifier(name)).join(', ')
  yield {
    ask: 'relation',
    name: partsName,
    sql: `SELECT ${columns}, count(*) AS __lw_rows, row_number() OVER () AS __lw_n FROM ${quoteIdentifier(input.name)} GROUP BY ${columns}`,
  }
  const texts = fields.map(({ name, type }, i) => `${partitionTextSql(type, quoteIdentifier(name), name)} AS p${i}`)
  const answer = yield { ask: 'rows', sql: `SELECT __lw_n, __lw_rows, ${texts.join(', ')} FROM ${partsName}` }
  return (answer.ask === 'rows' ? answer.rows : []).map((row) => {
    const values = Object.fromEntries(fields.map(({ name }, i) => [name, textOrNull(row[`p${i}`])]))
    // Readers take some texts for null; here they would be the partition of null.
    for (const [column, value] of Object.entries(values)) assertPartitionValue(column, value)
    return { id: id(values), n: Number(row.__lw_n), values, rows: Number(row.__lw_rows) }
  })
}

export function refuseOutsideScope(ctx: PlanContext, parts: readonly InputPartition[]): void {
  const { scope } = ctx
  if (!scope) return
  const outside = parts.filter(({ rows, values }) => rows > 0 && !matchesPartition(scope, values, ctx.schema))
  if (outside.length === 0) return
  const examples = outside
    .slice(0, 3)
    .map(({ rows, values }) => `${folderOf(ctx, { partitionValues: values })} (${rows} rows)`)
  throw new LakeError('invalid', 'rows lie outside the scope', {
    rows: outside.reduce((sum, { rows }) => sum + rows, 0),
    scope: predicateText(scope),
    partitions: outside.length,
    examples: examples.join(', '),
    fix: 'Widen --scope, or leave these rows out of the input; nothing was loaded.',
  })
}

/** Those that the snapshot stands for. */
export function oldPartitions({ base, partitionBy, schema, scope }: PlanContext): Map<string, Partition<AddFile>> {
  const all = byPartition(base?.files.values() ?? [], partitionBy, schema)
  if (scope === undefined) return all
  return new Map([...all].filter(([, { values }]) => matchesPartition(scope, values, schema)))
}

export function* countRows(files: readonly AddFile[]): Generator<Ask, number, Answer> {
  const known = files.reduce((sum, file) => sum + (rowsInFile(file) ?? 0), 0)
  const unknown = files.filter((file) => rowsInFile(file) === undefined)
  if (unknown.length === 0) return known
  const reads = [{ alias: 'old', files: unknown, columns: [] }]
  const answer = yield { ask: 'rows', sql: 'SELECT count(*) AS n FROM old', reads }
  return known + (answer.ask === 'rows' ? Number(answer.rows[0]?.n ?? 0) : 0)
}

/** All that decided what is rewritten: also partitions that were found equal, and those of the scope that are not there. */
export function readSet(
  { scope }: PlanContext,
  parts: readonly InputPartition[],
  old: ReadonlyMap<string, unknown>,
  outside: ReadSet,
): ReadSet {
  if (scope === undefined || outside.kind === 'everything') return { kind: 'everything' }
  const ids = new Set([...parts.map(({ id }) => id), ...old.keys()])
  if (outside.kind === 'partitions') for (const id of outside.ids) ids.add(id)
  return { kind: 'partitions', ids, scope }
}

export function partitionFields({ partitionBy, schema }: PlanContext): Field[] {
  return partitionBy.flatMap((name) => findColumn(schema, name) ?? [])
}

/** Null is a partition like any other. */
export function samePartition(fields: readonly Field[]): string {
  return fields
    .map(({ name }) => quoteIdentifier(name))
    .map((name) => `p.${name} IS NOT DISTINCT FROM r.${name}`)
    .join(' AND ')
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}
