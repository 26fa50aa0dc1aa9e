import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isLakeError, LakeError } from '../../src/errors.js'
import type { Action, Snapshot } from '../../src/manifest/actions.js'
import { writeCheckpoint } from '../../src/manifest/checkpoint.js'
import { type Attempt, type CommitResult, commit } from '../../src/manifest/commit.js'
import { encodeCommit } from '../../src/manifest/encode.js'
import { commitInfoOf, readCommits, readSnapshot } from '../../src/manifest/log.js'
import { fenceAppId, loadAppId } from '../../src/manifest/progress.js'
import { logKey } from '../../src/store/keys.js'
import { openLocal } from '../../src/store/local.js'
import type { PutOutcome, Store } from '../../src/store/port.js'
import {
  appending,
  committed,
  compacting,
  creation,
  file,
  footprint,
  memory,
  metadata,
  namesOf,
  quickRuntime,
  replacing,
  snapshotOf,
  tableOf,
  text,
} from './tables.js'

const load = (id: string, digest = 'd1') => ({ id, algorithm: 'sha256', digest })

/** The store, with one method of putIfAbsent's fate decided per call. */
function faulty(
  store: Store,
  fate: (call: number, put: () => Promise<PutOutcome>, key: string) => Promise<PutOutcome>,
): Store {
  let calls = 0
  return new Proxy(store, {
    get(target, name) {
      if (name === 'putIfAbsent')
        return (key: string, body: Uint8Array) => fate(calls++, () => target.putIfAbsent(key, body), key)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const lost = (): PutOutcome => ({ status: 'unknown', cause: new Error('reset by peer') })

describe('a commit', () => {
  test('makes version 0 of a table, with the attempt and its time first in the file', async () => {
    const store = memory()
    const result = await commit(store, appending(undefined, [file('1')], { txnId: 'me', load: load('n:1') }))
    expect(result).toMatchObject({ status: 'committed', version: 0 })
    const lines = text((await store.get(logKey(0)))?.body ?? new Uint8Array())
      .trimEnd()
      .split('\n')
    expect(JSON.parse(lines[0] ?? '')).toStrictEqual({
      commitInfo: {
        timestamp: snapshotOf(result).timestamp,
        operation: 'WRITE',
        operationParameters: {},
        isBlindAppend: true,
        engineInfo: 'lakewright',
        txnId: 'me',
        lakewright: { mode: 'append', loadId: 'n:1' },
      },
    })
    expect(lines.map((line) => Object.keys(JSON.parse(line))[0])).toStrictEqual([
      'commitInfo',
      'protocol',
      'metaData',
      'add',
      'txn',
    ])
    expect(await readSnapshot(store)).toStrictEqual(snapshotOf(result))
  })

  test('answers with the snapshot that a reader sees, also after a rebase', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    await committed(store, appending(base, [file('2')]))
    const mine = await committed(store, appending(base, [file('3')]))
    expect(mine.version).toBe(2)
    expect(await readSnapshot(store)).toStrictEqual(mine)
    expect(namesOf(mine)).toHaveLength(3)
  })

  test('is never older than the one before, whatever the clock says', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const future: Action[] = [{ commitInfo: { timestamp: base.timestamp + 1e9 } }, { add: file('2') }]
    await store.putIfAbsent(logKey(1), encodeCommit(future))
    const mine = await committed(store, appending(base, [file('3')]))
    expect(mine.timestamp).toBe(base.timestamp + 1e9 + 1)
  })

  test('promotes once, and only after the conflicts are judged', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    await committed(store, appending(base, [file('2')]))
    let promoted = 0
    const promote = async () => {
      promoted++
    }
    expect(await commit(store, replacing(base, ['a'], [file('n')], { promote }))).toMatchObject({
      status: 'conflict',
      promoted: false,
    })
    expect(promoted).toBe(0)
    let raced = false
    const racing = faulty(store, async (_call, put) => {
      if (!raced) {
        raced = true
        await committed(store, appending(base, [file('3')]))
      }
      return put()
    })
    await committed(racing, appending(base, [file('4')], { promote }), { runtime: quickRuntime() })
    expect(promoted).toBe(1)
  })

  test('costs one LIST and one PUT where nobody else writes', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const before = store.usage.requests
    await committed(store, appending(base, [file('2')]))
    expect(store.usage.requests - before).toBe(2)
  })

  test('works on a local folder as in memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lakewright-commit-'))
    const store = openLocal(folder)
    try {
      const base = await tableOf(store, [file('1')], [file('2', 'b')])
      const mine = await committed(store, replacing(base, ['a'], [file('3')]))
      expect(namesOf(await readSnapshot(store))).toStrictEqual(['dt=a/3.parquet', 'dt=b/2.parquet'])
      expect(mine.version).toBe(2)
    } finally {
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })
})

describe('a race', () => {
  test('of many appends lands all of them, each once', async () => {
    const store = memory()
    const base = await tableOf(store, [file('first')])
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      let mine: Snapshot = base
      for (let i = 0; i < 10; i++) mine = await committed(store, appending(mine, [file(`${writer}-${i}`)]))
    })
    await Promise.all(writers)
    const newest = await readSnapshot(store)
    expect(newest?.version).toBe(80)
    expect(newest?.files.size).toBe(81)
  })

  test('of two creators of the same table lands both, the second without creating it again', async () => {
    const store = memory()
    const [one, two] = [appending(undefined, [file('1')]), appending(undefined, [file('2')])]
    await committed(store, one)
    const both = await committed(store, two)
    expect(both.version).toBe(1)
    expect(namesOf(both)).toStrictEqual(['dt=a/1.parquet', 'dt=a/2.parquet'])
    const [second] = await readCommits(store, 0)
    expect(second?.actions.map((action) => Object.keys(action)[0])).toStrictEqual(['commitInfo', 'add'])
  })

  test('of two creators of different tables is planned again', async () => {
    const store = memory()
    await committed(store, appending(undefined, [file('1')]))
    const other = { ...metadata, configuration: { 'lakewright.key': '["dt"]' } }
    const attempt = appending(undefined, [file('2')], {
      footprint: footprint('append', { metadata: other, changesTable: true }),
    })
    const result = await commit(store, attempt)
    expect(result).toMatchObject({ status: 'replan', newBase: { version: 0 }, winner: { version: 0 } })
  })

  test('of two replaces of one partition has one winner, and the loser is told who', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')], [file('b', 'b')])
    await committed(store, replacing(base, ['a'], [file('2')], { txnId: 'winner' }))
    expect(await commit(store, replacing(base, ['a'], [file('3')]))).toMatchObject({
      status: 'conflict',
      winner: { version: 2, info: { txnId: 'winner' } },
      partitions: ['["a"]'],
    })
    const disjoint = await committed(store, replacing(base, ['b'], [file('4', 'b')]))
    expect(namesOf(disjoint)).toStrictEqual(['dt=a/2.parquet', 'dt=b/4.parquet'])
  })

  test('of a replace with a compaction of its partition removes what the compaction made', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1'), file('2')], [file('b', 'b')])
    await committed(store, compacting(base, [file('1'), file('2')], file('both')))
    const mine = await committed(store, replacing(base, ['a'], [file('new')]))
    expect(namesOf(mine)).toStrictEqual(['dt=a/new.parquet', 'dt=b/b.parquet'])
  })

  test('of a compaction with a replace of its inputs drops the compaction', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1'), file('2')])
    await committed(store, replacing(base, ['a'], [file('3')]))
    expect(await commit(store, compacting(base, [file('1'), file('2')], file('both')))).toMatchObject({
      status: 'dropped',
    })
  })

  test('for one progress name is planned again, even between appends', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const progress = (to: bigint): Attempt => ({
      ...appending(base, []),
      footprint: footprint('append', { progress: new Set(['lakewright.progress:p:n:0']) }),
      actions: () => [{ add: file(`to-${to}`) }, { txn: { appId: 'lakewright.progress:p:n:0', version: to } }],
    })
    const first = await committed(store, progress(20n))
    expect(first.txns.get('lakewright.progress:p:n:0')).toStrictEqual({
      appId: 'lakewright.progress:p:n:0',
      version: 20n,
      lastUpdated: first.timestamp,
    })
    const [one] = (await readCommits(store, 0)).map(commitInfoOf)
    expect(one?.isBlindAppend).toBe(false)
    const second = await commit(store, progress(20n))
    expect(second).toMatchObject({ status: 'replan', newBase: { version: 1 } })
  })

  test('that is lost reads the new commits once, and nothing else', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    for (const name of ['2', '3', '4']) await committed(store, appending(base, [file(name)]))
    const before = store.usage.requests
    await committed(store, appending(base, [file('5')]))
    expect(store.usage.requests - before).toBeLessThanOrEqual(1 + 3 + 3 + 1)
  })
})

describe('an answer that is lost', () => {
  test('after the PUT was applied is found out by the 412 of the next', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const bodies: string[] = []
    const store = faulty(inner, async (call, put, key) => {
      bodies.push(key)
      const outcome = await put()
      return call === 0 ? lost() : outcome
    })
    const mine = await committed(store, appending(base, [file('2')]), { runtime: quickRuntime() })
    expect(mine.version).toBe(1)
    expect(bodies).toStrictEqual([logKey(1), logKey(1)])
    expect((await readSnapshot(inner))?.version).toBe(1)
  })

  test('before the PUT was applied is repeated into the same slot', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const store = faulty(inner, async (call, put) => (call < 3 ? lost() : put()))
    expect((await committed(store, appending(base, [file('2')]), { runtime: quickRuntime() })).version).toBe(1)
  })

  test('while another takes the slot is a lost race, and lands behind', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const store = faulty(inner, async (call, put) => {
      if (call > 0) return put()
      await committed(inner, appending(base, [file('other')]))
      return lost()
    })
    const mine = await committed(store, appending(base, [file('2')]), { runtime: quickRuntime() })
    expect(mine.version).toBe(2)
    expect(mine.files.size).toBe(3)
  })

  test('by a server that says 412 to the very PUT it applied is a win', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const store = faulty(inner, async (_call, put) => {
      await put()
      return { status: 'exists' }
    })
    const mine = await committed(store, appending(base, [file('2')]), { runtime: quickRuntime() })
    expect(mine.version).toBe(1)
    expect((await readSnapshot(inner))?.version).toBe(1)
  })

  test('until the deadline is commit-unknown, after the very same bytes to the very same slot', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const tried = new Set<string>()
    let calls = 0
    const store = faulty(inner, async (_call, _put, key) => {
      calls++
      tried.add(key)
      return lost()
    })
    const runtime = quickRuntime()
    const error = await commit(store, appending(base, [file('2')]), { runtime, deadlineMs: 5_000 }).catch((e) => e)
    expect(isLakeError(error, 'commit-unknown')).toBe(true)
    expect([...tried]).toStrictEqual([logKey(1)])
    expect(calls).toBeGreaterThan(3)
  })

  test('makes a later refusal unknown too, while a refusal alone is just that', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const denied = () => Promise.reject(new LakeError('invalid', 'access denied'))
    const attempt = () => appending(base, [file('2')])
    const options = { runtime: quickRuntime(), deadlineMs: 100 }
    const refused = await commit(faulty(inner, denied), attempt(), options).catch((e) => e)
    expect(isLakeError(refused, 'invalid')).toBe(true)
    const both = faulty(inner, async (call) => (call === 0 ? lost() : denied()))
    const unknown = await commit(both, attempt(), options).catch((e) => e)
    expect(isLakeError(unknown, 'commit-unknown')).toBe(true)
  })

  test('in every order of faults ends with the load in exactly one slot', async () => {
    for (let seed = 0; seed < 3 ** 4; seed++) {
      const inner = memory()
      const base = await tableOf(inner, [file('1')])
      const fates = [0, 1, 2, 3].map((digit) => Math.floor(seed / 3 ** digit) % 3)
      const store = faulty(inner, async (call, put) => {
        const fate = fates[call]
        if (fate === 0) return lost()
        const outcome = await put()
        return fate === 1 ? lost() : outcome
      })
      await committed(store, appending(base, [file('2')], { txnId: 'me' }), { runtime: quickRuntime() })
      const mine = (await readCommits(inner, -1)).filter((one) => commitInfoOf(one)?.txnId === 'me')
      expect(mine).toHaveLength(1)
    }
  })

  test('of a caller that gives up leaves nothing half done: before the PUT nothing is sent', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const signal = AbortSignal.abort()
    await expect(commit(store, appending(base, [file('2')]), { signal })).rejects.toThrow()
    expect((await readSnapshot(store))?.version).toBe(0)
  })
})

describe('a load id', () => {
  test('commits once: the second time it answers with the first receipt', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const receipt = { rows: { read: 5 } }
    const actions = (): Action[] => [{ commitInfo: { lakewright: { mode: 'append', receipt } } }, { add: file('2') }]
    await committed(store, appending(base, [], { load: load('n:1'), actions }))
    const again: CommitResult = await commit(store, appending(base, [], { load: load('n:1'), actions }))
    expect(again).toStrictEqual({ status: 'duplicate', version: 1, receipt, promoted: false })
    const fromNewBase = await commit(store, appending(await readSnapshot(store), [], { load: load('n:1'), actions }))
    expect(fromNewBase).toStrictEqual({ status: 'duplicate', version: 1, receipt, promoted: false })
  })

  test('of other content is refused', async () => {
    const store = memory()
    const base = await committed(store, appending(undefined, [file('1')], { load: load('n:1') }))
    const error = await commit(store, appending(base, [file('2')], { load: load('n:1', 'd2') })).catch((e) => e)
    expect(isLakeError(error, 'invalid')).toBe(true)
  })

  test('is found in the whole map, also when it is older than the base', async () => {
    const store = memory()
    const base = await committed(store, appending(undefined, [file('1')], { load: load('a:n:1') }))
    const later = await committed(store, appending(base, [file('2')]))
    expect(later.txns.get(loadAppId(load('a:n:1')))?.version).toBe(0n)
    expect(await commit(store, appending(later, [], { load: load('a:n:1') }))).toMatchObject({
      status: 'duplicate',
      version: 0,
    })
    // `n:1` ends the other id, and is not it.
    expect(await commit(store, appending(later, [file('3')], { load: load('n:1') }))).toMatchObject({
      status: 'committed',
    })
  })

  test('whose versions a full restore undid may be loaded again', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    await committed(store, appending(base, [file('2')], { load: load('n:1') }))
    const restore = appending(base, [], { actions: () => [{ txn: { appId: 'lakewright.undone:1', version: 0n } }] })
    const restored = await committed(store, restore)
    const again = await commit(store, appending(restored, [file('2b')], { load: load('n:1') }))
    expect(again).toMatchObject({ status: 'committed', version: 3 })
    expect(await commit(store, appending(snapshotOf(again), [], { load: load('n:1') }))).toMatchObject({
      status: 'duplicate',
      version: 3,
    })
  })

  test('of a fenced writer does not help it: conflict', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const fence = appending(base, [], { actions: () => [{ txn: { appId: fenceAppId('dead'), version: 1n } }] })
    await committed(store, fence)
    const error = await commit(store, appending(base, [file('2')], { txnId: 'dead' })).catch((e) => e)
    expect(isLakeError(error, 'conflict')).toBe(true)
  })

  test('on a table that forgets it is unsupported, and progress may never go back', async () => {
    const store = memory()
    const forgetful = { ...metadata, configuration: { 'delta.setTransactionRetentionDuration': 'interval 1 day' } }
    const [protocol] = creation()
    const actions: Action[] = [
      ...(protocol ? [protocol] : []),
      { metaData: forgetful },
      { txn: { appId: 'p', version: 5n } },
    ]
    const base = await committed(store, appending(undefined, [], { actions: () => actions }))
    const withId = await commit(store, appending(base, [file('2')], { load: load('x') })).catch((e) => e)
    expect(isLakeError(withId, 'unsupported')).toBe(true)
    const back = appending(base, [], { actions: () => [{ txn: { appId: 'p', version: 4n } }] })
    const decreasing = await commit(store, back).catch((e) => e)
    expect(isLakeError(decreasing, 'invalid')).toBe(true)
  })

  test('without one a foreign table that may lose its log is warned about, ours is not', async () => {
    const store = memory()
    const [protocol] = creation()
    const foreign = { ...metadata, configuration: {} }
    const base = await committed(
      store,
      appending(undefined, [file('1')], { actions: () => [...(protocol ? [protocol] : []), { metaData: foreign }] }),
    )
    const logged: string[] = []
    const next = await committed(store, appending(base, [file('2')]), { runtime: quickRuntime(logged) })
    await committed(store, appending(next, [file('3')]), { runtime: quickRuntime(logged) })
    expect(logged.join()).toContain('delta.enableExpiredLogCleanup')
    const ours: string[] = []
    const own = memory()
    await committed(own, appending(await tableOf(own, [file('1')], [file('2')]), [file('3')]), {
      runtime: quickRuntime(ours),
    })
    expect(ours).toStrictEqual([])
  })
})

describe('a foreign cleanup of the log', () => {
  test('under a late PUT that "succeeded" is noticed: the load is not taken for committed', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')], [file('2')])
    const runtime = quickRuntime()
    const store = faulty(inner, async (_call, put) => {
      // While this PUT was under way, two hours passed, the table moved on and its old commits were deleted.
      const next = await committed(inner, appending(base, [file('3')]))
      const newest = await committed(inner, appending(next, [file('4')]))
      await writeCheckpoint(inner, newest)
      await inner.delete([logKey(0), logKey(1), logKey(2), logKey(3)])
      runtime.time += 2 * 3_600_000
      return put()
    })
    const error = await commit(store, appending(base, [file('mine')]), { runtime }).catch((e) => e)
    expect(isLakeError(error, 'commit-unknown')).toBe(true)
    expect(namesOf(await readSnapshot(inner))).not.toContain('dt=a/mine.parquet')
  })

  test('of the commits after the base means planning again on the table as it is', async () => {
    const store = memory()
    const base = await tableOf(store, [file('1')])
    const newest = await committed(store, appending(await committed(store, appending(base, [file('2')])), [file('3')]))
    await writeCheckpoint(store, newest)
    await store.delete([logKey(0), logKey(1)])
    const result = await commit(store, appending(base, [file('4')]))
    expect(result).toMatchObject({ status: 'replan', newBase: { version: 2 }, promoted: false })
  })

  test('and a foreign VACUUM of promoted files long before the PUT is a conflict, not a table without its files', async () => {
    const inner = memory()
    const base = await tableOf(inner, [file('1')])
    const runtime = quickRuntime()
    const attempt = appending(base, [file('2')], {
      promote: async () => {},
      actions: () => {
        runtime.time += 2 * 3_600_000
        return [{ add: file('2') }]
      },
    })
    const error = await commit(inner, attempt, { runtime }).catch((e) => e)
    expect(isLakeError(error, 'conflict')).toBe(true)
    expect((await readSnapshot(inner))?.version).toBe(0)
  })
})
