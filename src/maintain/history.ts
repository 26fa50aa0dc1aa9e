/** The commits of a table, newest first, whoever wrote them. */
import { z } from 'zod'
import type { Commit, CommitInfo } from '../manifest/actions.js'
import { commitInfoOf, history as readHistory } from '../manifest/log.js'
import type { RowCounts } from '../plan/port.js'
import { callOf, type Reading } from '../read/reading.js'
import { noTable } from '../read/snapshot.js'

/**
 * One GET per commit.
 * @throws LakeError invalid where there is no table
 */
export async function history(reading: Reading, options: { limit?: number } = {}): Promise<CommitSummary[]> {
  const commits = await readHistory(reading.store, { ...callOf(reading), ...options })
  if (commits.length === 0 && options.limit !== 0) throw noTable(reading.store)
  return commits.map(summaryOf)
}

export interface CommitSummary {
  version: number
  /** ISO 8601 with `Z`. */
  time: string
  /** What made it: our verbs, and those of other writers where they mean the same; else their operation's name. */
  mode: string
  loadId?: string
  /** Of loads of ours. */
  rows?: RowCounts
}

function summaryOf(commit: Commit): CommitSummary {
  const info = commitInfoOf(commit)
  const ours = info?.lakewright
  const rows = receiptShape.safeParse(ours?.receipt).data?.rows
  return {
    version: commit.version,
    time: new Date(commit.timestamp).toISOString(),
    mode: ours?.mode ?? modeOf(commit, info),
    ...(ours?.loadId === undefined ? {} : { loadId: ours.loadId }),
    ...(rows === undefined ? {} : { rows: rows as RowCounts }),
  }
}

const count = z.number().optional()
const receiptShape = z.object({
  rows: z.object({
    read: z.number(),
    written: z.number(),
    inserted: count,
    updated: count,
    deleted: count,
    unchanged: count,
    ignored: count,
    rejected: count,
  }),
})

/** Operations as Spark, Trino and deltalake name them. */
const modes: Record<string, string> = {
  'create table': 'create',
  'create or replace table': 'create',
  'create table as select': 'create',
  delete: 'delete',
  merge: 'merge',
  update: 'update',
  optimize: 'compact',
  restore: 'restore',
  'vacuum start': 'vacuum',
  'vacuum end': 'vacuum',
  'set tblproperties': 'set',
  'unset tblproperties': 'set',
  'set table properties': 'set',
  'streaming update': 'append',
}

function modeOf({ actions }: Commit, info: CommitInfo | undefined): string {
  const operation = (info?.operation ?? '').trim().toLowerCase()
  if (operation === 'write') return writeMode(info?.operationParameters)
  if (operation !== '') return modes[operation] ?? operation
  // Without a word of the writer's only the actions tell.
  const [adds, removes] = [actions.some((action) => 'add' in action), actions.some((action) => 'remove' in action)]
  if (adds && !removes) return 'append'
  return adds || removes ? 'write' : 'other'
}

function writeMode(parameters: CommitInfo['operationParameters']): string {
  const mode = String(parameters?.mode ?? '').toLowerCase()
  if (mode === 'overwrite') {
    const predicate = String(parameters?.predicate ?? '')
    const dynamic = String(parameters?.isDynamicPartitionOverwrite ?? '') === 'true'
    return dynamic || !['', '[]', '[""]', 'null'].includes(predicate) ? 'replace' : 'overwrite'
  }
  return mode === 'append' ? 'append' : 'write'
}
