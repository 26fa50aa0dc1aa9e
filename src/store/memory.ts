/**
 * A store in this process's memory, for tests and examples. It keeps every promise of the port but durability: one
 * winner per key, staged bytes invisible until promoted, the same order of listing.
 *
 * `memory://name` is the same store for the whole process; it is gone when the process ends.
 */
import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { sha256Of, span } from './bytes.js'
import { assertKey, assertPrefix, compareKeys } from './keys.js'
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
  StoreUsage,
} from './port.js'

/** @param prefix of the root within the space, without slashes at the ends; `''` for all of it */
export function openMemory(name: string, prefix = '', runtime: Runtime = systemRuntime): Store {
  let space = spaces.get(name)
  if (!space) {
    space = { objects: new Map(), uploads: new Map() }
    spaces.set(name, space)
  }
  return new MemoryStore(name, prefix, space, runtime)
}

const spaces = new Map<string, Space>()

interface Space {
  objects: Map<string, { body: Uint8Array; etag: string; modifiedMs: number }>
  /** Open and finished uploads; `undefined` bytes until staged. */
  uploads: Map<string, { bytes: Uint8Array | undefined }>
}

class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly url: string
  readonly usage: StoreUsage = { requests: 0, bytesRead: 0, bytesWritten: 0 }
  private readonly base: string

  constructor(
    name: string,
    prefix: string,
    private readonly space: Space,
    private readonly runtime: Runtime,
  ) {
    this.url = prefix === '' ? `memory://${name}` : `memory://${name}/${prefix}`
    this.base = prefix === '' ? '' : `${prefix}/`
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredObject | undefined> {
    const info = await this.head(key, { signal })
    const object = this.space.objects.get(this.base + key)
    if (!info || !object) return undefined
    const { start, end } = span(range, info.sizeBytes)
    this.usage.bytesRead += end - start
    return { ...info, body: object.body.slice(start, end) }
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    assertKey(key)
    this.begin(signal)
    const object = this.space.objects.get(this.base + key)
    return object && { key, sizeBytes: object.body.length, modifiedMs: object.modifiedMs, etag: object.etag }
  }

  async *list(prefix: string, { startAfter, limit = Infinity, signal }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    assertPrefix(prefix)
    this.begin(signal)
    const keys = [...this.space.objects.keys()]
      .filter((full) => full.startsWith(this.base + prefix))
      .map((full) => full.slice(this.base.length))
      .filter((key) => startAfter === undefined || compareKeys(key, startAfter) > 0)
      .sort(compareKeys)
    let left = limit
    for (const key of keys) {
      if (left-- <= 0) return
      const object = this.space.objects.get(this.base + key)
      if (object) yield { key, sizeBytes: object.body.length, modifiedMs: object.modifiedMs, etag: object.etag }
    }
  }

  async putIfAbsent(key: string, body: Uint8Array, { signal }: CallOptions = {}): Promise<PutOutcome> {
    assertKey(key)
    this.begin(signal)
    if (this.space.objects.has(this.base + key)) return { status: 'exists' }
    return { status: 'created', etag: this.write(key, body) }
  }

  async putDerived(
    key: string,
    body: Uint8Array,
    { ifMatch, signal }: CallOptions & { ifMatch?: string } = {},
  ): Promise<'written' | 'stale'> {
    assertKey(key)
    this.begin(signal)
    if (ifMatch !== undefined && this.space.objects.get(this.base + key)?.etag !== ifMatch) return 'stale'
    this.write(key, body)
    return 'written'
  }

  async spoolFolder(): Promise<undefined> {
    return undefined
  }

  async reserve(items: readonly ReserveItem[], { signal }: ReserveOptions = {}): Promise<Reservation[]> {
    this.begin(signal)
    for (const { key } of items) assertKey(key)
    return items.map(({ key }) => {
      const id = this.runtime.uuid()
      this.space.uploads.set(id, { bytes: undefined })
      return { kind: 'memory', key, id }
    })
  }

  async stage(reservation: Reservation, file: SpooledFile, { signal }: CallOptions = {}): Promise<Staged> {
    this.begin(signal)
    const upload = this.uploadOf(reservation)
    if (!upload) throw gone(reservation)
    const sha256 = await sha256Of(file, signal)
    const bytes = await readFile(file.path, { signal })
    if (bytes.length !== file.sizeBytes) {
      throw new LakeError('corrupt', 'a spooled file is not what was verified', { path: file.path })
    }
    upload.bytes = new Uint8Array(bytes)
    this.usage.bytesWritten += bytes.length
    return { ...reservation, sizeBytes: bytes.length, sha256 }
  }

  async promote(staged: Staged, { signal }: CallOptions = {}): Promise<void> {
    assertKey(staged.key)
    this.begin(signal)
    const there = this.space.objects.get(this.base + staged.key)
    if (there) {
      if (createHash('sha256').update(there.body).digest('hex') === staged.sha256) return
      throw gone(staged)
    }
    const upload = this.uploadOf(staged)
    if (!upload?.bytes || staged.kind !== 'memory') throw gone(staged)
    this.write(staged.key, upload.bytes)
    this.space.uploads.delete(staged.id)
  }

  async abort(staged: Staged | Reservation, { signal }: CallOptions = {}): Promise<void> {
    this.begin(signal)
    if (staged.kind === 'memory') this.space.uploads.delete(staged.id)
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    for (const key of keys) assertKey(key)
    this.begin(signal)
    for (const key of keys) this.space.objects.delete(this.base + key)
  }

  async fetch(
    key: string,
    toFile: string,
    { ranges, signal }: CallOptions & { ranges?: readonly ByteRange[] } = {},
  ): Promise<void> {
    const object = await this.get(key, { signal })
    if (!object) throw new LakeError('corrupt', 'no such object', { key, table: this.url })
    await open(toFile, 'a').then((created) => created.close())
    const file = await open(toFile, 'r+')
    try {
      await file.truncate(object.sizeBytes)
      for (const range of ranges ?? [{ offset: 0 }]) {
        const { start, end } = span(range, object.sizeBytes)
        await file.write(object.body, start, end - start, start)
      }
    } finally {
      await file.close()
    }
  }

  localPath(): undefined {
    return undefined
  }

  now(): number {
    return this.runtime.now()
  }

  async probe(): Promise<void> {}

  async sweep(): Promise<number> {
    return 0
  }

  async close(): Promise<void> {}

  private begin(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    this.usage.requests++
  }

  private write(key: string, body: Uint8Array): string {
    const etag = this.runtime.uuid()
    this.space.objects.set(this.base + key, { body: body.slice(), etag, modifiedMs: this.runtime.now() })
    this.usage.bytesWritten += body.length
    return etag
  }

  private uploadOf(reservation: Reservation): { bytes: Uint8Array | undefined } | undefined {
    return reservation.kind === 'memory' ? this.space.uploads.get(reservation.id) : undefined
  }
}

function gone({ key }: { key: string }): LakeError {
  return new LakeError('unavailable', 'a staged file is gone', {
    key,
    restage: true,
    fix: 'Stage the file again under a new key.',
  })
}
