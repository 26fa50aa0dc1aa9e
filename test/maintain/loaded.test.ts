/** What loads write, judged by what reads: the two halves agree on statistics, fingerprints, properties and the view. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTable, type Table } from '../../src/index.js'
import { openDuck } from '../schema/duck.js'

let folder: string
let table: Table
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'loaded-'))
  table = await openTable(join(folder, 'orders'), { partitionBy: ['dt', 'region'], threads: 1 })
  const rows = (day: number, from: number) =>
    Array.from({ length: 500 }, (_, i) => ({
      id: BigInt(from + i),
      dt: `2026-11-${day}`,
      region: ['US/East', `it's`, null][i % 3],
      amount: i % 7 === 0 ? undefined : i / 8,
      at: new Date(Date.UTC(2026, 10, day) + i * 1001),
      tags: ['x', null],
      note: i % 11 === 0 ? '' : `näme ${i}`,
    }))
  await table.append(rows(20, 0), { loadId: 'first', addLoadColumns: true })
  await table.append(rows(21, 500))
  await table.replace(rows(20, 9000), { scope: { dt: '2026-11-20' } })
  await table.append([{ id: 1n, dt: '2026-11-22', region: 'x', more: 1.5 }], { schema: 'evolve' })
})
afterAll(async () => {
  await table.close()
  rmSync(folder, { recursive: true })
})

test('verify in depth finds nothing wrong with what loads wrote', async () => {
  expect(await table.verify({ deep: true })).toEqual({ ok: true, version: 3, files: 7, rows: 1001, problems: [] })
  expect(await table.verify({ deep: true, version: 0 })).toMatchObject({ ok: true, files: 3, rows: 500 })
})

test('fingerprints of loads are recomputed, not passed over', async () => {
  const log = join(folder, 'orders/_delta_log/00000000000000000003.json')
  const text = readFileSync(log, 'utf8')
  const wrong = text.replace(/("lakewright\.fp":"[^"]*:)[0-9a-f]+\./, '$11.')
  expect(wrong).not.toBe(text)
  writeFileSync(log, wrong)
  const report = await table.verify({ deep: true })
  writeFileSync(log, text)
  expect(report.problems).toMatchObject([{ code: 'content' }])
})

test('history, show and the query agree', async () => {
  const commits = await table.history()
  expect(commits.map(({ mode, version }) => [version, mode])).toEqual([
    [3, 'append'],
    [2, 'replace'],
    [1, 'append'],
    [0, 'append'],
  ])
  expect(commits[3]).toMatchObject({ loadId: 'first', rows: { read: 500, written: 500 } })
  const summary = await table.snapshot()
  const result = await table.query('select count(*)::int as n, count(more)::int as more from t')
  expect(await result.toArray()).toEqual([{ n: summary.rows, more: 1 }])
  const pruned = await table.query(`select min(id) as first from t where dt = '2026-11-20' and region is null`)
  expect(await pruned.toArray()).toEqual([{ first: 9002n }])
})

test('the published view is of the newest version', async () => {
  const duck = await openDuck()
  await duck.rows(readFileSync(join(folder, 'orders/_published/duckdb.sql'), 'utf8'))
  expect(await duck.rows(`SELECT count(*)::INTEGER AS n, count(region)::INTEGER AS named FROM orders`)).toEqual([
    { n: 1001, named: 669 },
  ])
  duck.close()
})

test('what is set rules the next load', async () => {
  await table.set({ sortBy: 'id' })
  expect((await table.snapshot()).settings).toMatchObject({ 'lakewright.sortBy': '["id"]' })
})
