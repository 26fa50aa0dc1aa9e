/**
 * Everything a user can set, with its default, and the one parser that every door uses. The command line's flags are the
 * same words in kebab-case.
 *
 * Settings are plain JSON; components (a store, the runtime) are objects beside them.
 */

import type { Runtime } from './runtime.js'
import { loadShape, parse, refuse, tableShape } from './settings-shapes.js'
import type { ReadingSettings } from './source/port.js'
import type { Store, StoreSettings } from './store/port.js'

/** A value of a scope: compared in the partition column's own type. */
export type ScopeValue = string | number | bigint | boolean | Date | null
/** Text (`dt >= '2026-11-01' and dt < '2026-12-01'`) or a record (`{ dt: ['2026-11-20', '2026-11-21'] }`). */
export type Scope = string | Record<string, ScopeValue | ScopeValue[]>

export interface EngineUse {
  /** Upper bound of the engine's memory, e.g. `1GB`. Default: half of the machine's, at most 4 GB. */
  memory?: string
  /** Default: the machine's cores. */
  threads?: number
}

export interface TableSettings extends EngineUse {
  /** Remembered by the table; a call that contradicts it is refused. */
  partitionBy?: string[]
  /** Remembered by the table. */
  key?: string[]
  /** Refuse to create the table: `false`. Default `true`. */
  create?: boolean
  /** How to reach the store, beyond the AWS SDK's usual chain. */
  store?: StoreSettings
  /** Folder for spilling and for files on their way up. Default: the system's temporary folder. */
  tempFolder?: string
  /**
   * Folder for copies of immutable files of the store that are worth keeping from one run to the next (keys and row hashes).
   * Default: none outlive the table's handle.
   */
  cacheFolder?: string
  /** How long an undecided commit is repeated before `commit-unknown`. Default 60 000 ms. */
  commitDeadlineMs?: number
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
  /** Components; for tests and for stores of your own. */
  components?: { store?: Store; runtime?: Partial<Runtime> }
}

export interface LoadSettings extends ReadingSettings, EngineUse {
  partitionBy?: string[]
  key?: string[]
  /** Only these partitions are touched; rows outside are refused. `replace`, `sync`, `merge`. */
  scope?: Scope
  /** 1 to 200 of `A–Z a–z 0–9 . _ : -`; the same id with the same content is loaded once. */
  loadId?: string
  /** What columns may do: `strict` (default), `evolve` adds and widens, `replace` (overwrite only) starts anew. */
  schema?: 'strict' | 'evolve' | 'replace'
  dryRun?: boolean
  create?: boolean
  /** What to do when another writer changed what this load replaces: `fail` (default) or plan it again on top. */
  onConflict?: 'fail' | 'retry'
  onReject?: 'fail' | 'divert'
  /** Let an `overwrite` without rows empty the table. */
  allowEmpty?: boolean
  /** Add `_loaded_at` and `_load_id`. Remembered. */
  addLoadColumns?: boolean
  /** Columns by which the rows of each file are sorted. Remembered. */
  sortBy?: string[]
  /** Aim for files of this many compressed bytes. Default 128 MiB. Remembered. */
  targetFileBytes?: number
  /**
   * Write row-level changes beside the data, as Delta's change data feed. Remembered; tables that a mode with a key
   * creates have it on, others off.
   */
  changeFeed?: 'on' | 'off'
  /** Several input rows with one key: `fail` (default), or keep the last or first by `orderBy`. */
  onDuplicate?: 'fail' | 'last' | 'first'
  /** Columns that say which of several rows with one key is the last. */
  orderBy?: string[]
  /** Compare rows value by value instead of by their 128-bit hashes. */
  exact?: boolean
  /** `delete`: rows for which this is true go: `customer = 7 and dt < '2026-01-01'`. Any columns. */
  where?: string
  /** `merge`: a matched row for which this is true is deleted: `incoming.is_deleted`. */
  deleteWhen?: string
  /** `merge`: the columns that a matched row takes from the input; the others keep their value. */
  updateColumns?: string[]
  /** `merge`: a matched row is updated only where this is true: `incoming.updated_at > current.updated_at`. */
  whenMatched?: string
  /** `merge`: rows of the table (of the `scope`, where one is given) whose key the input does not have. Default `keep`. */
  whenNotMatchedBySource?: 'keep' | 'delete'
  /** `sync`, `scd2` with full snapshots: hold the load back when a greater share of the rows would go. Default 0.5. */
  maxDeleteRatio?: number
  /** `sync`: hold the load back when a greater share of the rows would change. No default. */
  maxUpdateRatio?: number
  /** `sync`, `scd2`: hold the load back when the snapshot has fewer rows. */
  minRows?: number
  /** `scd2`: a change in these columns opens a new version; default all but the key. */
  track?: string[]
  /** `scd2`: when the rows took effect: an instant, or `column:NAME`. Default: the time of the load. */
  effectiveAt?: string | Date
  /** `scd2`: whether a key that the input lacks is closed (`full`, the default). */
  snapshot?: 'full' | 'partial'
  /** `scd2`: a snapshot from before the newest one: refuse it (default), or put it in order. */
  late?: 'fail' | 'insert'
  /** `cdc`: the column that says what happened to the row. */
  opColumn?: string
  /** `cdc`: the column by which events of one key are ordered; it stays in the table. */
  orderColumn?: string
  /** `cdc`: this boolean column marks deleted rows, which stay. */
  softDelete?: string
  /** `cdc`: how long the order of a deleted key is kept: `30d`, `720h`. Default 30 days. */
  tombstoneRetention?: string
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
}

export interface Progress {
  stage: 'read' | 'stage' | 'upload' | 'commit' | 'publish'
  rows?: number
  bytes?: number
  /** Of the input, where it is known. */
  totalBytes?: number
  partitions?: number
  /** 0 to 1, where it is known. */
  share?: number
}

export const defaults = {
  targetFileBytes: 128 * 1024 * 1024,
  commitDeadlineMs: 60_000,
} as const

export function parseTableSettings(settings: TableSettings = {}): TableSettings {
  return parse(tableShape, settings, 'openTable') as TableSettings
}

export function parseLoadSettings(mode: string, settings: LoadSettings = {}): LoadSettings {
  const parsed = parse(loadShape, settings, mode) as LoadSettings
  if (parsed.schema === 'replace' && mode !== 'overwrite') refuse(`\`schema: 'replace'\` belongs to \`overwrite\``)
  for (const [name, modes] of Object.entries(modesOf)) {
    if (parsed[name as keyof LoadSettings] === undefined || modes.includes(mode)) continue
    refuse(`\`${name}\` belongs to ${modes.map((one) => `\`${one}\``).join(', ')}, not to \`${mode}\``)
  }
  return parsed
}

/** Settings that only some modes understand. */
const modesOf = {
  scope: ['replace', 'sync', 'merge'],
  allowEmpty: ['overwrite'],
  onDuplicate: ['merge', 'sync', 'scd2'],
  orderBy: ['merge', 'sync', 'scd2'],
  exact: ['merge', 'sync', 'scd2'],
  where: ['delete'],
  deleteWhen: ['merge'],
  updateColumns: ['merge'],
  whenMatched: ['merge'],
  whenNotMatchedBySource: ['merge'],
  maxDeleteRatio: ['sync', 'scd2'],
  maxUpdateRatio: ['sync'],
  minRows: ['sync', 'scd2'],
  track: ['scd2'],
  effectiveAt: ['scd2'],
  snapshot: ['scd2'],
  late: ['scd2'],
  opColumn: ['cdc'],
  orderColumn: ['cdc'],
  softDelete: ['cdc'],
  tombstoneRetention: ['cdc'],
} satisfies Partial<Record<keyof LoadSettings, string[]>>
