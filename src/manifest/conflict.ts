/**
 * What a commit of others, after my base, means for a load of mine: one function, one table (COMMIT §4). Judged by actions, never
 * by who wrote them. Pure.
 *
 *   theirs →                   adds           adds and removes  removes all   `dataChange: false`        `metaData`, `protocol`
 *   append, nothing read       rebase         rebase            rebase        rebase                     same table: rebase, else replan
 *   replace of P               in P: conflict in P: conflict    conflict      in P: recompute-removes    same table: rebase, else conflict
 *   overwrite                  conflict       conflict          conflict      recompute-removes          same table: rebase, else conflict
 *   merge sync scd2 cdc delete in reads: replan  in reads: replan  replan     my inputs gone: replan     same table: rebase, else replan
 *   compact                    rebase         inputs gone: drop drop          inputs gone: drop          drop
 *   restore                    conflict       conflict          conflict      recompute-removes          conflict
 *   set                        rebase         rebase            rebase        rebase                     replan
 *   vacuum                     rebase         rebase            rebase        rebase                     rebase
 *
 * The same table: same columns, partitioning and key; what it asks of writers is checked anew by `commit.ts`. For cdc also the same
 * state of deleted keys, by which late events are judged. A load that changes the table itself replans on any `metaData`, except that
 * of two creators of the same table the second one is rebased. A commit that wrote a progress name that mine reads or writes: replan,
 * whatever the mode. One that turned the change feed on or off: replan, for the modes that write it.
 */

import { matchesPartition, type Predicate } from '../partition/scope.js'
import { partitionId } from '../partition/spec.js'
import { sameType } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import type { AddFile, Commit, CommitInfo, Metadata, PartitionValues } from './actions.js'
import { keyOf } from './create.js'
import { tombstonesProperty } from './tombstones.js'

/** @param before the files just before their commit; without them "removes all" cannot be seen */
export function judge(mine: Footprint, theirs: Commit, before?: { files: ReadonlyMap<string, AddFile> }): Judgement {
  const change = summarize(mine, theirs, before)
  const progress = change.txns.find((appId) => mine.progress?.has(appId))
  if (progress !== undefined)
    return loss('replan', change, `it moved the progress that this load builds on, \`${progress}\``)
  return worstOf(judgeTable(mine, change), judgeFiles(mine, change))
}

export type Judgement =
  | { verdict: 'rebase' }
  | { verdict: 'recompute-removes' }
  | { verdict: 'replan' | 'conflict' | 'drop'; winner: Winner; partitions: string[]; reason: string }

export interface Winner {
  version: number
  timestamp: number
  info?: CommitInfo
}

export type FootprintMode =
  | 'append'
  | 'replace'
  | 'overwrite'
  | 'merge'
  | 'sync'
  | 'scd2'
  | 'cdc'
  | 'delete'
  | 'compact'
  | 'restore'
  | 'set'
  | 'vacuum'

/** What a load looked at and what it changes. */
export interface Footprint {
  mode: FootprintMode
  reads: ReadSet
  /** Keys of the old files that it removes. */
  removes: ReadonlySet<string>
  /** Ids of partitions of which nothing old stays: after a foreign compaction their removes can be worked out anew. */
  replaces?: ReadonlySet<string> | 'everything'
  /** `appId`s of progress that it reads or writes. */
  progress?: ReadonlySet<string>
  /** The table that its files were made for: the base's, or the one that it creates or changes to. */
  metadata: Metadata
  /** Whether the commit has a `metaData` or `protocol` action of its own. */
  changesTable: boolean
}

/** What a load looked at: a commit that touched any of it after the base is a conflict, or means planning again. */
export type ReadSet =
  | { kind: 'nothing' }
  | { kind: 'everything' }
  /** Partition ids (see `partitionId`), and, where a scope was declared, every partition it matches. */
  | { kind: 'partitions'; ids: ReadonlySet<string>; scope?: Predicate }

/** The one that asks for more; of equals the first. */
export function worstOf(a: Judgement, b: Judgement): Judgement {
  return severity.indexOf(a.verdict) >= severity.indexOf(b.verdict) ? a : b
}

/** Other writers may spell equal values in another way: `01` and `1` are one partition of an integer column. */
export function hasPartition(
  ids: ReadonlySet<string>,
  values: PartitionValues,
  { partitionBy, schema }: Metadata,
): boolean {
  return ids.has(partitionId(values, partitionBy)) || ids.has(partitionId(values, partitionBy, schema))
}

/** Same columns, partitioning and key: files made for the one fit the other. */
export function sameTable(a: Metadata, b: Metadata): boolean {
  return sameSchema(a.schema, b.schema) && sameNames(a.partitionBy, b.partitionBy) && sameNames(keyOf(a), keyOf(b))
}

function sameTombstones(a: Metadata, b: Metadata): boolean {
  return a.configuration[tombstonesProperty] === b.configuration[tombstonesProperty]
}

/** Their commit in the terms of the table above; partitions undefined where they cannot be known. */
interface Change {
  theirs: Commit
  txns: string[]
  metadata: Metadata | undefined
  protocol: boolean
  touched: { partition: PartitionValues | undefined }[]
  arranged: { partition: PartitionValues | undefined }[]
  removed: Set<string>
  removesAll: boolean
}

function summarize(
  mine: Footprint,
  theirs: Commit,
  before: { files: ReadonlyMap<string, AddFile> } | undefined,
): Change {
  const change: Change = {
    theirs,
    txns: [],
    metadata: undefined,
    protocol: false,
    touched: [],
    arranged: [],
    removed: new Set(),
    removesAll: false,
  }
  const removedData = new Set<string>()
  for (const action of theirs.actions) {
    if ('add' in action) {
      ;(action.add.dataChange ? change.touched : change.arranged).push({ partition: action.add.partitionValues })
    } else if ('remove' in action) {
      const { key, dataChange, partitionValues } = action.remove
      const partition = partitionValues ?? before?.files.get(key)?.partitionValues
      const known = partition !== undefined || mine.metadata.partitionBy.length === 0
      ;(dataChange ? change.touched : change.arranged).push({ partition: known ? (partition ?? {}) : undefined })
      change.removed.add(key)
      if (dataChange) removedData.add(key)
    } else if ('txn' in action) change.txns.push(action.txn.appId)
    else if ('metaData' in action) change.metadata = action.metaData
    else if ('protocol' in action) change.protocol = true
  }
  change.removesAll = removesAll(removedData, before?.files)
  return change
}

function removesAll(removed: ReadonlySet<string>, files: ReadonlyMap<string, AddFile> | undefined): boolean {
  if (files === undefined || files.size === 0 || removed.size < files.size) return false
  for (const key of files.keys()) if (!removed.has(key)) return false
  return true
}

function judgeTable(mine: Footprint, change: Change): Judgement {
  if (change.metadata === undefined && !change.protocol) return rebase
  if (mine.mode === 'vacuum') return rebase
  if (mine.mode === 'compact') return loss('drop', change, 'it changed the table itself')
  if (mine.mode === 'restore') return loss('conflict', change, 'it changed the table itself')
  const sameCreation = change.theirs.version === 0 && mine.mode !== 'set'
  if (mine.changesTable && !sameCreation)
    return loss('replan', change, 'it changed the table itself, as this load does')
  if (change.metadata !== undefined && mine.mode === 'cdc' && !sameTombstones(mine.metadata, change.metadata))
    return loss('replan', change, 'it deleted keys, or brought deleted ones back')
  if (change.metadata === undefined) return rebase
  if (rowModes.has(mine.mode) && hasChangeFeed(mine.metadata) !== hasChangeFeed(change.metadata))
    return loss('replan', change, 'it turned the change feed of the table on or off')
  if (sameTable(mine.metadata, change.metadata)) return rebase
  const strict = mine.mode === 'replace' || mine.mode === 'overwrite'
  return loss(
    strict && !sameCreation ? 'conflict' : 'replan',
    change,
    "it changed the table's columns, partitioning or key",
  )
}

/** Modes that write the feed where there is one. */
const rowModes: ReadonlySet<FootprintMode> = new Set(['merge', 'sync', 'scd2', 'cdc', 'delete'])

function hasChangeFeed({ configuration }: Metadata): boolean {
  return configuration['delta.enableChangeDataFeed'] === 'true'
}

function judgeFiles(mine: Footprint, change: Change): Judgement {
  const inputsGone = intersects(mine.removes, change.removed)
  switch (mine.mode) {
    case 'set':
    case 'vacuum':
      return rebase
    case 'compact':
      if (change.removesAll || inputsGone) return loss('drop', change, 'it removed files that were to be compacted')
      return rebase
    case 'overwrite':
    case 'restore':
      if (change.touched.length > 0) return loss('conflict', change, 'it changed rows of the table')
      return change.arranged.length > 0 ? recompute : rebase
    case 'replace': {
      if (change.removesAll) return loss('conflict', change, 'it removed all rows of the table')
      const partitions = partitionsIn(mine, change.touched)
      if (partitions !== undefined)
        return loss('conflict', change, 'it changed partitions that this load replaces or looked at', partitions)
      return inputsGone || partitionsIn(mine, change.arranged) !== undefined ? recompute : rebase
    }
    default: {
      if (mine.reads.kind === 'nothing' && mine.removes.size === 0) return rebase
      if (change.removesAll) return loss('replan', change, 'it removed all rows of the table')
      const partitions = partitionsIn(mine, change.touched)
      if (partitions !== undefined)
        return loss('replan', change, 'it changed partitions that this load looked at', partitions)
      return inputsGone ? loss('replan', change, 'it rewrote files that this load rewrites') : rebase
    }
  }
}

/** Ids of those partitions that are in my read set; undefined if none is, also where a partition is not known. */
function partitionsIn(mine: Footprint, touched: Change['touched']): string[] | undefined {
  const found = new Set<string>()
  let unknown = false
  for (const { partition } of touched) {
    if (partition === undefined) unknown ||= mine.reads.kind !== 'nothing'
    else if (isRead(mine, partition)) found.add(partitionId(partition, mine.metadata.partitionBy))
  }
  return found.size > 0 || unknown ? [...found] : undefined
}

function isRead({ reads, metadata }: Footprint, partition: PartitionValues): boolean {
  if (reads.kind !== 'partitions') return reads.kind === 'everything'
  if (hasPartition(reads.ids, partition, metadata)) return true
  return reads.scope !== undefined && matchesPartition(reads.scope, partition, metadata.schema)
}

const rebase: Judgement = { verdict: 'rebase' }
const recompute: Judgement = { verdict: 'recompute-removes' }
const severity: Judgement['verdict'][] = ['rebase', 'recompute-removes', 'replan', 'drop', 'conflict']

function loss(
  verdict: 'replan' | 'conflict' | 'drop',
  { theirs: { version, timestamp, actions } }: Change,
  reason: string,
  partitions: string[] = [],
): Judgement {
  const info = actions.find((action) => 'commitInfo' in action)?.commitInfo
  return { verdict, winner: { version, timestamp, ...(info === undefined ? {} : { info }) }, partitions, reason }
}

function intersects(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a]
  for (const key of few) if (many.has(key)) return true
  return false
}

function sameSchema(a: Schema, b: Schema): boolean {
  return (
    a.length === b.length &&
    a.every((field, i) => {
      const other = b[i]
      return other?.name === field.name && other.nullable === field.nullable && sameType(other.type, field.type)
    })
  )
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}
