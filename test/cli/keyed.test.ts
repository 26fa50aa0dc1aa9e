/** The verbs that match rows by key, as they are typed, with the receipts that the contract promises. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lakewright } from './build.js'
import * as contract from './contract.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-keyed-'))
  const files = {
    'cities.csv': 'id,city,dt\n1,Rome,2026-11-20\n2,Oslo,2026-11-20\n3,Bonn,2026-11-21\n',
    'changed.csv':
      'id,city,dt,gone\n1,Milan,2026-11-20,false\n2,Oslo,2026-11-22,false\n3,,2026-11-21,true\n4,Graz,2026-11-22,\n',
    'twice.csv': 'id,city,dt\n1,Rome,2026-11-20\n1,Milan,2026-11-21\n',
    'null.csv': 'id,city,dt\n1,Rome,2026-11-20\n,Milan,2026-11-21\n',
    'events.ndjson': [
      '{"op":"I","n":1,"id":1,"city":"Rome"}',
      '{"op":"I","n":2,"id":2,"city":"Oslo"}',
      '{"op":"U","n":4,"id":1,"city":"Milan"}',
      '{"op":"U","n":3,"id":1,"city":"stale"}',
      '{"op":"D","n":5,"id":2}',
    ].join('\n'),
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('merge, delete and sync', () => {
  it('merge creates a table by key, updates, moves, inserts and deletes', async () => {
    const first = await receipt(['merge', 'lake', '--from', 'cities.csv', '--key', 'id', '--partition-by', 'dt'])
    expect(first).toMatchObject({ created: true, mode: 'merge', rows: { read: 3, inserted: 3 } })
    const second = await receipt(['merge', 'lake', '--from', 'changed.csv', '--delete-when', 'incoming.gone'])
    expect(second.rows).toMatchObject({ read: 4, inserted: 1, updated: 2, deleted: 1, unchanged: 0 })
    expect(await rows('lake')).toEqual([
      { id: 1, city: 'Milan', dt: '2026-11-20' },
      { id: 2, city: 'Oslo', dt: '2026-11-22' },
      { id: 4, city: 'Graz', dt: '2026-11-22' },
    ])
    const third = await receipt(['merge', 'lake', '--from', 'changed.csv', '--delete-when', 'incoming.gone'])
    expect(third).toMatchObject({ status: 'unchanged', rows: { unchanged: 3, ignored: 1 } })
  })

  it('changes tells what they were, and applied to the first version they give the last', async () => {
    const { code, stdout } = await run(['changes', 'lake', '--since', '0', '--json'])
    expect(code).toBe(0)
    const { rows: found } = JSON.parse(stdout) as {
      rows: { id: number; _change_type: string; _changed_columns: unknown }[]
    }
    expect(found.map(({ id, _change_type, _changed_columns }) => [id, _change_type, _changed_columns])).toEqual([
      [1, 'update_preimage', ['city']],
      [1, 'update_postimage', ['city']],
      [2, 'update_preimage', ['dt']],
      [2, 'update_postimage', ['dt']],
      [3, 'delete', null],
      [4, 'insert', null],
    ])
  })

  it('delete takes rows by any column', async () => {
    const found = await receipt(['delete', 'lake', '--where', "city = 'Graz' or dt < '2020-01-01'"])
    expect(found.rows).toMatchObject({ read: 0, deleted: 1 })
    const wrong = await run(['delete', 'lake', '--where', 'town = 1'])
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('town')
  })

  it('sync makes the table equal, and a diff of the two finds nothing', async () => {
    const found = await receipt(['sync', 'lake', '--from', 'cities.csv'])
    expect(found.rows).toMatchObject({ read: 3, inserted: 1, updated: 2, deleted: 0, unchanged: 0 })
    const { stdout } = await run(['diff', 'lake', 'cities.csv', '--json', '--prove'])
    expect(JSON.parse(stdout)).toMatchObject({ inserted: 0, updated: 0, deleted: 0, unchanged: 3, proved: true })
  })

  it.each([
    ['twice.csv', 'key', '--on-duplicate last'],
    ['null.csv', 'null', 'key'],
  ])('%s is refused with an example and a cure', async (file, what, cure) => {
    for (const verb of ['merge', 'sync']) {
      const { code, stderr } = await run([verb, 'lake', '--from', file])
      expect(code).toBe(2)
      expect(stderr).toContain(what)
      expect(stderr).toContain(cure)
    }
  })

  it('a key that was never named is asked for', async () => {
    const { code, stderr } = await run(['merge', 'other', '--from', 'cities.csv'])
    expect(code).toBe(2)
    expect(stderr).toContain('--key')
  })
})

it('cdc applies events in their order, and again changes nothing', async () => {
  const flags = ['--from', 'events.ndjson', '--op-column', 'op', '--order-column', 'n', '--key', 'id']
  const first = await receipt(['cdc', 'events', ...flags])
  expect(first).toMatchObject({ created: true, rows: { read: 5, inserted: 1, ignored: 4 } })
  expect(await rows('events')).toEqual([{ n: 4, id: 1, city: 'Milan' }])
  expect(await receipt(['cdc', 'events', ...flags])).toMatchObject({ status: 'unchanged', rows: { ignored: 5 } })
})

it('scd2 keeps versions, and refuses what is late unless told to put it in order', async () => {
  const load = (file: string, day: string, ...more: string[]) =>
    run(['scd2', 'history', '--from', file, '--key', 'id', '--effective-at', day, '--json', ...more])
  const first = contract.receipt.parse(JSON.parse((await load('cities.csv', '2026-11-19')).stdout))
  expect(first.rows).toMatchObject({ read: 3, inserted: 3 })
  const dropping = ['--types', 'gone=varchar', '--schema', 'evolve']
  const second = contract.receipt.parse(JSON.parse((await load('changed.csv', '2026-11-21', ...dropping)).stdout))
  expect(second.rows).toMatchObject({ read: 4, inserted: 4, updated: 3 })
  const late = await load('cities.csv', '2026-11-20')
  expect(late.code).toBe(2)
  expect(late.stderr).toContain('--late insert')
  expect((await load('cities.csv', '2026-11-20', '--late', 'insert')).code).toBe(0)
})

async function run(args: string[]) {
  return await lakewright(args, { cwd: folder })
}

async function receipt(args: string[]) {
  const { code, stdout, stderr } = await run([...args, '--json'])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return contract.receipt.parse(JSON.parse(stdout))
}

async function rows(table: string): Promise<object[]> {
  const { stdout } = await run(['query', table, 'select * from t order by id', '--json'])
  return (JSON.parse(stdout) as { rows: object[] }).rows
}
