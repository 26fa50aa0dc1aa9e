/**
 * Is every file that a version names there, and what the manifest says? Damage is reported, never thrown; only what keeps
 * the check itself from working (no table, no access) is an error.
 *
 *   log         a version is missing, a file of the log cannot be read; deep: a checkpoint differs from the commits
 *   missing     a data file is not there                       LIST pages, or HEAD where the files are few
 *   size        another size than recorded
 *   content     no Parquet footer; deep: rows do not decode, or differ from the recorded fingerprint
 *   rows        another row count than recorded                one ranged read of each footer
 *   statistics  deep: a null count or bound by which readers would skip rows that are there
 */
import { isLakeError, type LakeError } from '../errors.js'
import type { AddFile, Snapshot } from '../manifest/actions.js'
import { newestVersion } from '../manifest/log.js'
import { callOf, type Reading } from '../read/reading.js'
import { snapshotAt } from '../read/snapshot.js'
import { type At, parseAt } from '../read/version.js'
import type { Progress } from '../settings.js'
import type { CallOptions } from '../store/port.js'
import { checkFooters } from './verify-footers.js'
import { checkLog } from './verify-log.js'
import { checkObjects, checkTombstones } from './verify-objects.js'

/** @throws LakeError invalid: no table, no such version; unavailable: the store does not answer */
export async function verify(reading: Reading, options: VerifyOptions = {}): Promise<VerifyReport> {
  const call = callOf(reading, options.signal)
  const problems: VerifyProblem[] = []
  const snapshot = await readable(reading, options, problems)
  if (snapshot === undefined) return reportOf(parseAt(options).version ?? (await newestOrNone(reading)), 0, 0, problems)
  const { store } = reading
  const objectCall: CallOptions = call.signal === undefined ? {} : { signal: call.signal }
  const meter = progressMeter(options, snapshot.files.size)

  problems.push(...(await checkLog(store, snapshot, { ...call, deep: options.deep === true })))
  const objects = await checkObjects(store, snapshot, objectCall)
  problems.push(...objects.problems, ...(await checkTombstones(store, snapshot, objectCall)))
  const footers = await checkFooters(store, objects.sound, { ...objectCall, onFile: meter.footer })
  problems.push(...footers.problems)
  if (options.deep) {
    const { checkContent } = await import('./verify-content.js')
    problems.push(...(await checkContent(reading, snapshot, footers.sound, { ...objectCall, onFile: meter.content })))
  }
  return reportOf(snapshot.version, snapshot.files.size, footers.rows, problems)
}

export interface VerifyOptions extends At {
  /** Read every row, and the whole log. */
  deep?: boolean
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
}

/** As `verify --json` prints it. */
export interface VerifyReport {
  ok: boolean
  version: number
  files: number
  /** Those found in the files. */
  rows: number
  problems: VerifyProblem[]
}

export interface VerifyProblem {
  code: 'missing' | 'size' | 'rows' | 'content' | 'statistics' | 'log'
  /** Of the object, below the table's root. */
  key: string
  message: string
}

/** Only damage of the log itself is a problem to report here; that there is no such version is the caller's mistake. */
async function readable(reading: Reading, at: At, problems: VerifyProblem[]): Promise<Snapshot | undefined> {
  try {
    return await snapshotAt(reading.store, at, callOf(reading))
  } catch (error) {
    if (!isLakeError(error, 'corrupt')) throw error
    problems.push(problemOf('log', error, '_delta_log/'))
    return undefined
  }
}

async function newestOrNone({ store, ...rest }: Reading): Promise<number> {
  try {
    return await newestVersion(store, callOf({ store, ...rest }))
  } catch (error) {
    if (isLakeError(error, 'corrupt')) return -1
    throw error
  }
}

/** The error as a problem: where it happened is told by the key already. */
export function problemOf(code: VerifyProblem['code'], error: LakeError, key: string): VerifyProblem {
  const { key: named, version } = error.details
  const place = typeof named === 'string' ? named : key
  const where = typeof version === 'number' ? `version ${version}: ` : ''
  return { code, key: place, message: where + error.message }
}

function reportOf(version: number, files: number, rows: number, problems: VerifyProblem[]): VerifyReport {
  const sorted = problems.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return { ok: sorted.length === 0, version, files, rows, problems: sorted }
}

/** A footer is a few kilobytes, content is all of it: where both are read the first counts for a tenth. */
function progressMeter({ deep, onProgress }: VerifyOptions, files: number) {
  let footers = 0
  let contents = 0
  let bytes = 0
  let rows = 0
  const report = () => {
    const [first, second] = [footers / files, contents / files]
    onProgress?.({ stage: 'read', rows, bytes, share: deep ? first * 0.1 + second * 0.9 : first })
  }
  return {
    footer: (file: AddFile, found: number) => {
      footers++
      rows += found
      if (!deep) bytes += file.sizeBytes
      report()
    },
    content: (file: AddFile) => {
      contents++
      bytes += file.sizeBytes
      report()
    },
  }
}
