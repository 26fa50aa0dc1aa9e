/** Small tables for the manifest's tests: actions without data files, on any store. */
import { randomUUID } from 'node:crypto'
import type { Action, AddFile, Metadata, Snapshot } from '../../src/manifest/actions.js'
import { type Footprint, type ReadSet, removeOf } from '../../src/manifest/change.js'
import { type Attempt, type CommitOptions, type CommitResult, commit } from '../../src/manifest/commit.js'
import { newMetadata, plainProtocol } from '../../src/manifest/create.js'
import { type Runtime, systemRuntime } from '../../src/runtime.js'
import type { Schema } from '../../src/schema/types.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'

export const schema: Schema = [
  { name: 'id', type: { kind: 'bigint' }, nullable: true },
  { name: 'dt', type: { kind: 'varchar' }, nullable: true },
]
export const metadata: Metadata = newMetadata(
  { schema, partitionBy: ['dt'], key: ['id'] },
  'table-id',
  1_700_000_000_000,
)

let stores = 0
export function memory(): Store {
  return openMemory(`manifest-${process.pid}-${stores++}`)
}

/** No real sleeping, and a clock that sleep moves. */
export function quickRuntime(logged: string[] = []): Runtime & { time: number } {
  const runtime = {
    ...systemRuntime,
    time: 1_700_000_000_000,
    now: () => runtime.time,
    sleep: async (ms: number) => {
      runtime.time += ms
    },
    log: (_level: 'debug' | 'warn', message: string) => {
      logged.push(message)
    },
  }
  return runtime
}

export function file(name: string, dt: string | null = 'a', more: Partial<AddFile> = {}): AddFile {
  const key = `dt=${dt ?? '__HIVE_DEFAULT_PARTITION__'}/${name}.parquet`
  return { key, partitionValues: { dt }, sizeBytes: 10, modificationTime: 1, dataChange: true, ...more }
}

export function footprint(mode: Footprint['mode'], more: Partial<Footprint> = {}): Footprint {
  return { mode, reads: { kind: 'nothing' }, removes: new Set(), metadata, changesTable: false, ...more }
}

export function partitions(...values: (string | null)[]): ReadSet {
  return { kind: 'partitions', ids: new Set(values.map((dt) => JSON.stringify([dt]))) }
}

/** An attempt to append these files; creates the table where there is none. */
export function appending(base: Snapshot | undefined, files: AddFile[], more: Partial<Attempt> = {}): Attempt {
  const creates = base === undefined
  return {
    base,
    txnId: randomUUID(),
    footprint: footprint('append', { changesTable: creates }),
    actions: () => [...(creates ? creation() : []), ...files.map((add) => ({ add }))],
    promote: async () => {},
    ...more,
  }
}

/** Replace partitions by the new files. */
export function replacing(base: Snapshot, dts: string[], files: AddFile[], more: Partial<Attempt> = {}): Attempt {
  const old = [...base.files.values()].filter(({ partitionValues: { dt } }) => dts.includes(dt ?? ''))
  return {
    base,
    txnId: randomUUID(),
    footprint: footprint('replace', {
      reads: partitions(...dts),
      replaces: new Set(dts.map((dt) => JSON.stringify([dt]))),
      removes: new Set(old.map(({ key }) => key)),
    }),
    actions: (_slot, timestamp) => [
      ...old.map((add) => ({ remove: removeOf(add, timestamp) })),
      ...files.map((add) => ({ add })),
    ],
    promote: async () => {},
    ...more,
  }
}

export function compacting(base: Snapshot, files: AddFile[], into: AddFile): Attempt {
  return {
    base,
    txnId: randomUUID(),
    footprint: footprint('compact', { removes: new Set(files.map(({ key }) => key)) }),
    actions: (_slot, timestamp) => [
      ...files.map((add) => ({ remove: removeOf(add, timestamp, false) })),
      { add: { ...into, dataChange: false } },
    ],
    promote: async () => {},
  }
}

export function creation(): Action[] {
  return [{ protocol: plainProtocol() }, { metaData: metadata }]
}

export async function committed(store: Store, attempt: Attempt, options?: CommitOptions): Promise<Snapshot> {
  const result = await commit(store, attempt, options)
  return snapshotOf(result)
}

export function snapshotOf(result: CommitResult): Snapshot {
  if (result.status !== 'committed') throw new Error(`not committed but ${result.status}`)
  return result.snapshot
}

/** A table with a commit per list of files. */
export async function tableOf(store: Store, ...commits: AddFile[][]): Promise<Snapshot> {
  let base: Snapshot | undefined
  for (const files of commits) base = await committed(store, appending(base, files))
  if (base === undefined) throw new Error('a table has commits')
  return base
}

export function namesOf(snapshot: Snapshot | undefined): string[] {
  return [...(snapshot?.files.keys() ?? [])].sort()
}

export const text = (body: Uint8Array) => Buffer.from(body).toString('utf8')
