/**
 * What a load's rows look like once they meet the table: its schema afterwards, where each column comes from, and whether
 * the table itself changes by it.
 */
import { LakeError } from './errors.js'
import type { Load } from './load.js'
import type { Metadata, Snapshot } from './manifest/actions.js'
import { keyOf, refuseChangeFeedColumns } from './manifest/create.js'
import { tombstonesProperty } from './manifest/tombstones.js'
import { type ModeColumns, modeColumns } from './mode-columns.js'
import { type Predicate, parseScope, scopeFromObject } from './partition/scope.js'
import { resolvePartitionBy } from './partition/spec.js'
import type { PlanSettings } from './plan/port.js'
import {
  changeFeedProperty,
  eventProperties,
  historyProperty,
  keyedModes,
  loadColumnNames,
  propertiesOf,
  spelledAs,
} from './remembered.js'
import { toSql } from './schema/duckdb.js'
import { reconcile } from './schema/evolve.js'
import { withFieldIds } from './schema/field-ids.js'
import { fitCastSql, fitProofSql } from './schema/fit.js'
import { misfitSql } from './schema/misfit.js'
import { findColumn, foldName, sameName, sameType, typeName } from './schema/names.js'
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
  /** Columns of the table that the input supplies, and what `select` has beside the table's columns. */
  supplied: string[]
  extras: Field[]
  /** A SELECT of one BIGINT `n`: what was read beside the rows. */
  ignored?: string
  /** What the plan is told beside the settings of the call. */
  settings: PlanSettings
  /** The load's rows with the table's columns in order, then the extras. */
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
  const mode = modeColumns(load, base, input)
  const incoming = withOwnColumns(load, input, mode, before)
  const { schema, widened, added } = merged(load, before, incoming, mode)
  const partitionBy = resolvePartitionBy(load.remembered.partitionBy, schema)
  const key = spelledAs(schema, load.remembered.key, '--key')
  spelledAs(schema, load.remembered.sortBy, '--sort-by')
  const configuration: Record<string, string> = {
    ...propertiesOf({ ...load.remembered, key }, base && withoutEvents(base.metadata, load.mode, startsAnew)),
    ...(load.mode === 'scd2' ? { [historyProperty]: 'scd2' } : {}),
    ...mode.properties,
  }
  if (configuration[changeFeedProperty] === 'true')
    refuseChangeFeedColumns(
      schema,
      'Leave it out or --rename it; a new table can also do without the feed: --change-feed off.',
    )
  const scope = load.settings.scope === undefined ? undefined : parseAnyScope(load.settings.scope, schema, partitionBy)
  return {
    schema,
    partitionBy,
    key,
    loadColumns: schema.map(({ name }) => name).filter((name) => isLoadColumn(load, name)),
    widened,
    ...(scope ? { scope } : {}),
    supplied: schema.map(({ name }) => name).filter((name) => isSupplied(load, input, mode, name)),
    extras: mode.extras.map(({ field }) => field),
    ...(mode.ignored === undefined ? {} : { ignored: mode.ignored }),
    settings: mode.settings ?? {},
    select: selectOf(load, input, mode, schema, mode.rows ?? input.select),
    ...(input.sample === undefined ? {} : { sample: selectOf(load, input, mode, schema, input.sample) }),
    configuration,
    changesTable: before === undefined || added || widened.length > 0 || changed(base?.metadata, configuration, key),
  }
}

/** Rows that begin anew have no events behind them. */
function withoutEvents(before: Metadata, mode: Load['mode'], startsAnew: boolean): Metadata {
  if (mode !== 'overwrite') return before
  const forgotten: string[] = [tombstonesProperty, ...(startsAnew ? Object.values(eventProperties) : [])]
  const kept = Object.entries(before.configuration).filter(([name]) => !forgotten.includes(name))
  return { ...before, configuration: Object.fromEntries(kept) }
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
  mode: ModeColumns,
): { schema: Schema; widened: string[]; added: boolean } {
  if (before === undefined) return { schema: withFieldIds(incoming), widened: [], added: true }
  // The columns that this program adds to rows by itself need no permission to evolve.
  const own = incoming.filter(({ name }) => isOwnColumn(load, mode.own, name) && !findColumn(before.schema, name))
  const others = incoming.filter((field) => !own.includes(field))
  const { schema, changes } = reconcile(before.schema, others, { evolve: load.settings.schema === 'evolve' })
  return {
    schema: withFieldIds([...schema, ...own]),
    widened: changes.widened.map(({ name }) => name),
    added: changes.added.length > 0 || own.length > 0,
  }
}

/** Columns that are this program's to fill: the table's own are left out of what the input is compared with. */
function withOwnColumns(load: Load, input: Input, mode: ModeColumns, before: Metadata | undefined): Schema {
  const others = input.schema.filter(
    ({ name }) =>
      !mode.unstored.has(foldName(name)) && (!isOwnColumn(load, mode.own, name) || input.supplied.includes(name)),
  )
  const own = [...mode.own, ...loadColumns(load, before)]
  const taken = others.find(({ name }) => own.some((field) => sameName(field.name, name)))
  if (taken) {
    throw new LakeError('invalid', 'the input has a column with the name of one that the load fills itself', {
      column: taken.name,
      fix: isLoadColumn(load, taken.name)
        ? 'Rename it with --rename, or leave --add-load-columns out.'
        : 'Rename it with --rename.',
    })
  }
  return [...others, ...own]
}

/** Rows say when they were made and changed where there are rows that stay the same by their key. */
function loadColumns({ mode, remembered }: Load, before: Metadata | undefined): Field[] {
  if (!remembered.addLoadColumns || mode === 'delete') return []
  return loadColumnNames
    .map((name): Field => ({ name, type: { kind: name === '_load_id' ? 'varchar' : 'timestamp' }, nullable: true }))
    .filter(({ name }, at) => at < 2 || keyedModes.has(mode) || (before && findColumn(before.schema, name)))
}

function isSupplied(load: Load, input: Input, mode: ModeColumns, name: string): boolean {
  if (isOwnColumn(load, mode.own, name) || mode.unstored.has(foldName(name))) return false
  return input.supplied.some((own) => sameName(own, name))
}

/** Columns that do not come with the rows. */
export function isOwnColumn(load: Load, own: readonly Field[], name: string): boolean {
  return isLoadColumn(load, name) || own.some((field) => sameName(field.name, name))
}

/** One of the columns that this program fills, not one of the user's that happens to be named so. */
function isLoadColumn({ remembered }: Load, name: string): boolean {
  return (remembered.addLoadColumns || remembered.hasLoadColumns) && loadColumnNames.includes(name)
}

function selectOf(load: Load, input: Input, mode: ModeColumns, schema: Schema, rows: string): string {
  const columns = schema.map(({ name, type }) => {
    const column = quoteIdentifier(name)
    if (load.remembered.addLoadColumns && loadColumnNames.includes(name))
      return `${loadColumnSql(load, name)} AS ${column}`
    const source =
      isOwnColumn(load, mode.own, name) || mode.unstored.has(foldName(name))
        ? undefined
        : findColumn(input.schema, name)
    const value = source ? fitted(source, type) : `CAST(NULL AS ${toSql(type)})`
    return `${value} AS ${column}`
  })
  const extras = mode.extras.map(({ field, sql }) => `${sql} AS ${quoteIdentifier(field.name)}`)
  return `SELECT ${[...columns, ...extras].join(', ')} FROM (${rows})`
}

function loadColumnSql(load: Load, name: string): string {
  return name === '_load_id' ? quoteText(load.settings.loadId ?? load.txnId) : timestampText(load.startedMs)
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
