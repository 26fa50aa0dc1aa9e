/**
 * Each mode is killed before and after every operation that it asks of the store: afterwards the table reads as before or
 * as after, nothing half-done is visible, and running the load again gets it right.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTable, type Table, type TableSettings } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import { buildCli } from '../cli/build.js'
import { freshBucket } from '../servers/bucket.js'

const child = fileURLToPath(new URL('child.mjs', import.meta.url))

interface Row {
  dt: string
  id: number
  v: string
}
const before: Row[] = ['a', 'b', 'c'].flatMap((dt) => [1, 2].map((id) => ({ dt, id, v: 'old' })))
const incoming: Row[] = [
  { dt: 'b', id: 1, v: 'new' },
  { dt: 'd', id: 9, v: 'new' },
]
const after: Record<string, Row[]> = {
  append: [...before, ...incoming],
  replace: [...before.filter(({ dt }) => dt !== 'b'), ...incoming],
  overwrite: incoming,
}

let dist: string
beforeAll(async () => {
  dist = dirname(dirname(await buildCli()))
})

const minio = inject('s3Servers').find(({ name }) => name === 'minio')
const places = [
  { name: 'a local folder', make: localPlace },
  ...(minio ? [{ name: 'MinIO', make: () => freshBucket(minio) }] : []),
]

describe.each(places)('on $name', ({ make }) => {
  test.each(Object.keys(after))(
    '%s, killed at every store operation, leaves the table before or after, and runs again',
    { timeout: 600_000 },
    async (mode) => {
      await using place = await make()
      let operations = Number.POSITIVE_INFINITY
      let states = { before: 0, after: 0 }
      for (let killAt = 1; killAt <= operations; killAt++) {
        for (const when of ['before', 'after'] as const) {
          const url = `${place.url}/${mode}-${killAt}-${when}`
          const settings: TableSettings = { partitionBy: ['dt'], store: place.store }
          await using table = await openTable(url, settings)
          await table.append(before)
          const load = { loadId: `${mode}:1` }
          const run = await runChild({ dist, url, mode, rows: incoming, killAt, when, settings, load })
          if (run.operations !== undefined) {
            operations = run.operations
            break
          }
          expect(run.signal).toBe('SIGKILL')
          states = { ...states, [await stateOf(table, mode)]: 1 + states[await stateOf(table, mode)] }
          await expectNothingHalfDone(url, place.store, table)
          const again = await table[mode as 'append'](incoming, load)
          expect(['committed', 'duplicate']).toContain(again.status)
          expect(await rowsOf(table)).toEqual(sorted(after[mode] ?? []))
          expect((await table.verify({ deep: true })).problems).toEqual([])
        }
      }
      // Both sides of the commit were met, or the test would have shown nothing.
      expect(states.before).toBeGreaterThan(0)
      expect(states.after).toBeGreaterThan(0)
    },
  )
})

async function stateOf(table: Table, mode: string): Promise<'before' | 'after'> {
  const rows = JSON.stringify(await rowsOf(table))
  if (rows === JSON.stringify(sorted(before))) return 'before'
  expect(rows).toBe(JSON.stringify(sorted(after[mode] ?? [])))
  return 'after'
}

/** What lies under partition folders is referenced, or was promoted by the dead writer: never a partial file. */
async function expectNothingHalfDone(url: string, settings: TableSettings['store'], table: Table): Promise<void> {
  const store = await openStore(url, settings)
  const referenced = new Set((await table.files()).map(({ key }) => key))
  const versions = new Set(
    await Promise.all((await table.history()).map(({ version }) => filesAt(table, version))).then((all) => all.flat()),
  )
  for await (const { key, sizeBytes } of store.list('')) {
    if (key.startsWith('_') || !key.endsWith('.parquet')) continue
    if (referenced.has(key) || versions.has(key)) continue
    // A file promoted just before the kill: whole, so that a directory reader at least reads valid Parquet.
    const object = await store.get(key)
    expect(object?.body.length).toBe(sizeBytes)
    expect(new TextDecoder().decode(object?.body.slice(-4))).toBe('PAR1')
  }
  await store.close()
}

async function filesAt(table: Table, version: number): Promise<string[]> {
  return (await table.files({ version })).map(({ key }) => key)
}

async function rowsOf(table: Table): Promise<Row[]> {
  const result = await table.query('select dt, id::integer as id, v from t')
  return sorted((await result.toArray()) as unknown as Row[])
}

function sorted(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => (JSON.stringify([a.dt, a.id, a.v]) < JSON.stringify([b.dt, b.id, b.v]) ? -1 : 1))
}

function runChild(job: object): Promise<{ operations?: number; signal?: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [child, JSON.stringify(job)], (error, stdout, stderr) => {
      if (!error) resolve(JSON.parse(stdout))
      else if (error.signal) resolve({ signal: error.signal })
      else reject(new Error(`the child failed: ${stderr || error.message}`))
    })
  })
}

const folders: string[] = []
async function localPlace() {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-crash-'))
  folders.push(folder)
  return { url: folder, store: {}, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})
