/**
 * Where a table that is loaded with change events keeps the order of the keys that are deleted: one Parquet file, named
 * by a table property that changes in the same commit as the data.
 *
 *   lakewright.tombstones = {"key":"_tombstones/<txn>-00003.parquet","sizeBytes":812,"rows":2,"columns":[{"name":"id","type":"bigint"},…]}
 *
 *   id     _order   _deleted_at
 *   7      1200     2026-11-20T10:00:00Z      key 7 was deleted by the event of that order
 *   null   900      2026-11-19T08:00:00Z      everything up to that order was truncated
 *
 * A file that the newest version does not name belongs to older versions, like a data file that was removed.
 */
import { z } from 'zod'
import { LakeError } from '../errors.js'
import { typeName } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import { assertKey } from '../store/keys.js'
import type { Metadata } from './actions.js'

export const tombstonesProperty = 'lakewright.tombstones'

export interface TombstonesFile {
  key: string
  sizeBytes: number
  rows: number
  /** Names and SQL names of types, as the file has them. */
  columns: { name: string; type: string }[]
}

/** @returns undefined where the table keeps none */
export function tombstonesOf({ configuration }: Pick<Metadata, 'configuration'>): TombstonesFile | undefined {
  const text = configuration[tombstonesProperty]
  if (text === undefined) return undefined
  const parsed = shape.safeParse(tryParse(text))
  if (parsed.success) {
    assertKey(parsed.data.key, 'corrupt')
    return parsed.data
  }
  throw new LakeError('corrupt', `the table property ${tombstonesProperty} does not name a file`, {
    value: text,
    fix: `Restore the property from an older version (\`lakewright history\`), or remove it: late events may then bring deleted rows back.`,
  })
}

export function tombstonesText(file: Omit<TombstonesFile, 'columns'>, columns: Schema): string {
  const named = columns.map(({ name, type }) => ({ name, type: typeName(type) }))
  return JSON.stringify({ key: file.key, sizeBytes: file.sizeBytes, rows: file.rows, columns: named })
}

const shape = z.object({
  key: z.string().min(1),
  sizeBytes: z.int().min(0),
  rows: z.int().min(0),
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
})

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
