/** Where road tests put their tables: each kind of store that is at hand. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { StoreSettings } from '../../src/store/port.js'
import { freshBucket } from '../servers/bucket.js'

export interface Place extends AsyncDisposable {
  url: string
  store: StoreSettings
}

export const places: { name: string; make: () => Promise<Place> }[] = [
  { name: 'a local folder', make: localPlace },
  { name: 'memory', make: memoryPlace },
  ...inject('s3Servers').map((server) => ({ name: server.name, make: () => freshBucket(server) })),
]

/**
 * One of each kind, for tests about what becomes of rows: what servers answer differently, the contract tests of the
 * stores and the tests of the modes meet on all of them.
 */
export const onePlaceOfEachKind = places.filter(({ name }) => ['a local folder', 'memory', 'minio'].includes(name))

export async function localPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-road-'))
  return { url: folder, store: {}, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

export async function memoryPlace(): Promise<Place> {
  return { url: `memory://road-${randomUUID()}`, store: {}, [Symbol.asyncDispose]: async () => {} }
}
