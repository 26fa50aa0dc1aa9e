/**
 * Loads that a guard held back: look at them, commit one, remove one.
 *
 *   loads     every document below `_staging/`, judged against the commits since its base
 *   approve   the same commit that the load would have made, from the same base: it is judged as any commit is, and
 *             where what it looked at has changed, it stays held
 *   discard   exactly its own objects, once it is certain that nobody commits them any more
 *
 * Approving and discarding exclude each other by one put-if-absent object. Only a load whose approval broke off after
 * that needs more to be discarded: a fence in the log, after which no approval of it can commit.
 */
import { isLakeError, LakeError } from './errors.js'
import type { TrippedGuard } from './guard.js'
import { decide, type HeldLoad, listHeld, readHeld, removeHeld } from './hold.js'
import { attempt, attemptOf, derive, footprintOf } from './landing.js'
import type { Action, Snapshot } from './manifest/actions.js'
import { Replay } from './manifest/change.js'
import { type CommitResult, commit } from './manifest/commit.js'
import { judge } from './manifest/conflict.js'
import { commitInfoOf, newestVersion, readCommitAt, readCommits, readSnapshot } from './manifest/log.js'
import { assertLoadId, fenceAppId, findLoad } from './manifest/progress.js'
import { callOf, type Reading } from './read/reading.js'
import { noTable } from './read/snapshot.js'
import type { LoadMode, Receipt } from './receipt.js'
import { promoteFiles } from './stage/upload.js'
import { decisionKey, stagingFolder } from './store/keys.js'
import type { StoreUsage } from './store/port.js'

export interface HeldSummary {
  /** By which it is approved or discarded. */
  loadId: string
  mode: LoadMode
  /** ISO 8601 with `Z`. */
  heldAt: string
  ageMs: number
  /** Why it waits. */
  guard: TrippedGuard[]
  /** The version that it was planned on; -1 where it creates the table. */
  baseVersion: number
  /** Whether nothing that it looked at has changed since, so that it can be approved. */
  baseHolds: boolean
  /** Where it does not. */
  reason?: string
  /** What it would do. */
  created: boolean
  rows: Receipt['rows']
  partitions: Receipt['partitions']
  files: Receipt['files']
  bytes: Receipt['bytes']
}

/** Those that wait, oldest first. */
export async function loads(reading: Reading): Promise<HeldSummary[]> {
  const { runtime, store } = reading
  const held = await listHeld(store, callOf(reading))
  if (held.length === 0 && (await newestVersion(store, callOf(reading))) < 0) throw noTable(store)
  const summaries: HeldSummary[] = []
  for (const one of held) {
    const standing = await standingOf(reading, one)
    // Committed, and its writer died before it could clean up: nothing waits.
    if (standing.status === 'committed') continue
    const { baseVersion, mode, receipt } = one.landing
    const { bytes, created, files, partitions, rows } = receipt
    summaries.push({
      loadId: one.loadId,
      mode,
      heldAt: new Date(one.heldAtMs).toISOString(),
      ageMs: Math.max(0, runtime.now() - one.heldAtMs),
      guard: one.guard,
      baseVersion,
      baseHolds: standing.status === 'holds',
      ...(standing.status === 'changed' ? { reason: standing.reason } : {}),
      ...{ created, rows, partitions, files, bytes },
    })
  }
  return summaries
}

/**
 * @returns the receipt; `duplicate` where it was committed before, by whomever
 * @throws LakeError invalid: no such load; conflict: the base does not hold, and the load stays where it is
 */
export async function approve(reading: Reading, loadId: string): Promise<Receipt> {
  assertLoadId(loadId)
  const started = { ms: reading.runtime.now(), usage: { ...reading.store.usage } }
  const held = await readHeld(reading.store, loadId, callOf(reading))
  if (held === undefined) {
    const receipt = await committedReceipt(reading, loadId)
    if (receipt === undefined) throw await noSuchLoad(reading, loadId)
    return receipt
  }
  const approval = reading.runtime.uuid()
  const result = await commitHeld(reading, held, approval, started).catch(async (error) => {
    // Another approval may have come to its end, and swept what was held, while this one was under way.
    const isDecided = isLakeError(error) && error.code !== 'commit-unknown'
    const receipt = isDecided ? await committedReceipt(reading, loadId) : undefined
    if (receipt === undefined) throw error
    return receipt
  })
  if ('table' in result) return result
  if (result.status !== 'committed' && result.status !== 'duplicate') throw baseChanged(reading, held, result)
  if (result.status === 'committed') await derive(reading.store, result.snapshot, reading.runtime)
  await attempt(reading.runtime, 'could not sweep staged files', () => removeHeld(reading.store, held, 'as committed'))
  const receipt = { ...held.landing.receipt, ...soFar(reading, started), version: result.version }
  const isMine = result.status === 'committed' && approvalOf(result.actions) === approval
  return isMine ? receipt : { ...receipt, status: 'duplicate' }
}

/** @throws LakeError invalid: no such load, or it was committed before */
export async function discard(reading: Reading, loadId: string): Promise<{ status: 'discarded'; loadId: string }> {
  assertLoadId(loadId)
  const { runtime, store } = reading
  const held = await readHeld(store, loadId, callOf(reading))
  if (held === undefined) throw await noSuchLoad(reading, loadId)
  if ((await standingOf(reading, held)).status === 'committed') {
    await removeHeld(store, held, 'as committed')
    throw await noSuchLoad(reading, loadId)
  }
  // An approval that was begun and broke off may go on at any time, unless the log says that it may not.
  if ((await decide(store, held, 'discard', runtime)) === 'approve') await fence(reading, held)
  await removeHeld(store, held, 'with promoted files')
  return { status: 'discarded', loadId }
}

interface Started {
  ms: number
  usage: StoreUsage
}

/** Another approval or a discard removed the document. */
class Gone extends LakeError {}

async function commitHeld(reading: Reading, held: HeldLoad, approval: string, started: Started): Promise<CommitResult> {
  const { store } = reading
  const base = await baseOf(reading, held)
  const steps = {
    approval,
    promote: async () => {
      await claim(reading, held)
      await promoteFiles(store, held.staged, callOf(reading)).catch((error) => {
        throw isLakeError(error) && error.details.restage === true ? filesGone(reading, held, error) : error
      })
    },
    soFar: () => soFar(reading, started),
  }
  const { commitDeadlineMs } = reading.settings
  const options = { ...callOf(reading), ...(commitDeadlineMs === undefined ? {} : { deadlineMs: commitDeadlineMs }) }
  return await commit(store, attemptOf(held.landing, base, steps), options)
}

/** From here on no discard touches it without a fence. */
async function claim({ runtime, store }: Reading, held: HeldLoad): Promise<void> {
  const { landing, loadId } = held
  const decision = await decide(store, held, 'approve', runtime)
  const now = await readHeld(store, loadId)
  if (decision === 'approve' && now?.landing.txnId === landing.txnId) return
  if (now?.landing.txnId !== landing.txnId) await store.delete([decisionKey(stagingFolder(loadId), landing.txnId)])
  throw new Gone('invalid', 'this load was discarded', { loadId, fix: 'Load again what is to be in the table.' })
}

/** What no document says any more, the log may. */
async function committedReceipt(reading: Reading, loadId: string): Promise<Receipt | undefined> {
  const committed = await committedAs(reading, loadId)
  if (committed === undefined) return undefined
  const { receipt, version } = committed
  if (receipt === undefined) throw new LakeError('invalid', 'this load was committed before', { loadId, version })
  return { ...(receipt as Receipt), version, status: 'duplicate' }
}

async function noSuchLoad(reading: Reading, loadId: string): Promise<LakeError> {
  const committed = await committedAs(reading, loadId)
  if (committed !== undefined)
    return new LakeError('invalid', 'this load is committed', {
      loadId,
      version: committed.version,
      fix: 'There is nothing to discard; the version before it stays readable.',
    })
  return new LakeError('invalid', 'no load of this id is held back', {
    loadId,
    fix: `\`lakewright loads ${reading.store.url}\` lists those that are.`,
  })
}

async function committedAs(
  reading: Reading,
  loadId: string,
): Promise<{ version: number; receipt?: unknown } | undefined> {
  const latest = await readSnapshot(reading.store, callOf(reading))
  const entry = latest && findLoad(latest.txns, loadId)
  if (entry === undefined) return undefined
  const theirs = await readCommitAt(reading.store, entry.version, callOf(reading))
  return { version: entry.version, receipt: theirs && commitInfoOf(theirs)?.lakewright?.receipt }
}

type Standing = { status: 'holds' } | { status: 'changed'; reason: string } | { status: 'committed' }

/** What an approval would meet now. */
async function standingOf(reading: Reading, held: HeldLoad): Promise<Standing> {
  const { landing } = held
  try {
    const base = await baseOf(reading, held)
    const superseded = landing.supersede.flatMap((key) => base?.files.get(key) ?? [])
    const footprint = footprintOf(landing, superseded)
    const replay = new Replay(base)
    let reason: string | undefined
    for (const theirs of await readCommits(reading.store, landing.baseVersion, undefined, callOf(reading))) {
      if (commitInfoOf(theirs)?.txnId === landing.txnId) return { status: 'committed' }
      const judgement = judge(footprint, theirs, replay)
      if ('reason' in judgement) reason ??= `version ${theirs.version}: ${judgement.reason}`
      replay.apply(theirs)
    }
    if (findLoad(replay.txns, landing.name.id) !== undefined) return { status: 'committed' }
    if (replay.txns.has(fenceAppId(landing.txnId))) reason ??= 'it was given up and fenced'
    return reason === undefined ? { status: 'holds' } : { status: 'changed', reason }
  } catch (error) {
    if (!isLakeError(error, 'invalid') && !isLakeError(error, 'conflict')) throw error
    return { status: 'changed', reason: error.message }
  }
}

/** The table as the load saw it. */
async function baseOf(reading: Reading, { landing, loadId }: HeldLoad): Promise<Snapshot | undefined> {
  const { baseVersion, supersede } = landing
  if (baseVersion < 0) return undefined
  const base = await readSnapshot(reading.store, { ...callOf(reading), version: baseVersion })
  if (base !== undefined && supersede.every((key) => base.files.has(key))) return base
  throw new LakeError('conflict', 'the table is not the one that this load was planned on', {
    loadId,
    version: baseVersion,
    fix: discardFix(reading, loadId),
  })
}

/** A commit that keeps every approval of the load from committing. */
async function fence(reading: Reading, { landing, loadId }: HeldLoad): Promise<void> {
  const base = await readSnapshot(reading.store, callOf(reading))
  if (base === undefined)
    throw new LakeError('conflict', 'an approval of this load was begun, and may still create the table', {
      loadId,
      fix: 'Approve it again, to bring it to its end.',
    })
  const actions = (slot: number): Action[] => [
    { commitInfo: { operation: 'FENCE', operationParameters: { loadId }, lakewright: { mode: 'discard', loadId } } },
    { txn: { appId: fenceAppId(landing.txnId), version: BigInt(slot) } },
  ]
  const result = await commit(
    reading.store,
    {
      base,
      txnId: reading.runtime.uuid(),
      footprint: {
        mode: 'vacuum',
        reads: { kind: 'nothing' },
        removes: new Set(),
        metadata: base.metadata,
        changesTable: false,
      },
      actions,
      promote: async () => {},
    },
    callOf(reading),
  )
  if (result.status !== 'committed')
    throw new LakeError('conflict', 'an approval of this load is under way', {
      loadId,
      fix: 'Look at the table, and discard the load again if it is still held.',
    })
  if (findLoad(result.snapshot.txns, landing.name.id) !== undefined) throw await noSuchLoad(reading, loadId)
}

function approvalOf(actions: readonly Action[]): string | undefined {
  return actions.find((action) => 'commitInfo' in action)?.commitInfo.lakewright?.approval
}

function baseChanged(
  reading: Reading,
  { landing, loadId }: HeldLoad,
  result: Extract<CommitResult, { status: 'conflict' | 'dropped' | 'replan' }>,
): LakeError {
  return new LakeError('conflict', `the table has changed since this load was held back: ${result.reason}`, {
    table: reading.store.url,
    loadId,
    baseVersion: landing.baseVersion,
    version: result.winner?.version,
    fix: discardFix(reading, loadId),
  })
}

function filesGone(reading: Reading, { loadId }: HeldLoad, cause: LakeError): LakeError {
  return new LakeError('conflict', 'files of this load are not in the store any more', {
    loadId,
    key: cause.details.key,
    fix: discardFix(reading, loadId),
    cause,
  })
}

function discardFix({ store }: Reading, loadId: string): string {
  return `Nothing became visible. Discard it (\`lakewright discard ${store.url} ${loadId}\`), and load the snapshot again.`
}

function soFar(
  { runtime, store: { usage } }: Reading,
  { ms, usage: before }: Started,
): Pick<Receipt, 'durationMs' | 'io'> {
  return {
    durationMs: runtime.now() - ms,
    io: {
      bytesRead: usage.bytesRead - before.bytesRead,
      bytesWritten: usage.bytesWritten - before.bytesWritten,
      requests: usage.requests - before.requests,
    },
  }
}
