/** What only a file system can get wrong: durability, links, mounts, permissions. */
import { randomUUID } from 'node:crypto'
import nodeFiles, {
  type FileHandle,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemRuntime } from '../../src/runtime.js'
import { logKey } from '../../src/store/keys.js'
import { openLocal } from '../../src/store/local.js'
import type { FileSystem } from '../../src/store/local-files.js'
import type { Reservation, Staged, Store } from '../../src/store/port.js'
import { bytes, failureOf, keysOf, spoolInto, text } from '../contract/store.js'

let folder: string
let root: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-local-'))
  root = join(folder, 'table')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const openWith = (faults: Partial<FileSystem>) => openLocal(root, systemRuntime, { ...nodeFiles, ...faults })

async function stageOne(store: Store, key: string, content = 'rows'): Promise<Staged> {
  const file = await spoolInto(folder, content)
  const [reservation] = await store.reserve([{ key, file }])
  return store.stage(reservation as Reservation, file)
}

describe('commit on a file system', () => {
  test('whatever a commit names is on disk before the commit has its name', async () => {
    const calls: string[] = []
    const store = openWith(recording(calls))
    const staged = await stageOne(store, 'dt=1/h=2/f.parquet')
    await store.promote(staged)
    await store.putIfAbsent(logKey(0), bytes('{}'))

    const at = (call: string) => {
      const index = calls.indexOf(call)
      expect(index, `${call} in\n${calls.join('\n')}`).toBeGreaterThanOrEqual(0)
      return index
    }
    const commit = at(`link ${logKey(0)}`)
    const promoted = at('link dt=1/h=2/f.parquet')
    expect(calls.findIndex((call) => /^sync _staging\/.*\.staged$/.test(call))).toBeLessThan(promoted)
    expect(calls.findIndex((call) => /^sync _staging\/.*\.staged$/.test(call))).toBeGreaterThanOrEqual(0)
    // The file's name, and the names of the two new folders above it.
    expect(calls.lastIndexOf('sync dt=1/h=2')).toBeGreaterThan(promoted)
    for (const parent of ['', 'dt=1', 'dt=1/h=2']) expect(at(`sync ${parent}`)).toBeLessThan(commit)
    expect(calls.lastIndexOf('sync ')).toBeGreaterThan(at('mkdir dt=1'))
    expect(calls.lastIndexOf('sync dt=1')).toBeGreaterThan(at('mkdir dt=1/h=2'))
    // The commit's own bytes before its name, and its name before anybody hears of it.
    expect(calls.findLastIndex((call) => call.startsWith('sync _delta_log/.tmp-'))).toBeLessThan(commit)
    expect(calls.lastIndexOf('sync _delta_log')).toBeGreaterThan(commit)
  })

  test('32 promotions into one folder share their fsyncs', async () => {
    const calls: string[] = []
    const store = openWith(recording(calls))
    const staged = await Promise.all(Array.from({ length: 32 }, (_, i) => stageOne(store, `dt=1/${i}.parquet`)))
    await Promise.all(staged.map((one) => store.promote(one)))
    expect(calls.filter((call) => call === 'sync dt=1').length).toBeLessThan(16)
    expect(calls.lastIndexOf('sync dt=1')).toBeGreaterThan(calls.findLastIndex((call) => call.startsWith('link dt=1')))
  })

  test('a link that was made although its answer says it exists is a win', async () => {
    const store = openWith({
      link: async (from, to) => {
        await nodeFiles.link(from, to)
        if (String(to).endsWith('.json')) throw errno('EEXIST')
      },
    })
    expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'created' })
    expect(await openLocal(root).putIfAbsent(logKey(0), bytes('theirs'))).toEqual({ status: 'exists' })
  })

  test('a link of which nobody knows is unknown, and repeating it decides', async () => {
    let failing = true
    const store = openWith({
      link: async (from, to) => {
        if (failing && String(to).endsWith('.json')) throw errno('EIO')
        await nodeFiles.link(from, to)
      },
    })
    expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'unknown' })
    failing = false
    expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'created' })
  })

  test('a name that could not be made durable is unknown, and then exists with our bytes', async () => {
    let failing = false
    const store = openWith({
      open: async (path, ...rest) => {
        if (failing && basename(String(path)) === '_delta_log') throw errno('EIO')
        return nodeFiles.open(path, ...rest)
      },
    })
    await store.putIfAbsent(logKey(0), bytes('0'))
    failing = true
    expect(await store.putIfAbsent(logKey(1), bytes('1'))).toMatchObject({ status: 'unknown' })
    failing = false
    expect(await store.putIfAbsent(logKey(1), bytes('1'))).toEqual({ status: 'exists' })
    expect(text((await store.get(logKey(1)))?.body)).toBe('1')
  })

  test('a file system without hard links is refused before anything is written', async () => {
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS']) {
      const store = openWith({
        link: async () => {
          throw errno(code)
        },
      })
      await expect(store.probe()).rejects.toMatchObject({ code: 'unsupported' })
      await expect(store.putIfAbsent(logKey(0), bytes('{}'))).rejects.toMatchObject({ code: 'unsupported' })
    }
    expect(await everyFile(root)).toEqual([])
  })

  test('a file system whose links replace what is there is refused', async () => {
    const store = openWith({ link: (from, to) => nodeFiles.copyFile(from, to) })
    await expect(store.probe()).rejects.toMatchObject({ code: 'unsupported' })
  })

  test('a full disk is unavailable, a folder without rights or read-only is invalid and named; nothing stays', async () => {
    for (const [code, expected] of [
      ['ENOSPC', 'unavailable'],
      ['EDQUOT', 'unavailable'],
      ['EROFS', 'invalid'],
      ['EACCES', 'invalid'],
      ['EPERM', 'invalid'],
    ] as const) {
      const store = openWith({
        open: async (path, ...rest) => {
          if (basename(String(path)).startsWith('.tmp-')) throw errno(code)
          return nodeFiles.open(path, ...rest)
        },
      })
      const error = await failureOf(store.putIfAbsent(logKey(0), bytes('{}')))
      expect(error).toMatchObject({ code: expected, fix: expect.any(String) })
      expect(String(error)).toContain('_delta_log')
    }
    expect(await everyFile(root)).toEqual([])
  })

  test('bytes that do not fit leave no temporary file', async () => {
    const store = openWith({
      open: async (path, ...rest) => {
        const file = await nodeFiles.open(path, ...rest)
        if (basename(String(path)).startsWith('.tmp-')) {
          file.writeFile = async () => {
            throw errno('ENOSPC')
          }
        }
        return file
      },
    })
    await expect(store.putIfAbsent(logKey(0), bytes('{}'))).rejects.toMatchObject({ code: 'unavailable' })
    expect(await everyFile(root)).toEqual([])
  })

  test('a root that is a file is invalid', async () => {
    await writeFile(root, 'not a folder')
    const store = openLocal(root)
    await expect(store.putIfAbsent(logKey(0), bytes('{}'))).rejects.toMatchObject({ code: 'invalid' })
    expect(await store.head(logKey(0))).toBeUndefined()
  })
})

describe('staging on a file system', () => {
  test('a file in the spool folder is neither copied nor moved, and is the promoted file in the end', async () => {
    const store = openLocal(root)
    const spool = (await store.spoolFolder('_staging/abc')) as string
    expect(relative(root, spool)).toBe(join('_staging', 'abc'))
    const path = join(spool, 'h=1', 'data_0.staged')
    await mkdir(join(spool, 'h=1'))
    await writeFile(path, 'rows')
    const { ino } = await stat(path)
    const [reservation] = await store.reserve([{ key: 'dt=1/f.parquet', file: { path, sizeBytes: 4 } }])
    expect(reservation).toMatchObject({ path: '_staging/abc/h=1/data_0.staged' })
    const staged = await store.stage(reservation as Reservation, { path, sizeBytes: 4 })
    expect((await stat(path)).ino).toBe(ino)
    await store.promote(staged)
    expect((await stat(join(root, 'dt=1/f.parquet'))).ino).toBe(ino)
    expect((await stat(join(root, 'dt=1/f.parquet'))).nlink).toBe(1)
  })

  test('nothing that is staged ends in .parquet, whatever the spooled file is called', async () => {
    const store = openLocal(root)
    const spool = (await store.spoolFolder('abc')) as string
    const path = join(spool, 'data_0.parquet')
    await writeFile(path, 'rows')
    const [reservation] = await store.reserve([{ key: 'f.parquet', file: { path, sizeBytes: 4 } }])
    await store.stage(reservation as Reservation, { path, sizeBytes: 4 })
    const files = await everyFile(root)
    expect(files).toHaveLength(1)
    expect(files[0]).toMatch(/^_staging\/.*\.staged$/)
  })

  test('a file on another mount is copied', async () => {
    const store = openWith({
      rename: async (from, to) => {
        if (!String(from).startsWith(root)) throw errno('EXDEV')
        await nodeFiles.rename(from, to)
      },
    })
    const file = await spoolInto(folder, 'rows')
    const [reservation] = await store.reserve([{ key: 'f.parquet', file }], { folder: '_staging/load' })
    const staged = await store.stage(reservation as Reservation, file)
    expect(await readFile(file.path, 'utf8')).toBe('rows')
    expect(await everyFile(root)).toEqual([expect.stringMatching(/^_staging\/load\/[^/]+\.staged$/)])
    await store.promote(staged)
    expect(await everyFile(root)).toEqual(['f.parquet'])
  })

  test('staging again after the file was taken over answers the same', async () => {
    const store = openLocal(root)
    const file = await spoolInto(folder, 'rows')
    const [reservation] = await store.reserve([{ key: 'f.parquet', file }])
    const first = await store.stage(reservation as Reservation, file)
    expect(await store.stage(reservation as Reservation, file)).toEqual(first)
  })

  test('another process can promote what was staged', async () => {
    const staged = await stageOne(openLocal(root), 'dt=1/f.parquet')
    await openLocal(root).promote(JSON.parse(JSON.stringify(staged)))
    expect(await readFile(join(root, 'dt=1/f.parquet'), 'utf8')).toBe('rows')
  })

  test('a promotion that died after its link is finished by the next one', async () => {
    const dying = openWith({
      rm: async (path, options) => {
        if (String(path).endsWith('.staged')) throw errno('EIO')
        await nodeFiles.rm(path, options)
      },
    })
    const staged = await stageOne(dying, 'f.parquet')
    await expect(dying.promote(staged)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await everyFile(root)).toHaveLength(2)
    await openLocal(root).promote(staged)
    expect(await everyFile(root)).toEqual(['f.parquet'])
  })

  test('a folder that somebody removed meanwhile is made again', async () => {
    const store = openLocal(root)
    await store.promote(await stageOne(store, 'dt=1/a.parquet'))
    await rm(join(root, 'dt=1'), { recursive: true })
    await store.promote(await stageOne(store, 'dt=1/b.parquet'))
    expect(await keysOf(store, 'dt=1/')).toEqual(['dt=1/b.parquet'])
    await store.spoolFolder('load')
    await store.putIfAbsent(logKey(0), bytes('0'))
    await store.putDerived('_published/a', bytes('a'))
    await rm(root, { recursive: true })
    const file = await spoolInto(folder, 'rows')
    const [reservation] = await store.reserve([{ key: 'c.parquet', file }], { folder: '_staging/load' })
    await store.stage(reservation as Reservation, file)
    expect(await store.putIfAbsent(logKey(0), bytes('0'))).toMatchObject({ status: 'created' })
    expect(await store.putDerived('_published/a', bytes('a'))).toBe('written')
  })

  test('the age of a promoted file counts from its promotion, however long it was staged', async () => {
    const store = openLocal(root)
    const staged = await stageOne(store, 'f.parquet')
    const aged = (staged as Staged & { path: string }).path
    await utimes(join(root, aged), 1_000_000, 1_000_000)
    await store.promote(staged)
    expect(Date.now() - ((await store.head('f.parquet'))?.modifiedMs ?? 0)).toBeLessThan(60_000)
  })

  test('a journal cannot name a file outside the staging folder', async () => {
    const store = openLocal(root)
    await store.putIfAbsent(logKey(0), bytes('{}'))
    await writeFile(join(folder, 'secret'), 'secret')
    const rest = { kind: 'local', key: 'f.parquet', sizeBytes: 6, sha256: '' } as const
    for (const path of ['../secret', '_staging/../../secret', join(folder, 'secret'), logKey(0)]) {
      await expect(store.promote({ ...rest, path })).rejects.toMatchObject({ code: 'corrupt' })
      await expect(store.abort({ ...rest, path })).rejects.toMatchObject({ code: 'corrupt' })
    }
    expect(await readFile(join(folder, 'secret'), 'utf8')).toBe('secret')
    expect(await store.head(logKey(0))).toBeDefined()
  })
})

describe('a load whose file system fails at one operation, the first, the second, …', () => {
  for (const when of ['before', 'after'] as const) {
    test(`leaves the table whole and can be done again: error ${when} the operation`, async () => {
      let survived = 0
      for (let n = 1; ; n++) {
        root = join(folder, `${when}-${n}`)
        const faults = failingAt(n, when)
        const outcome = await load(openWith(faults.fs)).catch((error: unknown) => error)
        if (!faults.hasFailed()) {
          expect(outcome).toBe('created')
          expect(n).toBeGreaterThan(20)
          break
        }
        const store = openLocal(root)
        if (await store.head(logKey(0))) expect(text((await store.get('dt=1/f.parquet'))?.body)).toBe('rows')
        if (outcome === 'created') {
          survived++
          expect(await store.head(logKey(0))).toBeDefined()
        }
        expect(await load(store)).toMatch(/^(created|exists)$/)
        expect(text((await store.get('dt=1/f.parquet'))?.body)).toBe('rows')
        expect(text((await store.get(logKey(0)))?.body)).toBe('commit')
        expect((await keysOf(store, '')).filter((key) => key.endsWith('.parquet'))).toEqual(['dt=1/f.parquet'])
      }
      // Failing to remove what is no longer needed is no failure.
      expect(survived).toBeLessThan(10)
    })
  }

  /** The steps of a load, as an executor makes them: staging again is what it does when it is told to. */
  async function load(store: Store): Promise<string> {
    const present = await store.head('dt=1/f.parquet')
    if (!present) await store.promote(await stageOne(store, 'dt=1/f.parquet'))
    return (await store.putIfAbsent(logKey(0), bytes('commit'))).status
  }
})

describe('links and leftovers', () => {
  test('a symbolic link that leads out of the root is not written through, nor deleted through', async () => {
    const outside = join(folder, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'precious'), 'precious')
    await mkdir(root)
    await symlink(outside, join(root, 'dt=1'))
    const store = openLocal(root)
    await expect(store.putIfAbsent('dt=1/x', bytes('x'))).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.putDerived('dt=1/x', bytes('x'))).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.delete(['dt=1/precious'])).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.promote(await stageOne(store, 'dt=1/f.parquet'))).rejects.toMatchObject({ code: 'invalid' })
    expect(await readdir(outside)).toEqual(['precious'])
    expect((await keysOf(store, '')).filter((key) => !key.startsWith('_staging/'))).toEqual([])
  })

  test('a root that is itself a symbolic link is fine', async () => {
    await mkdir(join(folder, 'real'))
    await symlink(join(folder, 'real'), root)
    const store = openLocal(root)
    await store.promote(await stageOne(store, 'dt=1/f.parquet'))
    await store.delete(['dt=1/f.parquet'])
    expect(await keysOf(store, '')).toEqual([])
  })

  test('temporary files are never listed; sweep removes the old ones and empty staging folders, and nothing else', async () => {
    const store = openLocal(root)
    await store.putIfAbsent(logKey(0), bytes('{}'))
    await store.promote(await stageOne(store, 'dt=1/f.parquet'))
    await stageOne(store, 'dt=1/g.parquet')
    const [old, young, empty] = ['_delta_log/.tmp-old', '_delta_log/.tmp-young', '_staging/empty']
    for (const path of [old, young]) await writeFile(join(root, path as string), 'x')
    await mkdir(join(root, empty as string))
    await mkdir(join(root, '_staging/young'))
    for (const path of [old, empty]) await utimes(join(root, path as string), 1_000_000, 1_000_000)
    expect((await keysOf(store, '')).filter((key) => key.includes('.tmp-'))).toEqual([])
    const before = await keysOf(store, '')
    expect(await store.sweep({ olderThanMs: 3_600_000 })).toBe(2)
    expect(await readdir(join(root, '_delta_log'))).toEqual(['.tmp-young', basename(logKey(0))])
    expect(await readdir(join(root, '_staging'))).toContain('young')
    expect(await readdir(join(root, '_staging'))).not.toContain('empty')
    expect(await keysOf(store, '')).toEqual(before)
  })

  test('a compare-and-set goes on after whoever held its lock died', async () => {
    const store = openLocal(root)
    await store.putDerived('_published/a', bytes('1'))
    const lock = join(root, '_published', '.tmp-lock-a')
    await writeFile(lock, '0')
    await utimes(lock, 1_000_000, 1_000_000)
    const etag = (await store.head('_published/a'))?.etag
    expect(await store.putDerived('_published/a', bytes('2'), { ifMatch: etag as string })).toBe('written')
    expect(await readdir(join(root, '_published'))).toEqual(['a'])
  })
})

/** The real file system, with a note of what is made durable or named, in order; paths from the root. */
function recording(calls: string[]): Partial<FileSystem> {
  const note = (what: string, path: unknown) => calls.push(`${what} ${relative(root, String(path))}`)
  const mkdirNoted = async (path: string, options?: { recursive: boolean }) => {
    const made = await nodeFiles.mkdir(path, options)
    note('mkdir', path)
    return made
  }
  return {
    open: async (path, ...rest) => {
      const file = await nodeFiles.open(path, ...rest)
      const sync = file.sync.bind(file)
      file.sync = async () => {
        await sync()
        note('sync', path)
      }
      return file
    },
    link: async (from, to) => {
      await nodeFiles.link(from, to)
      note('link', to)
    },
    mkdir: mkdirNoted as FileSystem['mkdir'],
  }
}

/** The real file system, of which the n-th operation fails, before or after it was done. */
function failingAt(n: number, when: 'before' | 'after'): { fs: Partial<FileSystem>; hasFailed(): boolean } {
  let calls = 0
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    const fails = ++calls === n
    if (fails && when === 'before') throw errno('EIO')
    const result = await work()
    if (fails) throw errno('EIO')
    return result
  }
  const fs: Partial<FileSystem> = {
    open: async (...args) => {
      const opened: FileHandle[] = []
      const file = await guard(async () => {
        const handle = await nodeFiles.open(...args)
        opened.push(handle)
        return handle
      }).catch(async (error) => {
        for (const handle of opened) await handle.close()
        throw error
      })
      const { sync, writeFile: write } = file
      file.sync = () => guard(() => sync.call(file))
      file.writeFile = (...written) => guard(() => write.apply(file, written))
      return file
    },
    link: (...args) => guard(() => nodeFiles.link(...args)),
    rename: (...args) => guard(() => nodeFiles.rename(...args)),
    rm: (...args) => guard(() => nodeFiles.rm(...args)),
    utimes: (...args) => guard(() => nodeFiles.utimes(...args)),
    writeFile: (...args) => guard(() => nodeFiles.writeFile(...args)),
    mkdir: ((path: string, options?: { recursive: boolean }) =>
      guard(() => nodeFiles.mkdir(path, options))) as FileSystem['mkdir'],
  }
  return { fs, hasFailed: () => calls >= n }
}

function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected ${randomUUID()}`), { code })
}

async function everyFile(top: string): Promise<string[]> {
  const entries = await readdir(top, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(top, join(entry.parentPath, entry.name)))
    .sort()
}
