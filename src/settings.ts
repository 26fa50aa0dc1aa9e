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
  /** Only these partitions are touched; rows outside are refused. `replace` only. */
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
  if (parsed.scope !== undefined && mode !== 'replace') refuse(`\`scope\` belongs to \`replace\`, not to \`${mode}\``)
  if (parsed.schema === 'replace' && mode !== 'overwrite') refuse(`\`schema: 'replace'\` belongs to \`overwrite\``)
  if (parsed.allowEmpty !== undefined && mode !== 'overwrite') refuse('`allowEmpty` belongs to `overwrite`')
  return parsed
}

const names = z.array(z.string().min(1)).min(1)
const component = z.custom<object>((value) => typeof value === 'object' && value !== null)
const callback = z.custom<() => void>((value) => typeof value === 'function', 'must be a function')
const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'must be an AbortSignal')

const engineUse = {
  memory: z
    .string()
    .regex(/^\d+(\.\d+)?\s*(B|[KMGT]i?B)$/i, 'must be a size such as `1GB` or `512MiB`')
    .optional(),
  threads: z.int().min(1).optional(),
}

const tableShape = z.strictObject({
  ...engineUse,
  partitionBy: z.array(z.string().min(1)).optional(),
  key: names.optional(),
  create: z.boolean().optional(),
  store: z
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
    .optional(),
  tempFolder: z.string().min(1).optional(),
  commitDeadlineMs: z.int().min(0).optional(),
  onProgress: callback.optional(),
  signal: signal.optional(),
  components: z.strictObject({ store: component.optional(), runtime: component.optional() }).optional(),
})

const scopeValue = z.union([z.string(), z.number(), z.bigint(), z.boolean(), z.date(), z.null()])

const loadShape = z.strictObject({
  ...engineUse,
  format: z.enum(['csv', 'tsv', 'ndjson', 'json', 'parquet', 'arrow']).optional(),
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
  onProgress: callback.optional(),
  signal: signal.optional(),
})

function parse(shape: z.ZodType, settings: unknown, door: string): unknown {
  const result = shape.safeParse(settings)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => {
    const where = issue.path.length > 0 ? `\`${issue.path.join('.')}\`: ` : ''
    return where + issue.message
  })
  return refuse(`${door}: ${problems.join('; ')}`)
}

function refuse(message: string): never {
  throw new LakeError('invalid', message, { fix: 'See the settings of this call in docs/modes.md.' })
}
