/**
 * Write checkpoints, so that opening a table stays cheap: every `delta.checkpointInterval` commits (default 10), put-if-absent,
 * then the hint `_last_checkpoint`, only if that is newer. A checkpoint is derived: without it the log says the same, so
 * a failure here fails no load.
 */
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { checkpointKey, lastCheckpointKey } from '../store/keys.js'
import type { Store } from '../store/port.js'
import type { Metadata, RemoveFile, Snapshot } from './actions.js'
import { encodeCheckpoint } from './encode-checkpoint.js'
import { parseHint } from './parse.js'
import { assertWritable } from './protocol.js'

/** After a commit. @returns whether this snapshot has a checkpoint now; failures are logged and answer false */
export async function checkpointIfDue(
  store: Store,
  snapshot: Snapshot,
  options: CheckpointOptions = {},
): Promise<boolean> {
  const { runtime = systemRuntime } = options
  if (snapshot.version === 0 || snapshot.version % checkpointInterval(snapshot.metadata) !== 0) return false
  try {
    return (await writeCheckpoint(store, snapshot, options)) !== 'skipped'
  } catch (error) {
    runtime.log(
      'warn',
      `no checkpoint of version ${snapshot.version}: ${error instanceof Error ? error.message : error}`,
    )
    return false
  }
}

/**
 * @returns `exists` where another writer was first, `skipped` for tables whose checkpoints we cannot write whole
 * @throws LakeError `unavailable` where the store did not say whether it was written
 */
export async function writeCheckpoint(
  store: Store,
  snapshot: Snapshot,
  { runtime = systemRuntime, signal }: CheckpointOptions = {},
): Promise<'written' | 'exists' | 'skipped'> {
  if (!canBeWritten(snapshot)) return 'skipped'
  const call = signal === undefined ? {} : { signal }
  const { body, rows } = await encodeCheckpoint(
    snapshot,
    unexpired(snapshot, Math.max(store.now(), snapshot.timestamp)),
  )
  const put = await store.putIfAbsent(checkpointKey(snapshot.version), body, call)
  if (put.status === 'unknown')
    throw new LakeError('unavailable', 'the store did not say whether it wrote a checkpoint', {
      key: checkpointKey(snapshot.version),
      cause: put.cause,
    })
  if (put.status === 'exists') return 'exists'
  await raiseHint(store, {
    version: snapshot.version,
    size: rows,
    sizeInBytes: body.byteLength,
    numOfAddFiles: snapshot.files.size,
  }).catch((error: unknown) => runtime.log('warn', `the hint ${lastCheckpointKey} was not written: ${error}`))
  return 'written'
}

export function checkpointInterval({ configuration }: Metadata): number {
  const interval = Number(configuration['delta.checkpointInterval'] ?? 10)
  return Number.isInteger(interval) && interval > 0 ? interval : 10
}

export interface CheckpointOptions {
  runtime?: Runtime
  signal?: AbortSignal
}

/** Checkpoints must hold every action of the table; of foreign features we may not know all. */
function canBeWritten(snapshot: Snapshot): boolean {
  if (snapshot.protocol.writerFeatures?.includes('v2Checkpoint')) return false
  try {
    assertWritable(snapshot, 'append')
    return true
  } catch {
    return false
  }
}

function* unexpired({ tombstones, metadata }: Snapshot, now: number): Generator<RemoveFile> {
  const oldest = now - retentionMs(metadata.configuration['delta.deletedFileRetentionDuration'])
  for (const file of tombstones?.values() ?? []) if (file.deletionTimestamp > oldest) yield file
}

async function raiseHint(store: Store, hint: { version: number } & Record<string, number>): Promise<void> {
  const body = Buffer.from(JSON.stringify(hint))
  const present = await store.get(lastCheckpointKey)
  if (present !== undefined && (parseHint(present.body)?.version ?? -1) >= hint.version) return
  // Lost to another one: that is as good.
  await store.putDerived(lastCheckpointKey, body, present === undefined ? {} : { ifMatch: present.etag })
}

const unitMs: Record<string, number> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
}

/** Delta's interval text, e.g. `interval 30 days`; a week where it is missing or is not understood. */
function retentionMs(text = 'interval 1 week'): number {
  const parts = [...text.matchAll(/(\d+)\s+(millisecond|second|minute|hour|day|week)s?/gi)]
  const total = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (unitMs[(unit ?? '').toLowerCase()] ?? 0),
    0,
  )
  return parts.length > 0 ? total : 604_800_000
}
