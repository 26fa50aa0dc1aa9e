/**
 * What every store promises, as tests that run on each of them. A `Subject` is one implementation with an empty root
 * per test.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import { compareKeys, logKey } from '../../src/store/keys.js'
import type { ObjectInfo, SpooledFile, Staged, Store } from '../../src/store/port.js'

export interface Subject {
  name: string
  /** A store with an empty root of its own. */
  open(): Promise<Store>
}

export function storeContract({ name, open }: Subject): void {
  describe(`store contract: ${name}`, () => {
    let folder: string
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lakewright-store-'))
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))

    const spool = (content: string | Uint8Array) => spoolInto(folder, content)
    const stageOne = async (store: Store, key: string, content: string | Uint8Array, hold = false) => {
      const file = await spool(content)
      const [reservation] = await store.reserve([{ key, file }], { hold })
      if (!reservation) throw new Error('nothing reserved')
      return store.stage(JSON.parse(JSON.stringify(reservation)), file)
    }

    test('what was put is read back, and what was not is undefined', async () => {
      const store = await open()
      expect(await store.get('a/b')).toBeUndefined()
      expect(await store.head('a/b')).toBeUndefined()
      const outcome = await store.putIfAbsent('a/b', bytes('one'))
      expect(outcome.status).toBe('created')
      const object = await store.get('a/b')
      expect(text(object?.body)).toBe('one')
      const info = await store.head('a/b')
      expect(info).toMatchObject({ key: 'a/b', sizeBytes: 3 })
      expect(info?.etag).toBe(object?.etag)
      expect(outcome).toMatchObject({ etag: info?.etag })
      expect(Math.abs((info?.modifiedMs ?? 0) - Date.now())).toBeLessThan(60_000)
    })

    test('an object that exists is never replaced by putIfAbsent', async () => {
      const store = await open()
      await store.putIfAbsent(logKey(0), bytes('first'))
      expect(await store.putIfAbsent(logKey(0), bytes('second'))).toEqual({ status: 'exists' })
      expect(text((await store.get(logKey(0)))?.body)).toBe('first')
    })

    test('of 32 racing puts exactly one creates the object, and its bytes are there', async () => {
      const store = await open()
      const outcomes = await Promise.all(
        Array.from({ length: 32 }, async (_, i) => {
          for (;;) {
            const outcome = await store.putIfAbsent(logKey(7), bytes(`writer ${i}`))
            if (outcome.status !== 'unknown') return { i, ...outcome }
          }
        }),
      )
      const winners = outcomes.filter(({ status }) => status === 'created')
      expect(outcomes.filter(({ status }) => status === 'exists')).toHaveLength(32 - winners.length)
      // A try that was answered with "unknown" may have won before its repetition met itself.
      expect(winners.length).toBeLessThanOrEqual(1)
      expect(text((await store.get(logKey(7)))?.body)).toMatch(/^writer \d+$/)
      if (winners[0]) expect(text((await store.get(logKey(7)))?.body)).toBe(`writer ${winners[0].i}`)
      expect(await keysOf(store, '_delta_log/')).toEqual([logKey(7)])
    })

    test('ranges, also from the end and beyond it, give these bytes and the size of the whole', async () => {
      const store = await open()
      await store.putIfAbsent('x', bytes('0123456789'))
      const part = async (offset: number, length?: number) => {
        const object = await store.get('x', { range: { offset, length } })
        expect(object?.sizeBytes).toBe(10)
        return text(object?.body)
      }
      expect(await part(2, 3)).toBe('234')
      expect(await part(7)).toBe('789')
      expect(await part(8, 100)).toBe('89')
      expect(await part(-4)).toBe('6789')
      expect(await part(-100)).toBe('0123456789')
      expect(await part(10)).toBe('')
      expect(await part(50, 2)).toBe('')
      expect(await store.get('y', { range: { offset: 0, length: 1 } })).toBeUndefined()
    })

    test('an empty object is an object', async () => {
      const store = await open()
      await store.putIfAbsent('empty', new Uint8Array())
      expect(await store.head('empty')).toMatchObject({ sizeBytes: 0 })
      expect((await store.get('empty', { range: { offset: -8 } }))?.body).toHaveLength(0)
    })

    test('keys with spaces, percent signs, quotes and letters of any language go round', async () => {
      const store = await open()
      for (const key of oddKeys) expect(await store.putIfAbsent(key, bytes(key))).toMatchObject({ status: 'created' })
      expect((await keysOf(store, '')).filter((key) => !key.startsWith('_'))).toEqual([...oddKeys].sort(compareKeys))
      for (const key of oddKeys) {
        expect(text((await store.get(key))?.body)).toBe(key)
        expect((await store.head(key))?.key).toBe(key)
        expect(await keysOf(store, key)).toContain(key)
      }
      await store.delete(oddKeys)
      expect((await keysOf(store, '')).filter((key) => !key.startsWith('_'))).toEqual([])
    })

    test('keys that would leave the root are refused by every operation', async () => {
      const store = await open()
      for (const key of ['', '/a', 'a//b', '../a', 'a/../../b', 'a/.', 'a\0b', 'a/']) {
        for (const call of [
          () => store.get(key),
          () => store.head(key),
          () => store.putIfAbsent(key, bytes('x')),
          () => store.putDerived(key, bytes('x')),
          () => store.delete([key]),
          () => store.fetch(key, join(folder, 'never')),
        ]) {
          await expect(call(), key).rejects.toMatchObject({ code: 'invalid' })
        }
      }
      await expect(keysOf(store, '../')).rejects.toMatchObject({ code: 'invalid' })
    })

    test('a listing is in order of UTF-8 bytes, by prefix, after a key, up to a limit', async () => {
      const store = await open()
      const keys = ['a', 'a b', 'a-b/1', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'b/\u{FF5E}', 'b/\u{1F600}', 'é']
      // On file systems and some servers a name is either a file or a folder.
      const possible = keys.filter((key) => !keys.some((other) => other.startsWith(`${key}/`)))
      for (const key of possible) await store.putIfAbsent(key, bytes(key))
      const sorted = [...possible].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const all = async (prefix: string, options = {}) =>
        (await keysOf(store, prefix, options)).filter((key) => !key.startsWith('_'))
      expect(await all('')).toEqual(sorted)
      expect(await all('a/')).toEqual(sorted.filter((key) => key.startsWith('a/')))
      expect(await all('a/b')).toEqual(sorted.filter((key) => key.startsWith('a/b')))
      expect(await all('nothing')).toEqual([])
      expect(await all('nothing/at/all/')).toEqual([])
      expect(await all('a', { startAfter: 'a/b' })).toEqual(
        sorted.filter((key) => key.startsWith('a') && compareKeys(key, 'a/b') > 0),
      )
      expect(await all('a', { startAfter: 'a/b-c', limit: 1 })).toEqual(['a/b/c'])
      expect(await all('', { limit: 0 })).toEqual([])
      expect(await all('a', { limit: 2 })).toEqual(sorted.filter((key) => key.startsWith('a')).slice(0, 2))
    })

    test('more than a thousand keys are listed page by page, each once, and deleted in one call', async () => {
      const store = await open()
      const keys = Array.from({ length: 1_203 }, (_, i) => `many/${String(i).padStart(5, '0')}`)
      await inBatches(keys, 32, (key) => store.putDerived(key, bytes('x')))
      expect(await keysOf(store, 'many/')).toEqual(keys)
      expect(await keysOf(store, 'many/', { startAfter: keys[1_100] })).toEqual(keys.slice(1_101))
      expect(await keysOf(store, 'many/', { limit: 1_001 })).toEqual(keys.slice(0, 1_001))
      await store.delete([...keys, 'many/never-was'])
      expect(await keysOf(store, 'many/')).toEqual([])
    })

    test('derived objects are replaced, and a compare-and-set refuses what has changed meanwhile', async () => {
      const store = await open()
      expect(await store.putDerived('_published/view.sql', bytes('1'), { ifMatch: 'nothing' })).toBe('stale')
      expect(await store.putDerived('_published/view.sql', bytes('1'))).toBe('written')
      const first = (await store.head('_published/view.sql')) as ObjectInfo
      expect(await store.putDerived('_published/view.sql', bytes('22'), { ifMatch: first.etag })).toBe('written')
      expect(await store.putDerived('_published/view.sql', bytes('333'), { ifMatch: first.etag })).toBe('stale')
      expect(text((await store.get('_published/view.sql'))?.body)).toBe('22')
      expect(await keysOf(store, '_published/')).toEqual(['_published/view.sql'])
    })

    test('of racing compare-and-sets one is written', async () => {
      const store = await open()
      await store.putDerived('_staging/x/journal.json', bytes('start'))
      const { etag } = (await store.head('_staging/x/journal.json')) as ObjectInfo
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          store.putDerived('_staging/x/journal.json', bytes(`n${i}`), { ifMatch: etag }),
        ),
      )
      const written = outcomes.flatMap((outcome, i) => (outcome === 'written' ? [i] : []))
      expect(written).toHaveLength(1)
      expect(text((await store.get('_staging/x/journal.json'))?.body)).toBe(`n${written[0]}`)
    })

    for (const hold of [false, true]) {
      describe(hold ? 'held files' : 'staged files', () => {
        test('are seen by no lister of data until they are promoted, and then with all their bytes', async () => {
          const store = await open()
          const key = 'dt=2026-11-20/region=a%2Fb ü/f-00000.parquet'
          const staged = await stageOne(store, key, 'rows', hold)
          expect(staged).toMatchObject({ key, sizeBytes: 4, sha256: sha256('rows') })
          expect((await keysOf(store, '')).filter((found) => !found.startsWith('_staging/'))).toEqual([])
          expect((await keysOf(store, '')).filter((found) => found.endsWith('.parquet'))).toEqual([])
          expect(await store.head(key)).toBeUndefined()
          await store.promote(JSON.parse(JSON.stringify(staged)))
          expect(text((await store.get(key))?.body)).toBe('rows')
          expect(await keysOf(store, '')).toEqual([key])
        })

        test('are promoted once, however often that is asked', async () => {
          const store = await open()
          const staged = await stageOne(store, 'p/f.parquet', 'rows', hold)
          // Not all at one moment: some begin when others are at their end.
          const later = (n: number) => new Promise((resolve) => setTimeout(resolve, 4 * n))
          await Promise.all(Array.from({ length: 8 }, (_, n) => later(n).then(() => store.promote(staged))))
          await store.promote(staged)
          expect(text((await store.get('p/f.parquet'))?.body)).toBe('rows')
          expect(await keysOf(store, '')).toEqual(['p/f.parquet'])
        })

        test('are not deleted by an abort after they were promoted', async () => {
          const store = await open()
          const staged = await stageOne(store, 'p/f.parquet', 'rows', hold)
          await store.promote(staged)
          await store.abort(staged)
          expect(text((await store.get('p/f.parquet'))?.body)).toBe('rows')
          await store.promote(staged)
        })

        test('are gone after an abort, and promoting them asks for staging again', async () => {
          const store = await open()
          const staged = await stageOne(store, 'p/f.parquet', 'rows', hold)
          await store.abort(staged)
          await store.abort(staged)
          const error = await failureOf(store.promote(staged))
          expect(isLakeError(error, 'unavailable')).toBe(true)
          expect(error).toMatchObject({ details: { restage: true } })
          expect(await keysOf(store, '')).toEqual([])
        })

        test('never replace another object that has their key', async () => {
          const store = await open()
          const staged = await stageOne(store, 'p/f.parquet', 'mine', hold)
          await store.putIfAbsent('p/f.parquet', bytes('theirs!'))
          expect(await failureOf(store.promote(staged))).toMatchObject({
            code: 'unavailable',
            details: { restage: true },
          })
          expect(text((await store.get('p/f.parquet'))?.body)).toBe('theirs!')
        })

        test('of many megabytes arrive byte for byte', async () => {
          const store = await open()
          const content = noise(18 * 1024 * 1024 + 17)
          const staged = await stageOne(store, 'big.parquet', content, hold)
          await store.promote(staged)
          const target = join(folder, randomUUID())
          await store.fetch('big.parquet', target)
          expect(sha256(await readFile(target))).toBe(sha256(content))
        })
      })
    }

    test('reservations come in the order of the items, and can be given up unstaged', async () => {
      const store = await open()
      const file = await spool('x')
      const keys = Array.from({ length: 40 }, (_, i) => `r/${i}.parquet`)
      const reservations = await store.reserve(keys.map((key) => ({ key, file })))
      expect(reservations.map(({ key }) => key)).toEqual(keys)
      await Promise.all(reservations.map((reservation) => store.abort(reservation)))
      expect(await keysOf(store, '')).toEqual([])
    })

    test('32 files are staged and promoted at once', async () => {
      const store = await open()
      const files = await Promise.all(
        Array.from({ length: 32 }, async (_, i) => ({
          key: `dt=${i % 4}/${i}.parquet`,
          file: await spool(`rows ${i}`),
        })),
      )
      const reservations = await store.reserve(files)
      const staged = await Promise.all(
        reservations.map((reservation, i) => store.stage(reservation, files[i]?.file as SpooledFile)),
      )
      await Promise.all(staged.map((one: Staged) => store.promote(one)))
      expect(await keysOf(store, '')).toEqual(files.map(({ key }) => key).sort(compareKeys))
      expect(text((await store.get('dt=3/31.parquet'))?.body)).toBe('rows 31')
    })

    test('a spooled file that changed since it was verified is refused', async () => {
      const store = await open()
      const file = await spool('verified')
      const [reservation] = await store.reserve([{ key: 'f.parquet', file }])
      await writeFile(file.path, 'verified, not')
      expect(await failureOf(store.stage(reservation as Staged, file))).toMatchObject({ code: 'corrupt' })
    })

    test('fetch brings ranges to their place in a file as long as the object', async () => {
      const store = await open()
      const content = noise(300_000)
      await store.putIfAbsent('data', content)
      const target = join(folder, randomUUID())
      await store.fetch('data', target, { ranges: [{ offset: 100_000, length: 50 }, { offset: -8 }] })
      expect((await stat(target)).size).toBe(300_000)
      await store.fetch('data', target, { ranges: [{ offset: 10, length: 20 }] })
      const got = await readFile(target)
      for (const [start, end] of [
        [10, 30],
        [100_000, 100_050],
        [299_992, 300_000],
      ] as const) {
        expect(got.subarray(start, end).equals(content.subarray(start, end))).toBe(true)
      }
      expect(got.subarray(30, 100_000).every((byte) => byte === 0)).toBe(true)
      await expect(store.fetch('none', target)).rejects.toMatchObject({ code: 'corrupt' })
    })

    test('a call whose signal is aborted does nothing', async () => {
      const store = await open()
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(store.get('a', { signal })).rejects.toThrow('enough')
      await expect(store.putIfAbsent('a', bytes('x'), { signal })).rejects.toThrow('enough')
      expect(await store.head('a')).toBeUndefined()
    })

    test('the clock runs forward and is close to ours', async () => {
      const store = await open()
      await store.head('a')
      const first = store.now()
      await store.head('a')
      expect(store.now()).toBeGreaterThanOrEqual(first)
      expect(Math.abs(store.now() - Date.now())).toBeLessThan(60_000)
    })

    test('the probe leaves nothing behind', async () => {
      const store = await open()
      await Promise.all([store.probe(), store.probe()])
      expect(await keysOf(store, '')).toEqual([])
    })

    test('requests and bytes are counted', async () => {
      const store = await open()
      await store.putIfAbsent('a', bytes('12345'))
      await store.get('a', { range: { offset: 1, length: 2 } })
      expect(store.usage.bytesRead).toBe(2)
      expect(store.usage.bytesWritten).toBe(5)
      expect(store.usage.requests).toBeGreaterThanOrEqual(2)
    })
  })
}

const oddKeys = [
  'sp ace/a b',
  'percent/50%',
  'percent/a%20b',
  'percent/a%252Fb',
  'plus/a+b',
  'equals/dt=2026-11-20',
  "quotes/it's",
  'amp/a&b',
  'semicolon/a;b,c',
  'at/$@!~()',
  'ünïcode/é',
  'nfd/e\u0301',
  'nfc/\u00e9',
  'kanji/日本',
  'emoji/\u{1F600}',
  'long/'.concat('x'.repeat(200)),
]

export async function keysOf(store: Store, prefix: string, options = {}): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix, options)) keys.push(key)
  return keys
}

export async function spoolInto(folder: string, content: string | Uint8Array): Promise<SpooledFile> {
  const path = join(folder, randomUUID())
  await writeFile(path, content)
  return { path, sizeBytes: Buffer.byteLength(content) }
}

export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  )
}

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}

export function text(body: Uint8Array | undefined): string | undefined {
  return body && new TextDecoder().decode(body)
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Bytes that no part of repeats. */
function noise(length: number): Buffer {
  const content = Buffer.alloc(length)
  let state = 42
  for (let i = 0; i + 4 <= length; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    content.writeInt32LE(state, i)
  }
  return content
}

async function inBatches<T>(items: T[], size: number, work: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work))
}
