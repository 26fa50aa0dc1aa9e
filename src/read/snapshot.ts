/** The table at a version, for everything that reads. Needs no engine. */
import { LakeError } from '../errors.js'
import type { Snapshot } from '../manifest/actions.js'
import { type ReadOptions, readSnapshot, versionAsOf } from '../manifest/log.js'
import type { Store } from '../store/port.js'
import { type At, parseAt } from './version.js'

/**
 * @throws LakeError invalid: no table, no such version, no version as old as that; unsupported: features we do not read
 */
export async function snapshotAt(store: Store, at: At = {}, options: ReadOptions = {}): Promise<Snapshot> {
  const { version, timeMs } = parseAt(at)
  const wanted = timeMs === undefined ? version : await versionAsOf(store, timeMs, options)
  const snapshot = await readSnapshot(store, { ...options, ...(wanted === undefined ? {} : { version: wanted }) })
  if (snapshot !== undefined) return snapshot
  throw noTable(store)
}

export function noTable(store: Store): LakeError {
  return new LakeError('invalid', 'there is no table here', {
    table: store.url,
    fix: 'Check the address; a first load makes the table.',
  })
}
