/**
 * Write what is derived from a version, for readers that do not know the manifest: `_published/duckdb.sql`. After a commit,
 * and never a part of it: a failure leaves an older view that is right for its version (COMMIT §1, step 6).
 *
 *   read the tip ─► PUT with If-Match ─► read the tip again ─► is it newer? once more
 */
import { LakeError } from '../errors.js'
import type { Snapshot } from '../manifest/actions.js'
import { newestVersion, readSnapshot } from '../manifest/log.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { publishedKey } from '../store/keys.js'
import type { CallOptions, Store, StoredObject } from '../store/port.js'
import { publishedSql, publishedVersion, tableMark } from './duckdb-sql.js'

/**
 * @param snapshot of the commit just made; a newer one is published in its place
 * @returns the version that the published view shows at least
 * @throws LakeError unavailable, or what the store says; the commit stands all the same
 */
export async function publish(
  store: Store,
  snapshot: Snapshot,
  { runtime = systemRuntime, signal }: PublishOptions = {},
): Promise<number> {
  const call: CallOptions = signal === undefined ? {} : { signal }
  const read = { ...call, runtime }
  let latest = snapshot
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const current = await store.get(duckdbKey, call)
    const tip = await newestVersion(store, read)
    if (tip > latest.version) latest = (await readSnapshot(store, { ...read, version: tip })) ?? latest
    const shown = shownVersion(current, latest)
    if (shown !== undefined && shown >= latest.version) return shown
    const body = Buffer.from(publishedSql(store, latest))
    const put = await store.putDerived(duckdbKey, body, { ...call, ...(current && { ifMatch: current.etag }) })
    // Without an old view two first ones may follow each other in the wrong order: who wrote last looks again.
    if (put === 'written' && (await newestVersion(store, read)) <= latest.version) return latest.version
  }
  throw new LakeError('unavailable', 'other writers keep publishing at the same time', {
    key: duckdbKey,
    fix: 'Nothing needs to be done: the next commit publishes again.',
  })
}

export interface PublishOptions extends CallOptions {
  runtime?: Runtime
}

const duckdbKey = publishedKey('duckdb.sql')
const mostAttempts = 10

/** A view of another table, which lay here before, shows nothing of this one. */
function shownVersion(current: StoredObject | undefined, { metadata }: Snapshot): number | undefined {
  if (current === undefined) return undefined
  const shown = publishedVersion(Buffer.from(current.body).toString('utf8', 0, 4096))
  return shown?.table === tableMark(metadata) ? shown.version : undefined
}
