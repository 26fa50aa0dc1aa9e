/**
 * Everything a user can set, with its default, and the one parser that every door uses. The command line's flags are the
 * same words in kebab-case.
 *
 * Settings are plain JSON; components (a store, the runtime) are objects beside them.
 */
import { z } from 'zod'
import { LakeError } from './errors.js'
import type { Runtime } from './runtime.js'
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

export const names = z.array(z.string().min(1)).min(1)
export const component = z.custom<object>((value) => typeof value === 'object' && value !== null)
const callback = z.custom<() => void>((value) => typeof value === 'function', 'must be a function')
export const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'must be an AbortSignal')

export const engineUse = {
  memory: z
    .string()
    .regex(/^\d+(\.\d+)?\s*(B|[KMGT]i?B)$/i, 'must be a size such as `1GB` or `512MiB`')
    .optional(),
  threads: z.int().min(1).optional(),
}

export const storeShape = z
  .strictObject({
    endpoint: z.string().optional(),
    region: z.string().optional(),
    forcePathStyle: z.boolean().optional(),
    credentials: z
      // Credentials from the SDK carry members of its own; they are dropped.
      .object({ accessKeyId: z.string(), secretAccessKey: z.string(), sessionToken: z.string().optional() })
      .optional(),
    requestTimeoutMs: z.int().min(1).optional(),
  })
  .optional()

const tableShape = z.strictObject({
  ...engineUse,
  partitionBy: z.array(z.string().min(1)).optional(),
  key: names.optional(),
  create: z.boolean().optional(),
  store: storeShape,
  tempFolder: z.string().min(1).optional(),
  cacheFolder: z.string().min(1).optional(),
  commitDeadlineMs: z.int().min(0).optional(),
  onProgress: callback.optional(),
  signal: signal.optional(),
  components: z.strictObject({ store: component.optional(), runtime: component.optional() }).optional(),
})

const ratio = z.number().min(0).max(1)
const scopeValue = z.union([z.string(), z.number(), z.bigint(), z.boolean(), z.date(), z.null()])

/** `--format` and the flags after it. */
export const readingShape = {
  format: z.enum(['csv', 'tsv', 'ndjson', 'json', 'parquet', 'arrow', 'debezium']).optional(),
  delimiter: z.string().min(1).optional(),
  quote: z.string().optional(),
  escape: z.string().optional(),
  encoding: z.string().min(1).optional(),
  skipRows: z.int().min(0).optional(),
  header: z.array(z.string()).min(1).optional(),
  nullText: z.array(z.string()).optional(),
  types: z.record(z.string(), z.string()).optional(),
  rename: z.record(z.string(), z.string()).optional(),
  set: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
  derive: z.record(z.string(), z.string()).optional(),
}

const loadShape = z.strictObject({
  ...engineUse,
  ...readingShape,
  partitionBy: z.array(z.string().min(1)).optional(),
  key: names.optional(),
  scope: z.union([z.string().min(1), z.record(z.string(), z.union([scopeValue, z.array(scopeValue)]))]).optional(),
  loadId: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,200}$/, 'must be 1 to 200 characters of `A–Z a–z 0–9 . _ : -`')
    .optional(),
  schema: z.enum(['strict', 'evolve', 'replace']).optional(),
  dryRun: z.boolean().optional(),
  create: z.boolean().optional(),
  onConflict: z.enum(['fail', 'retry']).optional(),
  onReject: z.enum(['fail', 'divert']).optional(),
  allowEmpty: z.boolean().optional(),
  addLoadColumns: z.boolean().optional(),
  sortBy: names.optional(),
  targetFileBytes: z.int().min(1024).optional(),
  changeFeed: z.enum(['on', 'off']).optional(),
  onDuplicate: z.enum(['fail', 'last', 'first']).optional(),
  orderBy: names.optional(),
  exact: z.boolean().optional(),
  where: z.string().min(1).optional(),
  deleteWhen: z.string().min(1).optional(),
  updateColumns: names.optional(),
  whenMatched: z.string().min(1).optional(),
  whenNotMatchedBySource: z.enum(['keep', 'delete']).optional(),
  maxDeleteRatio: ratio.optional(),
  maxUpdateRatio: ratio.optional(),
  minRows: z.int().min(0).optional(),
  track: names.optional(),
  effectiveAt: z.union([z.string().min(1), z.date()]).optional(),
  snapshot: z.enum(['full', 'partial']).optional(),
  late: z.enum(['fail', 'insert']).optional(),
  opColumn: z.string().min(1).optional(),
  orderColumn: z.string().min(1).optional(),
  softDelete: z.string().min(1).optional(),
  tombstoneRetention: z
    .string()
    .regex(/^\d{1,6}\s*(d|h|m|s)$/, 'must be a time such as `30d` or `720h`')
    .optional(),
  onProgress: callback.optional(),
  signal: signal.optional(),
})

export function parse(shape: z.ZodType, settings: unknown, door: string): unknown {
  const result = shape.safeParse(settings)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => {
    const where = issue.path.length > 0 ? `\`${issue.path.join('.')}\`: ` : ''
    return where + issue.message
  })
  return refuse(`${door}: ${problems.join('; ')}`)
}

export function refuse(message: string): never {
  throw new LakeError('invalid', message, { fix: 'See the settings of this call in docs/modes.md.' })
}
