/**
 * Each mode is killed around every operation that it asks of the store: afterwards the table reads as before or as after,
 * nothing half-done is visible, and running the load again gets it right.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type LoadSettings, openTable, type Receipt, type Table, type TableSettings } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import { buildCli } from '../cli/build.js'
import { freshBucket } from '../servers/bucket.js'

const child = fileURLToPath(new URL('child.mjs', import.meta.url))

interface Row {
  dt: string
  id: number
  v: string
}
const old = (dt: string, id: number): Row => ({ dt, id, v: 'old' })
const before: Row[] = ['a', 'b', 'c'].flatMap((dt, i) => [old(dt, 2 * i + 1), old(dt, 2 * i + 2)])

interface Case {
  mode: 'append' | 'replace' | 'overwrite' | 'merge' | 'sync' | 'scd2' | 'cdc' | 'delete'
  settings: TableSettings
  /** What makes the table. */
  seed(table: Table): Promise<Receipt>
  /** The load that is killed. */
  rows: object[]
  load?: LoadSettings
  sql: string
  before: unknown[]
  after: unknown[]
}

const byDay = { partitionBy: ['dt'] }
const keyed = { partitionBy: ['dt'], key: ['id'] }
const columns = 'select dt, id::integer as id, v from t'
const plainRows = [
  { dt: 'b', id: 3, v: 'new' },
  { dt: 'd', id: 9, v: 'new' },
]
const plain = { settings: byDay, seed: (table: Table) => table.append(before), rows: plainRows, sql: columns, before }
/** Row 3 changes, row 5 moves to another partition, row 9 is new; what else happens is the mode's own. */
const changed = [
  { dt: 'b', id: 3, v: 'new' },
  { dt: 'd', id: 5, v: 'moved' },
  { dt: 'd', id: 9, v: 'new' },
]
const others = (...ids: number[]) => before.filter(({ id }) => ids.includes(id))
const byKey = { settings: keyed, seed: (table: Table) => table.merge(before), sql: columns, before }

const from = (day: number) => `2026-11-${day}T00:00:00Z`
const version = (row: Row, since: number, until: number | null) => ({
  ...row,
  since: from(since),
  until: until === null ? null : from(until),
})
const event = (op: string, n: number, row: Row) => ({ op, n, ...row })

const cases: Case[] = [
  { mode: 'append', ...plain, after: [...before, ...plainRows] },
  { mode: 'replace', ...plain, after: [...before.filter(({ dt }) => dt !== 'b'), ...plainRows] },
  { mode: 'overwrite', ...plain, after: plainRows },
  { mode: 'merge', ...byKey, rows: changed, after: [...others(1, 2, 4, 6), ...changed] },
  { mode: 'sync', ...byKey, rows: [...others(1, 2, 4), ...changed], after: [...others(1, 2, 4), ...changed] },
  {
    mode: 'delete',
    ...byKey,
    rows: [],
    load: { where: "id in (3, 5) or dt = 'a'" },
    after: others(4, 6),
  },
  {
    mode: 'scd2',
    settings: keyed,
    seed: (table) => table.scd2(before, { effectiveAt: from(19) }),
    rows: [...others(1, 2, 4), ...changed],
    load: { effectiveAt: from(20) },
    sql: 'select dt, id::integer as id, v, _effective_from as since, _effective_to as until from t',
    before: before.map((row) => version(row, 19, null)),
    after: [
      ...others(1, 2, 4).map((row) => version(row, 19, null)),
      ...others(3, 5, 6).map((row) => version(row, 19, 20)),
      ...changed.map((row) => version(row, 20, null)),
    ],
  },
  {
    mode: 'cdc',
    settings: keyed,
    seed: (table) =>
      table.cdc(
        before.map((row) => event('I', 1, row)),
        { opColumn: 'op', orderColumn: 'n' },
      ),
    rows: [...changed.map((row) => event('U', 2, row)), ...others(6).map((row) => event('D', 2, row))],
    load: { opColumn: 'op' },
    sql: columns,
    before,
    after: [...others(1, 2, 4), ...changed],
  },
]

let dist: string
beforeAll(async () => {
  dist = dirname(dirname(await buildCli()))
})

const minio = inject('s3Servers').find(({ name }) => name === 'minio')
const everything = cases.map(({ mode }) => mode)
const places = [
  { name: 'a local folder', make: localPlace, modes: everything },
  // What a load of changes puts on the store beside data files, all kinds of it, is met by `cdc`.
  ...(minio
    ? [{ name: 'MinIO', make: () => freshBucket(minio), modes: ['append', 'replace', 'overwrite', 'cdc'] }]
    : []),
]

/** @param wanted those of this file: files run side by side */
export function killEverywhere(wanted: readonly Case['mode'][]): void {
  describe.each(places)('on $name', ({ make, modes }) => {
    test.each(cases.filter(({ mode }) => wanted.includes(mode) && modes.includes(mode)))(
      '$mode, killed at every store operation, leaves the table before or after, and runs again',
      { timeout: 600_000 },
      async (one) => {
        await using place = await make()
        const { mode, rows } = one
        const seeded = `${place.url}/${mode}`
        await using first = await openTable(seeded, { ...one.settings, store: place.store })
        await one.seed(first)
        const settings: TableSettings = { ...one.settings, store: place.store }
        const load: LoadSettings = { ...one.load, loadId: `${mode}:1` }
        const job = { dist, mode, rows, settings, load }
        await copyTable(seeded, `${seeded}-whole`, place.store)
        const { operations = [] } = await runChild({ ...job, url: `${seeded}-whole` })
        let states = { before: 0, after: 0 }
        for (const { killAt, when } of pointsOf(operations)) {
          const url = `${seeded}-${killAt}-${when}`
          await copyTable(seeded, url, place.store)
          await using table = await openTable(url, settings)
          const run = await runChild({ ...job, url, killAt, when })
          // Uploads side by side need not be as many each time; the last of them may be missing.
          if (run.operations !== undefined) continue
          expect(run.signal).toBe('SIGKILL')
          const state = await stateOf(table, one)
          states = { ...states, [state]: 1 + states[state] }
          await expectNothingHalfDone(url, place.store, table)
          const again = mode === 'delete' ? await table.delete({ where: '', ...load }) : await table[mode](rows, load)
          expect(['committed', 'duplicate']).toContain(again.status)
          expect(await rowsOf(table, one.sql)).toEqual(sorted(one.after))
          expect((await table.verify({ deep: true })).problems).toEqual([])
        }
        // Both sides of the commit were met, or the test would have shown nothing.
        expect(states.before).toBeGreaterThan(0)
        expect(states.after).toBeGreaterThan(0)
      },
    )
  })
}

/**
 * Before and after each operation, once for each state in which it may leave the store: reading changes nothing, so a death
 * after it is one before what follows, and so is one after a write.
 */
function pointsOf(operations: readonly string[]): { killAt: number; when: 'before' | 'after' }[] {
  return operations.flatMap((name, i) => {
    const killAt = i + 1
    const before = { killAt, when: 'before' as const }
    const isFirst = i === 0 || (reads.has(operations[i - 1] ?? '') && !reads.has(name))
    return [...(isFirst ? [before] : []), ...(reads.has(name) ? [] : [{ killAt, when: 'after' as const }])]
  })
}

/** What changes nothing on the store. */
const reads = new Set(['get', 'head', 'list', 'fetch', 'usage'])

/** Making the table anew for each kill would cost more than the kill. */
async function copyTable(from: string, to: string, settings: TableSettings['store']): Promise<void> {
  const [source, target] = await Promise.all([openStore(from, settings), openStore(to, settings)])
  for await (const { key } of source.list('')) {
    const object = await source.get(key)
    await target.putDerived(key, object?.body ?? new Uint8Array())
  }
  await source.close()
  await target.close()
}

async function stateOf(table: Table, one: Case): Promise<'before' | 'after'> {
  const rows = JSON.stringify(await rowsOf(table, one.sql))
  if (rows === JSON.stringify(sorted(one.before))) return 'before'
  expect(rows).toBe(JSON.stringify(sorted(one.after)))
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

async function rowsOf(table: Table, sql: string): Promise<unknown[]> {
  return sorted(await table.query(sql).toArray())
}

function sorted(rows: readonly unknown[]): unknown[] {
  return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function runChild(job: object): Promise<{ operations?: string[]; signal?: string }> {
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
