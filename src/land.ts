/**
 * From a verdict to a version: upload, commit, publish. The last part of a load, and the only one that others can see.
 */
import { isLakeError, LakeError } from './errors.js'
import { type Load, type Planned, report } from './load.js'
import type { Action, AddFile, CommitInfo, Metadata } from './manifest/actions.js'
import { removeOf } from './manifest/change.js'
import { checkpointIfDue } from './manifest/checkpoint.js'
import { type Attempt, type CommitOptions, type CommitResult, commit } from './manifest/commit.js'
import type { Footprint, Winner } from './manifest/conflict.js'
import { keyProperty, newMetadata, plainProtocol } from './manifest/create.js'
import { commitInfoOf, readCommitAt, readSnapshot } from './manifest/log.js'
import { findLoad, type LoadName } from './manifest/progress.js'
import { partitionId, partitionPath } from './partition/spec.js'
import { type Receipt, receiptOf } from './receipt.js'
import { contentDigest, digestAlgorithm } from './stage/digest.js'
import { fingerprintTag, fingerprintTagName } from './stage/fingerprint.js'
import type { StagedFile } from './stage/port.js'
import { promoteFiles, type Upload, uploadFiles } from './stage/upload.js'
import { stagingFolder } from './store/keys.js'
import type { SpooledFile } from './store/port.js'
import { packageVersion } from './version.js'

/** Rows that were left out of the load, as a file beside the data. */
export interface Rejected {
  rows: number
  key: string
  file: SpooledFile
}

/** Plans at most so many times again after losing the race. */
const mostReplans = 10

export async function land(load: Load, first: Planned, rejected?: Rejected): Promise<Receipt> {
  refuseEmptyOverwrite(load, first)
  const name = await nameOfLoad(load, first)
  let planned = first
  const upload: Upload = { reserved: new Map(), staged: new Map(), journal: [] }
  try {
    for (let round = 0; ; round++) {
      const known = await duplicateOf(load, planned, name)
      if (known) return await afterDiscard(load, upload, known)
      if (rejected === undefined && changesNothing(load, planned))
        return await afterDiscard(load, upload, receiptFor('unchanged', load, planned, rejected))
      await uploadMissing(load, planned, rejected, upload)
      const result = await commitOrRestage(load, planned, upload, name, rejected)
      if (result.status === 'restage') continue
      if (result.status === 'committed') return await afterCommit(load, planned, upload, result, rejected)
      if (result.status === 'duplicate') return await afterDiscard(load, upload, duplicateReceipt(load, result))
      planned = await planOnTop(load, planned, result, round)
    }
  } catch (error) {
    // An unknown commit may still turn out to have happened: its files must stay.
    if (!isLakeError(error, 'commit-unknown')) await discard(load, upload)
    throw error
  }
}

/** A staged file that is gone before it was promoted (a store that sweeps open uploads) goes up again under a new key. */
async function commitOrRestage(
  load: Load,
  planned: Planned,
  upload: Upload,
  name: LoadName | undefined,
  rejected: Rejected | undefined,
): Promise<CommitResult | { status: 'restage' }> {
  try {
    return await commit(load.store, attemptOf(load, planned, upload, name, rejected), commitOptions(load))
  } catch (error) {
    if (!isLakeError(error, 'unavailable') || error.details.restage !== true) throw error
    const file = planned.verdict.add.find(({ key }) => key === error.details.key)
    const again = (file?.restaged ?? 0) + 1
    // A store that takes the file over has no second copy to send.
    if (file === undefined || again > mostReplans || load.store.kind === 'local') throw error
    upload.staged.delete(file.key)
    file.restaged = again
    file.key = file.key.replace(/(-r\d+)?\.parquet$/, `-r${again}.parquet`)
    return { status: 'restage' }
  }
}

/** A load id is kept with the digest of its content, so that the same id with other rows is noticed. */
async function nameOfLoad(load: Load, { executor, shape }: Planned): Promise<LoadName | undefined> {
  const { loadId } = load.settings
  if (loadId === undefined) return undefined
  const digest = await contentDigest(executor.stagedInput, { engine: load.engine, signal: load.signal, ...shape })
  return { id: loadId, algorithm: digestAlgorithm, digest }
}

/** The receipt of the commit that carries this load id already. */
async function duplicateOf(load: Load, { base }: Planned, name: LoadName | undefined): Promise<Receipt | undefined> {
  const entry = name && base && findLoad(base.txns, name.id)
  if (!entry) return undefined
  refuseOtherContent(name, entry)
  const found = await readCommitAt(load.store, entry.version, { runtime: load.runtime })
  const receipt = found && commitInfoOf(found)?.lakewright?.receipt
  return duplicateReceipt(load, { version: entry.version, receipt })
}

function changesNothing(load: Load, { verdict, shape }: Planned): boolean {
  return (
    verdict.add.length === 0 &&
    verdict.supersede.length === 0 &&
    !shape.changesTable &&
    load.settings.loadId === undefined
  )
}

async function uploadMissing(
  load: Load,
  { verdict }: Planned,
  rejected: Rejected | undefined,
  upload: Upload,
): Promise<void> {
  const wanted = [...verdict.add, ...(rejected ? [rejected] : [])].filter(({ key }) => !upload.staged.has(key))
  const totalBytes = wanted.reduce((sum, { file }) => sum + file.sizeBytes, 0)
  let bytes = 0
  await uploadFiles(wanted, upload, {
    store: load.store,
    folder: stagingFolder(load.settings.loadId ?? load.txnId),
    load: { txnId: load.txnId, loadId: load.settings.loadId, mode: load.mode, startedMs: load.startedMs },
    ...(load.signal ? { signal: load.signal } : {}),
    onUploaded: (size) => {
      bytes += size
      report(load, { stage: 'upload', bytes, totalBytes, share: bytes / totalBytes })
    },
  })
}

function attemptOf(
  load: Load,
  planned: Planned,
  upload: Upload,
  name: LoadName | undefined,
  rejected: Rejected | undefined,
): Attempt {
  const { base, verdict, shape } = planned
  const wanted = [...verdict.add.map(({ key }) => key), ...(rejected ? [rejected.key] : [])]
  return {
    base,
    txnId: load.txnId,
    footprint: footprintOf(load, planned),
    ...(name ? { load: name } : {}),
    promote: () => {
      report(load, { stage: 'commit' })
      const staged = wanted.flatMap((key) => upload.staged.get(key) ?? [])
      return promoteFiles(load.store, staged, { signal: load.signal })
    },
    actions: (slot, timestamp) => {
      const receipt = { ...receiptFor('committed', load, planned, rejected), version: slot }
      const actions: Action[] = [{ commitInfo: commitInfoFor(load, planned, receipt) }]
      if (base === undefined) actions.push({ protocol: plainProtocol() })
      if (shape.changesTable) actions.push({ metaData: metadataOf(load, planned, timestamp) })
      for (const file of verdict.supersede) actions.push({ remove: removeOf(file, timestamp, verdict.dataChange) })
      for (const file of verdict.add) actions.push({ add: addOf(file, timestamp, verdict.dataChange) })
      return actions
    },
  }
}

function footprintOf(load: Load, { base, verdict, shape }: Planned): Footprint {
  const replaces = new Set(
    verdict.supersede.map((file) => partitionId(file.partitionValues, shape.partitionBy, shape.schema)),
  )
  return {
    mode: load.mode,
    reads: verdict.reads,
    removes: new Set(verdict.supersede.map(({ key }) => key)),
    replaces: load.mode === 'overwrite' ? 'everything' : replaces,
    metadata: metadataOf(load, { base, shape }, 0),
    changesTable: shape.changesTable,
  }
}

function metadataOf(load: Load, { base, shape }: Pick<Planned, 'base' | 'shape'>, timestamp: number): Metadata {
  const { schema, partitionBy, key, configuration } = shape
  if (base === undefined) return newMetadata({ schema, partitionBy, key, configuration }, load.txnId, timestamp)
  return {
    ...base.metadata,
    schema,
    partitionBy,
    configuration: { ...configuration, ...(key.length > 0 ? { [keyProperty]: JSON.stringify(key) } : {}) },
  }
}

function addOf(file: StagedFile, timestamp: number, dataChange: boolean): AddFile {
  return {
    key: file.key,
    partitionValues: file.partitionValues,
    sizeBytes: file.file.sizeBytes,
    modificationTime: timestamp,
    dataChange,
    stats: file.stats,
    tags: { [fingerprintTagName]: fingerprintTag(file.fingerprint) },
  }
}

function commitInfoFor(load: Load, planned: Planned, receipt: Receipt): CommitInfo {
  const { rows, files, bytes } = receipt
  return {
    operation: 'WRITE',
    operationParameters: {
      mode: load.mode === 'append' ? 'Append' : 'Overwrite',
      partitionBy: JSON.stringify(planned.shape.partitionBy),
    },
    operationMetrics: {
      numFiles: String(files.added),
      numOutputRows: String(rows.written),
      numOutputBytes: String(bytes.added),
    },
    engineInfo: `lakewright/${packageVersion}`,
    lakewright: { mode: load.mode, ...(receipt.loadId === undefined ? {} : { loadId: receipt.loadId }), receipt },
  }
}

/** Empty the table only when asked to: an empty dump is more often a broken one. */
function refuseEmptyOverwrite(load: Load, { verdict, base }: Planned): void {
  if (load.mode !== 'overwrite' || load.settings.allowEmpty || verdict.rows.read > 0) return
  if (base === undefined || base.files.size === 0) return
  throw new LakeError('guard', 'an overwrite without rows would empty the table', {
    table: load.store.url,
    fix: 'Check the input, or say --allow-empty; nothing was changed.',
  })
}

async function afterCommit(
  load: Load,
  planned: Planned,
  upload: Upload,
  { version, snapshot }: Extract<CommitResult, { status: 'committed' }>,
  rejected: Rejected | undefined,
): Promise<Receipt> {
  report(load, { stage: 'publish' })
  // The commit stands whatever happens now: what is derived can be made again, and what is left over is swept later.
  await attempt(load, 'could not sweep staged files', () => sweep(load, planned, upload, rejected))
  await attempt(load, 'could not write a checkpoint', () =>
    checkpointIfDue(load.store, snapshot, { runtime: load.runtime }),
  )
  await attempt(load, 'could not publish', async () => {
    const { publish } = await import('./publish/publish.js')
    await publish(load.store, snapshot, { runtime: load.runtime })
  })
  return {
    ...receiptFor('committed', load, planned, rejected),
    version,
    durationMs: load.runtime.now() - load.startedMs,
  }
}

/** What an earlier plan staged and the committed one did not need, then the journal. */
async function sweep(load: Load, { verdict }: Planned, upload: Upload, rejected: Rejected | undefined): Promise<void> {
  const kept = new Set([...verdict.add.map(({ key }) => key), rejected?.key])
  const unneeded = [...upload.staged.values()].filter(({ key }) => !kept.has(key))
  for (const staged of unneeded) await load.store.abort(staged)
  await load.store.delete([...unneeded.map(({ key }) => key), ...upload.journal])
}

async function attempt(load: Load, what: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    load.runtime.log('warn', `${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Nothing of this load is, or ever will be, visible: every slot that it tried holds another's record, or it tried none. */
async function discard(load: Load, { reserved, staged, journal }: Upload): Promise<void> {
  await attempt(load, 'could not sweep staged files', async () => {
    for (const file of [...reserved.values(), ...staged.values()]) await load.store.abort(file)
    // The loss is proven, so promoted files go by their exact keys.
    await load.store.delete([...staged.keys(), ...journal])
  })
}

async function afterDiscard(load: Load, upload: Upload, receipt: Receipt): Promise<Receipt> {
  await discard(load, upload)
  return receipt
}

/** The race was lost: plan again where that is what the mode, or the caller, wants. */
async function planOnTop(
  load: Load,
  planned: Planned,
  result: Extract<CommitResult, { status: 'conflict' | 'dropped' | 'replan' }>,
  round: number,
): Promise<Planned> {
  const again = result.status === 'replan' || (result.status === 'conflict' && load.settings.onConflict === 'retry')
  if (!again || round >= mostReplans) throw conflictError(load, planned, result)
  const newBase =
    result.status === 'replan'
      ? result.newBase
      : await readSnapshot(load.store, { runtime: load.runtime, ...(load.signal ? { signal: load.signal } : {}) })
  return await planned.planAgain(newBase)
}

function conflictError(
  load: Load,
  { shape }: Planned,
  { winner, partitions, reason }: { winner?: Winner; partitions: string[]; reason: string },
): LakeError {
  const folders = partitions.map((id) => folderOfId(id, shape.partitionBy)).filter((folder) => folder !== '')
  return new LakeError('conflict', `another writer was faster: ${reason}`, {
    table: load.store.url,
    version: winner?.version,
    operation: winner?.info?.lakewright?.mode ?? winner?.info?.operation,
    loadId: winner?.info?.lakewright?.loadId,
    partitions: folders.length > 0 ? folders.slice(0, 5).join(', ') : undefined,
    fix: 'Nothing of this load became visible. Run it again, or say --on-conflict retry to put it on top.',
  })
}

function folderOfId(id: string, partitionBy: string[]): string {
  const texts = JSON.parse(id) as (string | null)[]
  return partitionPath(Object.fromEntries(partitionBy.map((name, i) => [name, texts[i] ?? null])), partitionBy)
}

function refuseOtherContent(name: LoadName, entry: LoadName & { version: number }): void {
  if (entry.algorithm === name.algorithm && entry.digest === name.digest) return
  throw new LakeError('invalid', 'this load id was committed before with other content', {
    loadId: name.id,
    version: entry.version,
    fix: 'Use a new load id, or leave it out.',
  })
}

function duplicateReceipt(load: Load, { version, receipt }: { version: number; receipt?: unknown }): Receipt {
  const known = typeof receipt === 'object' && receipt !== null ? (receipt as Partial<Receipt>) : {}
  return {
    table: load.store.url,
    created: false,
    mode: load.mode,
    rows: { read: 0, written: 0 },
    partitions: { replaced: [], removed: [], unchanged: 0 },
    files: { added: 0, removed: 0 },
    bytes: { added: 0, removed: 0 },
    durationMs: 0,
    ...known,
    ...(load.settings.loadId === undefined ? {} : { loadId: load.settings.loadId }),
    version,
    status: 'duplicate',
  }
}

export function receiptFor(
  status: Receipt['status'],
  load: Load,
  { base, shape, verdict }: Planned,
  rejected: Rejected | undefined,
): Receipt {
  return receiptOf(status, base?.version ?? -1, {
    table: load.store.url,
    mode: load.mode,
    loadId: load.settings.loadId,
    base,
    partitionBy: shape.partitionBy,
    schema: shape.schema,
    verdict,
    rejected: rejected && { rows: rejected.rows, key: rejected.key },
    durationMs: load.runtime.now() - load.startedMs,
  })
}

function commitOptions(load: Load): CommitOptions {
  const { commitDeadlineMs } = load.table
  return {
    runtime: load.runtime,
    ...(load.signal ? { signal: load.signal } : {}),
    ...(commitDeadlineMs === undefined ? {} : { deadlineMs: commitDeadlineMs }),
  }
}
