/**
 * The first actions of a new table, and the table properties that are ours.
 *
 *   delta.enableExpiredLogCleanup = false    nobody deletes old commits, so that history and undecided commits stay decidable
 *   delta.enableChangeDataFeed = true        only with a change feed; then writer version 7, else 2
 *   lakewright.key = ["id","line"]           the key, as a JSON list
 *
 * Plain protocol: reader 1, writer 2 is what every other Delta writer accepts.
 */
import { LakeError } from '../errors.js'
import type { Runtime } from '../runtime.js'
import { sameName } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import type { Action, Metadata, Protocol } from './actions.js'

export function createTable(table: NewTable, runtime: Pick<Runtime, 'uuid'>, timestamp: number): [Action, Action] {
  return [{ protocol: plainProtocol(table.changeFeed) }, { metaData: newMetadata(table, runtime.uuid(), timestamp) }]
}

export function newMetadata(table: NewTable, id: string, timestamp: number): Metadata {
  return {
    id,
    ...(table.name === undefined ? {} : { name: table.name }),
    schema: table.schema,
    partitionBy: [...table.partitionBy],
    configuration: {
      'delta.enableExpiredLogCleanup': 'false',
      ...(table.changeFeed ? { 'delta.enableChangeDataFeed': 'true' } : {}),
      ...(table.key.length > 0 ? { [keyProperty]: JSON.stringify(table.key) } : {}),
      ...table.configuration,
    },
    createdTime: timestamp,
  }
}

/** What writers must know: nothing beyond writer 2, unless the change feed is on. */
export function plainProtocol(changeFeed = false): Protocol {
  return changeFeed
    ? { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['appendOnly', 'invariants', 'changeDataFeed'] }
    : { minReaderVersion: 1, minWriterVersion: 2 }
}

/** The protocol of a table whose change feed is turned on: what it asks of writers already, and that they keep the feed. */
export function withChangeFeed(protocol: Protocol): Protocol {
  const { minWriterVersion: version, writerFeatures = [] } = protocol
  // Writers of version 4 to 6 know change feeds without being told.
  if (version >= 4 && version < 7) return protocol
  if (version >= 7 && writerFeatures.includes('changeDataFeed')) return protocol
  const before =
    version >= 7 ? writerFeatures : ['appendOnly', 'invariants', ...(version === 3 ? ['checkConstraints'] : [])]
  return { ...protocol, minWriterVersion: 7, writerFeatures: [...before, 'changeDataFeed'] }
}

/** Columns that a table with a change feed cannot have: the feed's rows have them beside the table's own. */
export const changeFeedColumns = ['_change_type', '_commit_version', '_commit_timestamp', '_changed_columns']

/** @throws LakeError invalid */
export function refuseChangeFeedColumns(schema: Schema, fix: string): void {
  const own = schema.find(({ name }) => changeFeedColumns.some((reserved) => sameName(reserved, name)))
  if (own === undefined) return
  throw new LakeError('invalid', 'a table with a change feed cannot have a column of this name, which the feed has', {
    column: own.name,
    fix,
  })
}

/** The table's key; empty where it has none. */
export function keyOf({ configuration }: Pick<Metadata, 'configuration'>): string[] {
  const text = configuration[keyProperty]
  if (text === undefined) return []
  const key = tryParse(text)
  if (Array.isArray(key) && key.every((name) => typeof name === 'string')) return key
  throw new LakeError('corrupt', `the table property ${keyProperty} is not a JSON list of columns`, {
    value: text,
    fix: `Set ${keyProperty} anew, for instance to ["id"].`,
  })
}

export const keyProperty = 'lakewright.key'

export interface NewTable {
  schema: Schema
  partitionBy: readonly string[]
  key: readonly string[]
  changeFeed?: boolean
  name?: string
  /** Further table properties. */
  configuration?: Record<string, string>
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
