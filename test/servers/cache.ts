/**
 * Where the test servers and foreign readers are kept between runs: outside the clone, so that every checkout
 * shares them.
 *
 *   LAKEWRIGHT_CACHE, else $XDG_CACHE_HOME/lakewright, else ~/.cache/lakewright
 *
 * An entry is installed into a temporary folder beside its place and renamed when it is whole, so what stands under
 * its final name is complete. A lock spares two processes the same work; should it ever fail, the rename decides.
 */
import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** The path of entry `name`, installed by `install(folder)` if it is not there yet. */
export async function cached(name: string, install: (folder: string) => Promise<void>): Promise<string> {
  const place = join(cacheRoot(), name)
  if (await exists(place)) return place
  return withLock(name, async () => {
    if (await exists(place)) return place
    await removeAbandoned(place)
    const temporary = `${place}.${randomUUID().slice(0, 8)}.part`
    await mkdir(temporary, { recursive: true })
    const startedMs = Date.now()
    console.error(`[servers] installing ${name} …`)
    try {
      await install(temporary)
      await rename(temporary, place).catch(async (cause) => {
        if (!(await exists(place))) throw cause
      })
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
    console.error(`[servers] installed ${name} in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`)
    return place
  })
}

/** Half-made folders that interrupted installs of this entry left; we hold its lock, so nobody works on them. */
async function removeAbandoned(place: string): Promise<void> {
  for (const name of await readdir(dirname(place))) {
    if (name.startsWith(`${basename(place)}.`) && name.endsWith('.part')) {
      await rm(join(dirname(place), name), { recursive: true, force: true })
    }
  }
}

/** A short name for what an entry is made from, so that a change makes a new entry. */
export function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

export function cacheRoot(): string {
  const { LAKEWRIGHT_CACHE, XDG_CACHE_HOME } = process.env
  if (LAKEWRIGHT_CACHE) return LAKEWRIGHT_CACHE
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'lakewright')
}

/** Run `work` while no other process that uses this cache runs work under the same name. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = join(cacheRoot(), `${name}.lock`)
  await mkdir(dirname(lock), { recursive: true })
  const mine = `${process.pid} ${hostname()} ${randomUUID()}`
  while (!(await take(lock, mine))) {
    await breakIfStale(lock)
    await sleep(200)
  }
  const heartbeat = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => {}), heartbeatMs)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    await rm(lock, { force: true })
  }
}

const heartbeatMs = 5_000
const staleMs = 60_000

async function take(lock: string, mine: string): Promise<boolean> {
  try {
    await writeFile(lock, mine, { flag: 'wx' })
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
}

async function breakIfStale(lock: string): Promise<void> {
  try {
    const [pid, host] = (await readFile(lock, 'utf8')).split(' ')
    const silentMs = Date.now() - (await stat(lock)).mtimeMs
    const dead = host === hostname() && !isAlive(Number(pid))
    // An owner writes its name right after creating the file, so a nameless lock is only stale when it is old.
    if (silentMs > staleMs || (pid && dead)) await rm(lock, { force: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
