/**
 * The port to where a table lies: a flat space of keys below one root. Implementations: `local.ts`, `s3.ts`,
 * `memory.ts`; one contract test runs on all of them (`test/contract/store.ts`).
 *
 * Keys are relative to the root, `/`-separated, never empty, without `.` or `..` segments (`keys.ts` holds that).
 * Nothing here overwrites an object, except `putDerived`, which is for what can be made again.
 */
export interface Store {
  /** The root as users write it, without a trailing slash: `s3://lake/orders`, `file:///data/orders`, `memory://x`. */
  readonly url: string
  readonly kind: 'local' | 's3' | 'memory'

  /** The whole object, or a byte range of it; `undefined` if there is none. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>
  head(key: string, options?: CallOptions): Promise<ObjectInfo | undefined>
  /** Objects whose key starts with `prefix`, ascending by the key's UTF-8 bytes, lazily page by page. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>

  /**
   * One conditional PUT, sent once, never repeated from inside. Definite refusals (access denied, no such bucket,
   * read-only, disk full) throw a LakeError: *this* PUT was not applied, which says nothing about earlier ones to the
   * same key. An answer that does not say whether it was applied is `unknown`; so is no connection at all.
   */
  putIfAbsent(key: string, body: Uint8Array, options?: CallOptions): Promise<PutOutcome>
  /** For derived objects only (`_published/`, `_last_checkpoint`, the journal): create or replace, `ifMatch` makes it a compare-and-set. */
  putDerived(key: string, body: Uint8Array, options?: CallOptions & { ifMatch?: string }): Promise<'written' | 'stale'>

  /**
   * A folder on this machine where files to be staged should be written, so that staging them costs no copy (the
   * local store answers one below the table's own `_staging/`, on the same mount); `undefined` where any will do.
   * @param name of the load's staging folder, see `stagingFolder` in `keys.ts`
   */
  spoolFolder(name: string): Promise<string | undefined>
  /**
   * Reserve the final keys of files about to be staged, so that the journal can name them before the first byte goes
   * up. The files are whole and verified by now: their sha256 becomes part of the reservation. In the order of `items`.
   */
  reserve(items: readonly ReserveItem[], options?: ReserveOptions): Promise<Reservation[]>
  /**
   * Bring one local file to where no lister sees it. A local store takes the file over (a rename, or nothing at all
   * below `spoolFolder`) and copies only from another mount. Repeatable with the same file.
   */
  stage(reservation: Reservation, file: SpooledFile, options?: CallOptions): Promise<Staged>
  /**
   * Make a staged file visible and durable under its final key. Repeatable: promoting a promoted file is fine. Where
   * the staged bytes are gone, or another object has the key: LakeError `unavailable` with `details.restage` = true, and
   * the file must be staged again under a new key.
   */
  promote(staged: Staged, options?: CallOptions): Promise<void>
  /** Give up a reserved or staged file that was not promoted; of a promoted one it removes only leftovers, never the object. Repeatable. */
  abort(staged: Staged | Reservation, options?: CallOptions): Promise<void>

  /** Delete by exact key. A key that does not exist is no error; one that could not be deleted is (LakeError). */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>

  /** Read an object, or ranges of it, into a local file at the same offsets (sparse elsewhere). A local store is not asked: see `localPath`. */
  fetch(key: string, toFile: string, options?: CallOptions & { ranges?: readonly ByteRange[] }): Promise<void>
  /** The path of the object on this machine, where it has one. */
  localPath(key: string): string | undefined

  /** The store's own clock in ms since the epoch, as last seen in an answer; this machine's where the store has none. */
  now(): number
  /** First write of this process to an endpoint: prove that conditional writes are honoured, else `unsupported`. Cached per endpoint. */
  probe(options?: CallOptions): Promise<void>
  /**
   * Remove what this store's own interrupted writes left where no list shows it, if it is older than `olderThanMs`.
   * Answers how many things it removed. For vacuum.
   */
  sweep(options: CallOptions & { olderThanMs: number }): Promise<number>
  /** Requests and bytes so far, for receipts. */
  readonly usage: StoreUsage
  close(): Promise<void>
}

export interface CallOptions {
  signal?: AbortSignal
}
export interface ByteRange {
  /** First byte, counted from the start; negative counts from the end (then `length` is ignored). */
  offset: number
  length?: number
}
export interface GetOptions extends CallOptions {
  range?: ByteRange
}
export interface ListOptions extends CallOptions {
  /** Only keys greater than this one. */
  startAfter?: string
  /** At most so many objects in all. */
  limit?: number
}
export interface ObjectInfo {
  key: string
  sizeBytes: number
  /** ms since the Unix epoch */
  modifiedMs: number
  /** Changes whenever the content does; opaque. */
  etag: string
}
/** `sizeBytes` is the whole object's, `body` what was asked for: shorter than asked where the object ends, maybe empty. */
export interface StoredObject extends ObjectInfo {
  body: Uint8Array
}
export type PutOutcome =
  | { status: 'created'; etag: string }
  | { status: 'exists' }
  | { status: 'unknown'; cause: unknown }

export interface ReserveItem {
  /** The final key, never used before. */
  key: string
  file: SpooledFile
}
export interface ReserveOptions extends CallOptions {
  /** The load's staging folder, see `stagingFolder` in `keys.ts`; one by the key's hash if left out. */
  folder?: string
  /**
   * For loads that wait longer than a few hours (held back, resumable later): S3 servers sweep open uploads, so the
   * bytes become ordinary objects below `_staging/`, and promotion copies them within the store.
   */
  hold?: boolean
}

/** Plain JSON, so that the journal can hold it and another process can act on it. */
export type Reservation =
  /** `path` is a key below `_staging/`. */
  | { kind: 'local'; key: string; path: string }
  | { kind: 's3'; key: string; uploadId: string; sha256: string }
  | { kind: 's3-held'; key: string; heldKey: string; sha256: string }
  | { kind: 'memory'; key: string; id: string }
export type Staged = Reservation & {
  sizeBytes: number
  /** hex */
  sha256: string
  /** Multipart etags in order of the parts; S3 only. */
  parts?: string[]
}
export interface SpooledFile {
  path: string
  sizeBytes: number
  /** hex; computed where it is missing, at the cost of reading the file once more */
  sha256?: string
}
export interface StoreUsage {
  requests: number
  bytesRead: number
  bytesWritten: number
}

/** Where and how to reach a store; the rest (region, credentials) comes from the AWS SDK's usual chain. */
export interface StoreSettings {
  endpoint?: string
  region?: string
  forcePathStyle?: boolean
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** Per-request time-out, default 30 000. */
  requestTimeoutMs?: number
}
