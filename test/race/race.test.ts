/**
 * Several writers at once, each a process: every acknowledged load is in the table once, and who loses is told so.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { openTable, type Table } from '../../src/index.js'
import { buildCli } from '../cli/build.js'
import { freshBucket } from '../servers/bucket.js'

const child = fileURLToPath(new URL('child.mjs', import.meta.url))
const servers = inject('s3Servers')

let dist: string
beforeAll(async () => {
  dist = dirname(dirname(await buildCli()))
})

const places = [
  { name: 'a local folder', make: localPlace },
  ...servers.map((server) => ({ name: server.name, make: () => freshBucket(server) })),
]

describe.each(places)('on $name', ({ name, make }) => {
  const [writers, appends] = name === 'minio' || name === 'a local folder' ? [16, 25] : [4, 5]

  test(`${writers} processes × ${appends} appends all land, none lost or doubled`, { timeout: 900_000 }, async () => {
    await using place = await make()
    const jobs = range(writers).map((writer) =>
      range(appends).map((n) => ({ mode: 'append', rows: [{ writer, n }], load: { memory: '256MB', threads: 1 } })),
    )
    const outcomes = (await race(place, {}, jobs)).flat()
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([])
    expect(new Set(outcomes.map(({ version }) => version)).size).toBe(writers * appends)
    await using table = await openTable(place.url, { store: place.store })
    const result = await table.query('select writer::integer as w, n::integer as n from t order by all')
    expect(await result.toArray()).toEqual(range(writers).flatMap((w) => range(appends).map((n) => ({ w, n }))))
    expect((await table.snapshot()).version).toBe(writers * appends - 1)
  })

  test('8 replaces of disjoint partitions at once all land, and nothing is staged twice', {
    timeout: 300_000,
  }, async () => {
    await using place = await make()
    const settings = { partitionBy: ['dt'] }
    await seed(place, settings)
    const jobs = range(8).map((i) => [{ mode: 'replace', rows: [{ dt: `d${i}`, v: 'new' }], load: { threads: 1 } }])
    const outcomes = (await race(place, settings, jobs)).flat()
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([])
    await using table = await openTable(place.url, { store: place.store })
    expect(await valuesOf(table)).toEqual(range(8).map((i) => ({ dt: `d${i}`, v: 'new' })))
    // One new file per load: whatever was staged is in the table.
    expect((await table.files()).length).toBe(8)
    expect(await dataFiles(table)).toBe(16)
  })

  test('two replaces of the same partition give one winner and one clear conflict', { timeout: 300_000 }, async () => {
    await using place = await make()
    const settings = { partitionBy: ['dt'] }
    await seed(place, settings)
    let conflicts = 0
    for (let round = 0; round < 5; round++) {
      const jobs = ['a', 'b'].map((v) => [
        { mode: 'replace', rows: [{ dt: 'd0', v: `${v}${round}` }], load: { threads: 1 } },
      ])
      const outcomes = (await race(place, settings, jobs)).flat()
      const lost = outcomes.filter(({ status }) => status === 'failed')
      for (const { code, message } of lost) {
        expect(code).toBe('conflict')
        expect(message).toContain('dt=d0')
      }
      expect(outcomes.some(({ status }) => status === 'committed')).toBe(true)
      conflicts += lost.length
      await using table = await openTable(place.url, { store: place.store })
      const rows = (await valuesOf(table)).filter(({ dt }) => dt === 'd0')
      expect(rows).toHaveLength(1)
    }
    expect(conflicts).toBeGreaterThan(0)
  })

  test('8 merges into one table at once give what they give one after the other', { timeout: 300_000 }, async () => {
    await using place = await make()
    const settings = { partitionBy: ['dt'], key: ['id'] }
    await seedKeyed(place, settings)
    // Each writer changes a row of its own, moves another, inserts one; all count up the same row by a condition.
    const jobs = range(8).map((w) => [
      {
        mode: 'merge',
        rows: [
          { dt: 'd0', id: w, v: `by ${w}` },
          { dt: 'd1', id: 10 + w, v: `moved by ${w}` },
          { dt: 'd2', id: 100 + w, v: `new by ${w}` },
          { dt: 'd0', id: 99, v: `${w}` },
        ],
        load: { threads: 1, whenMatched: 'incoming.v > current.v' },
      },
    ])
    const outcomes = (await race(place, settings, jobs)).flat()
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([])
    await using table = await openTable(place.url, { store: place.store })
    const rows = await table.query('select dt, id::integer as id, v from t order by id').toArray()
    expect(rows).toEqual([
      ...range(8).map((w) => ({ dt: 'd0', id: w, v: `by ${w}` })),
      ...range(8).map((w) => ({ dt: 'd1', id: 10 + w, v: `moved by ${w}` })),
      { dt: 'd0', id: 99, v: '7' },
      ...range(8).map((w) => ({ dt: 'd2', id: 100 + w, v: `new by ${w}` })),
    ])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('merges, events, deletes and appends at once lose nothing', { timeout: 300_000 }, async () => {
    await using place = await make()
    const settings = { partitionBy: ['dt'], key: ['id'] }
    await using first = await openTable(place.url, { ...settings, store: place.store })
    await first.cdc(
      range(8).map((id) => ({ dt: 'd0', id, v: 'old', op: 'I', n: 1 })),
      { opColumn: 'op', orderColumn: 'n' },
    )
    const events = (w: number) => ({
      mode: 'cdc',
      rows: [
        { dt: 'd0', id: w, v: `by ${w}`, op: 'U', n: 2 },
        { dt: 'd0', id: 4 + w, v: null, op: 'D', n: 2 },
        // Of all writers' events for this row the newest stays, whoever comes last.
        { dt: 'd1', id: 50, v: `newest is ${w}`, op: 'U', n: 10 + w },
      ],
      load: { threads: 1, opColumn: 'op' },
    })
    const jobs = [
      ...range(4).map((w) => [events(w)]),
      [{ mode: 'append', rows: [{ dt: 'd2', id: 200, v: 'appended', n: 1 }], load: { threads: 1 } }],
    ]
    const outcomes = (await race(place, settings, jobs)).flat()
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([])
    // Deleted rows stay deleted: every writer kept the others' tombstones.
    await first.cdc(
      range(4).map((w) => ({ dt: 'd0', id: 4 + w, v: 'late', op: 'U', n: 1 })),
      { opColumn: 'op' },
    )
    const rows = await first.query('select dt, id::integer as id, v from t order by id').toArray()
    expect(rows).toEqual([
      ...range(4).map((w) => ({ dt: 'd0', id: w, v: `by ${w}` })),
      { dt: 'd1', id: 50, v: 'newest is 3' },
      { dt: 'd2', id: 200, v: 'appended' },
    ])
  })

  test('a lost race with onConflict retry is put on top', { timeout: 300_000 }, async () => {
    await using place = await make()
    const settings = { partitionBy: ['dt'] }
    await seed(place, settings)
    const jobs = range(4).map((i) => [
      { mode: 'replace', rows: [{ dt: 'd0', v: `w${i}` }], load: { threads: 1, onConflict: 'retry' } },
    ])
    const outcomes = (await race(place, settings, jobs)).flat()
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([])
    await using table = await openTable(place.url, { store: place.store })
    expect((await valuesOf(table)).filter(({ dt }) => dt === 'd0')).toHaveLength(1)
  })
})

interface Place {
  url: string
  store: object
}
interface Outcome {
  status: string
  version?: number
  code?: string
  message?: string
}

async function seed(place: Place, settings: object): Promise<void> {
  await using table = await openTable(place.url, { ...settings, store: place.store })
  await table.append(range(8).map((i) => ({ dt: `d${i}`, v: 'old' })))
}

async function seedKeyed(place: Place, settings: object): Promise<void> {
  await using table = await openTable(place.url, { ...settings, store: place.store })
  await table.merge([
    ...range(8).map((id) => ({ dt: 'd0', id, v: 'a' })),
    ...range(8).map((i) => ({ dt: 'd0', id: 10 + i, v: 'a' })),
    { dt: 'd0', id: 99, v: '' },
  ])
}

async function race(place: Place, settings: object, jobs: object[][]): Promise<Outcome[][]> {
  const writers = jobs.map((loads) => {
    const job = { dist, url: place.url, settings: { ...settings, store: place.store }, loads }
    const process_ = spawn(process.execPath, [child, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]()
    return { process_, lines }
  })
  for (const { lines } of writers) expect((await lines.next()).value).toBe('ready')
  for (const { process_ } of writers) process_.stdin.write('go\n')
  return await Promise.all(
    writers.map(async ({ lines }) => {
      const outcomes: Outcome[] = []
      for (let line = await lines.next(); !line.done; line = await lines.next()) outcomes.push(JSON.parse(line.value))
      return outcomes
    }),
  )
}

async function valuesOf(table: Table): Promise<{ dt: string; v: string }[]> {
  const result = await table.query('select dt, v from t order by all')
  return (await result.toArray()) as { dt: string; v: string }[]
}

/** Data files that any version ever referenced. */
async function dataFiles(table: Table): Promise<number> {
  const keys = new Set<string>()
  for (const { version } of await table.history()) {
    for (const { key } of await table.files({ version })) keys.add(key)
  }
  return keys.size
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i)
}

async function localPlace() {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-race-'))
  return { url: folder, store: {}, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
