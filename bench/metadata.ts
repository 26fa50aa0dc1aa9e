/**
 * What a table costs by the number of its live files: to open it, to add one row to it. The files themselves do not
 * exist; only the log is read and written.
 *
 *   open       openTable().snapshot() against DeltaTable() + its totals (files, rows, bytes)
 *   append     one row, 12 times in one process, so that one of them writes a checkpoint: the median, the first, the slowest
 *   show       the whole process of `lakewright show`, in `startup`
 */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openTable } from '../src/index.js'
import type { Action } from '../src/manifest/actions.js'
import { writeCheckpoint } from '../src/manifest/checkpoint.js'
import { newMetadata, plainProtocol } from '../src/manifest/create.js'
import { encodeCommit } from '../src/manifest/encode.js'
import { readSnapshot } from '../src/manifest/log.js'
import type { Schema } from '../src/schema/types.js'
import { logKey } from '../src/store/keys.js'
import { openStore } from '../src/store/open.js'
import type { Store } from '../src/store/port.js'
import { type Benchmark, timed, type Work } from './benchmark.js'
import { compare, type Facts, inNode, inPython, median } from './compare.js'

const sizes = [100, 10_000, 100_000]
const appendsInARow = 12

export const benchmark: Benchmark = {
  title: 'opening and committing by the number of live files',
  async run({ rounds, folder }) {
    const tables = []
    for (const files of sizes) {
      const table = join(folder, `files-${files}`)
      await makeLog(table, files)
      const opened = await compare(
        [
          { name: 'deltalake', isPeer: true, command: await inPython('deltalake_peer.py', 'open', { table }) },
          { name: 'lakewright', command: inNode('metadata', 'open', { table }) },
        ],
        { rounds, folder },
      )
      tables.push({ title: `open a table of ${files} files: totals`, summaries: opened })
      const prepare = async (run: string) => cp(table, join(run, 'table'), { recursive: true })
      const times = { times: appendsInARow }
      const appended = await compare(
        [
          {
            name: 'deltalake',
            isPeer: true,
            command: await inPython('deltalake_peer.py', 'append', { table, ...times }),
            prepare,
          },
          { name: 'lakewright', command: inNode('metadata', 'append', times), prepare },
        ],
        { rounds, folder },
      )
      tables.push({ title: `append one row to a table of ${files} files`, summaries: appended })
    }
    return tables
  },
}

export const work: Record<string, Work> = {
  async open({ table }) {
    const { store, counts } = counting(await openStore(String(table), {}))
    const { seconds, result } = await timed(async () => {
      await using opened = await openTable(String(table), { components: { store } })
      return opened.snapshot()
    })
    return { seconds, files: result.files, rows: result.rows, ...counts }
  },
  async append({ folder, times }) {
    const taken: number[] = []
    const { store, counts } = counting(await openStore(join(folder, 'table'), {}))
    await using table = await openTable(join(folder, 'table'), { components: { store } })
    for (let i = 0; i < Number(times); i++) {
      const { seconds } = await timed(() => table.append([{ id: i, dt: '2026-11-20' }]))
      taken.push(seconds)
    }
    const perLoad = Object.entries(counts).map(([call, n]) => [call, Math.round((n / taken.length) * 10) / 10])
    const [first = Number.NaN] = taken
    return {
      seconds: median(taken),
      firstMs: Math.round(first * 1000),
      slowestMs: Math.round(Math.max(...taken) * 1000),
      ...Object.fromEntries(perLoad),
    }
  },
}

/** Calls of the port by name; each is one request on object storage, a `list` one per thousand keys. */
function counting(store: Store): { store: Store; counts: Facts & Record<string, number> } {
  const counts: Record<string, number> = {}
  const requests = new Set(['get', 'head', 'list', 'putIfAbsent', 'putDerived', 'stage', 'promote', 'delete'])
  const counted = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (typeof name === 'string' && requests.has(name))
        return (...args: unknown[]) => {
          counts[name] = (counts[name] ?? 0) + 1
          return value.apply(target, args)
        }
      return value.bind(target)
    },
  })
  return { store: counted, counts }
}

const schema: Schema = [
  { name: 'id', type: { kind: 'bigint' }, nullable: true },
  { name: 'dt', type: { kind: 'date' }, nullable: true },
]

/** Version 0 makes the table, 1 adds the files and has a checkpoint, 2 to 6 add one file each. */
async function makeLog(folder: string, files: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  const store = await openStore(folder, {})
  const metadata = newMetadata({ schema, partitionBy: ['dt'], key: [], configuration: {} }, 'bench', start)
  await putCommit(store, 0, [{ protocol: plainProtocol() }, { metaData: metadata }])
  await putCommit(
    store,
    1,
    Array.from({ length: files - 5 }, (_, i) => addOf(i)),
  )
  const snapshot = await readSnapshot(store)
  if (snapshot) await writeCheckpoint(store, snapshot)
  for (let version = 2; version <= 6; version++) await putCommit(store, version, [addOf(files - 7 + version)])
  await store.close()
}

const start = Date.UTC(2026, 0, 1)

async function putCommit(store: Store, version: number, actions: Action[]): Promise<void> {
  const info: Action = { commitInfo: { operation: 'WRITE', timestamp: start + version, txnId: `bench-${version}` } }
  await store.putIfAbsent(logKey(version), encodeCommit([info, ...actions]))
}

function addOf(i: number): Action {
  const dt = new Date(start + (i % 365) * 86_400_000).toISOString().slice(0, 10)
  const id = String(i).padStart(8, '0')
  return {
    add: {
      key: `dt=${dt}/0b5c1a52-1f0e-4a55-9d0e-3f6b6d8f7a10-${id}.parquet`,
      partitionValues: { dt },
      sizeBytes: 1_000_000 + i,
      modificationTime: start,
      dataChange: true,
      stats: `{"numRecords":1000,"minValues":{"id":${i * 1000}},"maxValues":{"id":${i * 1000 + 999}},"nullCount":{"id":0}}`,
      tags: { 'lakewright.fp': `duckdb-hash-sumxor:1.5.6:0123456789abcdef:${(i * 7919).toString(16)}.ff00ff00ff.3e8` },
    },
  }
}
