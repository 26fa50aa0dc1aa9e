/**
 * From a verdict to a version: upload, commit, publish. The last part of a load, and the only one that others can see.
 * A load that trips a guard ends one step earlier: staged, and waiting for an approval (`held.ts`).
 */
import { isLakeError, LakeError } from './errors.js'
import { guardText, type TrippedGuard, trippedGuards } from './guard.js'
import { type HeldLoad, readHeld, removeHeld, writeHeld } from './hold.js'
import { attempt, attemptOf, derive, type Landing } from './landing.js'
import { type Load, type Planned, report, rowHashContext, rowHashesOf } from './load.js'
import type { CommitInfo, Metadata, Snapshot } from './manifest/actions.js'
import { type CommitOptions, type CommitResult, commit } from './manifest/commit.js'
import type { Winner } from './manifest/conflict.js'
import { keyProperty, newMetadata } from './manifest/create.js'
import { commitInfoOf, readCommitAt, readSnapshot } from './manifest/log.js'
import { findLoad, type LoadName } from './manifest/progress.js'
import { partitionPath } from './partition/spec.js'
import type { Verdict } from './plan/port.js'
import { type Receipt, receiptOf } from './receipt.js'
import { keyedModes } from './remembered.js'
import { contentDigest, digestAlgorithm } from './stage/digest.js'
import { fingerprintTag } from './stage/fingerprint.js'
import { promoteFiles, type Upload, uploadFiles } from './stage/upload.js'
import { stagingFolder } from './store/keys.js'
import type { SpooledFile } from './store/port.js'

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
  const waiting = await waitingUnder(load, name)
  let planned = first
  const upload: Upload = { reserved: new Map(), staged: new Map(), journal: [] }
  try {
    for (let round = 0; ; round++) {
      const known = await duplicateOf(load, planned, name)
      if (known) return await afterDiscard(load, upload, known)
      const guard = trippedGuards(load.mode, load.settings, planned.verdict)
      if (guard.length > 0)
        throw waiting ? heldBack(load, waiting) : await holdBack(load, planned, rejected, upload, guard)
      if (rejected === undefined && changesNothing(load, planned))
        return await afterDiscard(load, upload, receiptFor('unchanged', load, planned, rejected))
      await uploadMissing(load, planned, rejected, upload)
      const result = await commitOrRestage(load, planned, upload, name, rejected)
      if (result.status === 'restage') continue
      if (result.status === 'committed') return await afterCommit(load, planned, upload, result, rejected, waiting)
      if (result.status === 'duplicate') return await afterDiscard(load, upload, duplicateReceipt(load, result))
      planned = await planOnTop(load, planned, result, round)
    }
  } catch (error) {
    // An unknown commit may still turn out to have happened, and a load that is held needs its files: they must stay.
    if (!isLakeError(error, 'commit-unknown') && !upload.held) await discard(load, upload)
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
    const landing = landingOf(load, planned, rejected, name)
    const promote = () => {
      report(load, { stage: 'commit' })
      const staged = filesOf(planned.verdict, rejected).flatMap(({ key }) => upload.staged.get(key) ?? [])
      return promoteFiles(load.store, staged, { signal: load.signal })
    }
    const steps = { promote, soFar: () => soFar(load) }
    return await commit(load.store, attemptOf(landing, planned.base, steps), commitOptions(load))
  } catch (error) {
    if (!isLakeError(error, 'unavailable') || error.details.restage !== true) throw error
    const { add, changeData = [], tombstones = [] } = planned.verdict
    const file = [...add, ...changeData, ...tombstones].find(({ key }) => key === error.details.key)
    const again = (file?.restaged ?? 0) + 1
    // A store that takes the file over has no second copy to send.
    if (file === undefined || again > mostReplans || load.store.kind === 'local') throw error
    upload.staged.delete(file.key)
    file.restaged = again
    const lost = file.key
    file.key = lost.replace(/(-r\d+)?\.parquet$/, `-r${again}.parquet`)
    // A property may name the file.
    const { properties = {} } = planned.verdict
    for (const [name, text] of Object.entries(properties)) properties[name] = text.replaceAll(lost, file.key)
    return { status: 'restage' }
  }
}

/** A load id is kept with the digest of its content, so that the same id with other rows is noticed. */
async function nameOfLoad(load: Load, planned: Planned): Promise<LoadName | undefined> {
  const { loadId } = load.settings
  return loadId === undefined ? undefined : await nameFor(load, planned, loadId)
}

async function nameFor(load: Load, { executor, shape }: Planned, id: string): Promise<LoadName> {
  const { schema, extras, loadColumns } = shape
  // Where a row stands in the input is no part of what it says.
  const columns = [...schema, ...extras.filter(({ name }) => name !== '__lw_seq')]
  const ctx = { engine: load.engine, signal: load.signal, schema: columns, loadColumns }
  const digest = await contentDigest(executor.content(), ctx)
  return { id, algorithm: digestAlgorithm, digest }
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

function changesNothing(load: Load, planned: Planned): boolean {
  const { verdict } = planned
  return (
    verdict.add.length === 0 &&
    verdict.supersede.length === 0 &&
    !changesTable(planned) &&
    load.settings.loadId === undefined
  )
}

async function uploadMissing(
  load: Load,
  { verdict }: Planned,
  rejected: Rejected | undefined,
  upload: Upload,
  hold?: { hold: true },
): Promise<void> {
  const wanted = filesOf(verdict, rejected).filter(({ key }) => !upload.staged.has(key))
  const totalBytes = wanted.reduce((sum, { file }) => sum + file.sizeBytes, 0)
  let bytes = 0
  await uploadFiles(wanted, upload, {
    store: load.store,
    folder: stagingFolder(load.settings.loadId ?? load.txnId),
    load: { txnId: load.txnId, loadId: load.settings.loadId, mode: load.mode, startedMs: load.startedMs },
    ...hold,
    ...(load.signal ? { signal: load.signal } : {}),
    onUploaded: (size) => {
      bytes += size
      report(load, { stage: 'upload', bytes, totalBytes, share: bytes / totalBytes })
    },
  })
}

/** Everything that becomes visible with the commit. */
function filesOf(
  { add, changeData = [], tombstones = [] }: Verdict,
  rejected: Rejected | undefined,
): { key: string; file: SpooledFile }[] {
  return [...add, ...changeData, ...tombstones, ...(rejected ? [rejected] : [])]
}

function landingOf(load: Load, planned: Planned, rejected: Rejected | undefined, name: LoadName | undefined): Landing {
  const { base, verdict } = planned
  const { add, changeData = [], tombstones = [], supersede } = verdict
  return {
    txnId: load.txnId,
    mode: load.mode,
    baseVersion: base?.version ?? -1,
    ...(name ? { name } : {}),
    receipt: { ...receiptFor('committed', load, planned, rejected), ...(name ? { loadId: name.id } : {}) },
    operation: operationOf(load, planned),
    metadata: metadataOf(load, planned),
    changesTable: changesTable(planned),
    dataChange: verdict.dataChange,
    reads: verdict.reads,
    supersede: supersede.map(({ key }) => key),
    add: add.map(({ file, fingerprint, key, partitionValues, stats }) => ({
      ...{ key, partitionValues, sizeBytes: file.sizeBytes, stats, fingerprint: fingerprintTag(fingerprint) },
    })),
    changeData: changeData.map(({ file, key, partitionValues }) => ({
      ...{ key, partitionValues, sizeBytes: file.sizeBytes },
    })),
    beside: [...tombstones, ...(rejected ? [rejected] : [])].map(({ key }) => key),
  }
}

function changesTable({ shape, verdict }: Planned): boolean {
  return shape.changesTable || Object.keys(verdict.properties ?? {}).length > 0
}

function metadataOf(load: Load, { base, shape, verdict }: Planned): Metadata {
  const { schema, partitionBy, key } = shape
  const properties = { ...shape.configuration, ...verdict.properties }
  const configuration = Object.fromEntries(Object.entries(properties).filter(([, text]) => text !== ''))
  if (base === undefined) return newMetadata({ schema, partitionBy, key, configuration }, load.txnId, 0)
  return {
    ...base.metadata,
    schema,
    partitionBy,
    configuration: { ...configuration, ...(key.length > 0 ? { [keyProperty]: JSON.stringify(key) } : {}) },
  }
}

/** In the words that other writers of the log use for the same. */
function operationOf(
  { mode, settings }: Load,
  { shape }: Planned,
): Pick<CommitInfo, 'operation' | 'operationParameters'> {
  if (mode === 'delete')
    return { operation: 'DELETE', operationParameters: { predicate: JSON.stringify([settings.where ?? '']) } }
  if (keyedModes.has(mode)) {
    const predicate = shape.key.map((name) => `current.${name} = incoming.${name}`).join(' AND ')
    return { operation: 'MERGE', operationParameters: { predicate: JSON.stringify([predicate]) } }
  }
  return {
    operation: 'WRITE',
    operationParameters: {
      mode: mode === 'append' ? 'Append' : 'Overwrite',
      partitionBy: JSON.stringify(shape.partitionBy),
    },
  }
}

/** Modes that a guard may hold back. */
const guardedModes: readonly Load['mode'][] = ['sync', 'scd2']

/** The load that waits for approval under the same id: the same one from before, or another that has to go first. */
async function waitingUnder(load: Load, name: LoadName | undefined): Promise<HeldLoad | undefined> {
  if (name === undefined || !guardedModes.includes(load.mode)) return undefined
  const waiting = await readHeld(load.store, name.id, load.signal ? { signal: load.signal } : {})
  if (waiting !== undefined) refuseOtherHeld(load, waiting, name)
  return waiting
}

function refuseOtherHeld(load: Load, { landing }: HeldLoad, name: LoadName): void {
  if (landing.name.algorithm === name.algorithm && landing.name.digest === name.digest) return
  throw new LakeError('invalid', 'a load with this id and other content is held back', {
    loadId: name.id,
    fix: `Approve or discard it first (\`lakewright discard ${load.store.url} ${name.id}\`), or use another load id.`,
  })
}

/** @returns what the caller is told, once everything lies in the store for whoever approves or discards it */
async function holdBack(
  load: Load,
  planned: Planned,
  rejected: Rejected | undefined,
  upload: Upload,
  guard: TrippedGuard[],
): Promise<LakeError> {
  // What was staged for a commit may be under its final key by now.
  if (upload.staged.size > 0)
    throw new LakeError('conflict', 'another writer was faster, and on top of it a guard would hold this load back', {
      table: load.store.url,
      guard: guard.map(guardText).join('; '),
      fix: 'Nothing of this load became visible. Run it again.',
    })
  const name = await nameFor(load, planned, load.settings.loadId ?? load.txnId)
  await uploadMissing(load, planned, rejected, upload, { hold: true })
  const held: HeldLoad = {
    loadId: name.id,
    heldAtMs: load.runtime.now(),
    guard,
    landing: { ...landingOf(load, planned, rejected, name), name },
    staged: [...upload.staged.values()],
  }
  upload.held = true
  const holder = await writeHeld(load.store, held, load.runtime)
  if (holder.landing.txnId === load.txnId)
    await attempt(load.runtime, 'could not delete the journal', () => load.store.delete(upload.journal))
  else {
    upload.held = false
    refuseOtherHeld(load, holder, name)
  }
  return heldBack(load, holder)
}

function heldBack(load: Load, { guard, landing, loadId }: HeldLoad): LakeError {
  const already = landing.txnId === load.txnId ? '' : ' already'
  const { url } = load.store
  const [first] = guard
  return new LakeError('guard', `the load is${already} held back: ${guard.map(guardText).join('; ')}`, {
    loadId,
    guard: first?.guard,
    value: first?.value,
    limit: first?.limit,
    table: url,
    fix: `The table is as it was. Look at the input; then commit the load (\`lakewright approve ${url} ${loadId}\`) or remove it (\`lakewright discard ${url} ${loadId}\`).`,
  })
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
  waiting: HeldLoad | undefined,
): Promise<Receipt> {
  report(load, { stage: 'publish' })
  // The commit stands whatever happens now: what is derived can be made again, and what is left over is swept later.
  await attempt(load.runtime, 'could not sweep staged files', () => sweep(load, planned, upload, rejected))
  // The same load was held back before. Its id is in the log now, so that no approval of it can commit.
  if (waiting)
    await attempt(load.runtime, 'could not sweep the load that was held back', () =>
      removeHeld(load.store, waiting, 'with promoted files'),
    )
  await derive(load.store, snapshot, load.runtime)
  await attempt(load.runtime, 'could not keep row hashes', () => keepRowHashes(load, planned, snapshot))
  return { ...receiptFor('committed', load, planned, rejected), version, ...soFar(load) }
}

/** For the next snapshot that is compared with these rows. */
async function keepRowHashes(load: Load, { shape, verdict }: Planned, { files }: Snapshot): Promise<void> {
  if (load.mode !== 'sync' && load.mode !== 'scd2') return
  const hashes = rowHashesOf(load, shape)
  const added = verdict.add.map(({ file, ...staged }) => ({ ...staged, path: file.path }))
  await load.rowHashes.keep(added, hashes, rowHashContext(load, shape))
  await load.rowHashes.forgetAllBut(files.keys(), hashes)
}

/** What an earlier plan staged and the committed one did not need, then the journal. */
async function sweep(load: Load, { verdict }: Planned, upload: Upload, rejected: Rejected | undefined): Promise<void> {
  const kept = new Set(filesOf(verdict, rejected).map(({ key }) => key))
  const unneeded = [...upload.staged.values()].filter(({ key }) => !kept.has(key))
  for (const staged of unneeded) await load.store.abort(staged)
  await load.store.delete([...unneeded.map(({ key }) => key), ...upload.journal])
}

/** Nothing of this load is, or ever will be, visible: every slot that it tried holds another's record, or it tried none. */
async function discard(load: Load, { reserved, staged, journal }: Upload): Promise<void> {
  await attempt(load.runtime, 'could not sweep staged files', async () => {
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
    io: usageOf(load),
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
  const guard = status === 'planned' ? trippedGuards(load.mode, load.settings, verdict) : []
  const receipt = receiptOf(status, base?.version ?? -1, {
    table: load.store.url,
    mode: load.mode,
    loadId: load.settings.loadId,
    base,
    partitionBy: shape.partitionBy,
    schema: shape.schema,
    verdict,
    rejected: rejected && { rows: rejected.rows, key: rejected.key },
    ...soFar(load),
  })
  return guard.length > 0 ? { ...receipt, guard } : receipt
}

function soFar(load: Load): Pick<Receipt, 'durationMs' | 'io'> {
  return { durationMs: load.runtime.now() - load.startedMs, io: usageOf(load) }
}

/** What this load asked of the store so far. */
function usageOf({ store: { usage }, usageBefore: before }: Load): Receipt['io'] {
  return {
    bytesRead: usage.bytesRead - before.bytesRead,
    bytesWritten: usage.bytesWritten - before.bytesWritten,
    requests: usage.requests - before.requests,
  }
}

function commitOptions(load: Load): CommitOptions {
  const { commitDeadlineMs } = load.table
  return {
    runtime: load.runtime,
    ...(load.signal ? { signal: load.signal } : {}),
    ...(commitDeadlineMs === undefined ? {} : { deadlineMs: commitDeadlineMs }),
  }
}
