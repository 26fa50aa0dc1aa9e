/** The JSON that CONTRACT §1 promises, as zod shapes; strict, so that a key nobody promised is noticed. */
import { z } from 'zod'

const natural = z.int().min(0)
/** UTC with `Z`. */
const instant = z.iso.datetime()

export const rows = z.strictObject({
  read: natural,
  written: natural,
  inserted: natural.optional(),
  updated: natural.optional(),
  deleted: natural.optional(),
  unchanged: natural.optional(),
  ignored: natural.optional(),
  rejected: natural.optional(),
})

const columns = z.array(z.strictObject({ name: z.string(), type: z.string() }))

export const receipt = z
  .strictObject({
    status: z.enum(['committed', 'unchanged', 'duplicate', 'planned']),
    table: z.string(),
    created: z.boolean(),
    version: z.int().min(-1),
    loadId: z.string().optional(),
    mode: z.enum(['append', 'overwrite', 'replace']),
    rows,
    partitions: z.strictObject({ replaced: z.array(z.string()), removed: z.array(z.string()), unchanged: natural }),
    files: z.strictObject({ added: natural, removed: natural }),
    bytes: z.strictObject({ added: natural, removed: natural }),
    durationMs: z.number().min(0),
    columns: columns.optional(),
    plan: z
      .array(
        z.strictObject({
          partition: z.string(),
          action: z.enum(['create', 'replace', 'append', 'remove', 'keep']),
          rows: z.strictObject({ before: natural.optional(), after: natural }),
          files: z.strictObject({ added: natural, removed: natural }),
        }),
      )
      .optional(),
    rejectedFile: z.string().optional(),
  })
  .refine(({ rows: { read, rejected = 0, unchanged = 0, written } }) => read === written + unchanged + rejected, {
    message: 'read = written + unchanged + rejected',
  })

export const show = z.looseObject({
  table: z.string(),
  version: natural,
  columns,
  partitionBy: z.array(z.string()),
  key: z.array(z.string()),
  partitions: natural,
  files: natural,
  rows: natural,
  bytes: natural,
})

export const partitions = z.strictObject({
  partitions: z.array(
    z.strictObject({
      partition: z.string(),
      values: z.record(z.string(), z.string().nullable()),
      files: natural,
      rows: natural,
      bytes: natural,
    }),
  ),
})

export const files = z.strictObject({
  files: z.array(z.strictObject({ key: z.string(), partition: z.string(), rows: natural, bytes: natural })),
})

export const history = z.strictObject({
  commits: z.array(
    z.strictObject({
      version: natural,
      time: instant,
      mode: z.string(),
      loadId: z.string().optional(),
      rows: rows.optional(),
    }),
  ),
})

export const verify = z.strictObject({
  ok: z.boolean(),
  version: natural,
  files: natural,
  rows: natural,
  problems: z.array(
    z.strictObject({
      code: z.enum(['missing', 'size', 'rows', 'content', 'statistics', 'log']),
      key: z.string(),
      message: z.string(),
    }),
  ),
})

export const set = z.strictObject({ version: natural, settings: z.record(z.string(), z.string()) })

export const query = z.strictObject({ columns, rows: z.array(z.record(z.string(), z.json())) })

export const failure = z.strictObject({
  status: z.literal('failed'),
  error: z.strictObject({
    code: z.enum(['invalid', 'conflict', 'unavailable', 'guard', 'commit-unknown', 'corrupt', 'unsupported']),
    message: z.string().min(1),
    fix: z.string().min(1).optional(),
  }),
})
