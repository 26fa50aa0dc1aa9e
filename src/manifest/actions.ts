/**
 * The actions of a Delta log, as this program holds them after parsing at the door.
 * Source: Delta transaction log protocol, section "Actions".
 *
 * 64-bit values (`txn.version`) are bigint; sizes and times fit a double and are numbers.
 */
import type { Schema } from '../schema/types.js'

export interface Protocol {
  minReaderVersion: number
  minWriterVersion: number
  readerFeatures?: string[]
  writerFeatures?: string[]
}

export interface Metadata {
  id: string
  name?: string
  description?: string
  schema: Schema
  partitionBy: string[]
  /** `delta.*` and `lakewright.*` table properties. */
  configuration: Record<string, string>
  createdTime?: number
}

/** A partition value is text as Delta serialises it, or null. Never parsed out of a path. */
export type PartitionValues = Record<string, string | null>

export interface AddFile {
  /** Decoded: a key below the table's root. The log holds it percent-encoded once. */
  key: string
  partitionValues: PartitionValues
  sizeBytes: number
  modificationTime: number
  dataChange: boolean
  /** The `stats` JSON as written; parse with `parseStats`. */
  stats?: string
  tags?: Record<string, string>
  /** Present when rows are masked by a deletion vector (made by another writer). */
  deletionVector?: Record<string, unknown>
}

export interface RemoveFile {
  key: string
  deletionTimestamp: number
  dataChange: boolean
  extendedFileMetadata?: boolean
  partitionValues?: PartitionValues
  sizeBytes?: number
  deletionVector?: Record<string, unknown>
}

export interface Txn {
  appId: string
  version: bigint
  lastUpdated?: number
}

export interface CdcFile {
  key: string
  partitionValues: PartitionValues
  sizeBytes: number
}

/** Free-form in the protocol; these are the members we write and read. */
export interface CommitInfo {
  timestamp?: number
  /** Of tables with the `inCommitTimestamp` feature (made by other writers): goes before `timestamp`. */
  inCommitTimestamp?: number
  operation?: string
  operationParameters?: Record<string, unknown>
  operationMetrics?: Record<string, string>
  isBlindAppend?: boolean
  engineInfo?: string
  /** Names the attempt: who finds its own id in a slot has won it. */
  txnId?: string
  /** Ours: mode, load id, receipt, the approval of a load that was held back. Absent in commits of other writers. */
  lakewright?: { mode: string; loadId?: string; receipt?: unknown; approval?: string }
}

export type Action =
  | { protocol: Protocol }
  | { metaData: Metadata }
  | { add: AddFile }
  | { remove: RemoveFile }
  | { txn: Txn }
  | { cdc: CdcFile }
  | { commitInfo: CommitInfo }

/** One version as read from its commit file. */
export interface Commit {
  version: number
  actions: Action[]
  /** From commitInfo, else the object's modification time; ms. */
  timestamp: number
}

/** The table at one version. */
export interface Snapshot {
  version: number
  /** ms; of the commit that made this version */
  timestamp: number
  protocol: Protocol
  metadata: Metadata
  /** By decoded key. */
  files: ReadonlyMap<string, AddFile>
  /** By appId. */
  txns: ReadonlyMap<string, Txn>
  /** Files removed by earlier versions, by decoded key, as far as the log still tells: what a checkpoint must carry on. */
  tombstones?: ReadonlyMap<string, RemoveFile>
}

/** Per-file column statistics, parsed from `add.stats`. Values are in the column's own text form of the log. */
export interface FileStats {
  numRecords: number
  minValues: Record<string, unknown>
  maxValues: Record<string, unknown>
  nullCount: Record<string, unknown>
  tightBounds?: boolean
}
