/** Two versions of one table: files that both have are counted, not read. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type DiffSettings, diff, isLakeError, openTable, type Table } from '../../src/index.js'

let root: string
let folder: string
let n = 0
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'diff-versions-'))
})
beforeEach(() => {
  folder = join(root, `t${n++}`)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const rows = ['a', 'b', 'c'].flatMap((part, p) => [1, 2, 3].map((i) => ({ part, id: p * 10 + i, v: `${part}${i}` })))

async function tableOf(): Promise<Table> {
  const table = await openTable(folder, { partitionBy: ['part'] })
  await table.append(rows)
  return table
}

async function both(settings: DiffSettings = {}) {
  const results = []
  for (const exact of [false, true]) {
    await using changes = await diff(`${folder}@0`, folder, { key: ['id'], prove: true, exact, ...settings })
    const { inserted, updated, deleted, unchanged } = changes
    results.push({ inserted, updated, deleted, unchanged, rows: (await changes.toArray()).length })
  }
  expect(results[1]).toEqual(results[0])
  return results[0]
}

const failure = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isLakeError(error) ? error.message : String(error)
}

test('only what is in one of them is compared', async () => {
  await using table = await tableOf()
  await table.replace([
    { part: 'b', id: 11, v: 'b1' },
    { part: 'b', id: 12, v: 'new' },
    { part: 'b', id: 19, v: 'b9' },
  ])
  await hideValues(table)
  expect(await both()).toEqual({ inserted: 1, updated: 1, deleted: 1, unchanged: 7, rows: 4 })
})

test('rows that move between partitions are updates', async () => {
  await using table = await tableOf()
  await table.replace([
    { part: 'a', id: 1, v: 'a1' },
    { part: 'b', id: 11, v: 'b1' },
    { part: 'b', id: 12, v: 'b2' },
    { part: 'b', id: 13, v: 'b3' },
    { part: 'b', id: 2, v: 'a2' },
  ])
  expect(await both()).toEqual({ inserted: 0, updated: 1, deleted: 1, unchanged: 7, rows: 3 })
})

test('nothing is read of the same version', async () => {
  await using table = await tableOf()
  const files = await table.files()
  for (const { key } of files) rmSync(join(folder, key))
  expect(await both()).toEqual({ inserted: 0, updated: 0, deleted: 0, unchanged: 9, rows: 0 })
})

test('a key that comes again in another file is refused', async () => {
  await using table = await tableOf()
  await table.append([{ part: 'd', id: 12, v: 'z' }])
  expect(await failure(both())).toContain('keys occur more than once in the new side')
  expect(await failure(both())).toContain('{"id":12} 2 times')
  const settings: DiffSettings = { onDuplicate: 'last', orderBy: ['v'] }
  expect(await both(settings)).toMatchObject({ inserted: 0, updated: 1, unchanged: 8 })
})

test('a null key in a file that both have is refused', async () => {
  await using table = await openTable(folder, { partitionBy: ['part'] })
  await table.append([...rows, { part: 'a', id: null, v: 'x' }])
  await table.append([{ part: 'd', id: 40, v: 'd' }])
  expect(await failure(both())).toContain('rows of both sides have no key')
})

test('versions with other columns are compared in full', async () => {
  await using table = await tableOf()
  await table.append([{ part: 'd', id: 40, v: 'd', w: 1 }], { schema: 'evolve' })
  expect(await both()).toMatchObject({ inserted: 1, updated: 0, unchanged: 9 })
})

/** Files of partitions a and c with keys alone: whoever reads more of them fails. */
async function hideValues(table: Table): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const { key } of await table.files()) {
    if (key.startsWith('part=b')) continue
    const path = join(folder, key)
    await connection.run(
      `CREATE OR REPLACE TABLE keys AS SELECT id FROM read_parquet('${path}', hive_partitioning = false)`,
    )
    await connection.run(`COPY keys TO '${path}' (FORMAT parquet)`)
  }
  connection.closeSync()
  instance.closeSync()
}
