/**
 * What a load's rows look like once they meet the table: its schema afterwards, where each column comes from, and whether
 * the table itself changes by it.
 */
import { LakeError } from './errors.js'
import type { Load } from './load.js'
import type { Metadata, Snapshot } from './manifest/actions.js'
import { keyOf } from './manifest/create.js'
import { type Predicate, parseScope, scopeFromObject } from './partition/scope.js'
import { resolvePartitionBy } from './partition/spec.js'
import { loadColumnNames, propertiesOf, spelledAs } from './remembered.js'
import { toSql } from './schema/duckdb.js'
import { reconcile } from './schema/evolve.js'
import { withFieldIds } from './schema/field-ids.js'
import { fitCastSql, fitProofSql } from './schema/fit.js'
import { misfitSql } from './schema/misfit.js'
import { findColumn, sameType, typeName } from './schema/names.js'
import { quoteIdentifier, quoteText } from './schema/quote.js'
import type { Field, LakeType, Schema } from './schema/types.js'
import type { Scope } from './settings.js'
import type { Input } from './source/port.js'

export interface Shape {
  /** The table's, after the load. */
  schema: Schema
  partitionBy: string[]
  key: string[]
  /** Those of `_loaded_at` and its kind that the table has. */
  loadColumns: string[]
  /** Columns whose type this load widens: files that hold them are rewritten. */
  widened: string[]
  scope?: Predicate
  /** The load's rows with the table's columns in order. */
  select: string
  /** The same over the first rows, where the input can be read only once. */
  sample?: string
  /** Table properties after the load. */
  configuration: Record<string, string>
  /** Whether the commit carries a `metaData` action. */
  changesTable: boolean
}

export function shapeLoad(load: Load, base: Snapshot | undefined, input: Input, startsAnew: boolean): Shape {
  const before = startsAnew ? undefined : base?.metadata
  const incoming = withLoadColumns(load, input)
  const { schema, widened, added } = merged(load, before, incoming)
  const partitionBy = resolvePartitionBy(load.remembered.partitionBy, schema)
  const key = spelledAs(schema, load.remembered.key, '--key')
  spelledAs(schema, load.remembered.sortBy, '--sort-by')
  const configuration = propertiesOf({ ...load.remembered, key }, base?.metadata)
  const scope = load.settings.scope === undefined ? undefined : parseAnyScope(load.settings.scope, schema, partitionBy)
  return {
    schema,
    partitionBy,
    key,
    loadColumns: schema.map(({ name }) => name).filter((name) => isLoadColumn(load, name)),
    widened,
    ...(scope ? { scope } : {}),
    select: selectOf(load, input, schema, input.select),
    ...(input.sample === undefined ? {} : { sample: selectOf(load, input, schema, input.sample) }),
    configuration,
    changesTable: before === undefined || added || widened.length > 0 || changed(base?.metadata, configuration, key),
  }
}

export function parseAnyScope(scope: Scope, schema: Schema, partitionBy: string[]): Predicate {
  return typeof scope === 'string'
    ? parseScope(scope, schema, partitionBy)
    : scopeFromObject(scope, schema, partitionBy)
}

function merged(
  load: Load,
  before: Metadata | undefined,
  incoming: Schema,
): { schema: Schema; widened: string[]; added: boolean } {
  if (before === undefined) return { schema: withFieldIds(incoming), widened: [], added: true }
  // The columns that this program adds to rows by itself need no permission to evolve.
  const own = incoming.filter(({ name }) => isLoadColumn(load, name) && !findColumn(before.schema, name))
  const others = incoming.filter((field) => !own.includes(field))
  const { schema, changes } = reconcile(before.schema, others, { evolve: load.settings.schema === 'evolve' })
  return {
    schema: withFieldIds([...schema, ...own]),
    widened: changes.widened.map(({ name }) => name),
    added: changes.added.length > 0 || own.length > 0,
  }
}

/** Load columns are this program's to fill: the table's own are left out of what the input is compared with. */
function withLoadColumns(load: Load, input: Input): Schema {
  const others = input.schema.filter(({ name }) => !isLoadColumn(load, name) || input.supplied.includes(name))
  if (!load.remembered.addLoadColumns) return others
  const taken = others.find(({ name }) => loadColumnNames.includes(name.toLowerCase()))
  if (taken) {
    throw new LakeError('invalid', 'the input has a column with the name of a load column', {
      column: taken.name,
      fix: 'Rename it with --rename, or leave --add-load-columns out.',
    })
  }
  const own: Field[] = [
    { name: '_loaded_at', type: { kind: 'timestamp' }, nullable: true },
    { name: '_load_id', type: { kind: 'varchar' }, nullable: true },
  ]
  return [...others, ...own]
}

/** One of the columns that this program fills, not one of the user's that happens to be named so. */
function isLoadColumn({ remembered }: Load, name: string): boolean {
  return (remembered.addLoadColumns || remembered.hasLoadColumns) && loadColumnNames.includes(name)
}

function selectOf(load: Load, input: Input, schema: Schema, rows: string): string {
  const columns = schema.map(({ name, type }) => {
    const column = quoteIdentifier(name)
    if (load.remembered.addLoadColumns && name === '_loaded_at') return `${timestampText(load.startedMs)} AS ${column}`
    if (load.remembered.addLoadColumns && name === '_load_id') {
      return `${quoteText(load.settings.loadId ?? load.txnId)} AS ${column}`
    }
    const source = findColumn(input.schema, name)
    const value = source ? fitted(source, type) : `CAST(NULL AS ${toSql(type)})`
    return `${value} AS ${column}`
  })
  return `SELECT ${columns.join(', ')} FROM (${rows})`
}

/** The value in the table's type; where the two types differ each value proves that nothing of it is lost. */
function fitted({ name, type: from }: Field, to: LakeType): string {
  const column = quoteIdentifier(name)
  if (sameType(from, to)) return column
  const proof = fitProofSql(from, to, column)
  if (proof === undefined) {
    throw new LakeError('invalid', 'a column has another type than in the table', {
      column: name,
      input: typeName(from),
      table: typeName(to),
      fix: 'Convert it on the way in, with --types or --derive.',
    })
  }
  const cast = fitCastSql(from, to, column)
  const misfit = misfitSql({ column: name, type: typeName(to) }, column)
  return proof === 'true' ? cast : `CASE WHEN ${column} IS NULL THEN NULL WHEN ${proof} THEN ${cast} ELSE ${misfit} END`
}

function timestampText(ms: number): string {
  return `TIMESTAMPTZ ${quoteText(new Date(ms).toISOString().replace('Z', '+00'))}`
}

function changed(before: Metadata | undefined, configuration: Record<string, string>, key: string[]): boolean {
  if (before === undefined) return true
  const names = new Set([...Object.keys(before.configuration), ...Object.keys(configuration)])
  for (const name of names) if (before.configuration[name] !== configuration[name]) return true
  return JSON.stringify(keyOf(before)) !== JSON.stringify(key)
}
