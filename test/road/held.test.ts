/** Loads that a guard holds back: staged where nobody reads them, approved or discarded by whichever process. */
import { describe, expect, test } from 'vitest'
import { type LakeError, openTable, type Receipt, type Table } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import type { PutOutcome, Store } from '../../src/store/port.js'
import { onePlaceOfEachKind, type Place } from './places.js'

interface Row {
  day: string
  id: number
  v: string
}
const rows: Row[] = ['mon', 'tue', 'wed', 'thu'].flatMap((day, d) =>
  [0, 1, 2].map((n) => ({ day, id: d * 3 + n, v: 'a' })),
)
const types = { day: 'varchar', id: 'bigint', v: 'varchar' }
const loadId = 'night:1'

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('a dump without rows, one that broke off and one with too many changes are held back, and the table is as it was', async () => {
    await using place = await make()
    await using table = await filled(place)
    const emptied = await failure(table.sync([], { types }))
    expect(emptied).toMatchObject({
      code: 'guard',
      details: { guard: 'maxDeleteRatio', value: 1, limit: 0.5, table: table.url },
    })
    expect(emptied.message).toContain(
      'it would delete 12 of 12 rows (100%), more than the 50% that maxDeleteRatio allows',
    )
    const id = String(emptied.details.loadId)
    expect(emptied.fix).toContain(`lakewright approve ${table.url} ${id}`)
    expect(emptied.fix).toContain(`lakewright discard ${table.url} ${id}`)
    expect((await failure(table.sync(rows.slice(0, 5)))).message).toContain('delete 7 of 12 rows (58.33%)')
    // Half of them is no more than half.
    expect(await table.sync(rows.slice(0, 6), { dryRun: true })).not.toHaveProperty('guard')
    const changed = rows.map((row) => ({ ...row, v: 'b' }))
    expect((await failure(table.sync(changed, { maxUpdateRatio: 0.9 }))).message).toContain(
      'change 12 of 12 rows (100%)',
    )
    expect((await failure(table.sync(rows.slice(1), { minRows: 12 }))).message).toContain('11 rows, fewer than the 12')
    expect((await failure(table.sync(rows.slice(1), { maxDeleteRatio: 0 }))).message).toContain('1 of 12 rows (8.333%)')
    expect(await rowsOf(table)).toEqual(rows)
    expect(await table.history()).toHaveLength(1)
    expect(await table.loads()).toHaveLength(5)
  })

  test('a dry run says what would trip, and holds nothing', async () => {
    await using place = await make()
    await using table = await filled(place)
    const receipt = await table.sync(rows.slice(0, 3), { dryRun: true, minRows: 4 })
    expect(receipt).toMatchObject({
      status: 'planned',
      guard: [
        { guard: 'maxDeleteRatio', value: 0.75, limit: 0.5, rows: 9, rowsBefore: 12 },
        { guard: 'minRows', value: 3, limit: 4, rows: 3 },
      ],
    })
    expect(await table.loads()).toEqual([])
  })

  test('an empty table and a share that is allowed trip nothing', async () => {
    await using place = await make()
    await using table = await open(place)
    expect(await table.sync([], { types, partitionBy: ['day'], key: ['id'] })).toMatchObject({ status: 'committed' })
    expect(await table.sync(rows)).toMatchObject({ rows: { inserted: 12 } })
    expect(await table.sync([], { types, maxDeleteRatio: 1 })).toMatchObject({ rows: { deleted: 12 } })
    expect(await rowsOf(table)).toEqual([])
  })

  test('under a scope the shares are of its rows', async () => {
    await using place = await make()
    await using table = await filled(place)
    const scope = { day: 'tue' }
    expect((await failure(table.sync([], { types, scope }))).message).toContain('3 of 3 rows')
    expect(await rowsOf(table)).toEqual(rows)
  })

  test('a held load is listed with what it would do, hidden from every reader, and approved by another process', async () => {
    await using place = await make()
    await using table = await filled(place)
    const next = [...rows.slice(0, 2).map((row) => ({ ...row, v: 'b' })), { day: 'fri', id: 99, v: 'new' }]
    await failure(table.sync(next, { loadId }))
    const store = await openStore(table.url, place.store)
    const staged = (await keysOf(store)).filter((key) => key.startsWith('_staging/'))
    expect(staged.every((key) => !key.endsWith('.parquet'))).toBe(true)
    expect(staged.some((key) => key.includes('journal'))).toBe(false)

    await using other = await open(place)
    const [held, ...more] = await other.loads()
    expect(more).toEqual([])
    expect(held).toMatchObject({
      ...{ loadId, mode: 'sync', baseVersion: 0, baseHolds: true, created: false },
      guard: [{ guard: 'maxDeleteRatio', rows: 10, rowsBefore: 12 }],
      rows: { read: 3, inserted: 1, updated: 2, deleted: 10, unchanged: 0 },
      partitions: { replaced: ['day=fri', 'day=mon'], removed: ['day=thu', 'day=tue', 'day=wed'], unchanged: 0 },
      files: { added: 2, removed: 4 },
    })
    expect(held?.ageMs).toBeGreaterThanOrEqual(0)
    const receipt = await other.approve(loadId)
    expect(receipt).toMatchObject({ status: 'committed', version: 1, loadId, mode: 'sync', rows: { deleted: 10 } })
    expect(await rowsOf(table)).toEqual(next)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    expect(await other.loads()).toEqual([])
    expect((await keysOf(store)).filter((key) => key.startsWith('_staging/'))).toEqual([])
    expect(await table.history({ limit: 1 })).toMatchObject([{ version: 1, mode: 'sync', loadId }])
    // It is in the log as the load that it was.
    expect(await other.approve(loadId)).toMatchObject({ status: 'duplicate', version: 1 })
    expect(await table.sync(next, { loadId })).toMatchObject({ status: 'duplicate', version: 1 })
    expect((await failure(other.discard(loadId))).message).toContain('this load is committed')
    expect((await failure(other.approve('another'))).message).toContain('no load of this id is held back')
    await store.close()
  })

  test('a load without an id is named by its transaction, and one that would create the table waits too', async () => {
    await using place = await make()
    await using table = await open(place)
    const error = await failure(table.sync(rows, { partitionBy: ['day'], key: ['id'], minRows: 100 }))
    const id = String(error.details.loadId)
    expect((await failure(table.snapshot())).message).toContain('there is no table here')
    expect(await table.loads()).toMatchObject([{ loadId: id, baseVersion: -1, baseHolds: true, created: true }])
    expect(await table.approve(id)).toMatchObject({ status: 'committed', version: 0, created: true, loadId: id })
    expect(await rowsOf(table)).toEqual(rows)
    expect(await table.snapshot()).toMatchObject({ partitionBy: ['day'], key: ['id'] })
    expect(await table.sync(rows)).toMatchObject({ status: 'unchanged' })
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('a discarded load leaves nothing, and nothing else is touched', async () => {
    await using place = await make()
    await using table = await filled(place)
    const store = await openStore(table.url, place.store)
    const before = await keysOf(store)
    await failure(table.sync([], { types, loadId: 'other' }))
    const withOther = await keysOf(store)
    await failure(table.sync(rows.slice(0, 2), { loadId }))
    expect(await keysOf(store)).not.toEqual(withOther)
    expect(await table.discard(loadId)).toEqual({ status: 'discarded', loadId })
    expect(await keysOf(store)).toEqual(withOther)
    expect((await table.loads()).map((held) => held.loadId)).toEqual(['other'])
    await table.discard('other')
    expect(await keysOf(store)).toEqual(before)
    expect((await failure(table.discard(loadId))).code).toBe('invalid')
    expect(await rowsOf(table)).toEqual(rows)
    await store.close()
  })

  test('the same id again: the same content is held already, other content waits for a decision', async () => {
    await using place = await make()
    await using table = await filled(place)
    await failure(table.sync(rows.slice(0, 2), { loadId }))
    const store = await openStore(table.url, place.store)
    const before = await keysOf(store)
    const again = await failure(table.sync(rows.slice(0, 2).toReversed(), { loadId }))
    expect(again.code).toBe('guard')
    expect(again.message).toContain('already held back')
    const others = await failure(table.sync(rows.slice(0, 3), { loadId }))
    expect(others.code).toBe('invalid')
    expect(others.message).toContain('other content is held back')
    expect(await keysOf(store)).toEqual(before)
    // With a guard that lets it pass it is loaded, and waits no more.
    expect(await table.sync(rows.slice(0, 2), { loadId, maxDeleteRatio: 1 })).toMatchObject({ status: 'committed' })
    expect(await table.loads()).toEqual([])
    expect((await keysOf(store)).filter((key) => key.startsWith('_staging/'))).toEqual([])
    expect(await rowsOf(table)).toEqual(rows.slice(0, 2))
    await store.close()
  })

  test('what changed elsewhere does not matter; what it looked at does, and then it stays held', async () => {
    await using place = await make()
    await using table = await filled(place)
    const scope = { day: 'mon' }
    await failure(table.sync([], { types, scope, loadId: 'monday' }))
    await failure(table.sync([], { types, loadId: 'all' }))
    await table.append([{ day: 'sun', id: 50, v: 'sun' }])
    const standing = await table.loads()
    expect(standing).toMatchObject([
      { loadId: 'monday', baseHolds: true },
      { loadId: 'all', baseHolds: false, reason: expect.stringContaining('version 1') },
    ])
    const conflict = await failure(table.approve('all'))
    expect(conflict.code).toBe('conflict')
    expect(conflict.fix).toContain('lakewright discard')
    expect(await table.approve('monday')).toMatchObject({ status: 'committed', version: 2, rows: { deleted: 3 } })
    expect((await table.loads()).map((held) => held.loadId)).toEqual(['all'])
    await table.discard('all')
    expect((await rowsOf(table)).map(({ id }) => id)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 50])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('of several approvals at once one commits, the others say so', async () => {
    await using place = await make()
    await using table = await filled(place)
    await failure(table.sync([...rows.slice(0, 3), { day: 'fri', id: 99, v: 'new' }], { loadId }))
    const handles = await Promise.all([1, 2, 3, 4].map(() => open(place)))
    const receipts = await Promise.all(handles.map((handle) => handle.approve(loadId)))
    expect(receipts.map(({ status }) => status).sort()).toEqual(['committed', 'duplicate', 'duplicate', 'duplicate'])
    expect(new Set(receipts.map(({ version }) => version))).toEqual(new Set([1]))
    expect(await table.history()).toHaveLength(2)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    for (const handle of handles) await handle.close()
  })

  test('approved and discarded at once it is either, never half', async () => {
    await using place = await make()
    for (let round = 0; round < 4; round++) {
      await using table = await filled(place, `t${round}`)
      await failure(table.sync([{ day: 'fri', id: 99, v: 'new' }], { loadId }))
      await using other = await open(place, `t${round}`)
      const [approved, discarded] = await Promise.allSettled([table.approve(loadId), other.discard(loadId)])
      const isIn = (await rowsOf(table)).length === 1
      expect(isIn).toBe(approved.status === 'fulfilled')
      expect(isIn).toBe(discarded.status === 'rejected')
      expect((await table.verify({ deep: true })).problems).toEqual([])
    }
  })

  test('an approval that dies at any of its steps is repeated, and commits once', { timeout: 240_000 }, async () => {
    await using place = await make()
    await using table = await filled(place)
    const store = await openStore(table.url, place.store)
    const snapshots = { held: 0, committed: 0 }
    for (let dieAt = 1, steps = Number.POSITIVE_INFINITY; dieAt <= steps; dieAt++) {
      const id = `night:${dieAt}`
      await table.overwrite(rows)
      const before = (await table.snapshot()).version
      await failure(table.sync([...rows.slice(0, 3), { day: 'fri', id: 99, v: id }], { loadId: id }))
      const dying = dyingAt(store, dieAt)
      await using broken = await openTable(table.url, { components: { store: dying.store }, commitDeadlineMs: 0 })
      const outcome = await broken.approve(id).catch((error: Error) => error)
      if (!dying.died()) steps = dieAt
      const versions = (await table.snapshot()).version - before
      snapshots[versions === 0 ? 'held' : 'committed'] += 1
      expect(outcome instanceof Error || dieAt === steps || versions === 1).toBe(true)
      const again = await table.approve(id)
      expect(again).toMatchObject({ status: versions === 0 ? 'committed' : 'duplicate', version: before + 1 })
      expect((await rowsOf(table)).map(({ v }) => v)).toEqual(['a', 'a', 'a', id])
      expect((await table.verify({ deep: true })).problems).toEqual([])
      expect(await table.loads()).toEqual([])
    }
    expect(snapshots.held).toBeGreaterThan(2)
    expect(snapshots.committed).toBeGreaterThan(0)
    await store.close()
  })

  test('a load that dies on its way to be held is listed only once it is whole', { timeout: 240_000 }, async () => {
    await using place = await make()
    await using table = await filled(place)
    const store = await openStore(table.url, place.store)
    let whole = 0
    for (let dieAt = 1, steps = Number.POSITIVE_INFINITY; dieAt <= steps; dieAt++) {
      const dying = dyingAt(store, dieAt)
      await using broken = await openTable(table.url, { components: { store: dying.store }, commitDeadlineMs: 0 })
      await failure(broken.sync([{ day: 'fri', id: dieAt, v: 'new' }], { loadId: `night:${dieAt}` }))
      if (!dying.died()) steps = dieAt
      const held = await table.loads()
      whole += held.length
      for (const { loadId: id, baseHolds } of held) {
        expect(baseHolds).toBe(true)
        expect(await table.approve(id)).toMatchObject({ status: 'committed' })
        expect((await rowsOf(table)).map((row) => row.id)).toEqual([dieAt])
        await table.overwrite(rows)
      }
    }
    expect(whole).toBeGreaterThan(0)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    await store.close()
  })

  test('a load whose approval died can be discarded: a fence keeps the approval from going on', async () => {
    await using place = await make()
    await using table = await filled(place)
    await failure(table.sync([{ day: 'fri', id: 99, v: 'new' }], { loadId }))
    const store = await openStore(table.url, place.store)
    const before = (await keysOf(store)).filter((key) => !key.startsWith('_'))
    let go: (() => void) | undefined
    const paused = new Promise<void>((resolve) => {
      go = resolve
    })
    let promoted: (() => void) | undefined
    const isPromoted = new Promise<void>((resolve) => {
      promoted = resolve
    })
    const slow = over(store, {
      putIfAbsent: async (key: string, body: Uint8Array): Promise<PutOutcome> => {
        if (key.startsWith('_delta_log/')) {
          promoted?.()
          await paused
        }
        return await store.putIfAbsent(key, body)
      },
    })
    await using approving = await openTable(table.url, { components: { store: slow } })
    const approval = failure(approving.approve(loadId))
    await isPromoted
    expect(await table.discard(loadId)).toMatchObject({ status: 'discarded' })
    go?.()
    expect((await approval).code).toBe('conflict')
    expect(await rowsOf(table)).toEqual(rows)
    expect((await keysOf(store)).filter((key) => !key.startsWith('_'))).toEqual(before)
    expect((await table.verify({ deep: true })).problems).toEqual([])
    await store.close()
  })
})

async function filled(place: Place, name = 't'): Promise<Table> {
  const table = await open(place, name)
  await table.sync(rows, { partitionBy: ['day'], key: ['id'] })
  return table
}

function open(place: Place, name = 't'): Promise<Table> {
  return openTable(`${place.url}/${name}`, { store: place.store })
}

async function rowsOf(table: Table): Promise<Row[]> {
  const result = table.query('select day, id::integer as id, v from t order by id')
  return (await result.toArray()) as unknown as Row[]
}

async function keysOf(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.list('')) found.push(key)
  return found.filter((key) => !key.startsWith('_published/') && !key.startsWith('_row_hashes/'))
}

/** From write number `n` on, nothing reaches the store any more. */
function dyingAt(store: Store, n: number): { store: Store; died: () => boolean } {
  let writes = 0
  const counted =
    <Args extends unknown[], T>(write: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      writes += 1
      if (writes >= n) throw new Error('died')
      return await write(...args)
    }
  return {
    died: () => writes >= n,
    store: over(store, {
      putIfAbsent: counted((...args) => store.putIfAbsent(...args)),
      putDerived: counted((...args) => store.putDerived(...args)),
      promote: counted((...args) => store.promote(...args)),
      delete: counted((...args) => store.delete(...args)),
      abort: counted((...args) => store.abort(...args)),
    }),
  }
}

function over(store: Store, mine: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(mine, name) ?? Reflect.get(target, name, target)
      return typeof member === 'function' && !(name in mine) ? member.bind(target) : member
    },
  })
}

async function failure(load: Promise<Receipt | unknown>): Promise<LakeError> {
  return await load.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`)
    },
    (error: LakeError) => error,
  )
}
