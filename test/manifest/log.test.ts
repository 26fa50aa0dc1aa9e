import { describe, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import type { Action, Snapshot } from '../../src/manifest/actions.js'
import { applyActions, removeOf } from '../../src/manifest/change.js'
import { writeCheckpoint } from '../../src/manifest/checkpoint.js'
import { encodeCommit } from '../../src/manifest/encode.js'
import { history, newestVersion, readCommits, readSnapshot, versionAsOf } from '../../src/manifest/log.js'
import { checkpointKey, lastCheckpointKey, logKey } from '../../src/store/keys.js'
import type { Store } from '../../src/store/port.js'
import { appending, committed, creation, file, memory, metadata, namesOf, tableOf } from './tables.js'

const codeOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(() => undefined).catch((e) => e)
  return isLakeError(error) ? error.code : error
}

/** Commits written at once: version v adds `file v`, at the time given. */
async function written(store: Store, count: number, timeOf = (version: number) => 1000 + version): Promise<Snapshot> {
  let snapshot: Snapshot | undefined
  for (let version = 0; version < count; version++) {
    const actions: Action[] = [
      { commitInfo: { timestamp: timeOf(version), lakewright: { mode: 'append' } } },
      ...(version === 0 ? creation() : []),
      { add: file(`${version}`) },
    ]
    await store.putIfAbsent(logKey(version), encodeCommit(actions))
    if (count <= 100) snapshot = applyActions(snapshot, { version, actions, timestamp: timeOf(version) })
  }
  return snapshot as Snapshot
}

async function requests<T>(store: Store, run: () => Promise<T>): Promise<[number, T]> {
  const before = store.usage.requests
  const result = await run()
  return [store.usage.requests - before, result]
}

describe('reading the newest version', () => {
  test('of no table is undefined', async () => {
    const store = memory()
    await store.putIfAbsent('dt=1/stray.parquet', Buffer.from('x'))
    expect(await readSnapshot(store)).toBeUndefined()
    expect(await newestVersion(store)).toBe(-1)
    expect(await history(store)).toStrictEqual([])
  })

  test('replays commits, with and without a checkpoint, to the same table', async () => {
    const store = memory()
    const snapshot = await written(store, 25)
    const plain = await readSnapshot(store)
    expect(plain).toStrictEqual(snapshot)
    const at20 = await readSnapshot(store, { version: 20 })
    if (at20 === undefined) throw new Error('version 20 is there')
    await writeCheckpoint(store, at20)
    const [count, opened] = await requests(store, () => readSnapshot(store))
    expect(namesOf(opened)).toStrictEqual(namesOf(snapshot))
    expect(opened).toMatchObject({ version: 24, timestamp: 1024 })
    // Hint, LIST, checkpoint, four commits.
    expect(count).toBe(7)
  })

  test('knows its time from the commit, also where the checkpoint is the newest file', async () => {
    const store = memory()
    await writeCheckpoint(store, await written(store, 11))
    expect((await readSnapshot(store))?.timestamp).toBe(1010)
  })

  test.each([
    ['too high', '{"version":900,"size":1}'],
    ['without its checkpoint', '{"version":7,"size":1}'],
    ['that is no hint', 'nonsense'],
    ['of a negative version', '{"version":-1}'],
  ])('does not believe a hint %s', async (_, hint) => {
    const store = memory()
    const snapshot = await written(store, 12)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 5 })) as Snapshot)
    await store.putDerived(lastCheckpointKey, Buffer.from(hint))
    expect(namesOf(await readSnapshot(store))).toStrictEqual(namesOf(snapshot))
    expect(await newestVersion(store)).toBe(11)
  })

  test('finds commits after a hint that is far behind', async () => {
    const store = memory()
    await written(store, 30)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 5 })) as Snapshot)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 25 })) as Snapshot)
    await store.putDerived(lastCheckpointKey, Buffer.from('{"version":5}'))
    const [count, opened] = await requests(store, () => readSnapshot(store))
    expect(opened?.files.size).toBe(30)
    expect(count).toBe(2 + 1 + 4)
  })

  test('of a gap in the log is corrupt, with the version that is missing', async () => {
    const store = memory()
    await written(store, 10)
    await store.delete([logKey(4)])
    expect(await codeOf(readSnapshot(store))).toBe('corrupt')
    await expect(readSnapshot(store)).rejects.toThrow(/version=`4`/)
  })

  test('of a table without its first commits is corrupt unless a checkpoint stands for them', async () => {
    const store = memory()
    const snapshot = await written(store, 10)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 6 })) as Snapshot)
    await store.delete([0, 1, 2, 3].map(logKey))
    expect(namesOf(await readSnapshot(store))).toStrictEqual(namesOf(snapshot))
    await store.delete([checkpointKey(6), lastCheckpointKey])
    expect(await codeOf(readSnapshot(store))).toBe('corrupt')
  })

  test('costs a bounded number of requests in a history of 5,000 versions without a hint', async () => {
    const store = memory()
    await written(store, 5_000)
    const files = new Map([[file('x').key, file('x')]])
    const at4990: Snapshot = {
      version: 4_990,
      timestamp: 1,
      protocol: { minReaderVersion: 1, minWriterVersion: 2 },
      metadata,
      files,
      txns: new Map(),
    }
    await writeCheckpoint(store, at4990)
    const [withHint, opened] = await requests(store, () => readSnapshot(store))
    expect(opened).toMatchObject({ version: 4_999 })
    expect(opened?.files.size).toBe(10)
    expect(withHint).toBe(2 + 1 + 9)
    await store.delete([lastCheckpointKey])
    const [without, found] = await requests(store, () => readSnapshot(store))
    expect(found?.files.size).toBe(10)
    expect(without).toBeLessThan(2 * Math.log2(5_000) + 12)
  })

  test('of a log file that another writer cleans up meanwhile reads again from the newer checkpoint', async () => {
    const inner = memory()
    await written(inner, 12)
    let cleaned = false
    const store = new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value
        return async (key: string) => {
          if (key === logKey(3) && !cleaned) {
            cleaned = true
            await writeCheckpoint(target, (await readSnapshot(target)) as Snapshot)
            await target.delete([0, 1, 2, 3, 4].map(logKey))
          }
          return target.get(key)
        }
      },
    })
    expect((await readSnapshot(store))?.files.size).toBe(12)
  })
})

describe('reading an old version', () => {
  test('gives the table as it was', async () => {
    const store = memory()
    await written(store, 30)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 10 })) as Snapshot)
    for (const version of [0, 9, 10, 11, 29]) {
      const snapshot = await readSnapshot(store, { version })
      expect(snapshot).toMatchObject({ version, timestamp: 1000 + version })
      expect(snapshot?.files.size).toBe(version + 1)
    }
  })

  test('reads no more than that version, however long the history after it', async () => {
    const store = memory()
    await written(store, 3_000)
    const [count, snapshot] = await requests(store, () => readSnapshot(store, { version: 5 }))
    expect(snapshot?.files.size).toBe(6)
    expect(count).toBeLessThanOrEqual(1 + 6)
  })

  test('that is not there yet, or not any more, is invalid and says which', async () => {
    const store = memory()
    await written(store, 12)
    await writeCheckpoint(store, (await readSnapshot(store, { version: 8 })) as Snapshot)
    await store.delete([0, 1, 2].map(logKey))
    expect(await codeOf(readSnapshot(store, { version: 12 }))).toBe('invalid')
    await expect(readSnapshot(store, { version: 12 })).rejects.toThrow(/no such version yet/)
    expect(await codeOf(readSnapshot(store, { version: 5 }))).toBe('invalid')
    await expect(readSnapshot(store, { version: 5 })).rejects.toThrow(/cleaned up/)
    expect((await readSnapshot(store, { version: 9 }))?.files.size).toBe(10)
    expect(await codeOf(readSnapshot(memory(), { version: 0 }))).toBe('invalid')
  })

  test('reads the same for ever, whatever is committed after it', async () => {
    const store = memory()
    let base = await tableOf(store, [file('1')], [file('2')])
    const then = await readSnapshot(store, { version: 1 })
    base = await committed(
      store,
      appending(base, [file('3')], { actions: (_, time) => [{ remove: removeOf(file('1'), time) }] }),
    )
    expect(base.files.size).toBe(1)
    expect(await readSnapshot(store, { version: 1 })).toStrictEqual(then)
  })
})

describe('commits', () => {
  test('after a version are all of them, in order', async () => {
    const store = memory()
    await written(store, 20)
    expect((await readCommits(store, -1)).map(({ version }) => version)).toStrictEqual([...Array(20).keys()])
    expect((await readCommits(store, 3, 6)).map(({ version }) => version)).toStrictEqual([4, 5, 6])
    expect(await readCommits(store, 19)).toStrictEqual([])
  })

  test('that were cleaned up are invalid, a gap is corrupt', async () => {
    const store = memory()
    await written(store, 20)
    await store.delete([logKey(10)])
    expect(await codeOf(readCommits(store, 9))).toBe('invalid')
    expect(await codeOf(readCommits(store, 5))).toBe('corrupt')
    expect(await codeOf(readCommits(store, 15, 25))).toBe('corrupt')
  })

  test('make a history, newest first, of what is still there, with times that only grow', async () => {
    const store = memory()
    await written(store, 12, (version) => (version === 7 ? 10 : 1000 + version))
    await store.delete([logKey(0), logKey(1)])
    await writeCheckpoint(store, { ...(await tableAt11(store)) })
    const all = await history(store)
    expect(all.map(({ version }) => version)).toStrictEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
    expect(all.find(({ version }) => version === 7)?.timestamp).toBe(1007)
    expect((await history(store, { limit: 2 })).map(({ version }) => version)).toStrictEqual([11, 10])
  })

  test('tell the version at a time, with few reads', async () => {
    const store = memory()
    await written(store, 2_000, (version) => version * 1000 - (version % 5) * 3000)
    for (const [time, version] of [
      [5_000_000_000, 1999],
      [1_000_000, 1000],
      // Versions 1001 to 1004 say earlier times: they count as a millisecond after each other.
      [1_000_999, 1004],
      [0, 0],
    ] as const) {
      const [count, found] = await requests(store, () => versionAsOf(store, time))
      expect(found).toBe(version)
      expect(count).toBeLessThan(200)
    }
    expect(await codeOf(versionAsOf(store, -1))).toBe('invalid')
  })
})

async function tableAt11(store: Store): Promise<Snapshot> {
  const commits = await readCommits(store, 1)
  const files = new Map(
    commits.flatMap(({ actions }) => actions.flatMap((a) => ('add' in a ? [[a.add.key, a.add] as const] : []))),
  )
  return {
    version: 11,
    timestamp: 1,
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metadata,
    files,
    txns: new Map(),
  }
}
