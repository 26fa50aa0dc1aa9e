/** Loads that are interrupted, and commits whose answer is lost. */
import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openTable, type Progress } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import type { PutOutcome, Store } from '../../src/store/port.js'
import { places } from './places.js'

const before = [{ dt: 'a', id: 1 }]
const incoming = [
  { dt: 'a', id: 2 },
  { dt: 'b', id: 3 },
]

describe.each(places)('on $name', ({ make }) => {
  test('an aborted load leaves the table as it was and nothing behind', async () => {
    await using place = await make()
    const url = `${place.url}/t`
    await using table = await openTable(url, { store: place.store, partitionBy: ['dt'] })
    await table.append(before)
    const store = await openStore(url, place.store)
    const keys = async () => {
      const found: string[] = []
      for await (const { key } of store.list('')) found.push(key)
      return found
    }
    const there = await keys()
    for (const stage of ['stage', 'upload', 'commit'] satisfies Progress['stage'][]) {
      const controller = new AbortController()
      const onProgress = (progress: Progress) => progress.stage === stage && controller.abort(new Error(`at ${stage}`))
      await expect(table.replace(incoming, { signal: controller.signal, onProgress })).rejects.toThrow(`at ${stage}`)
      expect(await table.query('select * from t').toArray()).toEqual([{ dt: 'a', id: 1n }])
      expect(await keys()).toEqual(there)
    }
    expect(await table.replace(incoming)).toMatchObject({ status: 'committed', version: 1 })
    await store.close()
  })
})

describe.each(places)('on $name', ({ make }) => {
  test('while a load runs no lister sees any of it, until it is promoted for the commit', async () => {
    await using place = await make()
    const url = `${place.url}/t`
    await using table = await openTable(url, { store: place.store, partitionBy: ['dt'] })
    await table.append(before)
    const store = await openStore(url, place.store)
    const parquetFiles = async () => {
      const found: string[] = []
      for await (const { key } of store.list('')) if (key.endsWith('.parquet')) found.push(key)
      return found
    }
    const there = await parquetFiles()
    let seen: string[] | undefined
    const watched = proxied(store, {
      promote: async (staged) => {
        seen ??= await parquetFiles()
        await store.promote(staged)
      },
    })
    await using loading = await openTable(url, { components: { store: watched } })
    await loading.append(incoming)
    expect(seen).toEqual(there)
    expect(await parquetFiles()).toHaveLength(there.length + 2)
  })
})

describe('a commit whose answer is lost', () => {
  test('is unknown, deletes nothing, and the same load id finds that it happened', async () => {
    const url = `memory://unknown-${randomUUID()}`
    const store = await openStore(url)
    await using plain = await openTable(url, { partitionBy: ['dt'] })
    await plain.append(before)
    await using table = await openTable(url, { components: { store: losing(store, true) }, commitDeadlineMs: 0 })
    const load = { loadId: 'nightly' }
    await expect(table.append(incoming, load)).rejects.toMatchObject({ code: 'commit-unknown' })
    expect(await plain.query('select id from t order by id').toArray()).toEqual([{ id: 1n }, { id: 2n }, { id: 3n }])
    expect(await plain.append(incoming, load)).toMatchObject({ status: 'duplicate', version: 1 })
    expect((await plain.verify({ deep: true })).problems).toEqual([])
  })

  test('is unknown where it did not happen, and the same load id then loads once', async () => {
    const url = `memory://unknown-${randomUUID()}`
    const store = await openStore(url)
    await using plain = await openTable(url, { partitionBy: ['dt'] })
    await plain.append(before)
    await using table = await openTable(url, { components: { store: losing(store, false) }, commitDeadlineMs: 0 })
    const load = { loadId: 'nightly' }
    await expect(table.append(incoming, load)).rejects.toMatchObject({ code: 'commit-unknown' })
    expect(await plain.query('select id from t').toArray()).toEqual([{ id: 1n }])
    expect(await plain.append(incoming, load)).toMatchObject({ status: 'committed', version: 1 })
    expect(await plain.query('select count(*)::integer as n from t').toArray()).toEqual([{ n: 3 }])
  })

  test('is repeated with the same bytes until it is decided', async () => {
    const url = `memory://unknown-${randomUUID()}`
    const store = await openStore(url)
    let lost = 0
    const flaky = proxied(store, {
      putIfAbsent: async (key: string, body: Uint8Array): Promise<PutOutcome> => {
        const outcome = await store.putIfAbsent(key, body)
        if (!key.startsWith('_delta_log/0') || lost > 0) return outcome
        lost += 1
        return { status: 'unknown', cause: new Error('the answer was lost') }
      },
    })
    await using table = await openTable(url, { components: { store: flaky } })
    expect(await table.append(incoming)).toMatchObject({ status: 'committed', version: 0 })
    expect(lost).toBe(1)
    expect(await table.history()).toHaveLength(1)
    expect(await table.query('select count(*)::integer as n from t').toArray()).toEqual([{ n: 2 }])
  })
})

/** Answers of commits are lost, always; whether they are applied is chosen. */
function losing(store: Store, applied: boolean): Store {
  return proxied(store, {
    putIfAbsent: async (key: string, body: Uint8Array): Promise<PutOutcome> => {
      if (!key.startsWith('_delta_log/0')) return store.putIfAbsent(key, body)
      if (applied) await store.putIfAbsent(key, body)
      return { status: 'unknown', cause: new Error('the answer was lost') }
    },
  })
}

function proxied(store: Store, over: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const mine = Reflect.get(over, name)
      const member = mine ?? Reflect.get(target, name, target)
      return typeof member === 'function' && mine === undefined ? member.bind(target) : member
    },
  })
}
