/**
 * What a sync reads of a table that is not on this machine: the keys and row hashes kept beside its files, and the files
 * that it writes again.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTable, type Receipt, type TableSettings } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import { onePlaceOfEachKind, type Place } from './places.js'

interface Row {
  id: number
  part: string
  text: string
}

const parts = 12
const rows = (count: number): Row[] =>
  Array.from({ length: count }, (_, id) => ({
    id,
    part: `p${id % parts}`,
    text: Array.from({ length: 6 }, (_, i) => Math.abs(Math.sin(id * 7 + i))).join(' '),
  }))
/** One row in a hundred, all in three of the partitions. */
const changed = (old: Row[]): Row[] =>
  old.map((row) => (row.id % parts < 3 && row.id % 25 === 0 ? { ...row, text: 'changed' } : row))

const remote = onePlaceOfEachKind.filter(({ name }) => name !== 'a local folder')

describe.each(remote)('on $name', ({ make }) => {
  test('a sync reads hashes and the files it rewrites, and nothing else of the data', async () => {
    await using place = await make()
    const first = rows(36_000)
    await sync(place, first)
    const { data, hashes } = await sizes(place)
    expect(hashes.size).toBe(parts)
    const receipt = await sync(place, changed(first))
    expect(receipt.rows).toMatchObject({ read: 36_000, updated: 360, inserted: 0, deleted: 0 })
    expect(receipt.files.removed).toBe(3)
    const touched = ['p0', 'p1', 'p2']
    const rewritten = sum(data, (key) => touched.some((part) => key.includes(`part=${part}/`)))
    expect(receipt.io.bytesRead).toBeGreaterThan(rewritten)
    // A quarter of the table and the hashes of that quarter; the log is small beside them.
    expect(receipt.io.bytesRead).toBeLessThan(rewritten + sum(hashes, () => true) / 3 + 100_000)
    expect(receipt.io.bytesRead).toBeLessThan(sum(data, () => true) / 2)
    expect(receipt.io.bytesWritten).toBeGreaterThan(receipt.bytes.added)
    await expectRows(place, changed(first))
  })

  test('hashes that are missing are computed from the data, and kept again', async () => {
    await using place = await make()
    const first = rows(2400)
    await sync(place, first)
    const store = await openStore(place.url, place.store)
    const kept = [...(await sizes(place)).hashes.keys()]
    await store.delete(kept.slice(0, parts))
    const receipt = await sync(place, changed(first))
    expect(receipt.rows).toMatchObject({ updated: 24, inserted: 0, deleted: 0 })
    await expectRows(place, changed(first))
    // Those of the files that were compared; the others' partitions were known to be the same by their fingerprints.
    expect((await sizes(place)).hashes.size).toBe(6)
    await store.close()
  })

  test('a cache folder outlives the process: the hashes are not fetched twice', async () => {
    await using place = await make()
    const folder = await mkdtemp(join(tmpdir(), 'lakewright-cache-'))
    const settings = { cacheFolder: folder }
    const first = rows(12_000)
    await sync(place, first, settings)
    const cached = async () => (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.hashes'))
    expect(await cached()).toHaveLength(parts)
    const { hashes } = await sizes(place)
    const store = await openStore(place.url, place.store)
    await store.delete([...hashes.keys()])
    const receipt = await sync(place, changed(first), settings)
    expect(receipt.rows).toMatchObject({ updated: 120 })
    // Copies of files that the table no longer has are let go.
    expect(await cached()).toHaveLength(parts)
    expect((await sizes(place)).hashes.size).toBe(3)
    await expectRows(place, changed(first))
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })
})

async function sync(place: Place, input: Row[], settings: TableSettings = {}): Promise<Receipt> {
  await using table = await openTable(place.url, {
    partitionBy: ['part'],
    key: ['id'],
    store: place.store,
    ...settings,
  })
  return await table.sync(input)
}

async function expectRows(place: Place, expected: Row[]): Promise<void> {
  await using table = await openTable(place.url, { store: place.store })
  const found = await table.query('select id::integer as id, part, text from t order by id').toArray()
  expect(found).toEqual(expected)
}

async function sizes(place: Place): Promise<{ data: Map<string, number>; hashes: Map<string, number> }> {
  const store = await openStore(place.url, place.store)
  const found = { data: new Map<string, number>(), hashes: new Map<string, number>() }
  for await (const { key, sizeBytes } of store.list('')) {
    if (key.endsWith('.hashes')) found.hashes.set(key, sizeBytes)
    else if (!key.startsWith('_') && key.endsWith('.parquet')) found.data.set(key, sizeBytes)
  }
  await store.close()
  return found
}

function sum(of: ReadonlyMap<string, number>, which: (key: string) => boolean): number {
  return [...of].filter(([key]) => which(key)).reduce((total, [, bytes]) => total + bytes, 0)
}
