/**
 * The one module that builds and parses object keys. A key is relative to the table's root, and stays below it.
 *
 *   logKey(12)                             _delta_log/00000000000000000012.json
 *   checkpointKey(10)                      _delta_log/00000000000000000010.checkpoint.parquet
 *   stagingFolder('nightly:2026-11-20')    _staging/<first 32 hex digits of the id's sha256>
 *   journalKey(folder)                     _staging/<…>/journal.json
 *   ownerKey(folder, 2)                    _staging/<…>/owner-2.json
 *   heldLoadKey(folder)                    _staging/<…>/held.json
 *   dataKey('dt=2026-11-20', txn, 0)       dt=2026-11-20/<txn>-00000.parquet
 *   rejectedKey(txn, 0)                    _rejected/<txn>-00000.parquet
 *   tombstonesKey(txn, 0)                  _tombstones/<txn>-00000.parquet
 *   rowHashesKey(of, 'dt=…/a.parquet')     _row_hashes/<hash of `of`>/a.<hash of the key>.hashes
 */
import { createHash } from 'node:crypto'
import { LakeError } from '../errors.js'

export const logFolder = '_delta_log/'
export const stagingRoot = '_staging/'
export const changeDataFolder = '_change_data/'
export const rejectedFolder = '_rejected/'
export const tombstonesFolder = '_tombstones/'
export const rowHashesFolder = '_row_hashes/'
export const publishedFolder = '_published/'

export const lastCheckpointKey = `${logFolder}_last_checkpoint`

export function logKey(version: number): string {
  return `${logFolder}${paddedVersion(version)}.json`
}

export function checkpointKey(version: number): string {
  return `${logFolder}${paddedVersion(version)}.checkpoint.parquet`
}

/** What a key below `_delta_log/` is. Source: Delta protocol, "Delta Log Entries" and "Checkpoints". */
export type LogKey =
  | { kind: 'commit'; version: number }
  | { kind: 'checkpoint'; version: number }
  /** One of several files that are a checkpoint only together; `part` counts from 1. */
  | { kind: 'checkpoint-part'; version: number; part: number; parts: number }
  /** A V2 checkpoint, named by a UUID; a table with these has the `v2Checkpoint` feature. */
  | { kind: 'checkpoint-v2'; version: number }

export function parseLogKey(key: string): LogKey | undefined {
  const match = logKeyPattern.exec(key)
  const version = Number(match?.[1])
  if (!match || !Number.isSafeInteger(version)) return undefined
  const [, , commit, checkpoint, part, parts] = match
  if (commit) return { kind: 'commit', version }
  if (checkpoint) return { kind: 'checkpoint', version }
  if (part && parts) return { kind: 'checkpoint-part', version, part: Number(part), parts: Number(parts) }
  return { kind: 'checkpoint-v2', version }
}

const logKeyPattern =
  /^_delta_log\/(\d{20})\.(?:(json)|(checkpoint\.parquet)|checkpoint\.(\d{10})\.(\d{10})\.parquet|checkpoint\.[0-9a-fA-F-]{36}\.(?:json|parquet))$/

/** Load ids may be `..`, `CON`, or differ by case only, so the folder is named by a hash; the id stands in the journal. */
export function stagingFolder(loadId: string): string {
  return stagingRoot + shortHash(loadId)
}

/** @param folder as `stagingFolder` gives it */
export function journalKey(folder: string): string {
  return `${folder}/journal.json`
}

/** One segment of the journal of one attempt at a load: the files of it that go up next. */
export function journalSegmentKey(folder: string, txnId: string, n: number): string {
  return `${folder}/${txnId}/journal-${String(n).padStart(5, '0')}.json`
}

/** The claim number `k` on a load: put-if-absent, the highest one owns. */
export function ownerKey(folder: string, k: number): string {
  return `${folder}/owner-${k}.json`
}

/** All that a load needs which waits for approval. */
export function heldLoadKey(folder: string): string {
  return `${folder}/held.json`
}

export function isHeldLoadKey(key: string): boolean {
  return /^_staging\/[0-9a-f]{32}\/held\.json$/.test(key)
}

/** Whether a held load is being approved or discarded: put-if-absent, the first to say so. */
export function decisionKey(folder: string, txnId: string): string {
  return `${folder}/decision-${txnId}.json`
}

/** Where file `id` of a load lies until it is promoted. Never `.parquet`: a reader's glob must not match it. */
export function stagedKey(folder: string, id: string): string {
  return `${folder}/${id}.staged`
}

/** Until the store's preconditions are proven, and for a moment. No Delta reader looks here. */
export function probeKey(id: string): string {
  return `${stagingRoot}.probe-${id}`
}

/** @param partitionPath Hive-escaped folders without slashes at the ends, `''` for an unpartitioned table */
export function dataKey(partitionPath: string, txnId: string, n: number): string {
  const name = numbered(txnId, n)
  return partitionPath === '' ? name : `${partitionPath}/${name}`
}

/** Without partition folders: some readers of the change feed do not decode paths. */
export function changeDataKey(txnId: string, n: number): string {
  return changeDataFolder + numbered(txnId, n)
}

export function rejectedKey(txnId: string, n = 0): string {
  return rejectedFolder + numbered(txnId, n)
}

/** The order of keys that are deleted: part of the table, so it is committed with the load that deletes them. */
export function tombstonesKey(txnId: string, n: number): string {
  return tombstonesFolder + numbered(txnId, n)
}

/**
 * What is derived from one data file, named after it.
 * @param of the algorithm and columns: made in another way it has another name
 */
export function rowHashesKey(of: string, dataKey: string): string {
  const name = dataKey.slice(dataKey.lastIndexOf('/') + 1).replace(/\.parquet$/, '')
  return `${rowHashesFolder}${shortHash(of).slice(0, 16)}/${name}.${shortHash(dataKey).slice(0, 8)}.hashes`
}

export function publishedKey(name: string): string {
  return publishedFolder + name
}

/**
 * Hold that a key stays below the root and means the same on every store.
 * @param code `corrupt` where the key was read from storage, `invalid` where a caller made it
 */
export function assertKey(key: string, code: 'invalid' | 'corrupt' = 'invalid'): void {
  const problem = problemOf(key)
  if (problem) throw new LakeError(code, `not a key of an object: ${problem}`, { key })
}

export function isKey(key: string): boolean {
  return problemOf(key) === undefined
}

/** Like `assertKey`, for what keys may begin with: the last segment may be empty or unfinished. */
export function assertPrefix(prefix: string): void {
  if (prefix !== '') assertKey(`${prefix}x`)
}

/** The order of keys in every listing: by their UTF-8 bytes, which differs from JavaScript's above U+D7FF. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}

/** First 32 hex digits of the text's sha256. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function problemOf(key: string): string | undefined {
  if (key === '') return 'it is empty'
  if (key.includes('\0')) return 'it holds a NUL character'
  if (/\p{Surrogate}/u.test(key)) return 'it is not well-formed Unicode'
  for (const segment of key.split('/')) {
    if (segment === '') return 'it has an empty segment'
    if (segment === '.' || segment === '..') return `it has the segment ${segment}`
  }
  return undefined
}

function paddedVersion(version: number): string {
  if (!Number.isSafeInteger(version) || version < 0) throw new LakeError('invalid', 'not a table version', { version })
  return String(version).padStart(20, '0')
}

function numbered(txnId: string, n: number): string {
  return `${txnId}-${String(n).padStart(5, '0')}.parquet`
}

/** Surrogates stand for code points above all that one code unit can hold. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
