/**
 * The change feed of our tables as deltalake, Spark and Trino read it, against `changes`; theirs as we read it; and Spark's
 * own MERGE on a copy of a table against our merge.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTable, type Table } from '../../src/index.js'
import type { LoadSettings } from '../../src/settings.js'
import { freshBucket } from '../servers/bucket.js'
import { allReaders } from './readers/all.js'
import { canonicalRows, type Location, type Row, seenBy } from './readers/index.js'

const { reader } = allReaders()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-feed-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const feedReaders = ['deltalake', 'spark', 'trino'] as const

/** Their folders need escapes, or are the null partition's. */
const odd = ['a/b', '50%', 'x=y', 'sp ace', "q'uote", '日本', 'a&b#c', '[z]{y}', null]

test('every mode writes a feed that deltalake, Spark and Trino read as we do, for every range of versions', async () => {
  const root = join(folder, 'modes')
  await using table = await openTable(root, { key: ['id'], partitionBy: ['region'] })
  const person = (id: number, name: string | null, region: string | null) => ({
    ...{ id, name, price: id % 2 ? '1.10' : null, at: new Date(Date.UTC(2026, 10, 20, 9, 30, 0, id)), region },
  })
  const types = { types: { price: 'decimal(12,2)' } }
  await table.merge(
    odd.map((region, id) => person(id, `first ${id}`, region)),
    types,
  )
  // Updates, inserts into partitions that are there, a move from one to another, and deletes.
  await table.merge([person(0, 'again', 'a/b'), person(1, 'moved', null), person(20, 'new', '50%')], types)
  await table.delete({ where: "region = 'x=y' or name = 'again'" })
  await table.append(
    [person(30, 'appended', null)].map((row) => ({ ...row, region: 'plain' })),
    types,
  )
  await table.merge([person(30, 'merged', 'plain'), person(3, 'x', 'sp ace')], {
    ...types,
    whenNotMatchedBySource: 'delete',
  })
  await table.sync([person(30, 'synced', 'plain'), person(3, null, 'sp ace'), person(40, 'new', 'plain')], types)
  expect((await table.snapshot()).version).toBe(5)
  await expectAgreement(root, table, { from: 0 })
})

test('histories and events are read alike', async () => {
  await using history = await openTable(join(folder, 'history'), { key: ['id'], partitionBy: ['region'] })
  const day = (n: number) => ({ effectiveAt: `2026-11-0${n}` })
  await history.scd2(
    [
      { id: 1, name: 'a', region: 'x' },
      { id: 2, name: 'b', region: null },
    ],
    day(1),
  )
  await history.scd2(
    [
      { id: 1, name: 'A', region: 'x' },
      { id: 3, name: 'c', region: 'y' },
    ],
    day(2),
  )
  await history.scd2(
    [
      { id: 1, name: 'A', region: 'y' },
      { id: 2, name: 'back', region: 'x' },
    ],
    day(3),
  )
  await expectAgreement(join(folder, 'history'), history, { from: -1 })

  await using events = await openTable(join(folder, 'events'), { key: ['id'] })
  const settings = { opColumn: 'op', orderColumn: 'seq' }
  await events.cdc(
    [
      { op: 'I', seq: 1, id: 1, name: 'a' },
      { op: 'I', seq: 2, id: 2, name: 'b' },
    ],
    settings,
  )
  await events.cdc(
    [
      { op: 'U', seq: 3, id: 1, name: 'A' },
      { op: 'D', seq: 4, id: 2, name: null },
    ],
    settings,
  )
  await events.cdc(
    [
      { op: 'U', seq: 5, id: 3, name: 'c' },
      { op: 'U', seq: 2, id: 1, name: 'late' },
      { op: 'U', seq: 6, id: 1, name: 'B' },
    ],
    settings,
  )
  await expectAgreement(join(folder, 'events'), events, { from: -1 })
})

test('whole partitions that are replaced are told row by row by us, and as files by others: together the same', async () => {
  const root = join(folder, 'replaced')
  await using table = await openTable(root, { key: ['id'], partitionBy: ['dt'] })
  await table.append(
    [
      { id: 1, name: 'a', dt: 'x' },
      { id: 2, name: 'b', dt: 'x' },
      { id: 3, name: 'c', dt: 'y' },
    ],
    { changeFeed: 'on' },
  )
  await table.replace([
    { id: 1, name: 'a', dt: 'x' },
    { id: 2, name: 'B', dt: 'x' },
  ])
  await table.overwrite([
    { id: 2, name: 'B', dt: 'y' },
    { id: 3, name: 'c', dt: 'y' },
  ])
  for (const [since, until] of [
    [0, 1],
    [1, 2],
    [0, 2],
    [-1, 2],
  ] as const) {
    const ours = sums(await ourChanges(table, { since, until }))
    for (const name of ['deltalake', 'spark'] as const)
      expect({ name, rows: sums(await reader(name).changes(root, { since, until })) }).toEqual({ name, rows: ours })
    // Files that go without change data are more than Trino derives changes from, though the protocol lets it.
    await expect(reader('trino').changes(root, { since, until })).rejects.toThrow(/'remove' entries without 'cdc'/)
  }
  expect(
    (await table.changes({ since: 0, until: 1 }).toArray()).map(({ id, _change_type }) => [id, _change_type]),
  ).toEqual([
    [2n, 'update_preimage'],
    [2n, 'update_postimage'],
  ])
})

test('a feed that is turned on by `set` begins there, for others too', async () => {
  const root = join(folder, 'turned-on')
  await using table = await openTable(root, { key: ['id'] })
  await table.append([
    { id: 1, name: 'a' },
    { id: 2, name: 'b' },
  ])
  await table.set({ changeFeed: 'on' })
  await table.merge([
    { id: 2, name: 'B' },
    { id: 3, name: 'c' },
  ])
  await expectAgreement(root, table, { from: 1 })
})

test('added files in folders with escapes are read by Spark; deltalake and Trino do not decode their paths', async () => {
  const root = join(folder, 'escaped')
  await using table = await openTable(root, { key: ['id'], partitionBy: ['region'] })
  await table.merge([{ id: 1, region: 'a/b' }])
  await table.append([{ id: 2, region: '日本' }])
  const expected = await ourChanges(table, { since: -1 })
  expect(await reader('spark').changes(root, { since: -1 })).toEqual(expected)
  for (const name of ['deltalake', 'trino'] as const)
    await expect(reader(name).changes(root, { since: -1 })).rejects.toThrow()
})

describe.each(inject('s3Servers').filter(({ name }) => name === 'minio'))('on $name', (s3) => {
  test('deltalake, Spark and Trino change a table of ours, and all four agree on what happened', async () => {
    await using place = await freshBucket(s3)
    const url = `${place.url}/lake/people`
    const location = { url, s3 }
    await using table = await openTable(url, { key: ['id'], partitionBy: ['region'], store: place.store })
    const region = 'plain'
    await table.merge([1, 2, 3, 4, 5, 6].map((id) => ({ id, name: `n${id}`, region })))
    await table.merge([{ id: 1, name: 'ours', region }])
    await reader('deltalake').update(location, { name: "'deltalake'" }, 'id = 2')
    await reader('deltalake').delete(location, 'id = 6')
    await reader('spark').sql(
      `merge into {t} t using (select 3L as id, 'spark' as name, 'other' as region union all select 7L, 'spark', 'other') s
       on t.id = s.id when matched then update set * when not matched then insert *`,
      location,
    )
    await reader('trino').sql(
      `merge into {t} t using (values (bigint '4', 'trino', 'plain'), (bigint '5', '', 'plain'), (bigint '8', 'trino', 'plain')) s(id, name, region)
       on t.id = s.id when matched and s.name = '' then delete when matched then update set name = s.name
       when not matched then insert (id, name, region) values (s.id, s.name, s.region)`,
      location,
    )
    expect(await table.merge([{ id: 8, name: 'ours', region }])).toMatchObject({ rows: { updated: 1 } })
    const rows = await table.query('select id, name, region from t order by id').toArray()
    expect(rows).toEqual([
      { id: 1n, name: 'ours', region },
      { id: 2n, name: 'deltalake', region },
      { id: 3n, name: 'spark', region: 'other' },
      { id: 4n, name: 'trino', region },
      { id: 7n, name: 'spark', region: 'other' },
      { id: 8n, name: 'ours', region },
    ])
    const theirs = await table.changes({ since: 1, until: 5 }).toArray()
    expect(theirs.map((row) => [row._commit_version, row.id, row._change_type, row._changed_columns])).toEqual([
      [2n, 2n, 'update_preimage', ['name']],
      [2n, 2n, 'update_postimage', ['name']],
      [3n, 6n, 'delete', null],
      [4n, 3n, 'update_preimage', ['name', 'region']],
      [4n, 3n, 'update_postimage', ['name', 'region']],
      [4n, 7n, 'insert', null],
      [5n, 4n, 'update_preimage', ['name']],
      [5n, 4n, 'update_postimage', ['name']],
      [5n, 5n, 'delete', null],
      [5n, 8n, 'insert', null],
    ])
    await expectAgreement(location, table, { from: -1 })
  })
})

describe("Spark's own MERGE on a copy gives the table, and the net changes, of our merge", () => {
  interface Case {
    name: string
    incoming: Row[]
    settings?: LoadSettings
    /** After `merge into … t using … s on t.id = s.id and t.line = s.line`. */
    spark: string
  }
  const region = (n: number) => ['EU', 'US/East', null][n % 3] ?? null
  const before = Array.from({ length: 12 }, (_, n) => ({
    id: Math.floor(n / 2),
    line: `${n % 2}`,
    name: n % 5 === 0 ? null : `name ${n}`,
    price: n % 4 === 0 ? null : `${n}.50`,
    version: n,
    region: region(n),
  }))
  const incoming = (...rows: Partial<(typeof before)[number] & { gone: boolean }>[]): Row[] =>
    rows.map((row) => ({ id: 0, line: '0', name: 'new', price: '9.99', version: 100, region: 'EU', ...row }))
  const upsert = 'when matched then update set * when not matched then insert *'
  const insertTable =
    'when not matched then insert (id, line, name, price, version, region) values (s.id, s.line, s.name, s.price, s.version, s.region)'
  const cases: Case[] = [
    {
      name: 'updates and inserts',
      incoming: incoming(
        { id: 1, line: '1', name: null },
        { id: 2, price: null },
        { id: 9 },
        { id: 9, line: 'x', region: null },
      ),
      spark: upsert,
    },
    {
      name: 'rows that move to another partition, to a new one, and to none',
      incoming: incoming(
        { id: 0, region: 'US/East' },
        { id: 0, line: '1', region: '日本' },
        { id: 1, region: null },
        { id: 1, line: '1', region: 'EU' },
      ),
      spark: upsert,
    },
    {
      name: 'deletes by a column that is not stored',
      incoming: incoming({ id: 0, gone: true }, { id: 1, gone: false }, { id: 8, gone: true }, { id: 9, gone: false }),
      settings: { deleteWhen: 'incoming.gone' },
      spark: `when matched and s.gone then delete
        when matched then update set name = s.name, price = s.price, version = s.version, region = s.region
        ${insertTable.replace('when not matched', 'when not matched and not s.gone')}`,
    },
    {
      name: 'updates only where the incoming row is newer',
      incoming: incoming({ id: 0, version: -1 }, { id: 1, version: 3 }, { id: 2, version: 4 }, { id: 9, version: 0 }),
      settings: { whenMatched: 'incoming.version > current.version' },
      spark: upsert.replace('when matched', 'when matched and s.version > t.version'),
    },
    {
      name: 'a condition that is null is not true',
      incoming: incoming(
        { id: 0, price: '1.00' },
        { id: 0, line: '1', price: '1.00' },
        { id: 1, line: '1', price: null },
      ),
      settings: { whenMatched: 'incoming.price < current.price or current.name is null' },
      spark: upsert.replace('when matched', 'when matched and (s.price < t.price or t.name is null)'),
    },
    {
      name: 'a subset of the columns',
      incoming: incoming({ id: 3, name: 'only this' }, { id: 3, line: '1', name: null }, { id: 9 }),
      settings: { updateColumns: ['name'] },
      spark: 'when matched then update set name = s.name when not matched then insert *',
    },
    {
      name: 'what the source no longer has goes',
      incoming: incoming({ id: 0 }, { id: 0, line: '1' }, { id: 5, line: '1', region: 'US/East' }, { id: 9 }),
      settings: { whenNotMatchedBySource: 'delete' },
      spark: `${upsert} when not matched by source then delete`,
    },
    {
      name: 'all of it at once',
      incoming: incoming(
        { id: 0, gone: true },
        { id: 1, version: 0, gone: false },
        { id: 2, region: null, gone: false },
        { id: 7, gone: true },
        { id: 9, gone: false },
      ),
      settings: {
        deleteWhen: 'incoming.gone',
        whenMatched: 'incoming.version > current.version',
        updateColumns: ['name', 'region'],
        whenNotMatchedBySource: 'delete',
      },
      spark: `when matched and s.gone then delete
        when matched and s.version > t.version then update set name = s.name, region = s.region
        ${insertTable.replace('when not matched', 'when not matched and not s.gone')}
        when not matched by source then delete`,
    },
  ]
  const types = { price: 'decimal(12,2)' }

  test.each(cases)('$name', async ({ name, incoming: rows, settings = {}, spark }) => {
    const place = join(folder, name.replaceAll(' ', '-'))
    const open = (root: string) => openTable(root, { key: ['id', 'line'], partitionBy: ['region'] })
    await using ours = await open(`${place}-ours`)
    await using copy = await open(`${place}-copy`)
    for (const table of [ours, copy]) await table.append(before, { types, changeFeed: 'on' })
    const columns = [...Object.keys(before[0] ?? {}), ...(rows.some((row) => 'gone' in row) ? ['gone'] : [])]
    await using source = await openTable(`${place}-source`)
    await source.append(
      rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]]))),
      { types: { ...types, name: 'varchar' } },
    )

    await ours.merge(source.url, settings)
    await reader('spark').sql(
      `merge into {t} t using delta.\`${source.url.replace('file://', '')}\` s on t.id = s.id and t.line = s.line ${spark}`,
      `${place}-copy`,
    )
    const expected = await reader('spark').read(`${place}-copy`)
    expect(await reader('spark').read(`${place}-ours`)).toEqual(expected)
    expect(await reader('deltalake').read(`${place}-ours`)).toEqual(expected)
    expect((await ours.verify({ deep: true })).problems).toEqual([])
    // Spark records updates that change nothing, and other inserts in other commits: what is left of both is the same.
    const net = async (table: Table) =>
      canonicalRows((await table.changes({ since: 0, net: true }).toArray()).map(timeless))
    expect(await net(ours)).toEqual(await net(copy))
  })
})

/** Every range of versions after `from` (on S3, where each takes long: every version and all of them) is what `changes` gives. */
async function expectAgreement(location: Location, table: Table, { from }: { from: number }): Promise<void> {
  const newest = (await table.snapshot()).version
  const versions = Array.from({ length: newest - from + 1 }, (_, n) => from + n)
  const ranges = versions.flatMap((since) =>
    versions.filter((until) => until > since).map((until) => ({ since, until })),
  )
  const asked =
    typeof location === 'string'
      ? ranges
      : ranges.filter(({ since, until }) => until === since + 1 || until - since === newest - from)
  for (const range of asked) {
    const ours = await ourChanges(table, range)
    expect(ours.length).toBeGreaterThan(0)
    for (const name of feedReaders) {
      const rows = await reader(name).changes(location, range)
      expect({ name, range, rows }).toEqual({ name, range, rows: seenBy(name, ours) })
    }
  }
}

async function ourChanges(table: Table, range: { since: number; until?: number }): Promise<string[]> {
  const rows = await table.changes(range).toArray()
  return canonicalRows(rows.map(({ _changed_columns: _, ...row }) => timeless(row)))
}

/** Without the time of the commit; other times as the readers write them. */
function timeless({ _commit_timestamp: _, ...row }: Row): Row {
  const value = (one: unknown) => (typeof one === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(one) ? new Date(one) : one)
  return Object.fromEntries(Object.entries(row).map(([name, one]) => [name, value(one)]))
}

/** What is left of rows that come and rows that go, whatever they are called and whichever commit they are of. */
function sums(rows: string[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const text of rows) {
    const { _change_type: type, _commit_version: _, ...row } = JSON.parse(text) as Record<string, unknown>
    const name = JSON.stringify(row)
    found[name] = (found[name] ?? 0) + (type === 'insert' || type === 'update_postimage' ? 1 : -1)
  }
  return Object.fromEntries(Object.entries(found).filter(([, n]) => n !== 0))
}
