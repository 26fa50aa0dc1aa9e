/**
 * The only writer of the log: makes a load visible, exactly once (COMMIT §1, steps 3 to 5).
 *
 *   replay what came after the base ─► look up fence, load id, progress ─► judge conflicts ─► promote (once) ─► PUT slot N
 *        ▲                                                                                                     │
 *        └──── taken by another: back off, read only the new commits ◄──── 412 ◄───────────────────────────────┤
 *              mine after all: committed                                   unknown: same bytes, same slot ◄────┘
 *
 * Promises: at most one slot ever holds this `txnId`; a result other than `committed` and an error other than
 * `commit-unknown` mean that nothing became visible; after `commit-unknown` nothing may be deleted. Costs one LIST and one PUT,
 * and per lost race one more of each and one GET per new commit.
 */
import pLimit from 'p-limit'
import { isLakeError, LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { logKey } from '../store/keys.js'
import type { Store } from '../store/port.js'
import type { Action, Commit, Snapshot } from './actions.js'
import { type Footprint, type Judgement, judge, Replay, type Winner, worstOf } from './change.js'
import { assemble } from './commit-actions.js'
import { encodeCommit } from './encode.js'
import { commitInfoOf, readCommitAt, readCommits, readSnapshot } from './log.js'
import { assertAdvances, fenceAppId, findLoad, type LoadName, loadAppId } from './progress.js'
import { assertWritable } from './protocol.js'

export async function commit(store: Store, attempt: Attempt, options: CommitOptions = {}): Promise<CommitResult> {
  const road = new Road(store, attempt, options)
  await store.probe(road.call)
  for (;;) {
    const early = await road.catchUp()
    if (early !== undefined) return early
    await road.promote()
    const put = road.prepare()
    const decided = await road.put(put)
    const result = await road.settle(put, decided)
    if (result !== undefined) return result
  }
}

/** What a load wants to make visible. */
export interface Attempt {
  /** The version that it was planned on; undefined where it creates the table. */
  base: Snapshot | undefined
  /** Names this attempt: who finds its own in a slot has won it. A new one for every attempt. */
  txnId: string
  footprint: Footprint
  /**
   * The actions of a slot; asked again for every slot tried, so it must not have effects. `commitInfo` (operation,
   * parameters, `lakewright.receipt`) is completed here; the load id's `txn`, timestamps of `txn`s and, after a foreign compaction, the removes
   * are worked out here. A creator's `protocol` and `metaData` are left out where another created the same table first.
   * @param latest the table at slot − 1
   */
  actions(slot: number, timestamp: number, latest: Snapshot | undefined): Action[]
  /** Brings the staged files to their final keys. Called at most once, before the first PUT. */
  promote(): Promise<void>
  /** Written only for an id that the caller gave. */
  load?: LoadName
}

export interface CommitOptions {
  signal?: AbortSignal
  runtime?: Runtime
  /** How long an undecided PUT is repeated. Default 60 000. */
  deadlineMs?: number
}

/** `promoted`: whether the staged files lie under their final keys, and are the caller's to delete where the load lost. */
export type CommitResult =
  | { status: 'committed'; version: number; timestamp: number; snapshot: Snapshot; actions: Action[] }
  | { status: 'conflict' | 'dropped'; winner: Winner; partitions: string[]; reason: string; promoted: boolean }
  | { status: 'replan'; newBase: Snapshot; winner?: Winner; partitions: string[]; reason: string; promoted: boolean }
  | { status: 'duplicate'; version: number; receipt?: unknown; promoted: boolean }

interface Put {
  slot: number
  timestamp: number
  actions: Action[]
  bytes: Uint8Array
}

const hourMs = 3_600_000

class Road {
  readonly call: { signal?: AbortSignal }
  private readonly runtime: Runtime
  private readonly replay: Replay
  private promotedAt: number | undefined
  private replayedAt = 0
  private recompute = false
  private checked = false
  /** A PUT of mine may have been applied, and no slot read since has told. */
  private undecided = false
  private losses = 0
  /** The store said "taken" and listed nothing, so many times in a row. */
  private unseen = 0
  private refused = false

  constructor(
    private readonly store: Store,
    private readonly attempt: Attempt,
    private readonly options: CommitOptions,
  ) {
    this.runtime = options.runtime ?? systemRuntime
    this.call = options.signal === undefined ? {} : { signal: options.signal }
    this.replay = new Replay(attempt.base)
  }

  /** Step 3. @returns a result if the load ends here, without a PUT */
  async catchUp(): Promise<CommitResult | undefined> {
    this.options.signal?.throwIfAborted()
    const news = await this.readNews()
    if (!Array.isArray(news)) return news
    let worst: Judgement | undefined
    for (const theirs of news) {
      if (commitInfoOf(theirs)?.txnId === this.attempt.txnId) return this.won(theirs)
      const judgement = judge(this.attempt.footprint, theirs, this.replay)
      worst = worst === undefined ? judgement : worstOf(worst, judgement)
      this.replay.apply(theirs)
    }
    if (news.length > 0) this.undecided = false
    if (news.length > 0 || !this.checked) {
      const duplicate = await this.check()
      if (duplicate !== undefined) return duplicate
    }
    return worst === undefined ? undefined : this.obey(worst)
  }

  /** Step 4. */
  async promote(): Promise<void> {
    if (this.promotedAt !== undefined) return
    await this.attempt.promote()
    this.promotedAt = this.runtime.now()
  }

  prepare(): Put {
    const { attempt, replay, store } = this
    const slot = replay.version + 1
    const timestamp = Math.max(replay.timestamp + 1, Math.floor(store.now()))
    const actions = assemble(attempt, { slot, timestamp, latest: this.latest(), recompute: this.recompute })
    for (const action of actions) if ('txn' in action) assertAdvances(replay.txns, action.txn)
    return { slot, timestamp, actions, bytes: encodeCommit(actions) }
  }

  /** Step 5: the very same bytes to the very same slot, until it is decided. */
  async put({ slot, actions, bytes }: Put): Promise<'created' | 'exists' | 'exists-perhaps-mine'> {
    await this.assertStillThere(actions)
    this.options.signal?.throwIfAborted()
    const deadline = this.runtime.now() + (this.options.deadlineMs ?? 60_000)
    let unknown: unknown
    for (let tries = 0; ; tries++) {
      const outcome = await this.putOnce(slot, bytes, unknown !== undefined)
      if (outcome.status !== 'exists') this.undecided = true
      if (outcome.status === 'created') return 'created'
      if (outcome.status === 'exists') return unknown === undefined ? 'exists' : 'exists-perhaps-mine'
      unknown = outcome.cause ?? 'no answer'
      if (this.runtime.now() >= deadline || this.options.signal?.aborted) throw this.unknown(slot, unknown)
      await this.backOff(tries, 2_000).catch(() => {})
    }
  }

  /** What an answer is worth. @returns undefined to go round again */
  async settle(put: Put, decided: 'created' | 'exists' | 'exists-perhaps-mine'): Promise<CommitResult | undefined> {
    if (decided === 'created') {
      if (await this.slotBeforeIsThere(put.slot)) return this.won({ version: put.slot, ...put })
      return this.reopen(put.slot)
    }
    // Back to step 3, which reads the slot and knows its own txnId.
    this.refused = true
    if (decided === 'exists') await this.backOff(this.losses++, 1_000)
    return undefined
  }

  private async readNews(): Promise<Commit[] | CommitResult> {
    const { version } = this.replay
    try {
      const news = await readCommits(this.store, version, undefined, { ...this.call, runtime: this.runtime })
      if (news.length > 0) this.refused = false
      else if (this.refused && ++this.unseen > 5)
        throw new LakeError('unavailable', 'the store refuses a slot of the log as taken, and lists nothing there', {
          key: logKey(version + 1),
        })
      this.replayedAt = this.runtime.now()
      return news
    } catch (error) {
      // A foreign writer removed the commits after my base: only the table itself can tell what happened.
      if (isLakeError(error, 'invalid')) return this.reopen(version + 1)
      throw error
    }
  }

  /** What must hold at slot − 1, in the whole of the table and not only in the commits after the base. */
  private async check(): Promise<CommitResult | undefined> {
    const { txnId, load, footprint } = this.attempt
    const { txns } = this.replay
    if (txns.has(fenceAppId(txnId)))
      throw new LakeError('conflict', 'this load was given up for dead and fenced by a vacuum', {
        txnId,
        fix: 'Start the load again.',
      })
    const duplicate = load === undefined ? undefined : await this.findDuplicate(load)
    if (duplicate !== undefined) return duplicate
    const latest = this.latest()
    if (latest === undefined) return undefined
    assertWritable(latest, footprint.mode)
    this.checkProperties(latest)
    return undefined
  }

  private checkProperties({ metadata: { configuration }, version }: Snapshot): void {
    const { load, footprint } = this.attempt
    const retention = configuration['delta.setTransactionRetentionDuration']
    const remembers = load !== undefined || (footprint.progress?.size ?? 0) > 0 || footprint.mode === 'vacuum'
    if (retention !== undefined && remembers)
      throw new LakeError('unsupported', 'the table forgets load ids and progress after a while', {
        'delta.setTransactionRetentionDuration': retention,
        fix: 'Remove delta.setTransactionRetentionDuration from the table, or load without an id.',
      })
    if (configuration['delta.enableExpiredLogCleanup'] !== 'false' && version > 0 && !this.checked)
      this.runtime.log(
        'warn',
        'other writers may remove old commits of this table; set delta.enableExpiredLogCleanup=false to keep them',
      )
    this.checked = true
  }

  private async findDuplicate(load: LoadName): Promise<CommitResult | undefined> {
    const entry = findLoad(this.replay.txns, load.id)
    if (entry === undefined) return undefined
    if (entry.algorithm !== load.algorithm || entry.digest !== load.digest)
      throw new LakeError('invalid', 'this load id was committed before with other content', {
        loadId: load.id,
        version: entry.version,
        fix: 'Use a new load id, or leave it out.',
      })
    const { version } = entry
    const theirs = await readCommitAt(this.store, version, this.call)
    const receipt = theirs && commitInfoOf(theirs)?.lakewright?.receipt
    return { status: 'duplicate', version, ...(receipt === undefined ? {} : { receipt }), promoted: this.isPromoted }
  }

  private obey(judgement: Judgement): CommitResult | undefined {
    const { mode, replaces } = this.attempt.footprint
    if (judgement.verdict === 'rebase') return undefined
    if (judgement.verdict === 'recompute-removes') {
      this.recompute = true
      if (mode !== 'restore' && replaces !== undefined) return undefined
      return this.replan('its files were rearranged by another writer')
    }
    const { verdict, winner, partitions, reason } = judgement
    if (verdict === 'replan') return { ...this.replan(reason), winner, partitions }
    const status = verdict === 'drop' ? 'dropped' : 'conflict'
    return { status, winner, partitions, reason, promoted: this.isPromoted }
  }

  private async putOnce(slot: number, bytes: Uint8Array, wasUnknown: boolean) {
    try {
      // Without the caller's signal: an aborted PUT may have been applied.
      return await this.store.putIfAbsent(logKey(slot), bytes)
    } catch (cause) {
      // A definite refusal says nothing about an earlier try whose answer was lost.
      if (cause instanceof LakeError && !wasUnknown) throw cause
      return { status: 'unknown' as const, cause }
    }
  }

  /** A foreign writer may have removed old commits, and a late PUT into a slot among them "succeeds" and is lost. */
  private async slotBeforeIsThere(slot: number): Promise<boolean> {
    if (slot === 0 || this.runtime.now() - this.replayedAt <= hourMs) return true
    return (await this.store.head(logKey(slot - 1))) !== undefined
  }

  /** The log before `slot` is gone: the table itself decides. */
  private async reopen(slot: number): Promise<CommitResult> {
    const fresh = await readSnapshot(this.store, { ...this.call, runtime: this.runtime })
    if (fresh === undefined)
      throw new LakeError('conflict', 'the table was removed while this load ran', { fix: 'Start the load again.' })
    const { load, base, actions } = this.attempt
    const mine = actions(slot, 0, base)
    const inFiles = mine.some((action) => 'add' in action && action.add.dataChange && fresh.files.has(action.add.key))
    const entry = load === undefined ? undefined : fresh.txns.get(loadAppId(load))
    if (this.undecided && (inFiles || (entry !== undefined && Number(entry.version) === slot)))
      return { status: 'committed', version: slot, timestamp: fresh.timestamp, snapshot: fresh, actions: mine }
    if (this.undecided) throw this.unknown(slot, 'the commits before it were removed by another writer')
    return {
      status: 'replan',
      newBase: fresh,
      partitions: [],
      reason: 'the commits after its base were removed by another writer',
      promoted: this.isPromoted,
    }
  }

  /** Long after promotion a foreign VACUUM may have deleted what nothing references yet. */
  private async assertStillThere(actions: readonly Action[]): Promise<void> {
    if (this.promotedAt === undefined || this.runtime.now() - this.promotedAt <= hourMs) return
    const limit = pLimit(32)
    const keys = actions.flatMap((action) => ('add' in action && action.add.dataChange ? [action.add.key] : []))
    const heads = await Promise.all(keys.map((key) => limit(() => this.store.head(key, this.call))))
    const gone = keys.find((_, i) => heads[i] === undefined)
    if (gone !== undefined)
      throw new LakeError('conflict', 'a staged file was deleted before it was committed (by a foreign VACUUM?)', {
        key: gone,
        fix: 'Start the load again.',
      })
    this.promotedAt = this.runtime.now()
  }

  private won(mine: Commit): CommitResult {
    this.replay.apply(mine)
    const { version, timestamp, actions } = mine
    return { status: 'committed', version, timestamp, snapshot: this.replay.snapshot(), actions }
  }

  private replan(reason: string) {
    const newBase = this.replay.snapshot()
    return { status: 'replan' as const, newBase, partitions: [] as string[], reason, promoted: this.isPromoted }
  }

  private unknown(slot: number, cause: unknown): LakeError {
    return new LakeError('commit-unknown', 'whether this load was committed is not known', {
      version: slot,
      txnId: this.attempt.txnId,
      cause,
      fix: `Look whether version ${slot} of the table carries this transaction before you load again; a load with an id may just be repeated.`,
    })
  }

  /**
   * Full jitter, doubling: of many losers, few come back at the same time. (Measured with 16 processes × 25 appends on MinIO: all
   * land, with a tenth fewer requests than windows fitted to how many others were seen.)
   */
  private async backOff(tries: number, capMs: number): Promise<void> {
    await this.runtime.sleep(this.runtime.random() * Math.min(capMs, 20 * 2 ** tries), this.options.signal)
  }

  private latest(): Snapshot | undefined {
    return this.replay.version < 0 ? undefined : this.replay.snapshot()
  }

  private get isPromoted(): boolean {
    return this.promotedAt !== undefined
  }
}
