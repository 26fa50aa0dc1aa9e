/**
 * What a load wants to make visible, as plain data: a fresh load and one that was held back and approved by another
 * process become a version by the same function.
 *
 *   load, verdict ─► Landing ─► actions ─► commit ─► checkpoint, publish
 *                       ▼ ▲
 *             _staging/…/held.json (hold.ts)
 */
import type { Action, AddFile, CommitInfo, Metadata, PartitionValues, Snapshot } from './manifest/actions.js'
import { removeOf } from './manifest/change.js'
import { checkpointIfDue } from './manifest/checkpoint.js'
import type { Attempt } from './manifest/commit.js'
import type { Footprint, ReadSet } from './manifest/conflict.js'
import { plainProtocol } from './manifest/create.js'
import type { LoadName } from './manifest/progress.js'
import { partitionId } from './partition/spec.js'
import type { LoadMode, Receipt } from './receipt.js'
import { changeFeedProperty } from './remembered.js'
import type { Runtime } from './runtime.js'
import { fingerprintTagName } from './stage/fingerprint.js'
import type { Store } from './store/port.js'
import { packageVersion } from './version.js'

export interface Landing {
  /** Names the attempt, and the files that it staged. */
  txnId: string
  mode: LoadMode
  /** The version it was planned on; -1 where it creates the table. */
  baseVersion: number
  /** A load id with the digest of its content, where it has one. */
  name?: LoadName
  /** What the load says once it is committed; its version, duration and traffic are known by then. */
  receipt: Receipt
  operation: Pick<CommitInfo, 'operation' | 'operationParameters'>
  /** The table after the load. */
  metadata: Metadata
  /** Whether the load changes the table itself. */
  changesTable: boolean
  dataChange: boolean
  reads: ReadSet
  /** Keys of files of the base that go. */
  supersede: string[]
  add: LandingFile[]
  changeData: { key: string; partitionValues: PartitionValues; sizeBytes: number }[]
  /** Keys of files that become visible with the commit, and that no action names. */
  beside: string[]
}

/** A staged file, as the manifest will name it. */
export interface LandingFile {
  key: string
  partitionValues: PartitionValues
  sizeBytes: number
  stats: string
  /** Its fingerprint, as `add.tags` holds it. */
  fingerprint: string
}

export interface LandingSteps {
  /** Brings the staged files to their final keys. */
  promote(): Promise<void>
  /** How long it took and what it cost, so far. */
  soFar(): Pick<Receipt, 'durationMs' | 'io'>
  /** Of an approval; several may be under way for one load. */
  approval?: string
}

/** @param base the table at `landing.baseVersion`, undefined where the load creates it */
export function attemptOf(landing: Landing, base: Snapshot | undefined, steps: LandingSteps): Attempt {
  const superseded = landing.supersede.flatMap((key) => base?.files.get(key) ?? [])
  return {
    base,
    txnId: landing.txnId,
    footprint: footprintOf(landing, superseded),
    ...(landing.name ? { load: landing.name } : {}),
    promote: () => steps.promote(),
    actions: (slot, timestamp) => {
      const receipt = { ...landing.receipt, ...steps.soFar(), version: slot }
      const actions: Action[] = [{ commitInfo: commitInfoOf(landing, receipt, steps.approval) }]
      if (base === undefined) actions.push({ protocol: plainProtocol(hasChangeFeed(landing.metadata)) })
      if (landing.changesTable) {
        const created = base === undefined ? { createdTime: timestamp } : {}
        actions.push({ metaData: { ...landing.metadata, ...created } })
      }
      for (const file of superseded) actions.push({ remove: removeOf(file, timestamp, landing.dataChange) })
      for (const file of landing.add) actions.push({ add: addOf(file, timestamp, landing.dataChange) })
      for (const cdc of landing.changeData) actions.push({ cdc })
      return actions
    },
  }
}

/** Keys of everything that becomes visible with the commit. */
export function landingKeys({ add, changeData, beside }: Landing): string[] {
  return [...add.map(({ key }) => key), ...changeData.map(({ key }) => key), ...beside]
}

/** What is derived from a new version. The commit stands whatever happens here: it can be made again. */
export async function derive(store: Store, snapshot: Snapshot, runtime: Runtime): Promise<void> {
  await attempt(runtime, 'could not write a checkpoint', () => checkpointIfDue(store, snapshot, { runtime }))
  await attempt(runtime, 'could not publish', async () => {
    const { publish } = await import('./publish/publish.js')
    await publish(store, snapshot, { runtime })
  })
}

/** What may fail after the load is decided: said, and left to whoever cleans up. */
export async function attempt(runtime: Runtime, what: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    runtime.log('warn', `${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export function footprintOf(landing: Landing, superseded: readonly AddFile[]): Footprint {
  const { mode, reads, metadata, changesTable } = landing
  const { partitionBy, schema } = metadata
  const replaces = new Set(superseded.map((file) => partitionId(file.partitionValues, partitionBy, schema)))
  return {
    mode,
    reads,
    removes: new Set(landing.supersede),
    replaces: mode === 'overwrite' ? 'everything' : replaces,
    metadata,
    changesTable,
  }
}

function hasChangeFeed({ configuration }: Metadata): boolean {
  return configuration[changeFeedProperty] === 'true'
}

function addOf(file: LandingFile, timestamp: number, dataChange: boolean): AddFile {
  const { key, partitionValues, sizeBytes, stats, fingerprint } = file
  const tags = { [fingerprintTagName]: fingerprint }
  return { key, partitionValues, sizeBytes, modificationTime: timestamp, dataChange, stats, tags }
}

function commitInfoOf({ mode, operation }: Landing, receipt: Receipt, approval: string | undefined): CommitInfo {
  const { rows, files, bytes, loadId } = receipt
  return {
    ...operation,
    operationMetrics: {
      numFiles: String(files.added),
      numOutputRows: String(rows.written),
      numOutputBytes: String(bytes.added),
    },
    engineInfo: `lakewright/${packageVersion}`,
    lakewright: {
      mode,
      ...(loadId === undefined ? {} : { loadId }),
      receipt,
      ...(approval === undefined ? {} : { approval }),
    },
  }
}
