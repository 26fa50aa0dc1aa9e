/** From which version to which, as users say it: numbers, times, or nothing for the newest. */
import { isLakeError, LakeError } from '../../errors.js'
import { newestVersion, versionAsOf } from '../../manifest/log.js'
import type { ChangesOptions, VersionRange } from '../changes.js'
import { callOf, type Reading } from '../reading.js'
import { noTable } from '../snapshot.js'
import { parseAt } from '../version.js'

/** @throws LakeError invalid: no table, no such version, or the second before the first */
export async function resolveRange(reading: Reading, options: ChangesOptions): Promise<VersionRange> {
  const newest = await newestVersion(reading.store, callOf(reading, options.signal))
  if (newest < 0) throw noTable(reading.store)
  const until = options.until === undefined ? newest : await versionOf(reading, options.until, options)
  if (until > newest) throw noSuchVersion(until, newest)
  const since = await sinceOf(reading, options)
  if (since > newest) throw noSuchVersion(since, newest)
  if (since > until)
    throw new LakeError('invalid', 'the changes asked for end before they begin', {
      since,
      until,
      fix: 'Changes are those after the first version, up to and including the second.',
    })
  return { since, until }
}

async function sinceOf(reading: Reading, options: ChangesOptions): Promise<number> {
  const { since } = options
  if (since === undefined || since === null)
    throw new LakeError('invalid', 'changes after which version is not said', {
      fix: 'Give `since`: a version, a time, or -1 for all since the table was made.',
    })
  if (since === -1) return since
  try {
    return await versionOf(reading, since, options)
  } catch (error) {
    // A time before the table was made.
    if (typeof since !== 'number' && isLakeError(error, 'invalid') && 'oldest' in error.details) return -1
    throw error
  }
}

async function versionOf(reading: Reading, given: number | string | Date, options: ChangesOptions): Promise<number> {
  const { version, timeMs } = parseAt(typeof given === 'number' ? { version: given } : { asOf: given })
  return version ?? (await versionAsOf(reading.store, timeMs ?? 0, callOf(reading, options.signal)))
}

function noSuchVersion(version: number, newest: number): LakeError {
  return new LakeError('invalid', 'the table has no such version', {
    version,
    newest,
    fix: `Versions go up to ${newest}.`,
  })
}
