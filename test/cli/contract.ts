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
  corrected: natural.optional(),
  rewritten: natural.optional(),
  rejected: natural.optional(),
})

/** What a sync deletes was not read; what an event or `--delete-when` deletes was. */
function accountedFor(mode: string, one: z.infer<typeof rows>): number {
  const { inserted = 0, updated = 0, deleted = 0, unchanged = 0, ignored = 0, rejected = 0, corrected = 0 } = one
  if (mode === 'delete') return 0
  if (mode === 'sync') return inserted + updated + unchanged + ignored + rejected
  if (mode === 'merge' || mode === 'cdc') return inserted + updated + deleted + unchanged + ignored + rejected
  if (mode === 'scd2') return inserted + corrected + unchanged + ignored + rejected
  return one.written + unchanged + rejected
}

const columns = z.array(z.strictObject({ name: z.string(), type: z.string() }))

export const receipt = z
  .strictObject({
    status: z.enum(['committed', 'unchanged', 'duplicate', 'planned']),
    table: z.string(),
    created: z.boolean(),
    version: z.int().min(-1),
    loadId: z.string().optional(),
    mode: z.enum(['append', 'overwrite', 'replace', 'merge', 'sync', 'scd2', 'cdc', 'delete']),
    rows,
    partitions: z.strictObject({ replaced: z.array(z.string()), removed: z.array(z.string()), unchanged: natural }),
    files: z.strictObject({ added: natural, removed: natural }),
    bytes: z.strictObject({ added: natural, removed: natural }),
    durationMs: z.number().min(0),
    io: z.strictObject({ bytesRead: natural, bytesWritten: natural, requests: natural }),
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
  .refine(({ mode, rows: one }) => one.read === accountedFor(mode, one), {
    message: 'the counts add up to what was read',
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
