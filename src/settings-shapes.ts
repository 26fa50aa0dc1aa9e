/**
 * The shapes of settings, for the one parser of every door. Apart from `settings.ts`, so that the package's types need no zod.
 */
import { z } from 'zod'
import { LakeError } from './errors.js'

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

export const tableShape = z.strictObject({
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

export const loadShape = z.strictObject({
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
