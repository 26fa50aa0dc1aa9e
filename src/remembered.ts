/**
 * What a table remembers of its settings, as Delta table properties under `lakewright.*`, and how a call that says
 * something else is refused. `set` changes what may change.
 */
import { LakeError } from './errors.js'
import type { Metadata, Snapshot } from './manifest/actions.js'
import { keyOf } from './manifest/create.js'
import { findColumn, nearMiss, sameName } from './schema/names.js'
import type { Schema } from './schema/types.js'
import { defaults, type LoadSettings, type TableSettings } from './settings.js'

export interface Remembered {
  partitionBy: string[]
  key: string[]
  sortBy: string[]
  targetFileBytes: number
  addLoadColumns: boolean
  /** Whether the table has columns of ours already: a column of the same name is the user's own where it has not. */
  hasLoadColumns: boolean
}

/** What `--add-load-columns` adds. */
export const loadColumnNames = ['_loaded_at', '_load_id']

/** The table's own settings and the call's, in one; `startAnew` for an overwrite that replaces the schema. */
export function agree(
  base: Snapshot | undefined,
  table: TableSettings,
  load: LoadSettings,
  startAnew: boolean,
): Remembered {
  const asked = { partitionBy: load.partitionBy ?? table.partitionBy, key: load.key ?? table.key }
  const properties = base?.metadata.configuration ?? {}
  const hasLoadColumns = !startAnew && properties['lakewright.loadColumns'] !== undefined
  const kept = base === undefined ? undefined : { partitionBy: base.metadata.partitionBy, key: keyOf(base.metadata) }
  if (kept && !startAnew) {
    refuseContradiction('partitionBy', '--partition-by', asked.partitionBy, kept.partitionBy)
    // A table without a key may be given one; from then on it is remembered.
    if (kept.key.length > 0) refuseContradiction('key', '--key', asked.key, kept.key)
  }
  return {
    partitionBy:
      (startAnew ? (asked.partitionBy ?? kept?.partitionBy) : (kept?.partitionBy ?? asked.partitionBy)) ?? [],
    key: (startAnew ? asked.key : kept?.key.length ? kept.key : asked.key) ?? kept?.key ?? [],
    sortBy: load.sortBy ?? jsonList(properties['lakewright.sortBy']) ?? [],
    targetFileBytes:
      load.targetFileBytes ?? positive(properties['lakewright.targetFileBytes']) ?? defaults.targetFileBytes,
    addLoadColumns: load.addLoadColumns ?? (!startAnew && properties['lakewright.loadColumns'] === 'true'),
    hasLoadColumns,
  }
}

/** Names as the schema spells them; a column that does not exist is refused with the near miss. */
export function spelledAs(schema: Schema, names: readonly string[], flag: string): string[] {
  return names.map((name) => {
    const field = findColumn(schema, name)
    if (field) return field.name
    const near = nearMiss(
      name,
      schema.map((column) => column.name),
    )
    throw new LakeError('invalid', `${flag} names a column that the load does not have`, {
      column: name,
      columns: schema.map((column) => column.name).join(', '),
      fix: near ? `Did you mean \`${near}\`?` : 'Use one of the columns listed, or add it with --set or --derive.',
    })
  })
}

/** The properties that keep what this load decided, beside those that are there. */
export function propertiesOf(remembered: Remembered, before: Metadata | undefined): Record<string, string> {
  const { 'lakewright.targetFileBytes': _, ...kept } = before?.configuration ?? {}
  return {
    ...kept,
    ...(remembered.sortBy.length > 0 ? { 'lakewright.sortBy': JSON.stringify(remembered.sortBy) } : {}),
    ...(remembered.targetFileBytes !== defaults.targetFileBytes
      ? { 'lakewright.targetFileBytes': String(remembered.targetFileBytes) }
      : {}),
    ...(remembered.addLoadColumns ? { 'lakewright.loadColumns': 'true' } : {}),
  }
}

function refuseContradiction(name: string, flag: string, asked: string[] | undefined, kept: string[]): void {
  if (asked === undefined) return
  if (asked.length === kept.length && asked.every((column, i) => sameName(column, kept[i] ?? ''))) return
  throw new LakeError('invalid', `the table is made with another \`${name}\``, {
    table: kept.join(', ') || '(none)',
    call: asked.join(', ') || '(none)',
    fix: `Leave ${flag} out: the table remembers it. \`overwrite --schema replace\` makes the table anew.`,
  })
}

function jsonList(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined
  } catch {
    return undefined
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 ? value : undefined
}
