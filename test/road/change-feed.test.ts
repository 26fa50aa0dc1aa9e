/** The change feed as loads write it: what lies in the log and in the files, and that it is what happened. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTable, type Table } from '../../src/index.js'
import { localPlace, onePlaceOfEachKind } from './places.js'

const regions = ['plain', 'a/b', '50%', 'x=y', '日本', null]
const people = (name: string) => regions.map((region, id) => ({ id, name: `${name} ${id}`, region }))

test('change data lies flat, without partition columns, one file per partition, and is named by the log as Delta asks', async () => {
  await using place = await localPlace()
  const root = join(place.url, 't')
  await using table = await openTable(root, { key: ['id'], partitionBy: ['region'] })
  await table.merge(people('first'))
  await table.merge([...people('second').slice(1), { id: 0, name: 'moved', region: null }])
  const cdc = (await actionsOf(root, 1)).filter(({ name }) => name === 'cdc').map(({ body }) => body)
  expect(cdc.map(({ partitionValues }) => partitionValues)).toEqual(
    expect.arrayContaining(regions.map((region) => ({ region }))),
  )
  expect(cdc).toHaveLength(regions.length)
  const files = (await readdir(join(root, '_change_data'))).map((name) => `_change_data/${name}`)
  expect(cdc.map(({ path }) => path).sort()).toEqual(files.sort())
  for (const { path, size, dataChange } of cdc) {
    expect(path).toMatch(/^_change_data\/[0-9a-f-]+-\d{5}\.parquet$/)
    expect(dataChange).toBe(false)
    expect(size).toBe((await readFile(join(root, path))).length)
  }
  const columns = await table.query(`describe from read_parquet('${join(root, '_change_data/*.parquet')}')`).toArray()
  expect(columns.map(({ column_name: name }) => name)).toEqual(['id', 'name', '_change_type'])
})

test('loads that only add files, or replace whole ones, and tables without a feed, write no change data', async () => {
  await using place = await localPlace()
  const root = join(place.url, 't')
  await using table = await openTable(root, { key: ['id'], partitionBy: ['region'] })
  await table.merge(people('first'))
  await table.merge([{ id: 100, name: 'new', region: 'plain' }])
  await table.append([{ id: 101, name: 'new', region: 'plain' }])
  await table.replace([{ id: 102, name: 'new', region: 'plain' }])
  await table.overwrite(people('last'))
  expect(await readdir(root)).not.toContain('_change_data')
  expect(
    (await table.changes({ since: 0, until: 2 }).toArray()).map(({ id, _change_type: type }) => [id, type]),
  ).toEqual([
    [100n, 'insert'],
    [101n, 'insert'],
  ])
  await using plain = await openTable(join(place.url, 'plain'), { key: ['id'] })
  await plain.merge(people('first'), { changeFeed: 'off' })
  await plain.merge(people('second'))
  expect(await readdir(join(place.url, 'plain'))).not.toContain('_change_data')
  expect(await plain.changes({ since: 0 }).toArray()).toHaveLength(2 * regions.length)
})

test('a merge during which the feed is turned on writes it', async () => {
  await using place = await localPlace()
  const root = join(place.url, 't')
  await using table = await openTable(root, { key: ['id'] })
  await table.append(people('first'))
  await using other = await openTable(root)
  async function* rows() {
    yield { id: 0, name: 'changed', region: 'plain' }
    await other.set({ changeFeed: 'on' })
  }
  expect(await table.merge(rows())).toMatchObject({ status: 'committed', version: 2 })
  expect((await actionsOf(root, 2)).filter(({ name }) => name === 'cdc')).toHaveLength(1)
  async function* more() {
    yield { id: 0, name: 'again', region: 'plain' }
    await other.set({ changeFeed: 'off' })
  }
  expect(await table.merge(more())).toMatchObject({ status: 'committed', version: 4 })
  expect((await actionsOf(root, 4)).filter(({ name }) => name === 'cdc')).toEqual([])
  expect((await table.changes({ since: 1 }).toArray()).map(({ name }) => name)).toEqual([
    'first 0',
    'changed',
    'changed',
    'again',
  ])
})

test('a column with a name of the feed is refused where a load would make a table with a feed', async () => {
  await using place = await localPlace()
  await using table = await openTable(join(place.url, 't'), { key: ['id'] })
  const rows = [{ id: 1, _commit_version: 7 }]
  await expect(table.merge(rows)).rejects.toMatchObject({ code: 'invalid', details: { column: '_commit_version' } })
  expect(await table.merge(rows, { changeFeed: 'off' })).toMatchObject({ status: 'committed' })
})

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('rows of a version and the changes after it are the rows of any later version, whatever the loads were', async () => {
    await using place = await make()
    await using table = await openTable(`${place.url}/t`, { key: ['id'], partitionBy: ['region'], store: place.store })
    await table.merge(people('a'))
    await table.merge([
      { id: 1, name: 'b', region: null },
      { id: 3, name: 'a 3', region: 'plain' },
      { id: 7, name: null, region: '日本' },
    ])
    await table.delete({ where: "region = 'a/b' or id = 3" })
    await table.append([{ id: 8, name: 'appended', region: 'x=y' }])
    await table.sync([...people('a').slice(2), { id: 9, name: 'synced', region: 'new' }], { maxDeleteRatio: 1 })
    await table.replace([
      { id: 9, name: 'replaced', region: 'new' },
      { id: 10, name: null, region: 'new' },
    ])
    await table.merge([{ id: 10, name: 'merged', region: null, note: 'wide' }], { schema: 'evolve' })
    await table.overwrite([{ id: 10, name: 'merged', region: 'plain', note: null }])
    const newest = (await table.snapshot()).version
    expect(newest).toBe(7)
    const versions = await Promise.all(Array.from({ length: newest + 1 }, (_, version) => rowsOf(table, version)))
    const ranges = versions.flatMap((_, until) =>
      [...new Set([-1, Math.floor(until / 2), until - 1])].map((since) => ({ since, until })),
    )
    for (const range of ranges.filter(({ since, until }) => since < until)) {
      for (const net of [false, true]) {
        const rows = new Map(versions[range.since])
        for (const row of await table.changes({ ...range, net }).toArray())
          add(rows, row, ['insert', 'update_postimage'].includes(String(row._change_type)) ? 1 : -1)
        expect({ range, net, rows: sorted(rows) }).toEqual({
          range,
          net,
          rows: sorted(versions[range.until] ?? new Map()),
        })
      }
    }
  }, 120_000)
})

/** What is asked about of an action; other actions have it not. */
interface Body {
  path: string
  size: number
  dataChange: boolean
  partitionValues: Record<string, string | null>
}

async function actionsOf(root: string, version: number): Promise<{ name: string; body: Body }[]> {
  const text = await readFile(join(root, '_delta_log', `${String(version).padStart(20, '0')}.json`), 'utf8')
  return text
    .trim()
    .split('\n')
    .flatMap((line) => Object.entries(JSON.parse(line) as Record<string, Body>))
    .map(([name, body]) => ({ name, body }))
}

async function rowsOf(table: Table, version: number): Promise<Map<string, number>> {
  const rows = new Map<string, number>()
  for (const row of await table.query('select * from t', { version }).toArray()) add(rows, row, 1)
  return rows
}

/** A column that came later is null before. */
function add(rows: Map<string, number>, { id, name, region, note = null }: Record<string, unknown>, n: number): void {
  const text = JSON.stringify([String(id), name, region, note])
  const count = (rows.get(text) ?? 0) + n
  if (count === 0) rows.delete(text)
  else rows.set(text, count)
}

function sorted(rows: Map<string, number>): [string, number][] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
}
