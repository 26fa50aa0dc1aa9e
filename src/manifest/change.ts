/**
 * What a commit does to a table: snapshots from actions. Pure; `conflict.ts` has the other half, what a commit of others
 * does to a load of mine.
 *
 * Source: Delta protocol, "Action Reconciliation". Within one commit the actions are a set: removes are applied first, so
 * that a file which is removed and added at once (new statistics, another deletion vector) stays.
 */
import { LakeError } from '../errors.js'
import type { Action, AddFile, Commit, Metadata, Protocol, RemoveFile, Snapshot, Txn } from './actions.js'

/** The table after `commit`; `state` is not changed, undefined stands for no table. */
export function applyActions(state: Snapshot | undefined, commit: Commit): Snapshot {
  const replay = new Replay(state)
  replay.apply(commit)
  return replay.snapshot()
}

/** Many commits in a row, in place: a copy of the file map per commit would cost more than reading the commit. */
export class Replay {
  version: number
  timestamp: number
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: Map<string, AddFile>
  readonly txns: Map<string, Txn>
  readonly tombstones: Map<string, RemoveFile>

  constructor(base?: Snapshot) {
    this.version = base?.version ?? -1
    this.timestamp = base?.timestamp ?? 0
    this.protocol = base?.protocol
    this.metadata = base?.metadata
    this.files = new Map(base?.files)
    this.txns = new Map(base?.txns)
    this.tombstones = new Map(base?.tombstones)
  }

  apply(commit: Commit): void {
    if (commit.version !== this.version + 1)
      throw new LakeError('corrupt', 'a version is missing from the log', {
        version: this.version + 1,
        found: commit.version,
        fix: 'Restore the missing commit file from a backup of the store.',
      })
    for (const action of commit.actions) if ('remove' in action) this.remove(action.remove)
    for (const action of commit.actions) this.keep(action)
    this.version = commit.version
    this.timestamp = commit.timestamp
  }

  /** What one row of a checkpoint says, or one action other than a remove. */
  keep(action: Action): void {
    if ('add' in action) this.add(action.add)
    else if ('txn' in action) this.txns.set(action.txn.appId, action.txn)
    else if ('metaData' in action) this.metadata = action.metaData
    else if ('protocol' in action) this.protocol = action.protocol
  }

  /** The maps are handed over, not copied: apply nothing afterwards. */
  snapshot(): Snapshot {
    const { version, timestamp, protocol, metadata, files, txns, tombstones } = this
    if (protocol === undefined || metadata === undefined)
      throw new LakeError('corrupt', `the log has no ${protocol === undefined ? 'protocol' : 'metaData'} action`, {
        version,
      })
    return { version, timestamp, protocol, metadata, files, txns, tombstones }
  }

  private add(file: AddFile): void {
    this.files.set(file.key, file)
    this.tombstones.delete(file.key)
  }

  private remove(file: RemoveFile): void {
    this.files.delete(file.key)
    this.tombstones.set(file.key, file)
  }
}

/** The tombstone of a file, with all that foreign readers of the change feed want to know. */
export function removeOf(file: AddFile, timestamp: number, dataChange = true): RemoveFile {
  return {
    key: file.key,
    deletionTimestamp: timestamp,
    dataChange,
    extendedFileMetadata: true,
    partitionValues: file.partitionValues,
    sizeBytes: file.sizeBytes,
    ...(file.deletionVector === undefined ? {} : { deletionVector: file.deletionVector }),
  }
}

export type { Footprint, FootprintMode, Judgement, ReadSet, Winner } from './conflict.js'
export { hasPartition, judge, sameTable, worstOf } from './conflict.js'
