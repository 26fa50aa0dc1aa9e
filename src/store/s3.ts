/**
 * The requests to S3, one method each, and nothing but what S3 says to them. The only file that knows the AWS SDK, which is
 * loaded with the first request. What follows from the answers is decided in `s3-store.ts`.
 *
 * A read is repeated by the SDK while its headers are missing, and here when its body breaks off. `putOnce` and
 * `completeOnce` go through a client that sends once: only the caller may repeat them.
 */
import type { S3Client } from '@aws-sdk/client-s3'
import { LakeError } from '../errors.js'
import type { Runtime } from '../runtime.js'
import { ServerClock } from './clock.js'
import { isKey } from './keys.js'
import type { ByteRange, ObjectInfo, PutOutcome, StoredObject, StoreSettings, StoreUsage } from './port.js'
import { retry } from './retry.js'
import { attemptsOf, isAbsent, isUploadGone, type S3Place, s3Error, statusOf } from './s3-errors.js'

export const requestsAtOnce = 32
export const deleteBatch = 1000
export const bodyAttempts = 4
const pageKeys = 1000
/** The slowest line for which a part still gets through in time. */
const minBytesPerMs = 64

interface Connection {
  sdk: typeof import('@aws-sdk/client-s3')
  retrying: S3Client
  /** Sends each request once. */
  once: S3Client
}

type Signal = AbortSignal | undefined

export interface Head {
  info: ObjectInfo
  /** As `createUpload` set it. */
  sha256: string | undefined
}

export interface Upload {
  key: string
  uploadId: string
}

/** The part of a bucket below a prefix. Keys are relative to it, and have been checked. */
export class S3Root {
  readonly usage: StoreUsage = { requests: 0, bytesRead: 0, bytesWritten: 0 }
  readonly clock: ServerClock
  readonly endpoint: string | undefined
  private readonly base: string
  private connecting: Promise<Connection> | undefined
  private knownHost: string

  constructor(
    readonly bucket: string,
    prefix: string,
    private readonly settings: StoreSettings,
    private readonly runtime: Runtime,
  ) {
    this.base = prefix === '' ? '' : `${prefix}/`
    this.endpoint = settings.endpoint ?? (process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL || undefined)
    this.knownHost = hostOf(this.endpoint)
    this.clock = new ServerClock(runtime)
  }

  /** Of the endpoint, for messages. */
  get host(): string {
    return this.knownHost
  }

  async get(key: string, range: ByteRange | undefined, signal: Signal): Promise<StoredObject | undefined> {
    return this.ask('reading an object', key, signal, (s3) =>
      retry(() => this.getOnce(s3, key, range, signal), {
        attempts: bodyAttempts,
        isTransient: (error) => error instanceof BrokenBody,
        runtime: this.runtime,
        signal,
      }),
    )
  }

  async head(key: string, signal: Signal): Promise<Head | undefined> {
    return this.ask('looking at an object', key, signal, async ({ sdk, retrying }) => {
      try {
        const answer = await retrying.send(new sdk.HeadObjectCommand(this.at(key)), { abortSignal: signal })
        const info = { ...infoOf(key, answer), sizeBytes: answer.ContentLength ?? 0 }
        return { info, sha256: answer.Metadata?.sha256 }
      } catch (error) {
        if (isAbsent(error)) return undefined
        throw error
      }
    })
  }

  /** One page of a listing, and the token of the next one, if there is one. */
  async page(
    prefix: string,
    options: { startAfter: string | undefined; atMost: number; token: string | undefined; signal: Signal },
  ): Promise<{ objects: ObjectInfo[]; next: string | undefined }> {
    const { startAfter, atMost, token, signal } = options
    const answer = await this.ask('listing objects', prefix, signal, ({ sdk, retrying }) =>
      retrying.send(
        new sdk.ListObjectsV2Command({
          Bucket: this.bucket,
          Prefix: this.base + prefix,
          StartAfter: startAfter === undefined ? undefined : this.base + startAfter,
          MaxKeys: Math.min(atMost, pageKeys),
          ContinuationToken: token,
        }),
        { abortSignal: signal },
      ),
    )
    const objects = (answer.Contents ?? []).flatMap((object) => {
      const key = object.Key?.slice(this.base.length) ?? ''
      // Some tools leave an empty object named like a folder.
      return isKey(key) ? [{ ...infoOf(key, object), sizeBytes: object.Size ?? 0 }] : []
    })
    return { objects, next: answer.IsTruncated ? answer.NextContinuationToken : undefined }
  }

  /** With If-None-Match, sent once. */
  async putOnce(key: string, body: Uint8Array, signal: Signal): Promise<PutOutcome> {
    signal?.throwIfAborted()
    const { sdk, once } = await this.connection()
    try {
      const command = new sdk.PutObjectCommand({ ...this.at(key), Body: bufferOf(body), IfNoneMatch: '*' })
      const answer = await once.send(command, { abortSignal: signal })
      this.usage.bytesWritten += body.length
      return { status: 'created', etag: answer.ETag ?? '' }
    } catch (error) {
      if (statusOf(error) === 412) return { status: 'exists' }
      const cause = s3Error(error, this.place('creating an object', key))
      const isDefinite = cause instanceof LakeError && cause.code !== 'unavailable'
      if (isDefinite) throw cause
      return { status: 'unknown', cause }
    }
  }

  /** Create or replace; with an etag only what still has it. */
  async put(key: string, body: Uint8Array, ifMatch: string | undefined, signal: Signal): Promise<'written' | 'stale'> {
    return this.ask('writing an object', key, signal, async ({ sdk, retrying }) => {
      try {
        const command = new sdk.PutObjectCommand({ ...this.at(key), Body: bufferOf(body), IfMatch: ifMatch })
        await retrying.send(command, { abortSignal: signal })
        this.usage.bytesWritten += body.length
        return 'written'
      } catch (error) {
        const status = statusOf(error)
        const isRefused = status === 412 || status === 409 || isAbsent(error)
        if (ifMatch === undefined || !isRefused) throw error
        // Of two tries the first may have been applied, and the second met its result.
        const there = attemptsOf(error) > 1 ? await this.get(key, undefined, signal) : undefined
        return there && bufferOf(there.body).equals(body) ? 'written' : 'stale'
      }
    })
  }

  async createUpload(key: string, sha256: string, signal: Signal): Promise<Upload> {
    const answer = await this.ask('starting an upload', key, signal, ({ sdk, retrying }) =>
      retrying.send(new sdk.CreateMultipartUploadCommand({ ...this.at(key), Metadata: { sha256 } }), {
        abortSignal: signal,
      }),
    )
    const { UploadId } = answer
    if (!UploadId) throw new LakeError('unsupported', 'the store gave no id for an upload', { key, host: this.host })
    // A try whose answer was lost may have started another upload, and nobody will ever name it.
    if ((answer.$metadata.attempts ?? 1) > 1) await this.abortUploads(key, UploadId, signal)
    return { key, uploadId: UploadId }
  }

  /** @param part counted from 1 */
  async uploadPart({ key, uploadId }: Upload, part: number, body: Buffer, signal: Signal): Promise<string> {
    const answer = await this.ask('uploading a file', key, signal, ({ sdk, retrying }) =>
      retrying.send(new sdk.UploadPartCommand({ ...this.at(key), UploadId: uploadId, PartNumber: part, Body: body }), {
        abortSignal: signal,
        requestTimeout: this.timeoutFor(body.length),
      }),
    )
    this.usage.bytesWritten += body.length
    return answer.ETag ?? ''
  }

  /** @param source key of the object to copy from; @param bytes first and last, or all of it */
  async copyPart(
    { key, uploadId }: Upload,
    part: number,
    source: string,
    bytes: { first: number; last: number } | undefined,
    signal: Signal,
  ): Promise<string> {
    const CopySource = `${this.bucket}/${this.base}${source}`.split('/').map(encodeURIComponent).join('/')
    const CopySourceRange = bytes && `bytes=${bytes.first}-${bytes.last}`
    const answer = await this.ask('copying an object', key, signal, ({ sdk, retrying }) =>
      retrying.send(
        new sdk.UploadPartCopyCommand({
          ...this.at(key),
          UploadId: uploadId,
          PartNumber: part,
          CopySource,
          CopySourceRange,
        }),
        { abortSignal: signal, requestTimeout: this.timeoutFor(2 ** 30) },
      ),
    )
    return answer.CopyPartResult?.ETag ?? ''
  }

  /** Sent once. @returns what went wrong, or nothing after a clean 200 */
  async completeOnce(
    { key, uploadId }: Upload,
    parts: readonly string[],
    ifAbsent: boolean,
    signal: Signal,
  ): Promise<Error | undefined> {
    signal?.throwIfAborted()
    const { sdk, once } = await this.connection()
    try {
      const answer = await once.send(
        new sdk.CompleteMultipartUploadCommand({
          ...this.at(key),
          UploadId: uploadId,
          MultipartUpload: { Parts: parts.map((ETag, i) => ({ ETag, PartNumber: i + 1 })) },
          IfNoneMatch: ifAbsent ? '*' : undefined,
        }),
        { abortSignal: signal },
      )
      // The SDK finds an error inside a 200 by the last bytes of its text; white space after it is enough to miss it.
      if (answer.ETag) return undefined
      return Object.assign(new Error('the answer names no object'), { $metadata: answer.$metadata })
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  async isUploadOpen({ key, uploadId }: Upload, signal: Signal): Promise<boolean> {
    return this.ask('looking at an upload', key, signal, async ({ sdk, retrying }) => {
      try {
        const command = new sdk.ListPartsCommand({ ...this.at(key), UploadId: uploadId, MaxParts: 1 })
        await retrying.send(command, { abortSignal: signal })
        return true
      } catch (error) {
        if (isUploadGone(error)) return false
        throw error
      }
    })
  }

  async abortUpload({ key, uploadId }: Upload, signal: Signal): Promise<void> {
    await this.ask('aborting an upload', key, signal, async ({ sdk, retrying }) => {
      try {
        const command = new sdk.AbortMultipartUploadCommand({ ...this.at(key), UploadId: uploadId })
        await retrying.send(command, { abortSignal: signal })
      } catch (error) {
        if (!isUploadGone(error)) throw error
      }
    })
  }

  /**
   * Abort all uploads of a key that only one transaction uses, but for `keep`. MinIO lists them for exact keys only.
   * Not every policy allows this list, nor does every store have it: then nothing happens.
   */
  async abortUploads(key: string, keep: string | undefined, signal: Signal): Promise<void> {
    const uploads = await this.ask('listing uploads', key, signal, async ({ sdk, retrying }) => {
      try {
        const command = new sdk.ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.base + key })
        return (await retrying.send(command, { abortSignal: signal })).Uploads ?? []
      } catch (error) {
        const status = statusOf(error)
        if (status === 501 || (status !== undefined && status < 500 && status !== 429)) return []
        throw error
      }
    })
    for (const { Key, UploadId } of uploads) {
      if (Key === this.base + key && UploadId && UploadId !== keep) {
        await this.abortUpload({ key, uploadId: UploadId }, signal)
      }
    }
  }

  /** At most `deleteBatch` keys. @returns those that are still there, and S3's code for why */
  async deleteObjects(keys: readonly string[], signal: Signal): Promise<{ key: string; code: string }[]> {
    const answer = await this.ask('deleting objects', undefined, signal, ({ sdk, retrying }) =>
      retrying.send(
        new sdk.DeleteObjectsCommand({
          Bucket: this.bucket,
          Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: this.base + key })) },
        }),
        { abortSignal: signal },
      ),
    )
    return (answer.Errors ?? [])
      .filter(({ Code }) => Code !== 'NoSuchKey')
      .map(({ Key = '', Code = '' }) => ({ key: Key.slice(this.base.length), code: Code }))
  }

  place(doing: string, key: string | undefined): S3Place {
    const { accessKeyId, secretAccessKey, sessionToken } = this.settings.credentials ?? {}
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
    const secrets = [accessKeyId, secretAccessKey, sessionToken, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]
      .concat(AWS_SESSION_TOKEN)
      .filter((secret) => secret !== undefined)
    return { doing, bucket: this.bucket, host: this.host, key, secrets }
  }

  async close(): Promise<void> {
    const connection = await this.connecting?.catch(() => undefined)
    connection?.retrying.destroy()
    connection?.once.destroy()
    this.connecting = undefined
  }

  private async getOnce(
    { sdk, retrying }: Connection,
    key: string,
    range: ByteRange | undefined,
    signal: Signal,
  ): Promise<StoredObject | undefined> {
    try {
      const command = new sdk.GetObjectCommand({ ...this.at(key), Range: range && rangeHeader(range) })
      const answer = await retrying.send(command, { abortSignal: signal })
      const body = await whole(answer.Body?.transformToByteArray())
      this.usage.bytesRead += body.length
      return { ...infoOf(key, answer), sizeBytes: totalBytes(answer), body }
    } catch (error) {
      if (isAbsent(error)) return undefined
      if (statusOf(error) !== 416) throw error
      const there = await this.head(key, signal)
      return there && { ...there.info, body: new Uint8Array() }
    }
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.base + key }
  }

  private get requestTimeoutMs(): number {
    return this.settings.requestTimeoutMs ?? 30_000
  }

  private timeoutFor(bytes: number): number {
    return Math.max(this.requestTimeoutMs, bytes / minBytesPerMs)
  }

  private async ask<T>(
    doing: string,
    key: string | undefined,
    signal: Signal,
    send: (s3: Connection) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await send(await this.connection())
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw s3Error(error instanceof BrokenBody ? error.cause : error, this.place(doing, key))
    }
  }

  private connection(): Promise<Connection> {
    if (!this.connecting) {
      this.connecting = this.connect()
      this.connecting.catch(() => {
        this.connecting = undefined
      })
    }
    return this.connecting
  }

  private async connect(): Promise<Connection> {
    const sdk = await import('@aws-sdk/client-s3')
    const { settings, endpoint } = this
    const agent = { keepAlive: true, maxSockets: 2 * requestsAtOnce }
    const common = {
      endpoint,
      forcePathStyle: settings.forcePathStyle ?? endpoint !== undefined,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // Bodies are buffers of a few megabytes; waiting for a 100 costs more than sending them in vain.
      expectContinueHeader: false,
    } as const
    const build = (region: string | undefined) =>
      new sdk.S3Client({
        ...common,
        region,
        credentials: settings.credentials,
        retryMode: 'standard',
        maxAttempts: Number(process.env.AWS_MAX_ATTEMPTS) || 5,
        requestHandler: {
          connectionTimeout: Math.min(5_000, this.requestTimeoutMs),
          socketTimeout: this.requestTimeoutMs,
          requestTimeout: this.requestTimeoutMs,
          throwOnRequestTimeout: true,
          httpAgent: agent,
          httpsAgent: agent,
        },
      })
    let retrying = build(settings.region)
    const region = await retrying.config.region().catch(() => undefined)
    if (region === undefined) retrying = build('us-east-1')
    const once = new sdk.S3Client({
      ...common,
      region: region ?? 'us-east-1',
      credentials: retrying.config.credentials,
      maxAttempts: 1,
      requestHandler: retrying.config.requestHandler,
    })
    if (!endpoint) this.knownHost = `s3.${region ?? 'us-east-1'}.amazonaws.com`
    for (const client of [retrying, once]) this.listenTo(client)
    return { sdk, retrying, once }
  }

  /** Count every request that goes out, and read the server's clock from every answer. */
  private listenTo(client: S3Client): void {
    client.middlewareStack.add(
      (next) => async (args) => {
        this.usage.requests++
        const sentMs = this.runtime.now()
        const result = await next(args)
        this.clock.heard(dateOf(result.response), sentMs)
        return result
      },
      { step: 'deserialize', priority: 'low', name: 'lakewrightUsageAndClock' },
    )
  }
}

/** The headers were fine and the body was not; the SDK does not ask again then. */
class BrokenBody extends Error {}

interface Described {
  ETag?: string | undefined
  LastModified?: Date | undefined
  ContentLength?: number | undefined
  ContentRange?: string | undefined
}

function infoOf(key: string, { ETag, LastModified }: Described): Omit<ObjectInfo, 'sizeBytes'> {
  return { key, modifiedMs: LastModified?.getTime() ?? 0, etag: ETag ?? '' }
}

function totalBytes({ ContentRange, ContentLength }: Described): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1]
  return total === undefined ? (ContentLength ?? 0) : Number(total)
}

function rangeHeader({ offset, length }: ByteRange): string {
  if (offset < 0) return `bytes=${offset}`
  return length === undefined ? `bytes=${offset}-` : `bytes=${offset}-${offset + length - 1}`
}

async function whole(body: Promise<Uint8Array> | undefined): Promise<Uint8Array> {
  try {
    return (await body) ?? new Uint8Array()
  } catch (cause) {
    throw new BrokenBody('the body broke off', { cause })
  }
}

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

function hostOf(endpoint: string | undefined): string {
  if (endpoint === undefined) return 'amazonaws.com'
  if (URL.canParse(endpoint) && /^https?:/i.test(endpoint)) return new URL(endpoint).host
  throw new LakeError('invalid', 'the endpoint is not a URL', {
    fix: 'Write it with its scheme, for instance http://127.0.0.1:9000.',
  })
}

function dateOf(response: unknown): string | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined
  const { headers } = response
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return undefined
  return typeof headers.date === 'string' ? headers.date : undefined
}
