/**
 * A table in a folder of this machine. Everything is a file under its key; nothing is ever renamed over a name that a
 * reader may hold, save what is derived.
 *
 *   putIfAbsent   <folder>/.tmp-<uuid>, fsync, link(2) to the key, fsync of the folder: one winner, also over NFS
 *   stage         a file below _staging/, taken over by rename, fsynced
 *   promote       link(2) to the final key, fsync of the folder, unlink of the staged name
 *
 * A file that is promoted, and every folder above it, is durable before `promote` resolves, and so before any commit
 * that names it. A file system without hard links is refused by `probe`.
 */
import nodeFiles from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { fill, sha256Of, span } from './bytes.js'
import { assertKey, assertPrefix, probeKey, shortHash, stagedKey, stagingRoot } from './keys.js'
import {
  codeOf,
  type FileSystem,
  Folders,
  fileError,
  ifThere,
  isMissing,
  sweepFolder,
  syncFile,
  temporaryPrefix,
  walk,
  withFile,
  withLock,
  writeDurably,
} from './local-files.js'
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

/** @param root a folder, which need not exist yet; @param fs only for tests that inject faults */
export function openLocal(root: string, runtime: Runtime = systemRuntime, fs: FileSystem = nodeFiles): Store {
  return new LocalStore(resolve(root), runtime, fs)
}

const statsAtOnce = 64
const deletesAtOnce = 32

/** By root, once they have passed: file systems do not change their mind. */
const probed = new Map<string, Promise<void>>()

class LocalStore implements Store {
  readonly kind = 'local'
  readonly url: string
  readonly usage: StoreUsage = { requests: 0, bytesRead: 0, bytesWritten: 0 }
  private readonly folders: Folders

  constructor(
    private readonly root: string,
    private readonly runtime: Runtime,
    private readonly fs: FileSystem,
  ) {
    this.url = pathToFileURL(root).href.replace(/(?<!\/\/)\/$/, '')
    this.folders = new Folders(root, fs)
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredObject | undefined> {
    const path = this.begin(key, signal)
    return this.naming('reading a file', path, async () => {
      const body = await ifThere(
        withFile(this.fs, path, 'r', async (file) => {
          const stats = await file.stat({ bigint: true })
          if (!stats.isFile()) return undefined
          const { start, end } = span(range, Number(stats.size))
          const buffer = Buffer.allocUnsafe(end - start)
          const filled = await fill(file, buffer, start)
          this.usage.bytesRead += filled
          return { ...infoOf(key, stats), body: new Uint8Array(buffer.buffer, buffer.byteOffset, filled) }
        }),
      )
      return body
    })
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const path = this.begin(key, signal)
    return this.naming('reading a file', path, async () => {
      const stats = await ifThere(this.fs.stat(path, { bigint: true }))
      return stats?.isFile() ? infoOf(key, stats) : undefined
    })
  }

  async *list(prefix: string, { startAfter, limit = Infinity, signal }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    assertPrefix(prefix)
    this.usage.requests++
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    const keys = walk(this.fs, this.root, folder, { prefix, startAfter })
    for (let left = limit; left > 0; ) {
      signal?.throwIfAborted()
      const batch = await this.naming('listing a folder', join(this.root, folder), () =>
        take(keys, Math.min(left, statsAtOnce)),
      )
      if (batch.length === 0) return
      const infos = await Promise.all(batch.map((key) => this.statOf(key)))
      for (const info of infos) {
        if (!info) continue
        left--
        yield info
      }
    }
  }

  async putIfAbsent(key: string, body: Uint8Array, { signal }: CallOptions = {}): Promise<PutOutcome> {
    const path = this.begin(key, signal)
    await this.probe()
    const temporary = this.temporaryBeside(path)
    return this.naming('creating a file', path, async () => {
      try {
        await this.folders.within(dirname(path), () => writeDurably(this.fs, temporary, body))
        this.usage.bytesWritten += body.length
        const outcome = await this.linkOnce(temporary, path)
        if (outcome !== 'linked') return outcome
      } finally {
        await this.fs.rm(temporary, { force: true }).catch(() => {})
      }
      try {
        await this.folders.sync(dirname(path))
        return { status: 'created', etag: etagOf(await this.fs.stat(path, { bigint: true })) }
      } catch (cause) {
        // The name is there and may be gone after a crash: asking again decides.
        return { status: 'unknown', cause }
      }
    })
  }

  async putDerived(
    key: string,
    body: Uint8Array,
    { ifMatch, signal }: CallOptions & { ifMatch?: string } = {},
  ): Promise<'written' | 'stale'> {
    const path = this.begin(key, signal)
    const temporary = this.temporaryBeside(path)
    return this.naming('writing a file', path, async () => {
      try {
        await this.folders.within(dirname(path), () => writeDurably(this.fs, temporary, body))
        const write = async () => {
          if (ifMatch !== undefined && (await this.head(key))?.etag !== ifMatch) return 'stale'
          await this.fs.rename(temporary, path)
          await this.folders.sync(dirname(path))
          this.usage.bytesWritten += body.length
          return 'written'
        }
        return ifMatch === undefined ? await write() : await withLock(this.fs, path, this.runtime, write, signal)
      } finally {
        await this.fs.rm(temporary, { force: true })
      }
    })
  }

  async spoolFolder(name: string): Promise<string> {
    const key = name.startsWith(stagingRoot) ? name : stagingRoot + name
    const path = this.pathOf(key)
    // Another load may sweep an empty `_staging/` at this very moment: what was there a moment ago is looked at anew.
    await this.naming('creating a folder', path, async () => {
      this.folders.forget(path)
      await this.folders.within(path, () => this.folders.ensure(path))
    })
    return path
  }

  async reserve(items: readonly ReserveItem[], { folder, hold, signal }: ReserveOptions = {}): Promise<Reservation[]> {
    signal?.throwIfAborted()
    for (const { key } of items) assertKey(key)
    await this.probe()
    return items.map(({ key, file }) => {
      const home = folder ?? stagingRoot + shortHash(key)
      // A spool is gone when its load ends; what waits for longer moves out of it.
      const path = (hold ? undefined : this.stagedInPlace(file.path)) ?? stagedKey(home, this.runtime.uuid())
      assertKey(path)
      return { kind: 'local', key, path }
    })
  }

  async stage(reservation: Reservation, file: SpooledFile, { signal }: CallOptions = {}): Promise<Staged> {
    signal?.throwIfAborted()
    const path = this.stagedPath(reservation)
    return this.naming('staging a file', path, async () => {
      if (resolve(file.path) !== path) {
        await this.folders.within(dirname(path), () => this.takeOver(file.path, path))
      }
      const stats = await ifThere(this.fs.lstat(path))
      if (!stats?.isFile() || stats.size !== file.sizeBytes) {
        const details = { path: file.path, expectedBytes: file.sizeBytes, foundBytes: stats?.size }
        throw new LakeError('corrupt', 'a spooled file is not what was verified', details)
      }
      await syncFile(this.fs, path)
      this.usage.bytesWritten += stats.size
      return { ...reservation, sizeBytes: stats.size, sha256: await sha256Of({ ...file, path }, signal) }
    })
  }

  async promote(staged: Staged, { signal }: CallOptions = {}): Promise<void> {
    const to = this.begin(staged.key, signal)
    const from = this.stagedPath(staged)
    await this.naming('promoting a file', to, async () => {
      await this.linkStaged(staged, from, to)
      await this.folders.sync(dirname(to))
      await this.fs.rm(from, { force: true })
    })
  }

  async abort(staged: Staged | Reservation, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const path = this.stagedPath(staged)
    await this.naming('removing a staged file', path, async () => {
      if (await this.folders.isInside(dirname(path))) await this.fs.rm(path, { force: true })
    })
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    const limit = pLimit(deletesAtOnce)
    const paths = keys.map((key) => this.pathOf(key))
    await Promise.all(
      paths.map((path) =>
        limit(async () => {
          signal?.throwIfAborted()
          this.usage.requests++
          await this.naming('deleting a file', path, async () => {
            if (await this.folders.isInside(dirname(path))) await ifThere(this.fs.unlink(path))
          })
        }),
      ),
    )
  }

  async fetch(
    key: string,
    toFile: string,
    { ranges, signal }: CallOptions & { ranges?: readonly ByteRange[] } = {},
  ): Promise<void> {
    const whole = await this.head(key, { signal })
    if (!whole) throw new LakeError('corrupt', 'no such object', { key, table: this.url })
    await this.naming('copying a file', toFile, async () => {
      await withFile(this.fs, toFile, 'a', async () => {})
      await withFile(this.fs, toFile, 'r+', async (file) => {
        await file.truncate(whole.sizeBytes)
        for (const range of ranges ?? [{ offset: 0 }]) {
          const part = await this.get(key, { range, signal })
          if (part) await file.write(part.body, 0, part.body.length, span(range, whole.sizeBytes).start)
        }
      })
    })
  }

  localPath(key: string): string {
    return this.pathOf(key)
  }

  now(): number {
    return this.runtime.now()
  }

  probe(): Promise<void> {
    let proof = probed.get(this.root)
    // A file system with injected faults must prove itself each time.
    if (!proof || this.fs !== nodeFiles) {
      proof = this.proveLinks()
      probed.set(this.root, proof)
      proof.catch(() => probed.delete(this.root))
    }
    return proof
  }

  async sweep({ olderThanMs, signal }: CallOptions & { olderThanMs: number }): Promise<number> {
    const oldestMs = this.runtime.now() - olderThanMs
    let removed = 0
    for (const folder of ['_delta_log', '_published', '_staging']) {
      signal?.throwIfAborted()
      const path = join(this.root, folder)
      const emptied = (empty: string) => (folder === '_staging' ? this.folders.remove(empty) : Promise.resolve(false))
      removed += await this.naming('sweeping a folder', path, () => sweepFolder(this.fs, path, oldestMs, emptied))
    }
    return removed
  }

  async close(): Promise<void> {}

  private begin(key: string, signal: AbortSignal | undefined): string {
    const path = this.pathOf(key)
    signal?.throwIfAborted()
    this.usage.requests++
    return path
  }

  private pathOf(key: string): string {
    assertKey(key)
    if (process.platform === 'win32' && /[\\:]/.test(key)) {
      throw new LakeError('invalid', 'Windows has no such file name', { key })
    }
    return join(this.root, key)
  }

  private stagedPath(staged: Reservation): string {
    if (staged.kind !== 'local' || !staged.path.startsWith(stagingRoot)) {
      throw new LakeError('corrupt', 'not a staged file of this store', { key: staged.key, table: this.url })
    }
    assertKey(staged.path, 'corrupt')
    return this.pathOf(staged.path)
  }

  private temporaryBeside(path: string): string {
    return join(dirname(path), temporaryPrefix + this.runtime.uuid())
  }

  private async naming<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw fileError(error, doing, path)
    }
  }

  private async statOf(key: string): Promise<ObjectInfo | undefined> {
    // It may have gone since its folder was read.
    const stats = await ifThere(this.fs.lstat(join(this.root, key), { bigint: true }))
    return stats?.isFile() ? infoOf(key, stats) : undefined
  }

  /** link(2) has one winner, whatever the number of processes. */
  private async linkOnce(temporary: string, path: string): Promise<'linked' | PutOutcome> {
    try {
      await this.fs.link(temporary, path)
      return 'linked'
    } catch (cause) {
      const code = codeOf(cause)
      if (noLinkErrors.has(code)) throw this.noLinks(cause)
      if (refusals.has(code)) throw cause
      // NFS repeats a request whose answer was lost, and meets its own link: the count tells.
      const own = await ifThere(this.fs.lstat(temporary))
      if (own?.nlink === 2) return 'linked'
      return code === 'EEXIST' ? { status: 'exists' } : { status: 'unknown', cause }
    }
  }

  private noLinks(cause: unknown): LakeError {
    return new LakeError('unsupported', 'this file system has no hard links, so commits cannot be made safe on it', {
      folder: this.root,
      cause,
      fix: 'Put the table on another file system, or on object storage.',
    })
  }

  private async proveLinks(): Promise<void> {
    const first = this.pathOf(probeKey(this.runtime.uuid()))
    const temporary = this.temporaryBeside(first)
    await this.naming('writing to the table', first, async () => {
      await this.folders.ensure(dirname(first))
      try {
        await this.fs.writeFile(temporary, '')
        const outcomes = [await this.linkOnce(temporary, first)]
        await this.fs.rm(temporary)
        await this.fs.writeFile(temporary, '')
        outcomes.push(await this.linkOnce(temporary, first))
        const [created, repeated] = outcomes
        const kept = typeof repeated === 'object' && repeated.status === 'exists'
        if (created !== 'linked' || !kept) throw this.noLinks(undefined)
      } finally {
        await Promise.all([this.fs.rm(temporary, { force: true }), this.fs.rm(first, { force: true })])
      }
    })
  }

  /** The key of a spooled file that already lies where staged files do, under a name that no reader's glob matches. */
  private stagedInPlace(path: string): string | undefined {
    const key = relative(this.root, resolve(path))
    if (isAbsolute(key)) return undefined
    const slashed = key.split(sep).join('/')
    const name = basename(slashed)
    const fits = slashed.startsWith(stagingRoot) && !name.endsWith('.parquet') && !name.startsWith(temporaryPrefix)
    return fits ? slashed : undefined
  }

  private async takeOver(path: string, to: string): Promise<void> {
    try {
      await this.fs.rename(path, to)
    } catch (error) {
      // Taken over before, by a try whose answer nobody kept: the caller looks at what is there.
      if (codeOf(error) === 'ENOENT' && !(await ifThere(this.fs.lstat(path)))) return
      if (codeOf(error) !== 'EXDEV') throw error
      const temporary = this.temporaryBeside(to)
      try {
        await this.fs.copyFile(path, temporary)
        await this.fs.rename(temporary, to)
      } finally {
        await this.fs.rm(temporary, { force: true })
      }
    }
  }

  private async linkStaged(staged: Staged, from: string, to: string, again = true): Promise<void> {
    await this.folders.ensure(dirname(to))
    try {
      // The age of a data file counts from when it became one: a load may have waited for days.
      const nowS = this.runtime.now() / 1000
      await this.fs.utimes(from, nowS, nowS)
      await this.fs.link(from, to)
    } catch (error) {
      const code = codeOf(error)
      if (noLinkErrors.has(code)) throw this.noLinks(error)
      if (code !== 'EEXIST' && !isMissing(error)) throw error
      const [source, target] = await Promise.all([from, to].map((path) => ifThere(this.fs.lstat(path))))
      if (isPromoted(staged, source, target)) return
      if (source && !target && again) {
        this.folders.forget(dirname(to))
        return this.linkStaged(staged, from, to, false)
      }
      throw new LakeError('unavailable', target ? 'another file has this key' : 'a staged file is gone', {
        key: staged.key,
        restage: true,
        fix: 'Stage the file again under a new key.',
      })
    }
  }
}

const noLinkErrors = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])
/** The link was certainly not made. */
const refusals = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENAMETOOLONG', 'EXDEV', 'ELOOP'])

interface Sizes {
  ino: bigint
  mtimeNs: bigint
  size: bigint
}

function infoOf(key: string, stats: Sizes): ObjectInfo {
  return {
    key,
    sizeBytes: Number(stats.size),
    modifiedMs: Number(stats.mtimeNs / 1_000_000n),
    etag: etagOf(stats),
  }
}

function etagOf({ ino, mtimeNs, size }: Sizes): string {
  return [ino, mtimeNs, size].map((part) => part.toString(36)).join('-')
}

interface Inode {
  ino: number
  dev: number
  size: number
}

function isPromoted(staged: Staged, source: Inode | undefined, target: Inode | undefined): boolean {
  if (!target) return false
  if (source) return source.ino === target.ino && source.dev === target.dev
  return target.size === staged.sizeBytes
}

async function take(keys: AsyncGenerator<string>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const next = await keys.next()
    if (next.done) break
    taken.push(next.value)
  }
  return taken
}
