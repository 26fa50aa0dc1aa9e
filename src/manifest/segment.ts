/**
 * Which files of `_delta_log/` make a version: the newest checkpoint at or before it and every commit after that.
 * Lists and reads the hint; reads no commit and no checkpoint.
 *
 * Requests, however long the history:
 *   newest version      1 GET (hint) + 1 LIST page per 1,000 files after the hinted checkpoint
 *   hint missing, lying one page from version 0; if that is full, a doubling search with LISTs of one key (2·log₂ of the history),
 *   or far behind       then pages backwards from the tip, eight times as far each time, until a checkpoint is met
 *   an old version      the same pages backwards from that version, no search
 *
 * The hint is never believed alone: its checkpoint must be in the listing.
 */
import { LakeError } from '../errors.js'
import { lastCheckpointKey, logFolder, logKey, parseLogKey } from '../store/keys.js'
import type { CallOptions, ObjectInfo, Store } from '../store/port.js'
import { parseHint } from './parse.js'

/** @returns undefined where there is no table; @throws LakeError `corrupt` for gaps, `invalid` for a version that is not there (any more) */
export async function findSegment(
  store: Store,
  target: number | undefined,
  options: CallOptions,
): Promise<Segment | undefined> {
  const listing = target === undefined ? await listNewest(store, options) : await listBack(store, target, options)
  if (target === undefined) return listing.length === 0 ? undefined : segmentOf(listing, undefined)
  const segment = listing.some(({ version }) => version === target) ? segmentOf(listing, target) : undefined
  if (segment !== undefined) return segment
  throw await noSuchVersion(store, target, options)
}

/** Commits in the log after `from`, up to and including `to`, ascending and gapless from the first one found. */
export async function listCommits(
  store: Store,
  from: number,
  to: number | undefined,
  options: CallOptions,
): Promise<LogEntry[]> {
  const startAfter = from < 0 ? undefined : logKey(from)
  const commits: LogEntry[] = []
  for await (const entry of listLog(store, startAfter, options)) {
    if (to !== undefined && entry.version > to) break
    if (entry.kind === 'commit') commits.push(entry)
  }
  return commits
}

/** @returns -1 where there is no table */
export async function findNewest(store: Store, options: CallOptions): Promise<number> {
  const listing = await listNewest(store, options)
  return listing.reduce((newest, { version }) => Math.max(newest, version), -1)
}

export interface Segment {
  version: number
  checkpoint: Checkpoint | undefined
  /** Of the checkpoint's version, where it is still there: it tells the time. */
  checkpointCommit: LogEntry | undefined
  /** After the checkpoint, ascending, without a gap. */
  commits: LogEntry[]
}

export interface Checkpoint {
  version: number
  /** One, or all parts. */
  files: ObjectInfo[]
}

export interface LogEntry extends ObjectInfo {
  kind: 'commit' | 'checkpoint' | 'checkpoint-part' | 'checkpoint-v2'
  version: number
  part?: number
  parts?: number
}

const pageSize = 1000
/** Begins commits and checkpoints; leaves out the hint, sidecars and temporary files. */
const versioned = `${logFolder}0`

async function listNewest(store: Store, options: CallOptions): Promise<LogEntry[]> {
  const hint = await store.get(lastCheckpointKey, options)
  const hinted = hint === undefined ? undefined : parseHint(hint.body)
  if (hinted !== undefined && hinted.version > 0) {
    const page = await firstPage(store, hinted.version, options)
    if (!page.full && completeCheckpoint(page.entries, undefined) !== undefined) return page.entries
    if (page.full) return searchNewest(store, page.entries, options)
  }
  const page = await firstPage(store, 0, options)
  return page.full ? searchNewest(store, page.entries, options) : page.entries
}

/** The tip is too far to walk there: double the distance until nothing comes after, then halve. */
async function searchNewest(store: Store, known: LogEntry[], options: CallOptions): Promise<LogEntry[]> {
  let newest = known.at(-1)?.version ?? 0
  let beyond: number | undefined
  for (let step = pageSize; beyond === undefined || beyond - newest > pageSize / 2; ) {
    const guess = beyond === undefined ? newest + step : Math.floor((newest + beyond) / 2)
    const found = await firstAfter(store, guess, options)
    if (found !== undefined) newest = Math.max(guess, found.version)
    else beyond = guess
    step *= 2
  }
  let tip = newest
  for await (const entry of listLog(store, beforeVersion(newest), options)) tip = entry.version
  return listBack(store, tip, options)
}

/** Files of versions up to `upTo`, from the newest complete checkpoint or from version 0. */
async function listBack(store: Store, upTo: number, options: CallOptions): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  let end = upTo + 1
  for (let reach = 64; ; reach *= 8) {
    const start = Math.max(0, upTo - reach)
    const window: LogEntry[] = []
    for await (const entry of listLog(store, beforeVersion(start), options)) {
      if (entry.version >= end) break
      window.push(entry)
    }
    entries.unshift(...window)
    if (start === 0 || completeCheckpoint(entries, upTo) !== undefined) return entries
    end = start
  }
}

function segmentOf(listing: LogEntry[], target: number | undefined): Segment | undefined {
  const version = target ?? listing.reduce((newest, entry) => Math.max(newest, entry.version), 0)
  const checkpoint = completeCheckpoint(listing, version)
  const first = checkpoint === undefined ? 0 : checkpoint.version + 1
  const all = new Map(listing.filter(({ kind }) => kind === 'commit').map((entry) => [entry.version, entry]))
  const commits: LogEntry[] = []
  for (let next = first; next <= version; next++) {
    const commit = all.get(next)
    if (commit !== undefined) commits.push(commit)
    else if (target !== undefined) return undefined
    else
      throw new LakeError('corrupt', 'a version is missing from the log', {
        version: next,
        newest: version,
        fix: 'Restore the missing commit file from a backup of the store.',
      })
  }
  return { version, checkpoint, checkpointCommit: all.get(checkpoint?.version ?? -1), commits }
}

/** The newest checkpoint up to `upTo` of which every part is there. */
function completeCheckpoint(entries: readonly LogEntry[], upTo: number | undefined): Checkpoint | undefined {
  const byVersion = new Map<number, LogEntry[]>()
  for (const entry of entries) {
    if (entry.kind === 'commit' || entry.version > (upTo ?? Number.MAX_SAFE_INTEGER)) continue
    byVersion.set(entry.version, [...(byVersion.get(entry.version) ?? []), entry])
  }
  const newestFirst = [...byVersion].sort(([a], [b]) => b - a)
  for (const [version, files] of newestFirst) {
    const single = files.find(({ kind }) => kind === 'checkpoint') ?? files.find(({ kind }) => kind === 'checkpoint-v2')
    if (single !== undefined) return { version, files: [single] }
    const counts = new Set(files.map(({ parts }) => parts))
    for (const count of counts) {
      const parts = files.filter((file) => file.parts === count)
      if (parts.length === count) return { version, files: parts }
    }
  }
  return undefined
}

async function firstPage(
  store: Store,
  from: number,
  options: CallOptions,
): Promise<{ entries: LogEntry[]; full: boolean }> {
  const entries: LogEntry[] = []
  let seen = 0
  const startAfter = from === 0 ? undefined : beforeVersion(from)
  for await (const entry of listLog(store, startAfter, { ...options, limit: pageSize }, () => seen++))
    entries.push(entry)
  return { entries, full: seen >= pageSize }
}

async function firstAfter(
  store: Store,
  version: number,
  options: CallOptions,
): Promise<{ version: number } | undefined> {
  for await (const { key } of store.list(versioned, { ...options, startAfter: beforeVersion(version), limit: 1 }))
    return { version: versionIn(key) }
  return undefined
}

async function* listLog(
  store: Store,
  startAfter: string | undefined,
  options: CallOptions & { limit?: number },
  onObject: () => void = () => {},
): AsyncGenerator<LogEntry> {
  for await (const object of store.list(versioned, {
    ...options,
    ...(startAfter === undefined ? {} : { startAfter }),
  })) {
    onObject()
    const parsed = parseLogKey(object.key)
    if (parsed !== undefined) yield { ...object, ...parsed }
  }
}

/** Lists after this begin with the first file of `version`: `….checkpoint…` comes before `….json`. */
function beforeVersion(version: number): string {
  return logKey(version).slice(0, -'.json'.length)
}

/** Of any file that belongs to a version, also those that `parseLogKey` does not know. */
function versionIn(key: string): number {
  return Number(key.slice(logFolder.length, logFolder.length + 20)) || 0
}

async function noSuchVersion(store: Store, version: number, options: CallOptions): Promise<LakeError> {
  const newest = await findNewest(store, options)
  if (newest < 0) return new LakeError('invalid', 'there is no table', { table: store.url })
  if (version > newest) return new LakeError('invalid', 'the table has no such version yet', { version, newest })
  return new LakeError('invalid', 'this version cannot be read any more: its commits were cleaned up', {
    version,
    newest,
    fix: 'Choose a newer version; set delta.enableExpiredLogCleanup=false to keep all from now on.',
  })
}
