/**
 * What a file system must be told so that what was written is still there after the power went: folders that are
 * created, checked and fsynced once, files that are fsynced before they get their name, and what its errors mean.
 *
 * On Windows folders cannot be fsynced: safe there against a process's death, not against the power's.
 */
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { compareKeys } from './keys.js'

export type FileSystem = typeof import('node:fs/promises')

/** Names that a listing leaves out: files on the way to their name. */
export const temporaryPrefix = '.tmp-'

/** The folders of one table, by absolute path. */
export class Folders {
  private readonly ready = new Map<string, Promise<void>>()
  private readonly syncing = new Map<string, Promise<void>>()
  private readonly waiting = new Map<string, Promise<void>>()

  constructor(
    private readonly root: string,
    private readonly fs: FileSystem,
  ) {}

  /** Afterwards the folder exists, below the root by its real path, and so durably that it survives a crash. */
  ensure(folder: string): Promise<void> {
    let ready = this.ready.get(folder)
    if (!ready) {
      ready = folder === this.root ? this.createRoot() : this.create(folder)
      this.ready.set(folder, ready)
      ready.catch(() => this.ready.delete(folder))
    }
    return ready
  }

  /** Do `work` in the folder, and once more if somebody removed the folder under our feet. */
  async within<T>(folder: string, work: () => Promise<T>): Promise<T> {
    await this.ensure(folder)
    try {
      return await work()
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      this.forget(folder)
      await this.ensure(folder)
      return work()
    }
  }

  /** After somebody removed a folder: look again next time. */
  forget(folder: string): void {
    for (let path = folder; path.length >= this.root.length; path = dirname(path)) {
      this.ready.delete(path)
      if (path === dirname(path)) return
    }
  }

  /**
   * fsync the folder, so that the names in it last. Calls that come while one runs share the next one: promoting 32
   * files into one folder costs two or three, not 32.
   */
  sync(folder: string): Promise<void> {
    const joined = this.waiting.get(folder)
    if (joined) return joined
    const before = this.syncing.get(folder) ?? Promise.resolve()
    const mine: Promise<void> = before
      .catch(() => {})
      .then(async () => {
        this.waiting.delete(folder)
        this.syncing.set(folder, mine)
        try {
          await syncFolder(this.fs, folder)
        } finally {
          if (this.syncing.get(folder) === mine) this.syncing.delete(folder)
        }
      })
    this.waiting.set(folder, mine)
    return mine
  }

  /** @returns whether the folder exists; throws if a symbolic link leads it out of the root */
  async isInside(folder: string): Promise<boolean> {
    const ready = this.ready.get(folder)
    if (!ready) return this.checkRealPath(folder)
    await ready
    return true
  }

  private async checkRealPath(folder: string): Promise<boolean> {
    const [real, realRoot] = await Promise.all([this.realPath(folder), this.realPath(this.root)])
    if (real === undefined || realRoot === undefined) return false
    if (real === realRoot || real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return true
    throw new LakeError('invalid', 'a symbolic link leads out of the table', {
      folder,
      fix: 'Replace the link by a folder, or give the table another root.',
    })
  }

  /** @returns whether it was empty, and is gone now */
  async remove(folder: string): Promise<boolean> {
    try {
      await this.fs.rmdir(folder)
      this.forget(folder)
      return true
    } catch (error) {
      if (isMissing(error) || ['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(codeOf(error))) return false
      throw error
    }
  }

  private async createRoot(): Promise<void> {
    const first = await this.fs.mkdir(this.root, { recursive: true }).catch(async (error) => {
      // Node answers ENOENT where a parent folder is on a read-only file system; a plain mkdir says so.
      if (codeOf(error) === 'ENOENT') await this.fs.mkdir(await this.firstMissing())
      throw error
    })
    if (first === undefined) return
    for (let path = this.root; path.length >= first.length; path = dirname(path)) await this.sync(dirname(path))
  }

  private async firstMissing(): Promise<string> {
    let missing = this.root
    while (dirname(missing) !== missing && (await this.realPath(dirname(missing))) === undefined)
      missing = dirname(missing)
    return missing
  }

  private async create(folder: string): Promise<void> {
    const parent = dirname(folder)
    const make = () =>
      this.fs.mkdir(folder).catch((error) => {
        if (codeOf(error) !== 'EEXIST') throw error
      })
    await this.within(parent, make)
    await this.checkRealPath(folder)
    // Also if somebody else has just made it: their fsync may be yet to come.
    await this.sync(parent)
  }

  private async realPath(path: string): Promise<string | undefined> {
    return ifThere(this.fs.realpath(path))
  }
}

/** A new file with these bytes, on disk when this resolves, though not yet its name. */
export async function writeDurably(fs: FileSystem, path: string, body: Uint8Array): Promise<void> {
  const file = await fs.open(path, 'wx')
  try {
    await file.writeFile(body)
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function syncFile(fs: FileSystem, path: string): Promise<void> {
  // Windows flushes only what was opened for writing.
  await withFile(fs, path, 'r+', (file) => file.sync())
}

export async function withFile<T>(
  fs: FileSystem,
  path: string,
  flags: string,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await fs.open(path, flags)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

async function syncFolder(fs: FileSystem, folder: string): Promise<void> {
  if (process.platform === 'win32') return
  await withFile(fs, folder, 'r', (file) => file.sync()).catch((error) => {
    // Some network mounts know no fsync of folders; they write names through.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) throw error
  })
}

/** Do `work` on a file while no other process does work on it under this lock. */
export async function withLock<T>(
  fs: FileSystem,
  path: string,
  runtime: Runtime,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const lock = join(dirname(path), `${temporaryPrefix}lock-${basename(path)}`)
  while (!(await takeLock(fs, lock))) await runtime.sleep(5 + 20 * runtime.random(), signal)
  try {
    return await work()
  } finally {
    await fs.rm(lock, { force: true })
  }
}

/** A compare-and-set takes milliseconds; whoever holds its lock for longer is dead. */
const lockStaleMs = 30_000

async function takeLock(fs: FileSystem, lock: string): Promise<boolean> {
  try {
    await fs.writeFile(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    const held = await ifThere(fs.stat(lock))
    // By the machine's clock, as the file's time is.
    if (held && systemRuntime.now() - held.mtimeMs > lockStaleMs) await fs.rm(lock, { force: true })
    return false
  }
}

/** Remove temporary files below `folder` that are older, and offer older folders to `emptied`. Answers how many went. */
export async function sweepFolder(
  fs: FileSystem,
  folder: string,
  oldestMs: number,
  emptied: (folder: string) => Promise<boolean>,
): Promise<number> {
  const entries = (await ifThere(fs.readdir(folder, { withFileTypes: true }))) ?? []
  let removed = 0
  for (const entry of entries) {
    const path = join(folder, entry.name)
    const stats = await ifThere(fs.lstat(path))
    const isOld = stats !== undefined && stats.mtimeMs < oldestMs
    if (entry.isDirectory()) {
      removed += await sweepFolder(fs, path, oldestMs, emptied)
      if (isOld && (await emptied(path))) removed++
    } else if (isOld && entry.name.startsWith(temporaryPrefix)) {
      await fs.rm(path, { force: true })
      removed++
    }
  }
  return removed
}

/** Keys of the files below `folder` (a key that ends in `/`, or `''`), ascending by UTF-8 bytes. Links are not followed. */
export async function* walk(
  fs: FileSystem,
  root: string,
  folder: string,
  { prefix, startAfter }: { prefix: string; startAfter: string | undefined },
): AsyncGenerator<string> {
  const entries = (await ifThere(fs.readdir(join(root, folder), { withFileTypes: true }))) ?? []
  const found = entries
    .filter((entry) => (entry.isFile() || entry.isDirectory()) && !entry.name.startsWith(temporaryPrefix))
    .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''))
    .filter((key) => mayMatch(key, prefix) && mayFollow(key, startAfter))
    // A folder sorts as its keys do, with the slash: `a-b` stands before `a/b`.
    .sort(compareKeys)
  for (const key of found) {
    if (key.endsWith('/')) yield* walk(fs, root, key, { prefix, startAfter })
    else yield key
  }
}

function mayMatch(key: string, prefix: string): boolean {
  return key.startsWith(prefix) || (key.endsWith('/') && prefix.startsWith(key))
}

function mayFollow(key: string, startAfter: string | undefined): boolean {
  if (startAfter === undefined) return true
  return compareKeys(key, startAfter) > 0 || (key.endsWith('/') && startAfter.startsWith(key))
}

/** What a file system's error means to the caller. Not every error is one: a bug stays what it is. */
export function fileError(error: unknown, doing: string, path: string): unknown {
  if (error instanceof LakeError) return error
  const code = codeOf(error)
  const details = { path, cause: error }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new LakeError('unavailable', `${doing}: no space left`, {
      ...details,
      fix: 'Free some space and try again.',
    })
  }
  if (code === 'EROFS') {
    const fix = 'Mount it writable, or use another folder.'
    return new LakeError('invalid', `${doing}: the file system is read-only`, {
      ...details,
      folder: dirname(path),
      fix,
    })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    const fix = 'Give this user the right to read and write the folder.'
    return new LakeError('invalid', `${doing}: permission denied`, { ...details, folder: dirname(path), fix })
  }
  if (nameErrors.has(code)) {
    const fix = 'Check the path: a file where a folder is needed, or a name that this file system does not take.'
    return new LakeError('invalid', `${doing}: the path cannot be used (${code})`, { ...details, fix })
  }
  if (code !== '')
    return new LakeError('unavailable', `${doing} failed (${code})`, { ...details, fix: 'Try again later.' })
  return error
}

const nameErrors = new Set(['ENAMETOOLONG', 'EINVAL', 'EILSEQ', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EEXIST', 'ENOTEMPTY'])

/** There is nothing at this path: no entry, or a file where one of its folders would be. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error))
}

export async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error) => {
    if (isMissing(error)) return undefined
    throw error
  })
}

export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : ''
}
