/**
 * What a load says afterwards. CONTRACT: counts add up, and counts that do not apply to a mode are left out.
 */
import type { TrippedGuard } from './guard.js'
import type { AddFile, Snapshot } from './manifest/actions.js'
import { byPartition, folderOf, rowsInFile, stagedRows } from './plan/partitions.js'
import type { RowCounts, Verdict } from './plan/port.js'
import { typeName } from './schema/names.js'
import type { Schema } from './schema/types.js'

export type LoadMode = 'append' | 'overwrite' | 'replace' | 'merge' | 'sync' | 'scd2' | 'cdc' | 'delete'

export interface Receipt {
  status: 'committed' | 'unchanged' | 'duplicate' | 'planned'
  /** The table's URL. */
  table: string
  created: boolean
  /** The version that this load made, or the newest where it made none; -1 where a dry run would create the table. */
  version: number
  loadId?: string
  mode: LoadMode
  rows: RowCounts
  /** `replaced` are the folders of the partitions whose content this load wrote, new ones too. */
  partitions: { replaced: string[]; removed: string[]; unchanged: number }
  files: { added: number; removed: number }
  bytes: { added: number; removed: number }
  durationMs: number
  /** Between this load and the store, requests of every kind. */
  io: { bytesRead: number; bytesWritten: number; requests: number }
  /** Where the load creates the table. */
  columns?: ColumnInfo[]
  /** With `dryRun`: what each touched partition would become. */
  plan?: PartitionPlan[]
  /** Where rows were diverted: the key of the file that holds them, below the table's root. */
  rejectedFile?: string
  /** With `dryRun`: the guards that would hold the load back. */
  guard?: TrippedGuard[]
}

export interface ColumnInfo {
  name: string
  /** SQL name */
  type: string
}

export interface PartitionPlan {
  /** Its folder; empty for a table without partitions. */
  partition: string
  action: 'create' | 'replace' | 'append' | 'remove' | 'keep'
  rows: { before?: number; after: number }
  files: { added: number; removed: number }
}

/** What every receipt of this load says, whatever became of it. */
export interface ReceiptFacts {
  table: string
  mode: LoadMode
  loadId: string | undefined
  base: Snapshot | undefined
  partitionBy: string[]
  schema: Schema
  verdict: Verdict
  rejected: { rows: number; key: string } | undefined
  durationMs: number
  io: Receipt['io']
}

export function receiptOf(status: Receipt['status'], version: number, facts: ReceiptFacts): Receipt {
  const { verdict, base } = facts
  const rows = facts.rejected ? withRejected(verdict.rows, facts.rejected.rows) : verdict.rows
  return {
    status,
    table: facts.table,
    created: base === undefined,
    version,
    ...(facts.loadId === undefined ? {} : { loadId: facts.loadId }),
    mode: facts.mode,
    rows,
    partitions: verdict.partitions,
    files: { added: verdict.add.length, removed: verdict.supersede.length },
    bytes: {
      added: verdict.add.reduce((sum, { file }) => sum + file.sizeBytes, 0),
      removed: verdict.supersede.reduce((sum, file) => sum + file.sizeBytes, 0),
    },
    durationMs: facts.durationMs,
    io: facts.io,
    ...(base === undefined ? { columns: columnsOf(facts.schema) } : {}),
    ...(status === 'planned' ? { plan: partitionPlans(facts) } : {}),
    ...(status !== 'planned' && facts.rejected && facts.rejected.rows > 0 ? { rejectedFile: facts.rejected.key } : {}),
  }
}

export function columnsOf(schema: Schema): ColumnInfo[] {
  return schema.map(({ name, type }) => ({ name, type: typeName(type) }))
}

/** What each partition that the load touches would become. */
export function partitionPlans({ base, verdict, partitionBy, schema, mode }: ReceiptFacts): PartitionPlan[] {
  const added = byPartition(verdict.add, partitionBy, schema)
  const removed = byPartition(verdict.supersede, partitionBy, schema)
  const old = byPartition(base?.files.values() ?? [], partitionBy, schema)
  const ids = new Set([...added.keys(), ...removed.keys()])
  return [...ids].map((id) => {
    const plus = added.get(id)
    const minus = removed.get(id)
    const before = old.get(id)
    const rowsBefore = before && rowsIn(before.files)
    const rowsAfter = stagedRows(plus?.files ?? []) + (minus ? 0 : (rowsBefore ?? 0))
    const values = (plus ?? minus)?.values ?? {}
    return {
      partition: folderOf({ partitionBy }, { partitionValues: values }),
      action: !before ? 'create' : !plus ? 'remove' : minus || mode !== 'append' ? 'replace' : 'append',
      rows: { ...(rowsBefore === undefined ? {} : { before: rowsBefore }), after: rowsAfter },
      files: { added: plus?.files.length ?? 0, removed: minus?.files.length ?? 0 },
    } satisfies PartitionPlan
  })
}

function rowsIn(files: AddFile[]): number | undefined {
  const counts = files.map(rowsInFile)
  return counts.includes(undefined) ? undefined : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
}

function withRejected(rows: RowCounts, rejected: number): RowCounts {
  return { ...rows, read: rows.read + rejected, rejected }
}
