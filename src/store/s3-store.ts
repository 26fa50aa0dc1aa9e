/**
 * A table on S3, MinIO, R2 and others that speak S3 with conditional writes.
 *
 *   putIfAbsent   PUT with If-None-Match, by a client that never repeats
 *   reserve       CreateMultipartUpload on the final key, sha256 in the metadata
 *   stage         UploadPart, from the local file; until it is completed no lister sees it
 *   promote       CompleteMultipartUpload with If-None-Match, believed only if it is a clean 200, else by HEAD
 *   with hold     an ordinary object below `_staging/`, copied into such an upload when it is promoted
 */
import { open, rename, rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { fill, sha256Of, span } from './bytes.js'
import { assertKey, assertPrefix, probeKey, shortHash, stagedKey, stagingRoot } from './keys.js'
import type {
  ByteRange,
  CallOptions,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOutcome,
  Reservation,
  ReserveItem,
  ReserveOptions,
  SpooledFile,
  Staged,
  Store,
  StoredObject,
  StoreSettings,
  StoreUsage,
} from './port.js'
import { backoffMs, retry } from './retry.js'
import { bodyAttempts, deleteBatch, type Head, requestsAtOnce, S3Root, type Upload } from './s3.js'
import { codeOf, isTransient, isUploadGone, s3Error, statusOf } from './s3-errors.js'

/** @param prefix of the root within the bucket, without slashes at the ends; `''` for the whole bucket */
export function openS3(
  bucket: string,
  prefix = '',
  settings: StoreSettings = {},
  runtime: Runtime = systemRuntime,
): Store {
  const url = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
  return new S3Store(url, new S3Root(bucket, prefix, settings, runtime), runtime)
}

const megabyte = 1024 * 1024
/** Bodies are held in memory while they go up, so that they can be sent again. */
const bigPartsAtOnce = 8
const partBytes = 8 * megabyte
const maxParts = 10_000
/** S3 copies at most 5 GB in one part. */
const copyPartBytes = 1024 * megabyte
const fetchBytes = 16 * megabyte
const completeAttempts = 4

/** By endpoint and bucket, once they have passed. */
const probed = new Map<string, Promise<void>>()

class S3Store implements Store {
  readonly kind = 's3'
  private readonly requests = pLimit(requestsAtOnce)
  private readonly bigParts = pLimit(bigPartsAtOnce)

  constructor(
    readonly url: string,
    private readonly s3: S3Root,
    private readonly runtime: Runtime,
  ) {}

  get usage(): StoreUsage {
    return this.s3.usage
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredObject | undefined> {
    assertKey(key)
    return this.s3.get(key, range, signal)
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    assertKey(key)
    return (await this.s3.head(key, signal))?.info
  }

  async *list(prefix: string, { startAfter, limit = Infinity, signal }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    assertPrefix(prefix)
    let left = limit
    let token: string | undefined
    while (left > 0) {
      const { objects, next } = await this.s3.page(prefix, { startAfter, atMost: left, token, signal })
      for (const object of objects) {
        yield object
        if (--left <= 0) return
      }
      if (next === undefined) return
      token = next
    }
  }

  async putIfAbsent(key: string, body: Uint8Array, { signal }: CallOptions = {}): Promise<PutOutcome> {
    assertKey(key)
    await this.beforeWriting(signal)
    return this.s3.putOnce(key, body, signal)
  }

  async putDerived(
    key: string,
    body: Uint8Array,
    { ifMatch, signal }: CallOptions & { ifMatch?: string } = {},
  ): Promise<'written' | 'stale'> {
    assertKey(key)
    return this.s3.put(key, body, ifMatch, signal)
  }

  async spoolFolder(): Promise<undefined> {
    return undefined
  }

  async reserve(items: readonly ReserveItem[], options: ReserveOptions = {}): Promise<Reservation[]> {
    for (const { key } of items) assertKey(key)
    await this.beforeWriting(options.signal)
    const made = await Promise.allSettled(items.map((item) => this.requests(() => this.reserveOne(item, options))))
    const reservations = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const failure = made.find((one) => one.status === 'rejected')
    if (!failure) return reservations
    // No journal will ever name these.
    await Promise.allSettled(reservations.map((one) => this.abort(one)))
    throw failure.reason
  }

  async stage(reservation: Reservation, file: SpooledFile, { signal }: CallOptions = {}): Promise<Staged> {
    this.assertOurs(reservation)
    const { key, sha256 } = reservation
    if (file.sha256 !== undefined && file.sha256 !== sha256) {
      throw new LakeError('corrupt', 'a spooled file is not what was reserved', { key, path: file.path })
    }
    const staged = { ...reservation, sizeBytes: file.sizeBytes, sha256 }
    if (reservation.kind === 's3') return { ...staged, parts: await this.uploadParts(reservation, file, signal) }
    await this.throughUpload(reservation.heldKey, { ...staged, ifAbsent: false }, signal, (upload) =>
      this.uploadParts(upload, file, signal),
    )
    return staged
  }

  async promote(staged: Staged, { signal }: CallOptions = {}): Promise<void> {
    this.assertOurs(staged)
    if (staged.kind === 's3') {
      await this.complete(staged, staged.parts ?? [], { ...staged, ifAbsent: true }, signal)
      return
    }
    const { key, heldKey } = staged
    const there = await this.s3.head(key, signal)
    if (there && !matches(there, staged)) throw restage('another object has this key', key)
    if (!there) {
      const held = await this.s3.head(heldKey, signal)
      if (!held || !matches(held, staged)) return this.heldIsGone(staged, signal)
      try {
        await this.throughUpload(key, { ...staged, ifAbsent: true }, signal, (upload) =>
          this.copyParts(upload, heldKey, staged.sizeBytes, signal),
        )
      } catch (error) {
        if (!(error instanceof LakeError) || !['NoSuchKey', 'NotFound'].includes(codeOf(error.cause))) throw error
        return this.heldIsGone(staged, signal)
      }
    }
    await this.delete([heldKey], { signal })
  }

  async abort(staged: Staged | Reservation, { signal }: CallOptions = {}): Promise<void> {
    this.assertOurs(staged)
    if (staged.kind === 's3') {
      await this.s3.abortUpload(staged, signal)
      await this.s3.abortUploads(staged.key, undefined, signal)
      return
    }
    for (const key of [staged.key, staged.heldKey]) await this.s3.abortUploads(key, undefined, signal)
    await this.delete([staged.heldKey], { signal })
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    for (const key of keys) assertKey(key)
    const unique = [...new Set(keys)]
    const batches = Array.from({ length: Math.ceil(unique.length / deleteBatch) }, (_, i) =>
      unique.slice(i * deleteBatch, (i + 1) * deleteBatch),
    )
    await Promise.all(batches.map((batch) => this.requests(() => this.deleteAll(batch, signal))))
  }

  async fetch(
    key: string,
    toFile: string,
    { ranges, signal }: CallOptions & { ranges?: readonly ByteRange[] } = {},
  ): Promise<void> {
    const info = await this.head(key, { signal })
    if (!info) throw new LakeError('corrupt', 'no such object', { key, table: this.url })
    if (ranges) {
      await this.fetchRanges(info, toFile, ranges, signal)
      return
    }
    // Whole objects appear whole: nobody takes the half of one for all of it.
    const partial = `${toFile}.${this.runtime.uuid()}.part`
    const pieces = Array.from({ length: Math.ceil(info.sizeBytes / fetchBytes) }, (_, i) => ({
      offset: i * fetchBytes,
      length: fetchBytes,
    }))
    try {
      await this.fetchRanges(info, partial, pieces, signal)
      await rename(partial, toFile)
    } finally {
      await rm(partial, { force: true })
    }
  }

  localPath(): undefined {
    return undefined
  }

  now(): number {
    return this.s3.clock.now()
  }

  async probe({ signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const place = `${this.s3.endpoint ?? ''} ${this.s3.bucket}`
    let proof = probed.get(place)
    if (!proof) {
      proof = this.provePreconditions()
      probed.set(place, proof)
      proof.catch(() => probed.delete(place))
    }
    await proof
  }

  async sweep(): Promise<number> {
    return 0
  }

  async close(): Promise<void> {
    await this.s3.close()
  }

  private async beforeWriting(signal: AbortSignal | undefined): Promise<void> {
    await this.probe({ signal })
    this.s3.clock.assertClose(this.s3.host)
  }

  private async reserveOne({ key, file }: ReserveItem, options: ReserveOptions): Promise<Reservation> {
    const { folder, hold, signal } = options
    const sha256 = await sha256Of(file, signal)
    if (!hold) return { kind: 's3', ...(await this.s3.createUpload(key, sha256, signal)), sha256 }
    const heldKey = stagedKey(folder ?? stagingRoot + shortHash(key), this.runtime.uuid())
    assertKey(heldKey)
    return { kind: 's3-held', key, heldKey, sha256 }
  }

  private async uploadParts(upload: Upload, file: SpooledFile, signal: AbortSignal | undefined): Promise<string[]> {
    const size = Math.max(partBytes, Math.ceil(file.sizeBytes / maxParts))
    const source = await open(file.path, 'r')
    try {
      const { size: found } = await source.stat()
      if (found !== file.sizeBytes) {
        const details = { path: file.path, expectedBytes: file.sizeBytes, foundBytes: found }
        throw new LakeError('corrupt', 'a spooled file is not what was verified', details)
      }
      const lane = file.sizeBytes < megabyte ? this.requests : this.bigParts
      return await allOrNone(counting(Math.ceil(file.sizeBytes / size)), (i, failed) =>
        lane(async () => {
          failed.throwIfAborted()
          const body = Buffer.allocUnsafe(Math.min(size, file.sizeBytes - i * size))
          if ((await fill(source, body, i * size)) < body.length) {
            throw new LakeError('corrupt', 'a spooled file is not what was verified', { path: file.path })
          }
          return this.s3.uploadPart(upload, i + 1, body, signal)
        }),
      )
    } catch (error) {
      throw error instanceof LakeError && isUploadGone(error.cause) ? restage('an upload is gone', upload.key) : error
    } finally {
      await source.close()
    }
  }

  private async copyParts(
    upload: Upload,
    source: string,
    sizeBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const count = Math.ceil(sizeBytes / copyPartBytes)
    return allOrNone(counting(count), (i) =>
      this.requests(() => {
        const last = Math.min(sizeBytes, (i + 1) * copyPartBytes) - 1
        const bytes = count <= 1 ? undefined : { first: i * copyPartBytes, last }
        return this.s3.copyPart(upload, i + 1, source, bytes, signal)
      }),
    )
  }

  /** Create an upload, send its parts, complete it; leave none behind where that fails. */
  private async throughUpload(
    key: string,
    expected: Expected,
    signal: AbortSignal | undefined,
    send: (upload: Upload) => Promise<string[]>,
  ): Promise<void> {
    const upload = await this.s3.createUpload(key, expected.sha256, signal)
    try {
      await this.complete(upload, await send(upload), expected, signal)
    } finally {
      // After success it is gone; another promoter's success, found by HEAD, leaves ours open.
      await this.s3.abortUpload(upload, undefined).catch(() => {})
    }
  }

  /**
   * Only a clean 200 is believed. Anything else: HEAD decides, and if there is nothing, Complete once more. A repeated
   * Complete answers 412, 404, 200 or 500 depending on the server, and an error may come inside a 200.
   */
  private async complete(
    upload: Upload,
    parts: readonly string[],
    expected: Expected,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const failure = await this.requests(() => this.s3.completeOnce(upload, parts, expected.ifAbsent, signal))
      if (!failure || (await this.isThere(upload.key, expected, signal))) return
      const status = statusOf(failure)
      const mayPass = status === undefined || status === 200 || status === 412 || isTransient(failure)
      const isGone = isUploadGone(failure) || (mayPass && !(await this.s3.isUploadOpen(upload, signal)))
      // What made it go may have been a Complete that came through after our look.
      if (isGone && (await this.isThere(upload.key, expected, signal))) return
      if (isGone) throw restage('an upload is gone', upload.key)
      if (!mayPass || attempt === completeAttempts) {
        throw s3Error(failure, this.s3.place('completing an upload', upload.key))
      }
      await this.runtime.sleep(backoffMs(attempt, this.runtime), signal)
    }
  }

  private async isThere(key: string, expected: Expected, signal: AbortSignal | undefined): Promise<boolean> {
    const there = await this.s3.head(key, signal)
    if (there && matches(there, expected)) return true
    if (there && expected.ifAbsent) throw restage('another object has this key', key)
    return false
  }

  /** Unless somebody else has promoted it between our two looks. */
  private async heldIsGone(staged: Staged, signal: AbortSignal | undefined): Promise<void> {
    if (!(await this.isThere(staged.key, { ...staged, ifAbsent: true }, signal))) {
      throw restage('a staged file is gone', staged.key)
    }
  }

  private async deleteAll(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    let left = keys
    for (let attempt = 1; ; attempt++) {
      const failures = await this.s3.deleteObjects(left, signal)
      const [first] = failures
      if (!first) return
      left = failures.map(({ key }) => key)
      const isDenied = /Denied|NotAllowed|Forbidden|Locked|InvalidRequest/.test(first.code)
      if (isDenied || attempt === bodyAttempts) {
        throw new LakeError(isDenied ? 'invalid' : 'unavailable', `objects could not be deleted (${first.code})`, {
          bucket: this.s3.bucket,
          host: this.s3.host,
          keys: left.slice(0, 10),
          count: left.length,
          fix: isDenied ? 'Give these credentials the right to delete, and check object locks.' : 'Try again later.',
        })
      }
      await this.runtime.sleep(backoffMs(attempt, this.runtime), signal)
    }
  }

  private async fetchRanges(
    info: ObjectInfo,
    toFile: string,
    ranges: readonly ByteRange[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await open(toFile, 'a').then((created) => created.close())
    const file = await open(toFile, 'r+')
    try {
      await file.truncate(info.sizeBytes)
      await allOrNone(ranges, (range, failed) =>
        this.bigParts(async () => {
          failed.throwIfAborted()
          const { start, end } = span(range, info.sizeBytes)
          if (start === end) return
          const part = await this.s3.get(info.key, { offset: start, length: end - start }, signal)
          if (!part || part.etag !== info.etag || part.body.length !== end - start) {
            throw new LakeError('corrupt', 'an object changed while it was read', { key: info.key, table: this.url })
          }
          await file.write(part.body, 0, part.body.length, start)
        }),
      )
    } finally {
      await file.close()
    }
  }

  /** A store that takes no notice of If-None-Match would let two writers win the same version. */
  private async provePreconditions(): Promise<void> {
    const key = probeKey(this.runtime.uuid())
    const put = () =>
      retry(() => this.putDecided(key), {
        attempts: bodyAttempts,
        isTransient: (error) => error instanceof LakeError && error.code === 'unavailable',
        runtime: this.runtime,
      })
    await put()
    try {
      if ((await put()) === 'exists') return
      throw new LakeError('unsupported', 'this store ignores If-None-Match, so two writers could both win', {
        bucket: this.s3.bucket,
        host: this.s3.host,
        fix: 'Upgrade the store, or use one with conditional writes, for instance S3, MinIO or R2.',
      })
    } finally {
      // Whoever may write but not delete can still load; vacuum by somebody else finds it.
      await this.delete([key]).catch((error) => this.runtime.log('warn', `the probe ${key} stays: ${error}`))
    }
  }

  private async putDecided(key: string): Promise<'created' | 'exists'> {
    const outcome = await this.s3.putOnce(key, new TextEncoder().encode('lakewright'), undefined)
    if (outcome.status === 'unknown') throw outcome.cause
    return outcome.status
  }

  private assertOurs(staged: Reservation): asserts staged is Reservation & { kind: 's3' | 's3-held' } {
    assertKey(staged.key, 'corrupt')
    if (staged.kind === 's3') return
    if (staged.kind === 's3-held' && staged.heldKey.startsWith(stagingRoot)) {
      assertKey(staged.heldKey, 'corrupt')
      return
    }
    throw new LakeError('corrupt', 'not a staged file of this store', { key: staged.key, table: this.url })
  }
}

interface Expected {
  sizeBytes: number
  sha256: string
  ifAbsent: boolean
}

function matches({ info, sha256 }: Head, expected: { sizeBytes: number; sha256: string }): boolean {
  return info.sizeBytes === expected.sizeBytes && sha256 === expected.sha256
}

function restage(message: string, key: string): LakeError {
  const fix = 'Stage the file again under a new key.'
  return new LakeError('unavailable', message, { key, restage: true, fix })
}

/** 0, 1, …, at least one of them: an empty file has one part too. */
function counting(count: number): number[] {
  return Array.from({ length: Math.max(1, count) }, (_, i) => i)
}

/** All results, or the first failure once everything that had begun has ended; what had not begun is told. */
async function allOrNone<T, R>(items: readonly T[], work: (item: T, failed: AbortSignal) => Promise<R>): Promise<R[]> {
  const failed = new AbortController()
  const settled = await Promise.allSettled(
    items.map(async (item) => {
      try {
        return await work(item, failed.signal)
      } catch (error) {
        failed.abort(error)
        throw error
      }
    }),
  )
  return settled.map((result) => {
    if (result.status === 'rejected') throw failed.signal.reason
    return result.value
  })
}
