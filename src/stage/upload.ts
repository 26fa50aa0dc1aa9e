/**
 * Spooled files → staged in the store: still invisible, and known to the journal before their first byte goes up, so that
 * whoever cleans up after a dead writer knows their keys and upload ids.
 */
import pLimit from 'p-limit'
import { journalSegmentKey } from '../store/keys.js'
import type { CallOptions, Reservation, SpooledFile, Staged, Store } from '../store/port.js'

/** What a load has in the store. It is written down as it happens, so that whoever cleans up after a failure misses nothing. */
export interface Upload {
  /** By final key: reserved, and not yet known to be staged. */
  reserved: Map<string, Reservation>
  /** By final key. */
  staged: Map<string, Staged>
  /** Keys of the journal's segments, to be deleted once the load's fate is decided. */
  journal: string[]
  /** The files wait for an approval, and are no longer the load's to delete. */
  held?: boolean
}

export interface UploadContext extends CallOptions {
  store: Store
  /** The load's staging folder, see `stagingFolder`. */
  folder: string
  /** What the journal says about the load itself. */
  load: { txnId: string; loadId?: string | undefined; mode: string; startedMs: number }
  /** The load is to wait: see `ReserveOptions.hold`. */
  hold?: boolean
  onUploaded?: (bytes: number) => void
}

/** Files per journal segment: one small object for each, written before any of them goes up. */
const segmentFiles = 256
const uploadsAtOnce = 16

export async function uploadFiles(
  files: { key: string; file: SpooledFile }[],
  upload: Upload,
  ctx: UploadContext,
): Promise<void> {
  const limit = pLimit(uploadsAtOnce)
  const call = ctx.signal ? { signal: ctx.signal } : {}
  const reserving = { folder: ctx.folder, ...(ctx.hold ? { hold: true } : {}), ...call }
  for (let start = 0; start < files.length; start += segmentFiles) {
    const segment = files.slice(start, start + segmentFiles)
    const reservations = await ctx.store.reserve(segment, reserving)
    for (const reservation of reservations) upload.reserved.set(reservation.key, reservation)
    const key = journalSegmentKey(ctx.folder, ctx.load.txnId, upload.journal.length)
    upload.journal.push(key)
    await ctx.store.putDerived(key, journalSegment(ctx.load, reservations), call)
    const staged = segment.map(({ file }, i) =>
      limit(async () => {
        const done = await ctx.store.stage(reservations[i] as Reservation, file, call)
        upload.staged.set(done.key, done)
        upload.reserved.delete(done.key)
        ctx.onUploaded?.(file.sizeBytes)
      }),
    )
    await allOrFirstError(staged)
  }
}

function journalSegment(load: UploadContext['load'], reservations: Reservation[]): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ ...load, reservations })}\n`)
}

/** Make every staged file visible under its final key. */
export async function promoteFiles(store: Store, staged: readonly Staged[], options: CallOptions): Promise<void> {
  const limit = pLimit(promotionsAtOnce)
  await allOrFirstError(staged.map((file) => limit(() => store.promote(file, options))))
}
const promotionsAtOnce = 32

/** Waits for all, so that nothing is still under way when the caller cleans up. */
async function allOrFirstError<T>(promises: Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises)
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
