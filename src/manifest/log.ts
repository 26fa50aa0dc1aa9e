/**
 * Read the log: the table at a version, commits, history. `segment.ts` finds the files, this reads them, 16 at a time.
 *
 * Opening the newest version costs what `segment.ts` says plus one GET per file of the checkpoint and per commit after it (ten
 * or fewer at the default checkpoint interval), whatever the length of the history. A commit is immutable, so nothing is read twice.
 */
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import type { Runtime } from '../runtime.js'
import { logFolder, logKey } from '../store/keys.js'
import type { ObjectInfo, Store, StoredObject } from '../store/port.js'
import type { Commit, CommitInfo, Snapshot } from './actions.js'
import { Replay } from './change.js'
import { decodeCheckpoint } from './decode-checkpoint.js'
import { parseCommit } from './parse.js'
import { assertReadable } from './protocol.js'
import { findNewest, findSegment, type LogEntry, listCommits, type Segment } from './segment.js'

/**
 * The table at a version, the newest by default; undefined where there is no table.
 * @throws LakeError `invalid` (no such version, or not any more), `corrupt`, `unsupported` (features we do not read)
 */
export async function readSnapshot(
  store: Store,
  options: ReadOptions & { version?: number } = {},
): Promise<Snapshot | undefined> {
  // A foreign writer may clean old files up between our LIST and our GETs: then there is a newer checkpoint to start from.
  for (let attempt = 1; ; attempt++) {
    const segment = await findSegment(store, options.version, pass(options))
    if (segment === undefined) return undefined
    try {
      const snapshot = await readSegment(store, segment, options)
      assertReadable(snapshot)
      return snapshot
    } catch (error) {
      if (!(error instanceof Vanished) || attempt === 3) throw error
      options.runtime?.log('debug', `log file ${error.details.key} vanished while it was read; reading again`)
    }
  }
}

/**
 * Commits after `fromExclusive` (-1 for all) up to `toInclusive` (the newest by default), ascending, gapless.
 * One LIST and one GET per commit.
 * @throws LakeError `invalid` where commits were cleaned up by others, `corrupt` for a gap
 */
export async function readCommits(
  store: Store,
  fromExclusive: number,
  toInclusive?: number,
  options: ReadOptions = {},
): Promise<Commit[]> {
  const entries = await listCommits(store, fromExclusive, toInclusive, pass(options))
  const first = entries[0]
  const last = entries.at(-1)
  if (first !== undefined && first.version !== fromExclusive + 1) throw cleanedUp(fromExclusive + 1, first.version)
  if (toInclusive !== undefined && toInclusive > fromExclusive && last?.version !== toInclusive)
    throw last === undefined ? cleanedUp(fromExclusive + 1, undefined) : gap(last.version + 1)
  entries.forEach(({ version }, i) => {
    if (version !== fromExclusive + 1 + i) throw gap(fromExclusive + 1 + i)
  })
  return readAll(entries, (entry) => readCommit(store, entry, options))
}

/** -1 where there is no table. */
export async function newestVersion(store: Store, options: ReadOptions = {}): Promise<number> {
  return findNewest(store, pass(options))
}

/** The last `limit` commits that are still there, newest first, with times made monotone. */
export async function history(store: Store, options: ReadOptions & { limit?: number } = {}): Promise<Commit[]> {
  const newest = await newestVersion(store, options)
  if (newest < 0) return []
  const from = options.limit === undefined ? -1 : Math.max(-1, newest - options.limit)
  const entries = gaplessEnd(await listCommits(store, from, newest, pass(options)))
  return monotone(await readAll(entries, (entry) => readCommit(store, entry, options))).reverse()
}

/**
 * The newest version that was there at `timeMs`. By commit times, made monotone; found by halving, so exact as long as the
 * clocks of two writers never put fewer than 64 commits in the wrong order.
 * @throws LakeError invalid: before the first version that is still there
 */
export async function versionAsOf(store: Store, timeMs: number, options: ReadOptions = {}): Promise<number> {
  const newest = await newestVersion(store, options)
  const entries = newest < 0 ? [] : gaplessEnd(await listCommits(store, -1, newest, pass(options)))
  let [low, high] = [0, entries.length]
  while (high - low > 64) {
    const middle = Math.floor((low + high) / 2)
    const entry = entries[middle]
    if (entry === undefined) break
    const { timestamp } = await readCommit(store, entry, options)
    if (timestamp <= timeMs) low = middle
    else high = middle
  }
  const around = entries.slice(Math.max(0, low - 64), high)
  const commits = monotone(await readAll(around, (entry) => readCommit(store, entry, options)))
  const found = commits.filter(({ timestamp }) => timestamp <= timeMs).at(-1)
  if (found !== undefined) return found.version
  throw new LakeError('invalid', 'the table has no version as old as that', {
    time: new Date(timeMs).toISOString(),
    oldest: commits[0] === undefined ? undefined : new Date(commits[0].timestamp).toISOString(),
  })
}

export function commitInfoOf(commit: Commit): CommitInfo | undefined {
  return commit.actions.find((action) => 'commitInfo' in action)?.commitInfo
}

export interface ReadOptions {
  signal?: AbortSignal
  runtime?: Runtime
}

/** A file that was listed and is not there any more. */
class Vanished extends LakeError {}

/** One commit. @returns undefined if it is not there */
export async function readCommitAt(store: Store, version: number, options: ReadOptions): Promise<Commit | undefined> {
  const object = await store.get(logKey(version), pass(options))
  return object === undefined ? undefined : toCommit(object, version)
}

async function readSegment(store: Store, segment: Segment, options: ReadOptions): Promise<Snapshot> {
  const replay = new Replay()
  const { checkpoint, checkpointCommit, commits } = segment
  const needsTime = commits.length === 0 && checkpointCommit !== undefined
  const [files, read, time] = await Promise.all([
    readAll(checkpoint?.files ?? [], (file) => read1(store, file, options)),
    readAll(commits, (entry) => readCommit(store, entry, options)),
    needsTime ? readTime(store, checkpointCommit, options) : undefined,
  ])
  if (checkpoint !== undefined) {
    for (const file of files) await readCheckpoint(store, file, replay, options)
    replay.version = checkpoint.version
    replay.timestamp = time ?? files[0]?.modifiedMs ?? 0
  }
  for (const commit of read) replay.apply(commit)
  return replay.snapshot()
}

async function readCheckpoint(store: Store, file: StoredObject, replay: Replay, options: ReadOptions): Promise<void> {
  const sidecars = await decodeCheckpoint(file.body, file.key, replay)
  const bodies = await readAll(sidecars, (name) => read1(store, { key: `${logFolder}_sidecars/${name}` }, options))
  for (const { body, key } of bodies) await decodeCheckpoint(body, key, replay)
}

/** The time of a commit whose files the checkpoint has: of a load of many files, only the first line is needed. */
async function readTime(store: Store, entry: LogEntry, options: ReadOptions): Promise<number> {
  const head = await store.get(entry.key, { ...pass(options), range: { offset: 0, length: headBytes } })
  if (head === undefined)
    throw new Vanished('corrupt', 'a file of the log vanished while it was read', { key: entry.key })
  const end = head.body.indexOf(newline)
  if (end >= 0) {
    const first = { ...head, body: head.body.subarray(0, end) }
    const commit = toCommit(first, entry.version)
    if (commitInfoOf(commit) !== undefined) return commit.timestamp
  }
  return (await readCommit(store, entry, options)).timestamp
}
const headBytes = 65_536
const newline = 0x0a

async function readCommit(store: Store, entry: LogEntry, options: ReadOptions): Promise<Commit> {
  return toCommit(await read1(store, entry, options), entry.version)
}

function toCommit(object: StoredObject, version: number): Commit {
  const commit: Commit = { version, actions: parseCommit(object.body, object.key), timestamp: object.modifiedMs }
  const info = commitInfoOf(commit)
  return { ...commit, timestamp: info?.inCommitTimestamp ?? info?.timestamp ?? commit.timestamp }
}

async function read1(store: Store, { key }: Pick<ObjectInfo, 'key'>, options: ReadOptions): Promise<StoredObject> {
  const object = await store.get(key, pass(options))
  if (object === undefined) throw new Vanished('corrupt', 'a file of the log vanished while it was read', { key })
  return object
}

async function readAll<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const limit = pLimit(16)
  return Promise.all(items.map((item) => limit(read, item)))
}

/** The last run of commits without a gap. */
function gaplessEnd(entries: LogEntry[]): LogEntry[] {
  let start = entries.length - 1
  while (start > 0 && entries[start - 1]?.version === (entries[start]?.version ?? 0) - 1) start--
  return entries.slice(Math.max(0, start))
}

/** Protocol: each commit is at least a millisecond younger than the one before. */
function monotone(commits: Commit[]): Commit[] {
  let last = Number.NEGATIVE_INFINITY
  return commits.map((commit) => {
    last = Math.max(commit.timestamp, last + 1)
    return { ...commit, timestamp: last }
  })
}

function pass({ signal }: ReadOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function cleanedUp(version: number, oldest: number | undefined): LakeError {
  return new LakeError('invalid', 'commits were cleaned up by another writer, or never existed', {
    version,
    oldest,
    fix: 'Choose a newer version; set delta.enableExpiredLogCleanup=false to keep all from now on.',
  })
}

function gap(version: number): LakeError {
  return new LakeError('corrupt', 'a version is missing from the log', {
    version,
    fix: 'Restore the missing commit file from a backup of the store.',
  })
}
